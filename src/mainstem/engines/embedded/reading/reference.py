"""The slow, exact way: reading files with the plain-Python readers, and loading what they give."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from mainstem.connectors.files.listing import InputFile
from mainstem.connectors.files.options import FilesSource
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import DataError, Place, SettingsError, nearest
from mainstem.formats.compression import open_binary
from mainstem.formats.csv import CsvFormat, csv_header, judge_csv, read_csv
from mainstem.formats.jsonlines import judge_json, read_jsonlines
from mainstem.formats.lines import Line
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.formats.text import judge_text, read_text
from mainstem.plan.nodes import Source
from mainstem.plan.types import BIGINT, Field, Schema, Type, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb

# What separates the fields of most files; a header may tell that another one was meant.
DELIMITERS = ",;\t|"
BATCH = 10_000


@record
class FileReader:
    """Reads one file of a source with the reference readers.

    Parameters
    ----------
    file : InputFile
        Which file.
    options : FilesSource
        How the source spells its files.
    schema : Schema
        Declared columns without those that come from the path.
    names : tuple of str
        The file's own columns (CSV).
    """

    file: InputFile
    options: FilesSource
    schema: Schema
    names: tuple[str, ...]

    def rows(self) -> Iterator[Row | BadRow]:
        """Give every record of the file, good or bad."""
        with contextlib.closing(self._open()) as stream:
            if self.file.format == "json":
                yield from read_jsonlines(stream, self.schema)
            elif self.file.format == "text":
                yield from read_text(stream, self.schema, self.file.path)
            else:
                yield from read_csv(
                    stream, self.schema, csv_format(self.options, self.file), self.names
                )

    def judge(self, line: Line) -> Row | BadRow:
        """Give the record that a line is; for files whose records are their lines."""
        if self.file.format == "json":
            return judge_json(line, self.schema)
        if self.file.format == "text":
            return judge_text(line, self.schema, self.file.path)
        return judge_csv(line, self.schema, csv_format(self.options, self.file), self.names)

    def _open(self) -> BinaryIO:
        return open_binary(self.file.path, self.file.compression, self.options.member)


def csv_format(options: FilesSource, file: InputFile) -> CsvFormat:
    """Give how a CSV file is spelled."""
    delimiter = options.delimiter or ("\t" if file.format == "tsv" else ",")
    return CsvFormat(delimiter, options.quote, options.nulls, options.header, options.multiline)


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


def file_columns(
    file: InputFile, options: FilesSource, schema: Schema, where: Place
) -> tuple[str, ...] | None:  # fmt: skip
    """Give the names of a CSV file's columns; None when it is empty.

    Raises
    ------
    DataError
        When the header cannot be read, lacks a declared column or has one twice.
    """
    if not options.header:
        return schema.names
    try:
        names = file_header(file, options, csv_format(options, file))
    except Misfit as misfit:
        raise DataError(
            f"the header of {file.path} cannot be read: {misfit.reason}",
            where=where,
            code="BadHeader",
            fix=_other_delimiter(file, options, schema) or "save it as UTF-8, with a line of names",
        ) from None
    for name in schema.names if names is not None else ():
        count = (names or ()).count(name)
        if count != 1:
            other = _other_delimiter(file, options, schema) if count == 0 else ""
            raise _wrong_header(file, name, names or (), where, other)
    return names


def file_header(
    file: InputFile, options: FilesSource, spelling: CsvFormat
) -> tuple[str, ...] | None:  # fmt: skip
    """Give the names in a header under a spelling; None when the file has no line.

    Raises
    ------
    Misfit
        When the header cannot be read.
    """
    with contextlib.closing(open_binary(file.path, file.compression, options.member)) as stream:
        return csv_header(stream, spelling)


def _other_delimiter(file: InputFile, options: FilesSource, schema: Schema) -> str:
    """Give the option under which the header holds every declared name; "" when none does."""
    spelling = csv_format(options, file)
    for delimiter in DELIMITERS.replace(spelling.delimiter, ""):
        try:
            names = file_header(file, options, dataclasses.replace(spelling, delimiter=delimiter))
        except Misfit:
            continue
        if set(schema.names) <= set(names or ()):
            if delimiter == "\t" and options.delimiter is None:
                return 'add format="tsv": its header is right with tabs between the names'
            shown = {"\t": "\\t"}.get(delimiter, delimiter)
            word = "add" if options.delimiter is None else "write"
            return f'{word} delimiter="{shown}": its header is right with it'
    return ""


def _wrong_header(
    file: InputFile, name: str, names: tuple[str, ...], where: Place, other: str
) -> DataError:
    if name in names:
        return DataError(
            f"column {name!r} stands twice in the header of {file.path}",
            where=where,
            code="BadHeader",
        )
    close = nearest(name, names)
    fix = f"declare {close}" if close else "correct the schema, or say header=False"
    return DataError(
        f"{file.path} has no column {name!r} (its header: {', '.join(names)[:300]})",
        where=where, code="ColumnMissing", fix=other or fix,
    )  # fmt: skip


# --- loading ------------------------------------------------------------------------------------


def encoded(value: Any, type_: Type) -> Any:
    """Give a value as DuckDB's Python binding takes it without loss; decimals travel as text."""
    if value is None:
        return None
    if type_.kind == "decimal":
        return f"{value:f}"
    if type_.kind == "list":
        return [encoded(v, type_.items[0]) for v in value]
    if type_.kind == "struct":
        pairs = zip(type_.names, type_.items, strict=True)
        return {name: encoded(value[name], item) for name, item in pairs}
    if type_.kind == "map":
        key, item = type_.items
        return {
            "key": [encoded(k, key) for k in value],
            "value": [encoded(v, item) for v in value.values()],
        }
    return value


def _list_parameter(field: Field) -> str:
    return f"unnest(CAST(? AS {duckdb_type(in_expressions(field.type))}[]))"


def load(
    connection: duckdb.DuckDBPyConnection, table: str, schema: Schema, rows: Iterable[tuple[Any, ...]]
) -> int:  # fmt: skip
    """Insert rows of Python values into a table whose first columns are `schema`; give their number."""
    columns = ", ".join(_list_parameter(f) for f in schema.fields)
    names = ", ".join(quoted(name) for name in schema.names)
    total = 0
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        lists = _columns(batch, schema.fields)
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {columns}", lists)
        total += len(batch)
    return total


class Corrections:
    """Rows of a table that get other values, by row id; applied at once, order kept."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str, schema: Schema) -> None:
        self.connection = connection
        self.table = table
        self.schema = schema
        self.count = 0
        self.fixed = '"__corrections"'
        self._with_place = Schema((Field("__at", BIGINT), *schema.fields))
        columns = ", ".join(
            f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}"
            for f in self._with_place.fields
        )
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {self.fixed} ({columns})")

    def add(self, rows: Iterable[tuple[int, tuple[Any, ...]]]) -> None:
        """Take rows given as row id and values."""
        whole = ((rowid, *values) for rowid, values in rows)
        self.count += load(self.connection, self.fixed, self._with_place, whole)

    def apply(self) -> None:
        """Set the values in the table, and forget them."""
        if self.count and any(f.type.is_nested for f in self.schema.fields):
            self._rebuild()
        elif self.count:
            self._update([f"{quoted(n)} = f.{quoted(n)}" for n in self.schema.names])
        self.connection.execute(f"DROP TABLE {self.fixed}")

    def _update(self, sets: list[str]) -> None:
        doubles = [quoted(f.name) for f in self.schema.fields if f.type.kind == "double"]
        # DuckDB leaves a value alone that equals the new one, also one under a NULL: 0.0 equals -0.0.
        for part in ([f"{name} = 1" for name in doubles], sets):
            if part:
                self.connection.execute(
                    f"UPDATE {self.table} SET {', '.join(part)} FROM {self.fixed} AS f "
                    f"WHERE {self.table}.rowid = f.__at"
                )

    def _rebuild(self) -> None:
        # DuckDB updates a nested column by deleting the row and adding it at the end: the row ids,
        # which are the positions (T11), would be other ones.
        columns = ", ".join(
            f"CASE WHEN f.__at IS NULL THEN t.{quoted(n)} ELSE f.{quoted(n)} END AS {quoted(n)}"
            for n in self.schema.names
        )
        self.connection.execute(
            f'CREATE TEMP TABLE "__rebuilt" AS SELECT t.* REPLACE ({columns}) FROM {self.table} AS t '
            f"LEFT JOIN {self.fixed} AS f ON t.rowid = f.__at ORDER BY t.rowid"
        )
        self.connection.execute(f"DROP TABLE {self.table}")
        self.connection.execute(f'ALTER TABLE "__rebuilt" RENAME TO {self.table}')


def _columns(batch: Sequence[tuple[Any, ...]], fields: Sequence[Field]) -> list[list[Any]]:
    return [[encoded(row[i], field.type) for row in batch] for i, field in enumerate(fields)]
