"""Reads a growing folder: each file once, when it is whole, in the order of (time, name).

A slice holds pieces of files that were cut in the reader's thread; the same ingest and scan as in a
batch make its table, so that what fits and what is a dead letter is the same (V8, T2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading.deadletters import TABLE, DeadLetters
from mainstem.engines.embedded.reading.sources import rooted
from mainstem.engines.embedded.session import spill_dir
from mainstem.engines.embedded.stream.readers.folder import (
    Folder,
    ReadFiles,
    Seen,
    files_gone,
    name_mark,
    not_read,
)
from mainstem.engines.embedded.stream.readers.pieces import Cursor, Cutter, Piece, overridden
from mainstem.engines.embedded.stream.readers.places import placed
from mainstem.engines.embedded.stream.spec import PART, Loaded, Part, Slice
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.spec import StreamSettings
from mainstem.plan.types import in_expressions

if TYPE_CHECKING:
    from mainstem.engines.embedded.reading.ingested import IngestReport
    from mainstem.engines.embedded.reading.scan import ScanReport
    from mainstem.engines.embedded.session import Session
    from mainstem.engines.spec import RunSettings
    from mainstem.plan.nodes import Source

# Records of an epoch where nobody has said how many: files wait for nobody, and each epoch costs.
EPOCH_ROWS = 1_000_000
# How often a folder is listed that gives nothing, in seconds, and how much longer than a listing takes.
LIST_S, PATIENCE = 0.2, 5


def files_reader(source: Source, settings: RunSettings) -> FilesReader:
    """Give what reads a growing folder; nothing is opened."""
    return FilesReader(source, settings)


class FilesReader:
    """Reads the files of a source.

    Parameters
    ----------
    source : Source
        Bound to files, as a stream.
    settings : RunSettings
        Those of the run.
    """

    def __init__(self, source: Source, settings: RunSettings) -> None:
        self.source = rooted(source, settings.base_dir)
        self.options = read_options(FilesSource, self.source.binding, source.where)
        self._spill = spill_dir(settings)
        self.folder = Folder(self.source, self.options, settings.base_dir)
        self.cutter = Cutter(self.source, self.options, self._spill)
        given = settings.stream or StreamSettings()
        is_usual = given.epoch_rows == StreamSettings().epoch_rows
        self._most_rows = EPOCH_ROWS if is_usual else 0
        self._read = ReadFiles()
        self._until: tuple[ReadFiles, dict[str, Any] | None] | None = None
        self._cursor: Cursor | None = None
        self._queue: deque[Seen] = deque()
        self._unsettled = 0
        self._next_list = 0.0
        self._spoke_at = monotonic()
        self._is_end_told = False
        self._stopping = Event()
        # A Parquet file that is read in pieces: where its rows are, and its dead letters.
        self._scanned: tuple[Seen | None, str, str] = (None, "", "")

    # ---- opening
    def open(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None = None) -> None:
        """Start behind the position of an earlier run; see `Reader.open`."""
        position = positions.get("")
        if position is not None:
            self._read = ReadFiles(position["read"], position.get("count"))
            self.folder.touched = dict(position.get("touched", {}))
            self.folder.whole = dict(position.get("whole", {}))
            if position.get("now"):
                self._cursor = self._cursor_of(position["now"])
                self.folder.check(self._cursor.seen)
        if until is not None:
            end = until.get("") or {"read": "", "now": None}
            self._until = ReadFiles(end["read"], end.get("count")), end.get("now")
        self._spoke_at = monotonic()

    def _cursor_of(self, now: dict[str, Any]) -> Cursor:
        name = now["name"]
        path = name if name.startswith("/") else f"{self.folder.base}/{name}"
        seen = Seen(path, name, now["size"], now["mtime_ns"])
        return Cursor(seen, now["row"], now["line"], now["offset"])

    def _position(self) -> dict[str, Any]:
        """Give the position: marks of the files that were read, and how far the one after them was."""
        found: dict[str, Any] = {"read": self._read.text(), "count": self._read.count}
        if self._cursor is not None:
            one = self._cursor
            found["now"] = {
                "name": one.seen.name, "size": one.seen.size, "mtime_ns": one.seen.mtime_ns,
                "row": one.row, "line": one.line, "offset": one.offset,
            }  # fmt: skip
        if self.folder.touched:
            found |= {"touched": dict(self.folder.touched), "whole": dict(self.folder.whole)}
        return found

    # ---- reading
    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        """Give the next pieces of files; see `Reader.read`."""
        limit, until = max(most_rows, self._most_rows), monotonic() + wait_s
        while not self._stopping.is_set():
            self._list()
            if self._cursor is not None or self._queue:
                return self._slice(limit)
            if self._is_at_end() and not self._is_end_told:
                self._is_end_told = True
                return Slice(self.source.name, (), (), is_end=True)
            left = until - monotonic()
            if left <= 0:
                return None
            self._stopping.wait(min(left, max(0.001, self._next_list - monotonic())))
        return None

    def _list(self) -> None:
        """Look what is there, unless that was done just now or enough waits."""
        if self._queue or monotonic() < self._next_list:
            return
        began = monotonic()
        whole, self._unsettled = self.folder.new(self._read)
        if self._cursor is not None:
            whole = [seen for seen in whole if seen.name != self._cursor.seen.name]
        if self._until is not None:
            whole = self._wanted(whole)
        self._queue.extend(whole)
        took = monotonic() - began
        self._next_list = monotonic() + max(LIST_S, PATIENCE * took)

    def _wanted(self, whole: list[Seen]) -> list[Seen]:
        """Give the files up to the position of `until`, in the order of then (T1): all of them or none.

        Raises
        ------
        OutsideError
            When one is gone that was read; before any behind it is read in its place.
        """  # noqa: DOC501 - built by a function
        assert self._until is not None  # noqa: S101 - the caller has looked
        wanted, now = self._until
        last, turns = now["name"] if now else "", wanted.turns()
        # The one that is read in part comes last: it stays in the middle.
        found = [s for s in whole if s in wanted or s.name == last]
        found.sort(key=lambda s: len(turns) if s.name == last else turns[name_mark(s.name)])
        there = len(found) + (self._cursor is not None)
        missing = wanted.count + (now is not None) - self._read.count - there
        if missing and not self._unsettled:
            raise files_gone(self.source, abs(missing))
        if missing:
            return []
        self._unsettled = 0
        return found

    def _is_at_end(self) -> bool:
        return self._cursor is None and not self._queue and not self._unsettled

    def _slice(self, limit: int) -> Slice:
        start = self._position()
        pieces: list[Piece] = []
        left = limit
        while (
            left > 0
            and (self._cursor is not None or self._queue)
            and not (self._is_stopped_in_file())
        ):
            if self._cursor is None:
                seen = self._queue[0]
                self.folder.check(seen)
                self.folder.verify(seen)
                self._cursor = Cursor(seen)
                piece = self._cut(left, is_first=not pieces)
                if piece is None:
                    self._cursor = None
                    break
                self._queue.popleft()
            else:
                piece = self._cut(left, is_first=not pieces)
                if piece is None:
                    break
            pieces.append(piece)
            left -= piece.rows
            if self._is_stopped_in_file():
                break
            if self.cutter.is_at_end(self._cursor):
                self._finish(self._cursor.seen)
            else:
                break
        self._spoke_at, self._is_end_told = monotonic(), False
        end = self._position()
        # Files without any record are read too: their mark is to be committed.
        part = Part("", start, end, sum(piece.rows for piece in pieces))
        is_end = self._is_end_told = self._is_done()
        return Slice(self.source.name, (part,), tuple(pieces), is_end)

    def _cut(self, left: int, *, is_first: bool) -> Piece | None:
        assert self._cursor is not None  # noqa: S101 - the caller has made it
        if self._until is not None and self._until[1] is not None:
            now = self._until[1]
            if now["name"] == self._cursor.seen.name:
                left, is_first = min(left, now["row"] - self._cursor.row), True
        try:
            return self.cutter.cut(self._cursor, left, is_first=is_first)
        except FileNotFoundError as error:
            raise not_read(self._cursor.seen.path, error, self.source) from error

    def _is_stopped_in_file(self) -> bool:
        """Say whether the position of `until` in the middle of a file is reached."""
        if self._until is None or self._until[1] is None or self._cursor is None:
            return False
        now = self._until[1]
        return bool(now["name"] == self._cursor.seen.name and self._cursor.row >= now["row"])

    def _is_done(self) -> bool:
        if self._is_stopped_in_file():
            self._queue.clear()
            return True
        # What has come while this was read is for the next slice: the listing was made before it.
        return self._is_at_end()

    def _finish(self, seen: Seen) -> None:
        self._read.add(seen)
        self.folder.took(seen, self._queue)
        self._cursor = None

    # ---- how it stands
    def silences(self) -> Mapping[str, float]:
        """Give for how long the folder has had nothing new; 0 while a file is being written."""
        return {"": monotonic() - self._spoke_at if self._is_at_end() else 0.0}

    def lag(self) -> Mapping[str, int]:
        """Give how many bytes of whole files are not read yet."""
        total = sum(seen.size for seen in self._queue)
        if self._cursor is not None:
            total += max(0, self._cursor.seen.size - self._cursor.offset)
        return {"": total}

    def committed(self, positions: Mapping[str, Any]) -> None:
        """Nobody else reads the position: there is nobody to tell."""

    # ---- loading
    def load(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the temporary table of a slice; see `Reader.load`."""
        pieces: tuple[Piece, ...] = taken.data
        letters = quoted(f"{TABLE}_{self.source.name}")
        session.rows(f"DROP TABLE IF EXISTS temp.{letters}")
        total, is_made = Loaded(0, 0), False
        for group in groups(pieces):
            for piece in group:
                self.folder.check(piece.seen)
            load = self._load_parquet if group[0].format == "parquet" else self._load_text
            found, is_made = load(session, group, table, is_made=is_made), True
            for piece in group:
                self.folder.check(piece.seen)
            if found.dead_letters:
                self._bury(session, group[0], found.dead_letters, letters)
            total = Loaded(
                total.rows + found.rows, total.admitted + found.admitted, total.dead + found.dead,
                total.unknown_fields + found.unknown_fields,
            )  # fmt: skip
        if not is_made:
            self._make_empty(session, table)
        return replace(total, dead_letters=letters if total.dead else "")

    def _make_empty(self, session: Session, table: str) -> None:
        columns = [
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}"
            for f in self.source.schema.fields
        ]
        columns.append(f"{quoted(PART)} INTEGER")
        session.rows(f"CREATE OR REPLACE TEMP TABLE {table} ({', '.join(columns)})")

    def _load_text(
        self, session: Session, group: list[Piece], table: str, *, is_made: bool
    ) -> Loaded:
        from mainstem.engines.embedded.reading.ingest import ingest
        from mainstem.engines.embedded.reading.ingested import IngestOptions

        self._spill.mkdir(parents=True, exist_ok=True)
        source = overridden(self.source, group[0], [piece.path for piece in group])
        is_placed = self.source.name in session.placed
        name = "__slice" if is_made or is_placed else table.strip('"')
        dead = f"{TABLE}_piece"
        made = ingest(
            session.connection, source,
            IngestOptions(
                table=name, temp_directory=str(self._spill), dead_table=dead, positions=is_placed
            ),
        )  # fmt: skip
        if is_placed:
            self._place(session, group, made, table, is_made=is_made)
            session.rows(f"DROP TABLE {quoted(name)}")
        elif is_made:
            session.rows(f"INSERT INTO {table} SELECT *, 0 FROM ({made.select})")
            session.rows(f"DROP TABLE {quoted(name)}")
        else:
            # Of a constant only its value is stored: the rows need not be copied.
            session.rows(f"ALTER TABLE {table} ADD COLUMN {quoted(PART)} INTEGER DEFAULT 0")
        return Loaded(
            made.read, made.admitted, made.bad, made.unknown_fields,
            quoted(dead) if made.bad else "",
        )  # fmt: skip

    def _place(
        self, session: Session, group: list[Piece], made: IngestReport | ScanReport, table: str, *,
        is_made: bool,
    ) -> None:  # fmt: skip
        """Let rows come with their file and their number in it, under the names that people know."""
        known = {piece.path: (piece.seen.path, piece.first) for piece in group}
        files = [(known[f.path][0], f.first_row, known[f.path][1]) for f in made.files]
        into = f"INSERT INTO {table}" if is_made else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        session.rows(f"{into} {placed(made.select, files, 0)}")

    def _load_parquet(
        self, session: Session, group: list[Piece], table: str, *, is_made: bool
    ) -> Loaded:
        from mainstem.engines.embedded.reading.scan import scan

        made = f"INSERT INTO {table}" if is_made else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        if not group[0].is_whole:
            return self._load_rows(session, group[0], made)
        DeadLetters(session.connection, self.source.name).clear()
        is_placed = self.source.name in session.placed
        report = scan(
            session.connection, overridden(self.source, group[0], [p.path for p in group]),
            positions=is_placed,
        )  # fmt: skip
        if is_placed:
            self._place(session, group, report, table, is_made=is_made)
        else:
            session.rows(
                f"{made} SELECT *, CAST(0 AS INTEGER) AS {quoted(PART)} FROM ({report.select})"
            )
        return Loaded(report.read, report.admitted, report.bad, report.unknown_fields,
                      quoted(TABLE) if report.bad else "")  # fmt: skip

    def _load_rows(self, session: Session, piece: Piece, made: str) -> Loaded:
        """Load row groups of a Parquet file; what the checks find of it is found once."""
        from mainstem.engines.embedded.reading.scan import scan

        if self._scanned[0] != piece.seen:
            DeadLetters(session.connection, self.source.name).clear()
            source = overridden(self.source, piece, [piece.path])
            report = scan(session.connection, source, positions=True)
            self._scanned = (piece.seen, report.select, quoted(f"{TABLE}_rows"))
            session.rows(
                f"CREATE OR REPLACE TEMP TABLE {self._scanned[2]} AS SELECT * FROM {quoted(TABLE)} "
                f"WHERE source = {literal(self.source.name)}"
            )
            self._unknown = report.unknown_fields // max(1, report.read)
        _, select, letters = self._scanned
        last = piece.first + piece.rows
        inside = f"BETWEEN {piece.first} AND {last - 1}"
        rows = f"SELECT * FROM ({select}) WHERE __row {inside}"
        if self.source.name in session.placed:
            session.rows(f"{made} {placed(rows, [(piece.seen.path, 0, 0)], 0)}")
        else:
            session.rows(
                f"{made} SELECT * EXCLUDE (__row), CAST(0 AS INTEGER) AS {quoted(PART)} FROM ({rows})"
            )
        dead = f'(SELECT * FROM {letters} WHERE "row" {inside})'
        ((bad,),) = session.rows(f"SELECT coalesce(sum(rows), 0) FROM {dead}")
        bad = int(bad)
        return Loaded(
            piece.rows, piece.rows - bad, bad, self._unknown * piece.rows, dead if bad else ""
        )

    def _bury(self, session: Session, piece: Piece, found: str, letters: str) -> None:
        """Keep dead letters under the names that people know: of the file, not of a copy of it."""
        columns = "*"
        if piece.path != piece.seen.path:
            columns = (
                f'* REPLACE ({literal(piece.seen.path)} AS path, "row" + {piece.first} AS "row", '
                f"line + {piece.lines} AS line, byte_offset + {piece.offset} AS byte_offset)"
            )
        select = f"SELECT {columns} FROM {found} WHERE source = {literal(self.source.name)}"
        session.rows(f"CREATE TEMP TABLE IF NOT EXISTS {letters} AS {select} LIMIT 0")
        session.rows(f"INSERT INTO {letters} {select}")

    # ---- closing
    def stop(self) -> None:
        """Have `read` end soon; may be called from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        self.stop()
        self.cutter.close()


def groups(pieces: tuple[Piece, ...]) -> Iterator[list[Piece]]:
    """Give runs of whole files that can be read in one go: readers take files in path order."""
    run: list[Piece] = []
    for piece in pieces:
        is_next = run and (
            _is_plain(piece) and _is_plain(run[-1]) and run[-1].format == piece.format
            and run[-1].path < piece.path
        )  # fmt: skip
        if run and not is_next:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _is_plain(piece: Piece) -> bool:
    return piece.is_whole and piece.path == piece.seen.path
