"""JSON lines by way of C (`native.columns`): block after block, the next one while one is inserted.

What it leaves in doubt is judged like a line that the SQL of `statements` leaves in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.native.arrow import Tables
from mainstem.engines.embedded.native.columns import FITS, Columns, Parsed, columns_of
from mainstem.engines.embedded.reading import statements
from mainstem.engines.embedded.reading.reference import encoded
from mainstem.engines.embedded.reading.statements import KEYS, RAW, Group, Layout
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.formats.lines import BOM
from mainstem.plan.types import Schema, in_expressions
from mainstem.record import mutable
from mainstem.settings.log import logger

if TYPE_CHECKING:
    import duckdb

    from mainstem.engines.embedded.native.arrow import Table

# Bytes of a block. A record that is longer than one is for other ways.
BLOCK = 8_000_000
# Where more of a block is in doubt, SQL proves more of it.
MOST_DOUBTS = 0.02
_BLOCK = "__block"


class UnsuitableError(Exception):
    """Raised when a file is better read in SQL."""


def reader_of(layout: Layout) -> Columns | None:
    """Give what reads the records of a source; None where C does not."""
    return columns_of(layout.schema) if layout.format == "json" else None


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, schema: Schema, group: Group, layout: Layout, *,
    columns: Columns,
) -> tuple[int, int]:  # fmt: skip
    """Load the files of a group; give the rows, and the unknown fields of those without doubt.

    Raises
    ------
    UnsuitableError
        When much of a block is in doubt, a record is longer than one, or DuckDB does not take it all.
    """
    counted = _Counted()
    sql, values = _statement(table, schema, group, layout)
    with ThreadPoolExecutor(1, "mainstem-parse") as pool:
        tables = Tables(counted.tables(_ahead(_blocks(group, columns), pool)))
        if not _has_some(tables):
            return 0, 0
        connection.register(_BLOCK, tables)
        try:
            taken = int(connection.execute(sql, values).fetchall()[0][0])
        except Exception as error:
            if tables.error is not None:
                raise tables.error from None
            if not isinstance(error, statements.refusals()):
                raise
            # Whatever it was, bad UTF-8 mostly: SQL finds it again, and what to do about it.
            logger("files").debug("blocks of JSON are read in SQL: %s", error)
            raise UnsuitableError from error
        finally:
            connection.unregister(_BLOCK)
    # What DuckDB has taken, not what it was offered, is compared with the lines of the files.
    return taken, counted.unknown


@mutable
class _Counted:
    """Counts the unknown fields of what goes by."""

    unknown: int = 0

    def tables(self, found: Iterator[Parsed]) -> Iterator[Table]:
        for parsed in found:
            if parsed.doubts > MOST_DOUBTS * parsed.table.rows:
                raise UnsuitableError
            self.unknown += parsed.unknown
            yield parsed.table


def _has_some(tables: Tables) -> bool:
    try:
        tables.first()
    except StopIteration:
        return False
    return True


def _statement(
    table: str, schema: Schema, group: Group, layout: Layout
) -> tuple[str, list[Any]]:  # fmt: skip
    names = layout.schema.names
    given = {f.name: group.constants[i] for i, f in enumerate(layout.partition)}
    outputs, values = [], []
    for field in schema.fields:
        kind = duckdb_type(in_expressions(field.type))
        if field.name in given:
            values.append(encoded(given[field.name], field.type))
        place = "?" if field.name in given else f"c{names.index(field.name)}"
        outputs.append(f"CAST({place} AS {kind})")
    sure = f"{FITS} = 1"
    if layout.rule.column in names:
        latest = literal(group.latest(layout.rule).isoformat())
        sure += f" AND c{names.index(layout.rule.column)} <= TIMESTAMPTZ {latest}"
    # What is no UTF-8 fails here.
    line = "[trim(decode(line), chr(10) || chr(13))]"
    columns = ", ".join((*map(quoted, schema.names), RAW, KEYS))
    return (
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(outputs)}, "
        f"CASE WHEN {sure} THEN NULL ELSE {line} END, NULL FROM {_BLOCK}",
        values,
    )


def _blocks(group: Group, columns: Columns) -> Iterator[Callable[[], Parsed]]:
    """Give the work of each block: whole lines of one file."""
    for one in group.files:
        rest = b""
        with Path(one.path).open("rb") as stream:
            is_first = True
            while chunk := stream.read(BLOCK):
                if is_first:
                    chunk, is_first = chunk.removeprefix(BOM), False
                end = chunk.rfind(b"\n") + 1
                if not end and len(rest) + len(chunk) > BLOCK:
                    raise UnsuitableError
                whole, rest = rest + chunk[:end], (chunk[end:] if end else rest + chunk)
                if end:
                    yield lambda data=whole: columns.lines(data)  # type: ignore[misc]
        if rest:
            yield lambda data=rest: columns.lines(data)  # type: ignore[misc]


def _ahead(
    blocks: Iterator[Callable[[], Parsed]], pool: ThreadPoolExecutor
) -> Iterator[Parsed]:  # fmt: skip
    """Do the work of the next block while one is taken."""
    coming = None
    for work in blocks:
        after = pool.submit(work)
        if coming is not None:
            yield coming.result()
        coming = after
    if coming is not None:
        yield coming.result()
