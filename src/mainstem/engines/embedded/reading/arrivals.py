"""Sources that give a run only what no committed run has read: new files, rows above a cursor.

What was read is known from `marks`. A file is told by its path; its size and modification time are
taken when the files are listed, and have to be the same when everything has been computed: a file
that is still being written stops the run, and nothing of it is remembered.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import field, replace

import duckdb

from mainstem.connectors.duckdb.options import DuckdbSource
from mainstem.connectors.files.listing import list_files, list_paths
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.counting import check_seen
from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.reading.marks import (
    CursorMark,
    FileMark,
    Marks,
    make_tables,
    read_marks,
    write_cursor,
    write_files,
)
from mainstem.engines.embedded.reading.sources import load, position, rooted
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.spec import Event, RunSettings, SourceRead
from mainstem.errors import BusyError, DataError, OutsideError, StateError, listing
from mainstem.filesystems import file_system, is_address
from mainstem.plan.nodes import Plan, Source, fingerprint
from mainstem.plan.types import in_expressions
from mainstem.record import mutable, record
from mainstem.sql.delta import is_incremental

SHOWN = 5


@record
class Listed:
    """The files of a source: those to read, those that were only touched, and how many are known."""

    new: tuple[FileMark, ...]
    touched: tuple[FileMark, ...]
    n_known: int
    n_changed: int = 0


@mutable
class Arrivals:
    """The incremental sources of one run, from their listing to what is remembered of them."""

    session: Session
    settings: RunSettings
    marks: Marks
    names: frozenset[str]
    listed: dict[str, Listed] = field(default_factory=dict)
    cursors: dict[str, CursorMark] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, settings: RunSettings, plan: Plan) -> Arrivals:
        """Read what is remembered, when any source asks for it."""
        names = frozenset(source.name for source in plan.sources if is_incremental(source))
        marks = read_marks(settings.state_dir) if names else Marks()
        if names and settings.marked_run and settings.marked_run not in marks.runs:
            raise StateError(
                f"run {settings.marked_run} is in the journal and not in the state file of "
                f"{settings.state_dir}: which files and rows were read is not known",
                code="MarksLost", fix="restore state.duckdb as that run left it; a run without it "
                "would read everything again",
            )  # fmt: skip
        return cls(session, settings, marks, names)

    @property
    def is_needed(self) -> bool:
        """Say whether the run has anything to remember."""
        return bool(self.names)

    def narrowed(self, read: SourceRead) -> SourceRead | None:
        """Give what is to be read of a files source: the new files only; None when there are none.

        Listing is done once: later calls give the same.
        """
        source = read.source
        if source.name not in self.names or source.binding.type != "files":
            return read
        source = rooted(source, self.settings.base_dir)
        if source.name not in self.listed:
            self.listed[source.name] = self._list(source)
        paths = tuple(self._absolute(f.path) for f in self.listed[source.name].new)
        if not paths:
            return None
        binding = source.binding.overridden({"path": paths}, "new files")
        return replace(read, source=replace(source, binding=binding))

    def position(self, read: SourceRead) -> str:
        """Give the position of a files source as `load` will, without reading it."""
        narrowed = self.narrowed(read)
        if narrowed is None:
            return fingerprint([])
        source = rooted(narrowed.source, self.settings.base_dir)
        options = read_options(FilesSource, source.binding, source.where)
        return position([file.path for file in list_files(options, source.where)])

    def load(self, read: SourceRead) -> Generator[Event, None, Event]:
        """Make one source a view of its name, full or not; give its ``source_read`` event."""
        name = read.source.name
        if name not in self.names:
            return (yield from load(self.session, read, self.settings))
        if read.source.binding.type == "duckdb":
            event = yield from load(self.session, read, self.settings)
            return self._above_cursor(read.source, event)
        narrowed = self.narrowed(read)
        found = self.listed[name]
        facts = {"known": found.n_known, "new": len(found.new), "changed": found.n_changed}
        if narrowed is None:
            nothing = self.nothing(read)
            return Event(nothing.kind, name, nothing.facts | facts)
        event = yield from load(self.session, narrowed, self.settings)
        self._count(name)
        return Event(event.kind, name, event.facts | facts)

    def nothing(self, read: SourceRead) -> Event:
        """Make a source a view without rows."""
        self._empty(read)
        return Event("source_read", read.source.name, {
            "rows": 0, "admitted": 0, "dead": 0, "skipped": 0, "files": 0, "bytes": 0,
            "unknown_fields": 0, "position": fingerprint([]), "in_place": False,
        })  # fmt: skip

    # Files

    def _list(self, source: Source) -> Listed:
        options = read_options(FilesSource, source.binding, source.where)
        known = self.marks.files.get(source.name, {})
        new: list[FileMark] = []
        touched: list[FileMark] = []
        changed: list[FileMark] = []
        for path in list_paths(options, source.where, may_be_none=bool(known)):
            mark = self._listed_mark(path, source)
            if mark is None:
                continue  # gone since it was listed, as if it had never been there
            before = known.get(mark.path)
            if before is None:
                new.append(mark)
            elif (before.size_bytes, before.mtime_ns) != (mark.size_bytes, mark.mtime_ns):
                is_same = before.size_bytes == mark.size_bytes and _is_same(path, before, source)
                (touched if is_same else changed).append(replace(mark, sha256=before.sha256))
        if changed and options.changed == "refuse":
            raise _changed(source, [f.path for f in changed])
        self._refuse_renamed(source, new)
        n_known = len(known) - len(changed)
        files = tuple(sorted([*new, *changed], key=lambda f: f.path))
        return Listed(files, tuple(touched), n_known, len(changed))

    def _refuse_renamed(self, source: Source, new: list[FileMark]) -> None:
        """Refuse to read files again only because their source has another name now."""
        paths = {f.path for f in new}
        for name, files in self.marks.files.items():
            both = sorted(paths & files.keys())
            # The whole pipeline's: what is not selected is still its source.
            if both and name not in self.names and name not in self.settings.prints:
                raise StateError(
                    f"source {source.name!r} would read {listing(both, limit=SHOWN)} again: earlier "
                    f"runs read it as source {name!r}, which this pipeline does not read",
                    where=source.where, code="SourceRenamed",
                    fix=f"call the source {name!r} as before, or name another --state-dir",
                )  # fmt: skip

    def _listed_mark(self, path: str, source: Source) -> FileMark | None:
        """Give the mark of a file that was listed; None when it is gone since."""
        try:
            return self._stat(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.islink(path):  # noqa: PTH114
                return None
            # Also a link to nothing: nobody would hear of the file that it stands for.
            raise OutsideError(
                f"cannot read {path}: {error.strerror}", where=source.where, code="FileNotRead"
            ) from error

    def _stat(self, path: str) -> FileMark:
        status = file_system(path).status(path)
        return FileMark(self._relative(path), status.size_bytes, status.mtime_ns)

    def _relative(self, path: str) -> str:
        base = f"{self.settings.base_dir}/"
        return path.removeprefix(base)

    def _absolute(self, path: str) -> str:
        return path if is_address(path) else str(self.settings.base_dir / path)

    def _empty(self, read: SourceRead) -> None:
        columns = [
            f"CAST(NULL AS {duckdb_type(in_expressions(f.type))}) AS {quoted(f.name)}"
            for f in read.source.schema.fields
        ]
        if read.needs_position:
            columns.append("CAST(NULL AS BIGINT) AS __row")
        self.session.rows(
            f"CREATE TEMP VIEW {quoted(read.source.name)} AS SELECT {', '.join(columns)} WHERE false"
        )

    def _count(self, name: str) -> None:
        """Note how many rows each new file had."""
        rows = {file.path: file.rows for file in self.session.files.get(name, ())}
        found = self.listed[name]
        new = tuple(replace(f, rows=rows.get(self._absolute(f.path))) for f in found.new)
        self.listed[name] = replace(found, new=new)

    # Rows above a cursor

    def _above_cursor(self, source: Source, event: Event) -> Event:
        """Put a filter over the source's view; what lies behind the cursor must not have changed."""
        options = read_options(DuckdbSource, source.binding, source.where)
        column = next(
            f for f in source.schema.fields if f.name.lower() == str(options.cursor).lower()
        )
        name, whole = quoted(source.name), quoted(f"{source.name}__whole")
        place = f"{options.path}:{options.table}:{column.name}"
        before = self.marks.cursors.get(source.name)
        if before is not None and before.place != place:
            before = None
        try:
            self.session.rows(f"ALTER VIEW {name} RENAME TO {whole}")
            cursor, type_ = quoted(column.name), duckdb_type(in_expressions(column.type))
            start = "NULL" if before is None or before.value is None else literal(before.value)
            above = f"{cursor} > CAST({start} AS {type_})" if start != "NULL" else "true"
            behind, nulls, total, last = self.session.rows(
                f"SELECT count(*) FILTER (WHERE NOT ({above})), count(*) FILTER (WHERE {cursor} "
                f"IS NULL), count(*), CAST(max({cursor}) AS VARCHAR) FROM {whole}"
            )[0]
            self._judge(source, column.name, before, behind=behind, nulls=nulls)
            self.session.rows(f"CREATE TEMP VIEW {name} AS SELECT * FROM {whole} WHERE {above}")
            check_seen(self.session, source.name, total - behind)
        except duckdb.Error as error:
            raise explained(error, None, doing=f"reading source {source.name!r}") from error
        self.cursors[source.name] = CursorMark(place, last, total)
        n_new = total - behind
        at = fingerprint([place, start, last, total])
        return Event(event.kind, event.name, event.facts | {
            # Each run looks at all of the table for bad rows, and keeps the letters of all of them.
            "rows": n_new + event.facts["dead"], "admitted": n_new, "known": behind, "position": at,
            "cursor": last,
        })  # fmt: skip

    def _judge(
        self, source: Source, column: str, before: CursorMark | None, *, behind: int, nulls: int
    ) -> None:
        if nulls:
            raise DataError(
                f"{nulls} row{'s' if nulls > 1 else ''} of source {source.name!r} "
                f"ha{'ve' if nulls > 1 else 's'} NULL in the cursor {column!r}: whether they were "
                "read could never be told", where=source.where, code="CursorNull",
                fix="fill the column, or bind a view that leaves these rows out",
                source=source.name, count=nulls,
            )  # fmt: skip
        expected = 0 if before is None or before.value is None else before.rows
        if behind == expected:
            return
        n = abs(behind - expected)
        gone = "are gone from" if n > 1 else "is gone from"
        what = "appeared behind" if behind > expected else gone
        raise DataError(
            f"{n} row{'s' if n > 1 else ''} {what} the cursor of source {source.name!r}: there are "
            f"{behind} with {column} up to {before.value if before else None}, and the last run saw "
            f"{expected}", where=source.where, code="CursorBehind",
            fix="use a column that only grows as rows are committed, or read the table whole: leave "
            "cursor= out and write by key with mode=ms.merge(…)", source=source.name, count=n,
        )  # fmt: skip

    # At the end

    def verify(self) -> None:
        """Check that no file changed while it was read, and take the checksums of the new ones.

        Raises
        ------
        BusyError
            Naming the files that somebody is still writing.
        """
        for name, found in self.listed.items():
            done, moving = [], []
            for mark in found.new:
                path = self._absolute(mark.path)
                try:
                    digest = file_system(path).sha256(path)
                    now = self._stat(path)
                except OSError:
                    moving.append(mark.path)
                    continue
                is_same = (now.size_bytes, now.mtime_ns) == (mark.size_bytes, mark.mtime_ns)
                if not is_same:
                    moving.append(mark.path)
                done.append(replace(mark, sha256=digest))
            if moving:
                raise BusyError(
                    f"source {name!r}: {listing(moving, limit=SHOWN)} changed while being read",
                    code="FileInWriting", fix="write files beside and rename them into place when "
                    "they are whole; run again", source=name, files=moving,
                )  # fmt: skip
            self.listed[name] = replace(found, new=tuple(done))

    def write(self) -> None:
        """Remember what was read, in the transaction of the run."""
        make_tables(self.session)
        run = self.settings.run_id, self.settings.epoch
        for name, found in self.listed.items():
            write_files(self.session, name, [*found.new, *found.touched], run)
        for name, mark in self.cursors.items():
            write_cursor(self.session, name, mark, self.settings.run_id)


def _is_same(path: str, before: FileMark, source: Source) -> bool:
    """Say whether a file whose time differs has the content that it had."""
    try:
        return file_system(path).sha256(path) == before.sha256
    except OSError as error:
        raise OutsideError(
            f"cannot read {path}: {error.strerror}", where=source.where, code="FileNotRead",
            fix="give this user the right to read it",
        ) from error  # fmt: skip


def _changed(source: Source, paths: list[str]) -> DataError:
    return DataError(
        f"source {source.name!r}: {listing(paths, limit=SHOWN)} changed after a run had read "
        f"{'them' if len(paths) > 1 else 'it'}; nothing of this run is written",
        where=source.where, code="FileChangedSince",
        fix="give new content a new name, put the old file back, or say changed=\"reread\" and write "
        "by key", source=source.name, files=paths,
    )  # fmt: skip
