"""Rows of this process as a source: taken over once, then checked and read as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb

from mainstem.connectors.arrow.options import ArrowSource, Held
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.failures import words
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.scan import ScanReport, scan_relation
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.errors import OutsideError
from mainstem.plan.nodes import Source, fingerprint


def scan_arrow(
    connection: duckdb.DuckDBPyConnection, source: Source, *, positions: bool
) -> ScanReport:  # fmt: skip
    """Take the rows of an object over, and check them against the schema.

    They are copied into a table of the session, which may spill to disk: the stream of a reader can
    be had once, and the object may change while the run goes on.

    Raises
    ------
    OutsideError
        When the object does not give its rows.
    """
    held = read_options(ArrowSource, source.binding, source.where).data
    table = _table(source)
    name = f"__stream_{source.name}"
    try:
        connection.register(name, _readable(held.data))
        connection.execute(
            f"CREATE TEMP TABLE {table} AS SELECT {_taken(source, held)} FROM {quoted(name)}"
        )
        connection.unregister(name)
    except duckdb.Error as error:
        raise OutsideError(
            f"source {source.name!r}: the Arrow stream cannot be read: "
            f"{words(error).splitlines()[0]}", where=source.where, code="ArrowNotRead",
            fix="give a table; a reader can be read once",
        ) from error  # fmt: skip
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    rule = EventTimeRule.of(source)
    # The rows are here, so nothing in them can be later than now (T2).
    latest = datetime.now(UTC) + rule.max_ahead if rule.column else None
    return scan_relation(
        connection, source, table, described, place="the Arrow stream", latest=latest,
        positions=positions,
    )  # fmt: skip


def rows_digest(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    """Give a digest of the rows that were taken over: it stands for them in the commit token."""
    facts = connection.execute(
        f"SELECT count(*), CAST(sum(CAST(hash(r) AS HUGEINT)) AS VARCHAR), bit_xor(hash(r)) "
        f"FROM {_table(source)} AS r"
    ).fetchall()[0]
    return fingerprint(list(facts))


class _Stream:
    """An object as its Arrow stream alone.

    DuckDB looks at the class first, and reads pandas, polars or a relation of its own by another way:
    there an index is no column, a category is an enumeration, and columns without a name get one.
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._data.__arrow_c_stream__(requested_schema)


def _readable(data: Any) -> Any:
    # A reader of pyarrow that is used up gives an empty stream, without a word; DuckDB refuses it.
    is_known = type(data).__module__.partition(".")[0] == "pyarrow"
    return data if is_known else _Stream(data)


def _taken(source: Source, held: Held) -> str:
    """Give what is taken over: all of it; a column of nothing but NULL gets the type declared."""
    declared = {field.name: duckdb_type(field.type) for field in source.schema.fields}
    typed = [
        f"CAST({quoted(column.name)} AS {declared[column.name]}) AS {quoted(column.name)}"
        for column in held.columns if column.is_null and column.name in declared
    ]  # fmt: skip
    return f"* REPLACE ({', '.join(typed)})" if typed else "*"


def _table(source: Source) -> str:
    return quoted(f"__rows_{source.name}")
