"""A stream plan as DuckDB's SQL: a view for each node that keeps nothing."""

from __future__ import annotations

from datetime import timedelta

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.stream.operators import operator_of
from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.stream.spec import OPERATION
from mainstem.engines.embedded.stream.watermark import SourceClock
from mainstem.engines.embedded.types import quoted
from mainstem.errors import InternalError
from mainstem.plan.nodes import Plan, Source
from mainstem.plan.stream import DELTA, UPDATING, StreamNode, StreamPlan
from mainstem.record import record
from mainstem.sql.stream.calls import Called, without_calls

# Silence after which a partition holds nothing back, where the source does not say (T8).
_IDLE = timedelta(seconds=30)


@record
class Compiled:
    """What runs: the nodes in order, each with its operator or its SQL."""

    plan: Plan
    stream: StreamPlan
    sources: tuple[Source, ...]
    operators: dict[str, Operator]
    selects: dict[str, str]
    firsts: dict[str, str]
    # The Python functions that are called, and the nodes as they were with the calls in them.
    called: Called
    meant: StreamPlan


def compile_stream(plan: Plan, stream: StreamPlan) -> Compiled:
    """Give the program of a stream plan."""
    meant, called = stream, without_calls(stream, plan)
    if called.findings:
        raise InternalError(f"a call passed the check: {called.findings[0].what}")
    stream = called.plan
    operators = {n.name: operator_of(n) for n in stream.nodes if n.is_stateful}
    plain = [n for n in stream.nodes if n.kind == DELTA]
    return Compiled(
        plan, stream, tuple(s for s in plan.sources if s.name in stream.streams), operators,
        {n.name: step_sql(n.query) for n in plain},
        {n.name: step_sql(n.first) for n in plain if n.first is not None}, called, meant,
    )  # fmt: skip


def node_columns(node: StreamNode, names: tuple[str, ...]) -> str:
    """Give the columns of a table as SQL; of an updating one what becomes of each row too."""
    hidden = [quoted(OPERATION)] if node.shape.kind == UPDATING else []
    return ", ".join([*map(quoted, names), *hidden])


def clock_of(source: Source) -> SourceClock:
    """Give the clock of a source before its first record."""
    return SourceClock(source.watermark or timedelta(), source.idle or _IDLE)
