"""A stream plan as DuckDB's SQL: a view for each source and each node that keeps nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.operators import operator_of
from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.stream.spec import OPERATION, PART, Part
from mainstem.engines.embedded.stream.watermark import SourceClock, from_micros, micros, to_micros
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.plan.nodes import Plan, Source
from mainstem.plan.stream import ROW_WATERMARK, UPDATING, StreamNode, StreamPlan
from mainstem.plan.types import in_expressions
from mainstem.record import record

# More partitions than this in one epoch are judged by a sort, fewer by a pass each.
_FEW = 4


def input_table(source: str) -> str:
    """Give the temporary table of a source's slice."""
    return quoted(f"__in_{source}")


@record
class Compiled:
    """What runs: the nodes in order, each with its operator or its SQL."""

    plan: Plan
    stream: StreamPlan
    sources: tuple[Source, ...]
    operators: dict[str, Operator]
    selects: dict[str, str]
    firsts: dict[str, str]


def compile_stream(plan: Plan, stream: StreamPlan) -> Compiled:
    """Give the program of a stream plan."""
    operators = {n.name: operator_of(n) for n in stream.nodes if n.is_stateful}
    plain = [n for n in stream.nodes if not n.is_stateful]
    return Compiled(
        plan, stream, tuple(s for s in plan.sources if s.name in stream.streams), operators,
        {n.name: step_sql(n.query) for n in plain},
        {n.name: step_sql(n.first) for n in plain if n.first is not None},
    )  # fmt: skip


def empty_input(session: Session, source: Source) -> None:
    """Make the table of a source's slice, without rows."""
    columns = [
        f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}" for f in source.schema.fields
    ]
    columns.append(f"{quoted(PART)} INTEGER")
    session.rows(f"CREATE OR REPLACE TEMP TABLE {input_table(source.name)} ({', '.join(columns)})")


def source_view(
    session: Session, source: Source, parts: tuple[Part, ...], clock: SourceClock
) -> None:
    """Make a source's rows readable by its name, each with its watermark (T6).

    The largest event time before a row is that of the rows up to it: a row that is itself the largest
    is never late, so that it may be among them. Without a sort where the partitions are few.
    """
    columns = [quoted(name) for name in source.schema.names]
    if source.event_time:
        columns.append(f"{_row_watermark(source, parts, clock)} AS {quoted(ROW_WATERMARK)}")
    session.rows(
        f"CREATE OR REPLACE TEMP VIEW {quoted(source.name)} AS SELECT {', '.join(columns)} FROM "
        f"{input_table(source.name)}"
    )


def _row_watermark(source: Source, parts: tuple[Part, ...], clock: SourceClock) -> str:
    """Give the SQL of a row's watermark in microseconds since 1970."""
    if not parts:
        return "CAST(NULL AS BIGINT)"
    # Whole numbers: DuckDB's arithmetic with instants and intervals costs ten times as much.
    time, bound = f"epoch_us({quoted(source.event_time)})", micros(clock.bound)
    running = "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    if len(parts) == 1:
        return _judged(f"max({time}) {running} - {bound}", _before(parts[0], clock))
    if len(parts) <= _FEW:
        cases = " ".join(
            f"WHEN {index} THEN "
            + _judged(
                f"max({time}) FILTER (WHERE {quoted(PART)} = {index}) {running} - {bound}",
                _before(part, clock),
            )
            for index, part in enumerate(parts)
        )
        return f"CASE {quoted(PART)} {cases} END"
    by_part = f"OVER (PARTITION BY {quoted(PART)} ORDER BY rowid ROWS UNBOUNDED PRECEDING)"
    befores = [_before(part, clock) for part in parts]
    marks = ", ".join("NULL" if mark is None else str(to_micros(mark)) for mark in befores)
    return f"greatest(max({time}) {by_part} - {bound}, (CAST([{marks}] AS BIGINT[]))[{quoted(PART)} + 1])"


def _before(part: Part, clock: SourceClock) -> datetime | None:
    """Give the watermark of a partition before its new rows: its own, and where it joined or woke."""
    known = clock.partitions[part.partition]
    marks = [m for m in (known.watermark(clock.bound), known.floor) if m is not None]
    return max(marks, default=None)


def _judged(running: str, before: datetime | None) -> str:
    return running if before is None else f"greatest({running}, {to_micros(before)})"


def latest_times(session: Session, source: Source, n_parts: int) -> list[datetime | None]:
    """Give the largest event time of each part of a slice."""
    found: list[datetime | None] = [None] * n_parts
    if not source.event_time or not n_parts:
        return found
    rows = session.rows(
        f"SELECT {quoted(PART)}, epoch_us(max({quoted(source.event_time)})) FROM "
        f"{input_table(source.name)} GROUP BY ALL"
    )
    for index, latest in rows:
        found[index] = from_micros(latest)
    return found


def node_columns(node: StreamNode, names: tuple[str, ...]) -> str:
    """Give the columns of a table as SQL; of an updating one what becomes of each row too."""
    hidden = [quoted(OPERATION)] if node.shape.kind == UPDATING else []
    return ", ".join([*map(quoted, names), *hidden])


DEFAULT_IDLE = timedelta(seconds=30)
