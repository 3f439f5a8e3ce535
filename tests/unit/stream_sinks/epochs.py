"""Tables of a stream and their epochs, for tests of sinks without an engine around them."""

from contextlib import closing
from functools import cache
from pathlib import Path

import duckdb

from mainstem.engines.embedded.stream.sinks import sink_of
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.engines.spec import RunSettings
from mainstem.plan.nodes import Plan, Step
from mainstem.plan.types import parse_schema

SCHEMA = "id bigint, k string"


def made(base: Path, binding, *, run_id="run-1", kind="append", key=(), pipeline="shop", table="out",
         schema=SCHEMA):  # fmt: skip
    """The sink of a table with the columns of `schema`; its query is nobody's business here."""
    step = Step(table, None, parse_schema(schema), ("rows",), sink=binding, kind=kind)
    settings = RunSettings(run_id, base / "state", base)
    return sink_of(step, Plan(pipeline, (), (step,)), settings, key=key)


def select_of(rows, columns="id, k", types="BIGINT, VARCHAR") -> str:
    """SQL that gives these rows in this order."""
    names, kinds = columns.split(", "), types.split(", ")
    if not rows:
        empty = ", ".join(f"NULL::{t} AS {n}" for n, t in zip(names, kinds, strict=True))
        return f"SELECT {empty} WHERE false"
    body = ", ".join("(" + ", ".join(_value(v) for v in row) + ")" for row in rows)
    cast = ", ".join(f"{n}::{t} AS {n}" for n, t in zip(names, kinds, strict=True))
    return f"SELECT {cast} FROM (VALUES {body}) AS v({columns})"


def _value(value) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def write(sink, epoch, rows, *, pipeline="shop", table="out", **more):
    """Commit rows as an epoch, as the engine does: through the wire form."""
    operations = more.get("operations", False)
    columns = "id, k, __operation" if operations else "id, k"
    types = "BIGINT, VARCHAR, VARCHAR" if operations else "BIGINT, VARCHAR"
    select = sink.wire(select_of(rows, columns, types))
    token = {"pipeline": pipeline, "table": table, "epoch": epoch, "positions": {"rows": epoch}}
    engine = _engine()
    engine.execute(f"CREATE OR REPLACE TABLE outbox AS {select}")
    with closing(engine.cursor()) as cursor:
        return sink.write(cursor, Batch(epoch, "FROM outbox", len(rows), token))


@cache
def _engine():
    """One for all tests of a process: to open a DuckDB costs more than a test's whole work."""
    return duckdb.connect(config={"threads": 1})


def in_table(path, table="out", columns="id, k"):
    """The rows of a table of another DuckDB file."""
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
