"""Text sources (CSV, JSON lines, text) into one checked, spillable temporary table each.

The fast way lets DuckDB read texts and check them in vectors (`checks`). It never decides that a
row is bad: a row in doubt is judged again by the plain-Python reference. From a file that DuckDB
stumbles over, or whose rows do not match its lines (`guard`), the lines that it may not read are
taken out (`sift`) and judged by the reference; only where the records are not lines is all of the
file read by it. So the answer always is that of the reference, and the tests hold the two against
each other.

Must run outside of an explicit transaction: a statement that fails is part of the plan.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from mainstem.connectors.files.listing import InputFile, list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading import blocks, doubts, sift, statements
from mainstem.engines.embedded.reading.ahead import Looking, is_promising, may_load_ahead
from mainstem.engines.embedded.reading.deadletters import BadRows, DeadLetters
from mainstem.engines.embedded.reading.doubts import Known
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.fileread import FileRead
from mainstem.engines.embedded.reading.guard import Scanned, Workspace
from mainstem.engines.embedded.reading.ingested import IngestOptions, IngestReport
from mainstem.engines.embedded.reading.look import Look
from mainstem.engines.embedded.reading.reference import (
    BATCH,
    FileReader,
    check_spelling,
    load,
)
from mainstem.engines.embedded.reading.statements import KEYS, RAW, Group, Layout
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import InternalError
from mainstem.formats.lines import Line
from mainstem.formats.records import BadRow, Row
from mainstem.formats.text import check_columns
from mainstem.plan.nodes import Source
from mainstem.plan.types import Schema, in_expressions

if TYPE_CHECKING:
    import duckdb

# Why a file's lines are not split (`template`).
PIECES = "a line falls into more pieces than others"
# Why they are not read by C (`blocks`): SQL has to say what is wrong, if anything is.
BLOCKS = "it is better read in SQL"


def ingest(
    connection: duckdb.DuckDBPyConnection, source: Source, options: IngestOptions | None = None
) -> IngestReport:  # fmt: skip
    """Read a text source into a temporary table, every declared column checked (V8).

    Parameters
    ----------
    connection : DuckDBPyConnection
        Outside of a transaction. ``TimeZone`` is set to UTC and insertion order is kept.
    source : Source
        Bound to files of format csv, tsv, json or text. Its ``on_bad`` says whether a bad record
        stops the run or becomes a dead letter, its ``max_bad`` how many may become one.
    options : IngestOptions, optional
        Table names, temporary directory, positions.

    Returns
    -------
    IngestReport
        Counts and the SELECT that gives the rows.

    Raises
    ------
    DataError
        When a row is bad or too many are (`BadRow`: the first five and the count), a header does
        not fit or a compressed file is damaged.
    OutsideError
        When no file matches or one cannot be read.
    SettingsError
        For options that do not fit together.
    """
    options = options or IngestOptions()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = true")
    with Workspace(options.temp_directory) as workspace:
        return _Ingest(connection, source, options, workspace).run()


class _Ingest:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: Source, options: IngestOptions,
        workspace: Workspace,
    ) -> None:  # fmt: skip
        self.connection = connection
        self.source = source
        self.options = options
        self.workspace = workspace
        self.files_options = read_options(FilesSource, source.binding, source.where)
        check_spelling(self.files_options, source)
        self.table = quoted(options.table or f"__source_{source.name}")
        self.letters = (
            DeadLetters(connection, source.name, options.dead_table)
            if source.on_bad == "dead_letter"
            else None
        )
        self._begin()
        self.doubtful = 0

    def _begin(self) -> None:
        """Forget what an attempt to load has counted."""
        if self.letters:
            self.letters.clear()
        self.bad = BadRows(self.letters.add if self.letters else None)
        self.unknown = 0
        self.rows: dict[str, int] = {}
        # Row ids of bad records that are in the table, and how many there are of each file.
        self.dead = array("q")
        self.buried: dict[str, int] = {}

    def run(self) -> IngestReport:
        files = list_files(self.files_options, self.source.where)
        if files[0].format == "parquet":
            raise InternalError(
                f"source {self.source.name!r} is Parquet: it is scanned, not ingested"
            )
        self.layout = self._layout(files[0])
        self.columns = blocks.reader_of(self.layout)
        self.look = Look(self.layout, self.source.where, self.workspace)
        scanned, is_loaded = self._look_and_load(files)
        if not is_loaded:
            for one in scanned:
                if one.doubt:
                    self._give_up(one, one.doubt)
            self._load_all(scanned)
        self._settle_doubts(scanned)
        self.bad.raise_any(self.source.name, self.source.where, self._most_bad())
        if self.letters:
            self.letters.flush()
        self._drop_hidden()
        self._delete_dead()
        return self._report(scanned)

    def _most_bad(self) -> float:
        """Give how many records may be bad."""
        most = self.source.max_bad
        if not self.letters:
            return 0
        if most is None:
            return math.inf
        read = sum(self.rows.values())
        return most * read if isinstance(most, float) else most

    def _layout(self, file: InputFile) -> Layout:
        partition = {name for name, _ in file.partition}
        inner = tuple(f for f in self.source.schema.fields if f.name not in partition)
        outer = tuple(f for f in self.source.schema.fields if f.name in partition)
        if file.format == "text":
            check_columns(Schema(inner), self.source.where)
        rule = EventTimeRule.of(self.source)
        return Layout(file.format, self.files_options, Schema(inner), outer, rule)

    def _look_and_load(self, files: Sequence[InputFile]) -> tuple[list[Scanned], bool]:
        """Give what the files are, and whether they are loaded already."""
        if not may_load_ahead(files):
            return [self.look.whole(file) for file in files], False
        heads = [self.look.head(file) for file in files]
        with Looking(self.look, heads, self.connection) as looking:
            loaded = self._load_heads(heads, looking)
        return looking.found, not looking.is_broken and self._holds(loaded, looking.found)

    def _load_heads(
        self, heads: Sequence[Scanned], looking: Looking
    ) -> list[tuple[Group, int]]:  # fmt: skip
        """Load files as their heads promise, with the number of rows of each group; none if it fails."""
        import duckdb

        if not all(map(is_promising, heads)):
            return []
        try:
            self._create()
            self._begin()
            made = statements.groups(heads, self.layout, self.source.where)
            return [(group, self._insert(group)) for group in made]
        except blocks.UnsuitableError:
            self.columns = None
            return []
        except statements.refusals():
            return []
        except duckdb.InterruptException:
            if not looking.is_broken:
                raise  # the run is to stop
            return []

    def _holds(self, loaded: Sequence[tuple[Group, int]], scanned: Sequence[Scanned]) -> bool:
        """Say whether all that was loaded is what the files hold."""
        found = {one.file.path: one for one in scanned}
        self.rows = dict.fromkeys(found, 0)
        wholes = [
            (replace(group, files=tuple(found[one.file.path] for one in group.files)), n_rows)
            for group, n_rows in loaded
        ]
        return bool(wholes) and all(
            self._is_counted(group, n_rows) and not self._has_blanks(group, loaded=True)
            for group, n_rows in wholes
        )

    def _give_up(self, scanned: Scanned, reason: str) -> None:
        """Do without DuckDB: on the lines in doubt, else on the whole file."""
        if scanned.names is None and self.layout.format in ("csv", "tsv"):
            scanned.doubt = ""  # the file is empty
        elif sift.can_sift(scanned, self.layout):
            sift.sift(scanned, self.layout, self.workspace, reason)
        else:
            scanned.doubt = reason

    def _load_all(self, scanned: Sequence[Scanned]) -> None:
        """Load every file; when the fast way fails on some, mark them and begin again."""
        while True:
            self._create()
            self._begin()
            # A file that belongs to no group is empty.
            self.rows = dict.fromkeys((one.file.path for one in scanned), 0)
            groups = statements.groups(scanned, self.layout, self.source.where)
            if all(self._load(group) for group in groups):
                return

    def _create(self) -> None:
        columns = [
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}"
            for f in self.source.schema.fields
        ]
        hidden = [f"{RAW} VARCHAR[]", f"{KEYS} VARCHAR[]"]
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self.table} ({', '.join(columns + hidden)})"
        )

    def _load(self, group: Group) -> bool:
        if group.is_slow:
            for one in group.files:
                self._load_slowly(one, group.constants)
            return True
        doubt = self._load_fast(group)
        if doubt == BLOCKS:
            self.columns = None
            return False
        if doubt and group.template and (doubt == PIECES or any(f.sifted for f in group.files)):
            for one in group.files:
                one.splits = False
            return False
        if self._has_blanks(group, loaded=not doubt):
            return False
        if not doubt:
            return True
        if len(group.files) == 1:
            self._give_up(group.files[0], doubt)
            return False
        reasons = [self._try_alone(replace(group, files=(one,))) for one in group.files]
        for one, reason in zip(group.files, reasons, strict=True):
            # Together they fail, alone they do not: whatever it is, the reference decides.
            if reason or not any(reasons):
                self._give_up(one, reason or doubt)
        return False

    def _load_fast(self, group: Group) -> str:
        """Load files with DuckDB's reader; give the reason when the outcome is in doubt."""
        try:
            n_rows = self._insert(group)
        except UnicodeDecodeError:
            # The message quotes the line, and was cut in the middle of a letter.
            return "DuckDB refused it with a message that is no text"
        except blocks.UnsuitableError:
            return BLOCKS
        except statements.refusals() as error:
            if group.template and "Expected Number of Columns" in str(error):
                return PIECES
            return str(error).split("\n", 1)[0][:200]
        if self._is_counted(group, n_rows):
            return ""
        return BLOCKS if self.columns else "rows and lines do not match"

    def _insert(self, group: Group) -> int:
        """Give how many rows a group has, once they are in the table."""
        if self.columns:
            rows, unknown = blocks.insert(
                self.connection,
                self.table,
                self.source.schema,
                group,
                self.layout,
                columns=self.columns,
            )
            self.unknown += unknown
            return rows
        sql, values = statements.insert_sql(self.table, self.source.schema, group, self.layout)
        n_rows = int(self.connection.execute(sql, values).fetchall()[0][0])
        if group.shape and group.shape.unknown:
            self.unknown += group.shape.unknown * self._plain_rows(n_rows)
        return n_rows

    def _is_counted(self, group: Group, n_rows: int) -> bool:
        """Take the rows of a group into account, if they are as many as its lines."""
        expected = statements.expected_rows(group, self.layout, n_rows)
        if expected is not None:
            self.rows |= {one.file.path: n for one, n in zip(group.files, expected, strict=True)}
        return expected is not None

    def _has_blanks(self, group: Group, *, loaded: bool) -> bool:
        """Say, and remember, whether lines were loaded that are no rows (JSON lines)."""
        if self.layout.format != "json" or any(one.has_blanks for one in group.files):
            return False
        empty = (
            f"SELECT 1 FROM {self.table} WHERE {RAW} IS NOT NULL "
            f"AND trim(coalesce({RAW}[1], ''), ' ' || chr(9) || chr(13)) = '' LIMIT 1"
        )
        if loaded and not self.connection.execute(empty).fetchall():
            return False
        for one in group.files:
            one.has_blanks = statements.has_blanks(one)
        return any(one.has_blanks for one in group.files)

    def _plain_rows(self, n_rows: int) -> int:
        """Give how many of the rows loaded last are plain lines."""
        found = self.connection.execute(
            f"SELECT count(*) FROM {self.table} WHERE {RAW} IS NULL AND {KEYS} IS NULL "
            f"AND rowid >= (SELECT count(*) FROM {self.table}) - ?",
            [n_rows],
        ).fetchall()
        return int(found[0][0])

    def _try_alone(self, group: Group) -> str:
        table, self.table = self.table, '"__attempt"'
        try:
            self._create()
            return self._load_fast(group)
        finally:
            self.connection.execute(f"DROP TABLE {self.table}")
            self.table = table

    def _load_slowly(self, scanned: Scanned, constants: tuple[Any, ...]) -> None:
        order = [f.name for f in (*self.layout.schema.fields, *self.layout.partition)]
        places = [order.index(name) for name in self.source.schema.names]
        start = sum(self.rows.values())

        def good() -> Iterator[tuple[Any, ...]]:
            for number, row in enumerate(self.reference_rows(scanned)):
                if isinstance(row, BadRow):
                    # It stands in for the record, so that rows keep their numbers.
                    self._bury(scanned, start, number, row)
                    yield (None,) * len(places)
                    continue
                self.unknown += row.unknown
                whole = (*row.values, *constants)
                yield tuple(whole[i] for i in places)

        self.rows[scanned.file.path] = load(self.connection, self.table, self.source.schema, good())

    def reference_rows(self, scanned: Scanned) -> Iterator[Row | BadRow]:
        """Give every record of a file as the reference judges it, event times included."""
        return doubts.timely(self._reader(scanned).rows(), self.layout, scanned.file.path)

    def _reader(self, scanned: Scanned) -> FileReader:
        return FileReader(scanned.file, self.files_options, self.layout.schema, scanned.names or ())

    def _judged(
        self, scanned: Scanned, lines: Iterable[tuple[int, Line]]
    ) -> Iterator[tuple[int, Row | BadRow]]:  # fmt: skip
        """Give what the reference makes of single lines."""
        judge = self._reader(scanned).judge
        for number, line in lines:
            (row,) = doubts.timely([judge(line)], self.layout, scanned.file.path)
            yield number, row

    def _settle_doubts(self, scanned: Sequence[Scanned]) -> None:
        starts = _starts(scanned, self.rows)
        settled = doubts.settle(
            self.connection, self.table, self.layout, starts, self._suspects(scanned, starts)
        )
        self.doubtful += settled.judged
        self.unknown += settled.unknown
        for one in scanned:
            wanted = sorted(set(settled.bad.get(one.file.path, ())))
            for number, row in self._found(one, wanted):
                if isinstance(row, Row):
                    raise InternalError(f"{one.file.path}: record {number} is bad and good")
                self._bury(one, starts[one.file.path], number, row)

    def _suspects(
        self, scanned: Sequence[Scanned], starts: dict[str, int]
    ) -> Iterator[Known]:  # fmt: skip
        """Judge the lines that were taken out of the files."""
        for one in scanned:
            start = starts[one.file.path]
            for number, row in self._judged(one, sift.suspects(one)):
                self.doubtful += 1
                if isinstance(row, BadRow):
                    self._bury(one, start, number, row)
                    yield start + number, None
                else:
                    # Those of CSV are counted by the columns of the file.
                    self.unknown += 0 if one.names else row.unknown
                    yield start + number, row.values

    def _found(
        self, scanned: Scanned, wanted: Sequence[int]
    ) -> Iterator[tuple[int, Row | BadRow]]:  # fmt: skip
        """Give some records of a file, by their ascending numbers, as the reference judges them."""
        if self.layout.format not in ("csv", "tsv") or not self.files_options.multiline:
            yield from self._judged(scanned, sift.located(scanned, self.layout, wanted))
        elif wanted:
            numbers, last = frozenset(wanted), wanted[-1]
            rows = enumerate(self.reference_rows(scanned))
            yield from ((n, row) for n, row in islice(rows, last + 1) if n in numbers)

    def _bury(self, scanned: Scanned, start: int, number: int, row: BadRow) -> None:
        self.bad.add(scanned.file, number, row)
        if self.letters:
            self.dead.append(start + number)
            self.buried[scanned.file.path] = self.buried.get(scanned.file.path, 0) + 1

    def _drop_hidden(self) -> None:
        for name in (RAW, KEYS):
            self.connection.execute(f"ALTER TABLE {self.table} DROP COLUMN {name}")

    def _delete_dead(self) -> None:
        # Deleting leaves the other rows their ids, which are the positions (T11).
        for at in range(0, len(self.dead), BATCH):
            self.connection.execute(
                f"DELETE FROM {self.table} WHERE rowid IN (SELECT unnest(CAST(? AS BIGINT[])))",
                [self.dead[at : at + BATCH].tolist()],
            )

    def _unknown_columns(self, scanned: Sequence[Scanned]) -> int:
        """Give the fields of CSV rows that were read fast and belong to no declared column."""
        known = self.layout.schema.names
        return sum(
            sum(name not in known for name in one.names or ())
            * (self.rows[one.file.path] - self.buried.get(one.file.path, 0))
            for one in scanned
            if not one.doubt
        )

    def _report(self, scanned: Sequence[Scanned]) -> IngestReport:
        starts = _starts(scanned, self.rows)
        read = sum(self.rows.values())
        bad = self.bad.count
        columns = ", ".join(quoted(name) for name in self.source.schema.names)
        position = ", rowid AS __row" if self.options.positions else ""
        files = tuple(
            FileRead(s.file.path, self.rows[s.file.path], s.file.size_bytes, start)
            for s, start in zip(scanned, starts.values(), strict=True)
        )
        return IngestReport(
            self.source.name, self.table, f"SELECT {columns}{position} FROM {self.table}",
            read, read - bad, bad, self.unknown + self._unknown_columns(scanned), files,
            sum(f.size_bytes for f in files), self.doubtful,
            tuple((s.file.path, s.doubt) for s in scanned if s.doubt),
            tuple((s.file.path, s.sifted) for s in scanned if s.sifted and not s.doubt),
            self.letters.table if self.letters else "",
        )  # fmt: skip


def _starts(scanned: Sequence[Scanned], rows: dict[str, int]) -> dict[str, int]:
    """Give the number of each file's first row."""
    starts, at = {}, 0
    for one in scanned:
        starts[one.file.path] = at
        at += rows[one.file.path]
    return starts
