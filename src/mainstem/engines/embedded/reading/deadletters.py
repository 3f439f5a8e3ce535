"""Bad records: counted, the first ones shown, and on request kept in a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mainstem.connectors.files.listing import InputFile
from mainstem.engines.embedded.reading.fileread import SHOWN
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import NOWHERE, DataError, Place
from mainstem.formats.records import BadRow
from mainstem.plan.types import parse_schema

if TYPE_CHECKING:
    import duckdb

TABLE = "__dead_letters"
# Letters that are written at a time.
BATCH = 10_000
SCHEMA = parse_schema(
    "source string, path string, row bigint, line bigint, byte_offset bigint, raw bytes, "
    "column_name string, reason string, message string"
)


class DeadLetters:
    """The table of dead letters of one source, filled in batches.

    Its columns: ``source``, ``path``, ``row`` (number of the record in its file, from 0), ``line``
    (from 1), ``byte_offset`` (in the decompressed file), ``raw`` (the record without its line end),
    ``column_name`` ("" for the whole record), ``reason`` (one of
    `mainstem.formats.records.REASONS`), ``message``, and ``rows``: 1, or the rows of a row group of
    a Parquet file that is lost as a whole (its first row is ``row``, and it has no ``raw``).
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: str, table: str = TABLE
    ) -> None:
        self.connection = connection
        self.source = source
        self.table = quoted(table)
        self._waiting: list[tuple[object, ...]] = []
        columns = ", ".join(f"{quoted(f.name)} {duckdb_type(f.type)}" for f in SCHEMA.fields)
        connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {self.table} ({columns}, rows BIGINT DEFAULT 1)"
        )

    def clear(self) -> None:
        """Forget the dead letters of this source."""
        self._waiting.clear()
        self.connection.execute(f"DELETE FROM {self.table} WHERE source = ?", [self.source])

    def add(self, file: InputFile, record: int, row: BadRow) -> None:
        """Take one bad record."""
        message = f"{row.value[:80]!r} {row.reason}" if row.value else row.reason
        self._waiting.append(
            (self.source, file.path, record, row.line, row.offset, row.raw, row.column, row.code, message)
        )  # fmt: skip
        if len(self._waiting) >= BATCH or len(row.raw) > 1 << 20:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        # Readers in place have no use for the readers of text, nor for their import.
        from mainstem.engines.embedded.reading.reference import load

        load(self.connection, self.table, SCHEMA, self._waiting)
        self._waiting.clear()


class BadRows:
    """Counts bad rows and keeps the first of them; every bad row passes by `add`."""

    def __init__(self, also: Callable[[InputFile, int, BadRow], None] | None = None) -> None:
        self.count = 0
        self.first: list[tuple[InputFile, BadRow]] = []
        self._also = also

    def add(self, file: InputFile, record: int, row: BadRow) -> None:
        """Take one bad row: `record` is its number in its file, from 0."""
        self.count += 1
        self.first.append((file, row))
        self.first = sorted(self.first, key=lambda item: (item[0].path, item[1].line))[:SHOWN]
        if self._also is not None:
            self._also(file, record, row)

    def raise_any(self, source: str, where: Place = NOWHERE, most: float = 0) -> None:
        """Stop the run when there were more than `most` bad rows.

        Raises
        ------
        DataError
            Names file, line, column, value and reason of the first ones, and how many there are.
        """
        if self.count <= most:
            return
        shown = "\n".join(f"       {_described(file, row)}" for file, row in self.first)
        rows = "1 bad row" if self.count == 1 else f"{self.count} bad rows"
        allowed = f" (max_bad allows {math.floor(most)})" if most else ""
        more = f"\n       … and {self.count - len(self.first)} more" if self.count > SHOWN else ""
        raise DataError(
            f"{rows} in source {source!r}{allowed}:\n{shown}{more}", where=where, code="BadRow",
            fix=fix_of(where, is_kept=self._also is not None), source=source, count=self.count,
            bad_rows=tuple(
                {"file": f.path, "line": r.line, "offset": r.offset, "column": r.column,
                 "value": r.value, "reason": r.reason, "code": r.code, "raw": r.raw}
                for f, r in self.first
            ),
        )  # fmt: skip


def fix_of(where: Place, *, is_kept: bool) -> str:
    """Give what to do about bad rows; where they are kept already, they were more than allowed."""
    words = (
        "WITH (on_bad = 'dead_letter')" if where.file.endswith(".sql") else 'on_bad="dead_letter"'
    )
    other = "raise max_bad" if is_kept else f"keep bad rows aside with {words}"
    return f"correct the data, widen the column's type in the schema, or {other}"


def _described(file: InputFile, row: BadRow) -> str:
    parts = [f"{file.path}:{row.line}:"]
    if row.column:
        parts.append(f"column {row.column!r}:")
    if row.value:
        parts.append(_shortened(row.value))
    parts.append(row.reason)
    if not row.column:
        parts.append(f"| {_shortened(row.raw[:400].decode(errors='backslashreplace'))}")
    return " ".join(parts)


def _shortened(text: str, limit: int = 80) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
