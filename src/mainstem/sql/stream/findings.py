"""What a lowered step says of itself that is not so, or cannot be kept."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.errors import Finding
from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.stream import END, STATIC, TIME, UPDATING, Shape, StreamNode


def kind_findings(step: Step, shape: Shape) -> list[Finding]:
    """Give what the words of the step say against what it is (C1)."""
    said = step.declared_kind
    is_updating = shape.kind == UPDATING
    if not said or shape.kind == STATIC or (said == "updating") == is_updating:
        return []
    kind = "updating" if is_updating else "append"
    why = "its content changes" if is_updating else "its rows are final"
    return [Finding(
        "KindMismatch", f"{step.name!r} is an {kind} table: {why}; mode= asserts the kind, it "
        "never changes it", step.where, f"write mode={kind!r}, or leave it out", step=step.name,
    )]  # fmt: skip


def late_findings(step: Step, nodes: Sequence[StreamNode]) -> list[Finding]:
    """Refuse a step whose late rows would have the columns of two inputs (T7)."""
    found = set()
    for node in nodes:
        body = None if node.late is None else node.late.body
        if isinstance(body, t.Select):
            found.add(tuple((i.name, t.type_of(i.expr)) for i in body.items
                            if i.name not in (TIME, END)))  # fmt: skip
    if len(found) <= 1:
        return []
    return [Finding(
        "StreamConstruct", f"{step.name!r} keeps rows of inputs with different columns, and its "
        "late rows have one table", step.where, "put each window into a view of its own",
        step=step.name,
    )]  # fmt: skip
