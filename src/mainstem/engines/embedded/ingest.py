"""Text sources (CSV, JSON lines, text) into one checked, spillable temporary table each.

The fast way lets DuckDB read texts and check them in vectors (`checks`). It never decides that a
row is bad: a file that DuckDB stumbles over, or whose rows do not match its lines (`guard`), is read
again by the plain-Python reference; a row in doubt is judged again by it. So the fast way accepts
exactly what the reference accepts, and the tests hold the two against each other.

Must run outside of an explicit transaction: a statement that fails is part of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mainstem.connectors.files.listing import InputFile, list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded import doubts, reading
from mainstem.engines.embedded.eventtime import EventTimeRule
from mainstem.engines.embedded.guard import Scanned, Workspace, has_extra_fields
from mainstem.engines.embedded.reading import KEYS, RAW, Group, Layout
from mainstem.engines.embedded.reference import (
    BadRows,
    FileReader,
    csv_format,
    file_columns,
    load,
)
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import InternalError, SettingsError
from mainstem.formats.records import BadRow, Row
from mainstem.formats.text import check_columns
from mainstem.plan.nodes import Source
from mainstem.plan.types import Schema, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb


@record
class FileRead:
    """What became of one file: its rows are `first_row` and the `rows` - 1 after it."""

    path: str
    rows: int
    size_bytes: int
    first_row: int = 0


@record
class IngestReport:
    """What was read: the source's ledger (L1), and where its rows are now.

    Parameters
    ----------
    source, table : str
        Name of the source, and the quoted name of the temporary table.
    select : str
        SQL that gives the declared columns with the types that they have in expressions; with
        ``positions`` also ``__row``, the row's number in (path, record) order, from 0.
    read, admitted, bad : int
        Records; read = admitted + bad.
    unknown_fields : int
        Fields that no column has the name of.
    files : tuple of FileRead
        In path order.
    size_bytes : int
        Bytes on disk.
    doubtful_rows : int
        Rows that were judged by the slow reference.
    slow_files : tuple of (path, reason)
        Files that were read by the slow reference.
    """

    source: str
    table: str
    select: str
    read: int
    admitted: int
    bad: int
    unknown_fields: int
    files: tuple[FileRead, ...]
    size_bytes: int
    doubtful_rows: int = 0
    slow_files: tuple[tuple[str, str], ...] = ()


@record
class IngestOptions:
    """How to ingest.

    Parameters
    ----------
    table : str
        Name of the temporary table; from the source's name when empty.
    temp_directory : str or None
        Where decompressed copies go; the system's when None.
    positions : bool
        Whether `IngestReport.select` gives ``__row`` (T11). It is the table's row id: it costs
        nothing to keep, and 8 bytes a row where it is read.
    """

    table: str = ""
    temp_directory: str | None = None
    positions: bool = False


def ingest(
    connection: duckdb.DuckDBPyConnection, source: Source, options: IngestOptions | None = None
) -> IngestReport:  # fmt: skip
    """Read a text source into a temporary table, every declared column checked (V8).

    Parameters
    ----------
    connection : DuckDBPyConnection
        Outside of a transaction. ``TimeZone`` is set to UTC and insertion order is kept.
    source : Source
        Bound to files of format csv, tsv, json or text.
    options : IngestOptions, optional
        Table name, temporary directory, positions.

    Returns
    -------
    IngestReport
        Counts and the SELECT that gives the rows.

    Raises
    ------
    DataError
        When a row is bad (`BadRow`: the first five and the count), a header does not fit or a
        compressed file is damaged.
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
        self.bad = BadRows()
        self.unknown = 0
        self.doubtful = 0
        self.rows: dict[str, int] = {}

    def run(self) -> IngestReport:
        files = list_files(self.files_options, self.source.where)
        if files[0].format == "parquet":
            raise InternalError(
                f"source {self.source.name!r} is Parquet: it is scanned, not ingested"
            )
        self.layout = self._layout(files[0])
        scanned = [self._scan(file) for file in files]
        self._load_all(scanned)
        self._settle_doubts(scanned)
        self.bad.raise_any(self.source.name, self.source.where)
        self._drop_hidden()
        return self._report(scanned)

    def _layout(self, file: InputFile) -> Layout:
        partition = {name for name, _ in file.partition}
        inner = tuple(f for f in self.source.schema.fields if f.name not in partition)
        outer = tuple(f for f in self.source.schema.fields if f.name in partition)
        if file.format == "text":
            check_columns(Schema(inner), self.source.where)
        rule = EventTimeRule.of(self.source)
        return Layout(file.format, self.files_options, Schema(inner), outer, rule)

    def _scan(self, file: InputFile) -> Scanned:
        scanned = self.workspace.scan(file, self.files_options.member)
        if file.format in ("csv", "tsv"):
            scanned.names = file_columns(
                file, self.files_options, self.layout.schema, self.source.where
            )
            if self.files_options.multiline and scanned.returns and not scanned.doubt:
                scanned.doubt = "carriage returns with multiline=True"
            spelling = csv_format(self.files_options, file)
            if not scanned.doubt and has_extra_fields(scanned, spelling):
                scanned.doubt = "delimiters after the last column"
        elif not scanned.separators and not scanned.doubt:
            scanned.doubt = "every control character occurs"
        return scanned

    def _load_all(self, scanned: Sequence[Scanned]) -> None:
        """Load every file; when the fast way fails on some, mark them and begin again."""
        while True:
            self._create()
            # A file that belongs to no group is empty.
            self.rows = dict.fromkeys((one.file.path for one in scanned), 0)
            self.bad, self.unknown = BadRows(), 0
            groups = reading.groups(scanned, self.layout, self.source.where)
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
        if self._has_blanks(group, loaded=not doubt):
            return False
        if not doubt:
            return True
        if len(group.files) == 1:
            group.files[0].doubt = doubt
            return False
        for one in group.files:
            one.doubt = self._try_alone(replace(group, files=(one,)))
        if not any(one.doubt for one in group.files):
            # Together they fail, alone they do not: whatever it is, the reference decides.
            for one in group.files:
                one.doubt = doubt
        return False

    def _load_fast(self, group: Group) -> str:
        """Load files with DuckDB's reader; give the reason when the outcome is in doubt."""
        import duckdb

        try:
            sql, values = reading.insert_sql(self.table, self.source.schema, group, self.layout)
            n_rows = int(self.connection.execute(sql, values).fetchall()[0][0])
        except UnicodeDecodeError:
            # The message quotes the line, and was cut in the middle of a letter.
            return "DuckDB refused it with a message that is no text"
        except (
            duckdb.InvalidInputException,
            duckdb.ConversionException,
            duckdb.OutOfRangeException,
            duckdb.NotImplementedException,  # a line longer than what a thread reads at a time
        ) as error:
            return str(error).split("\n", 1)[0][:200]
        expected = reading.expected_rows(group, self.layout, n_rows)
        if expected is None:
            return "rows and lines do not match"
        self.rows |= {one.file.path: n for one, n in zip(group.files, expected, strict=True)}
        self.unknown += group.unknown_columns(self.layout.schema) * n_rows
        if group.shape and group.shape.unknown:
            self.unknown += group.shape.unknown * self._plain_rows(n_rows)
        return ""

    def _has_blanks(self, group: Group, *, loaded: bool) -> bool:
        """Say, and remember, whether lines were loaded that are no rows (JSON lines)."""
        if self.layout.format != "json" or any(one.has_blanks for one in group.files):
            return False
        # Those of spaces made the statement fail, so that only empty ones can be in the table.
        empty = f"SELECT 1 FROM {self.table} WHERE {RAW}[1] IS NULL AND {RAW} IS NOT NULL LIMIT 1"
        if loaded and not self.connection.execute(empty).fetchall():
            return False
        for one in group.files:
            one.has_blanks = reading.has_blanks(one)
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

        def good() -> Iterator[tuple[Any, ...]]:
            for row in self.reference_rows(scanned):
                if isinstance(row, BadRow):
                    self.bad.add(scanned.file, row)
                    continue
                self.unknown += row.unknown
                whole = (*row.values, *constants)
                yield tuple(whole[i] for i in places)

        self.rows[scanned.file.path] = load(self.connection, self.table, self.source.schema, good())

    def reference_rows(self, scanned: Scanned) -> Iterator[Row | BadRow]:
        """Give every record of a file as the reference judges it, event times included."""
        reader = FileReader(
            scanned.file, self.files_options, self.layout.schema, scanned.names or ()
        )
        return doubts.timely(reader.rows(), self.layout, scanned.file.path)

    def _settle_doubts(self, scanned: Sequence[Scanned]) -> None:
        starts = _starts(scanned, self.rows)
        settled = doubts.settle(self.connection, self.table, self.layout, starts)
        self.doubtful = settled.judged
        self.unknown += settled.unknown
        for one, records in settled.bad.items():
            file = next(s for s in scanned if s.file.path == one)
            found = 0
            for number, row in enumerate(self.reference_rows(file)):
                if number in records:
                    found += 1
                    if isinstance(row, Row):
                        raise InternalError(f"{one}: record {number} is bad and good")
                    self.bad.add(file.file, row)
                    if found == len(records):
                        break

    def _drop_hidden(self) -> None:
        for name in (RAW, KEYS):
            self.connection.execute(f"ALTER TABLE {self.table} DROP COLUMN {name}")

    def _report(self, scanned: Sequence[Scanned]) -> IngestReport:
        starts = _starts(scanned, self.rows)
        read = sum(self.rows.values())
        columns = ", ".join(quoted(name) for name in self.source.schema.names)
        position = ", rowid AS __row" if self.options.positions else ""
        files = tuple(
            FileRead(s.file.path, self.rows[s.file.path], s.file.size_bytes, start)
            for s, start in zip(scanned, starts.values(), strict=True)
        )
        return IngestReport(
            self.source.name, self.table, f"SELECT {columns}{position} FROM {self.table}",
            read, read, 0, self.unknown, files, sum(f.size_bytes for f in files), self.doubtful,
            tuple((s.file.path, s.doubt) for s in scanned if s.doubt),
        )  # fmt: skip


def _starts(scanned: Sequence[Scanned], rows: dict[str, int]) -> dict[str, int]:
    """Give the number of each file's first row."""
    starts, at = {}, 0
    for one in scanned:
        starts[one.file.path] = at
        at += rows[one.file.path]
    return starts


def check_spelling(options: FilesSource, source: Source) -> None:
    """Refuse delimiters and quotes that cannot be told apart.

    Raises
    ------
    SettingsError
        When one is not a single character, or both are the same.
    """
    delimiter, quote = options.delimiter, options.quote
    wrong = ""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in "\r\n"):
        wrong = f"delimiter {delimiter!r} is not one character"
    elif len(quote) > 1 or quote in ("\r", "\n"):
        wrong = f"quote {quote!r} is not one character or empty"
    elif quote and quote == delimiter:
        wrong = f"delimiter and quote are both {quote!r}"
    elif "" in options.nulls and len(options.nulls) > 0:
        wrong = 'null="" says nothing: an empty unquoted field is NULL anyway'
    if wrong:
        raise SettingsError(
            f"source {source.name!r}: {wrong}", where=source.where, code="CsvSpelling",
            fix='write delimiter="," and quote=\'"\'',
        )  # fmt: skip
