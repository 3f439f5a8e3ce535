"""Rows of this process as a source: taken over once, then checked and read as a table."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from mainstem.connectors.arrow.options import ArrowSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.failures import words
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.scan import ScanReport, scan_relation
from mainstem.engines.embedded.types import quoted
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
    data = read_options(ArrowSource, source.binding, source.where).data.data
    table = _table(source)
    name = f"__stream_{source.name}"
    try:
        connection.register(name, data)
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM {quoted(name)}")
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


def _table(source: Source) -> str:
    return quoted(f"__rows_{source.name}")
