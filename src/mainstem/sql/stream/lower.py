"""Lowering: each step of a plan becomes nodes that are fed by the new rows of an epoch.

A step stays one query as far as it can. What needs rows of more than one epoch (a group over a
window, a session, a running aggregate) is cut out of it as a node of its own, and the query goes on
over what that node gives. What has no meaning over rows that never end is refused, by name and with
the way out (C5).
"""

from __future__ import annotations

from mainstem.errors import Finding
from mainstem.plan.nodes import Plan
from mainstem.plan.stream import (
    ROWS,
    STATIC,
    Shape,
    StreamNode,
    StreamPlan,
)
from mainstem.record import record
from mainstem.sql.stream.findings import kind_findings, late_findings
from mainstem.sql.stream.refusal import Refusal
from mainstem.sql.stream.step import StepLowering


@record
class Lowered:
    """The stream plan, and what is refused."""

    plan: StreamPlan
    findings: tuple[Finding, ...] = ()


def lower(plan: Plan) -> Lowered:
    """Give the nodes of a plan; pure. Findings name each step that streams cannot have."""
    shapes: dict[str, Shape] = {}
    for source in plan.sources:
        times = frozenset({source.event_time} if source.event_time else ())
        shapes[source.name] = (
            Shape() if source.bounded else Shape(ROWS, times, is_judged=bool(times))
        )
    nodes: list[StreamNode] = []
    findings: list[Finding] = []
    statics = [source.name for source in plan.sources if source.bounded]
    unbounded = _unbounded(plan)
    for step in plan.steps:
        work = StepLowering(step, shapes, is_unbounded=step.name in unbounded)
        try:
            shape = work.run()
        except Refusal as refused:
            findings.append(refused.finding(step))
            # Who reads it is not to blame: it is taken for rows with every column a time.
            shapes[step.name] = Shape(ROWS, frozenset(step.schema.names))
            continue
        findings += [*kind_findings(step, shape), *late_findings(step, work.nodes)]
        shapes[step.name] = shape
        nodes += work.nodes
        if shape.kind == STATIC:
            statics.append(step.name)
    streams = tuple(source.name for source in plan.sources if not source.bounded)
    return Lowered(StreamPlan(tuple(nodes), streams, tuple(statics), shapes), tuple(findings))


def _unbounded(plan: Plan) -> set[str]:
    """Give the steps whose state may grow for ever: those that say so, and the views below them."""
    found: set[str] = set()
    for step in reversed(plan.steps):
        if step.state == "unbounded" or step.name in found:
            found |= {
                step.name,
                *(n for n in step.inputs if (s := plan.step(n)) and not s.is_table),
            }
    return found
