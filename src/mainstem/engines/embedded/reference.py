"""The slow, exact way: reading files with the plain-Python readers, and loading what they give."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from mainstem.connectors.files.listing import InputFile
from mainstem.connectors.files.options import FilesSource
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import NOWHERE, DataError, Place, nearest
from mainstem.formats.coercion import check_null, coerce_text
from mainstem.formats.compression import open_binary
from mainstem.formats.csv import CsvFormat, csv_header, read_csv
from mainstem.formats.jsonlines import read_jsonlines
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.formats.text import read_text
from mainstem.plan.types import BIGINT, Field, Schema, Type, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb

SHOWN = 5
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

    def _open(self) -> BinaryIO:
        return open_binary(self.file.path, self.file.compression, self.options.member)


def csv_format(options: FilesSource, file: InputFile) -> CsvFormat:
    """Give how a CSV file is spelled."""
    delimiter = options.delimiter or ("\t" if file.format == "tsv" else ",")
    return CsvFormat(delimiter, options.quote, options.nulls, options.header, options.multiline)


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
        with contextlib.closing(open_binary(file.path, file.compression, options.member)) as stream:
            names = csv_header(stream, csv_format(options, file))
    except Misfit as misfit:
        raise DataError(
            f"the header of {file.path} cannot be read: {misfit.reason}",
            where=where,
            code="BadHeader",
        ) from None
    for name in schema.names if names is not None else ():
        count = (names or ()).count(name)
        if count != 1:
            raise _wrong_header(file, name, names or (), where)
    return names


def _wrong_header(file: InputFile, name: str, names: tuple[str, ...], where: Place) -> DataError:
    if name in names:
        return DataError(
            f"column {name!r} stands twice in the header of {file.path}",
            where=where,
            code="BadHeader",
        )
    close = nearest(name, names)
    return DataError(
        f"{file.path} has no column {name!r} (its header: {', '.join(names)[:300]})",
        where=where, code="ColumnMissing",
        fix=f"declare {close}" if close else "correct the schema, or say header=False",
    )  # fmt: skip


def _partition_value(given: Mapping[str, str | None], field: Field) -> Any:
    if field.name not in given:
        raise Misfit("the path has no such folder")
    text = given[field.name]
    value = None if text is None else coerce_text(text, field.type)
    check_null(value, field)
    return value


def partition_values(file: InputFile, fields: Sequence[Field], where: Place) -> tuple[Any, ...]:
    """Give the typed values of the columns that come from the path.

    Raises
    ------
    DataError
        When the path lacks one or its text does not fit.
    """
    given = dict(file.partition)
    values = []
    for field in fields:
        try:
            values.append(_partition_value(given, field))
        except Misfit as misfit:
            raise DataError(
                f"partition column {field} of {file.path}: {misfit.reason}", where=where,
                code="BadPartition",
            ) from None  # fmt: skip
    return tuple(values)


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


# --- reporting ----------------------------------------------------------------------------------


class BadRows:
    """Counts bad rows and keeps the first of them.

    Later issues hand each one to a dead letter: `add` is the place where every bad row passes by,
    with its bytes, position and reason.
    """

    def __init__(self, add: Callable[[InputFile, BadRow], None] | None = None) -> None:
        self.count = 0
        self.first: list[tuple[InputFile, BadRow]] = []
        self._also = add

    def add(self, file: InputFile, row: BadRow) -> None:
        """Take one bad row."""
        self.count += 1
        self.first.append((file, row))
        self.first = sorted(self.first, key=lambda item: (item[0].path, item[1].line))[:SHOWN]
        if self._also is not None:
            self._also(file, row)

    def raise_any(self, source: str, where: Place = NOWHERE) -> None:
        """Stop the run when there was a bad row.

        Raises
        ------
        DataError
            Names file, line, column, value and reason of the first ones, and how many there are.
        """
        if not self.count:
            return
        shown = "\n".join(f"       {_described(file, row)}" for file, row in self.first)
        rows = "1 bad row" if self.count == 1 else f"{self.count} bad rows"
        more = f"\n       … and {self.count - len(self.first)} more" if self.count > SHOWN else ""
        raise DataError(
            f"{rows} in source {source!r}:\n{shown}{more}", where=where, code="BadRow",
            fix="correct the file, or widen the column's type in the schema", source=source,
            count=self.count,
            bad_rows=tuple(
                {"file": f.path, "line": r.line, "offset": r.offset, "column": r.column,
                 "value": r.value, "reason": r.reason, "raw": r.raw}
                for f, r in self.first
            ),
        )  # fmt: skip


def _described(file: InputFile, row: BadRow) -> str:
    parts = [f"{file.path}:{row.line}:"]
    if row.column:
        parts.append(f"column {row.column!r}:")
    if row.value:
        parts.append(_shortened(row.value))
    parts.append(row.reason)
    if not row.column:
        parts.append(f"| {_shortened(row.raw.decode(errors='backslashreplace'))}")
    return " ".join(parts)


def _shortened(text: str, limit: int = 80) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
