"""Which expectations a stream can judge: row by row, by what is known when the row comes.

The others are refused by name, with what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from mainstem.engines.embedded.fallible import can_fail
from mainstem.engines.embedded.judging.expect import condition
from mainstem.errors import Finding
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation, Plan
from mainstem.plan.stream import PANES, STATIC, UPDATING, Shape, StreamPlan

# Rules about a whole, and how to say what they mean about rows that go on.
_WHOLE = {
    "row_count": "count the rows of a window in a view, and expect it of its rows: \"n >= 1\"",
    "volume": "count the rows of a window in a view, and expect it of its rows: \"n >= 1\"",
    "completeness": "count the values of a window in a view, and expect it of its rows: "
    "\"given >= 0.9 * n\"",
    "freshness": "watch how far the watermark is behind: mainstem status --watch",
}  # fmt: skip


def rule_gaps(plan: Plan, stream: StreamPlan) -> list[Finding]:
    """Give the expectations that cannot be judged beside a stream, each by its name."""
    found = []
    for rule in plan.expectations:
        shape = stream.shapes.get(rule.on, Shape())
        said = next(iter(_wrong(plan, rule, shape, stream)), None)
        if said is not None:
            found.append(Finding(
                "StreamExpectation", f"expectation {rule.name!r} of {rule.on!r}: {said[0]}",
                rule.where, said[1], step=rule.on,
            ))  # fmt: skip
    return found


def _wrong(
    plan: Plan, rule: Expectation, shape: Shape, stream: StreamPlan
) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a rule, and what helps."""
    tables = [] if rule.test is None else [n for n in t.walk(rule.test) if isinstance(n, t.Table)]
    own = {id(_own_table(rule.test))} if rule.test is not None else set()
    looked = [n.name for n in tables if not n.is_cte and id(n) not in own]
    endless = [n for n in looked if stream.shapes.get(n, Shape()).kind != STATIC]
    if endless:
        yield (
            f"it looks into {endless[0]!r}, whose rows never end",
            "look into a bounded source or a lookup",
        )
    if shape.kind == STATIC:
        if rule.kind == "volume":
            yield (
                "it compares with earlier runs, and a stream has one that goes on",
                _WHOLE["volume"],
            )
        return
    if rule.kind in _WHOLE:
        yield f"{rule.kind} is about all rows, and those of a stream never end", _WHOLE[rule.kind]
    if shape.kind == UPDATING:
        yield (
            f"the rows of {rule.on!r} change: one that passes now may not pass later",
            f"expect it of what {rule.on!r} is made of, or filter it there with HAVING or WHERE",
        )
    if rule.kind == "unique" and not _in_one_epoch(rule, shape):
        yield (
            "unique would keep every key for ever",
            "count by key in a window: its rows come at once, and unique is judged there when the "
            "columns name the window",
        )
    yield from _wrong_test(plan, rule)


def _wrong_test(plan: Plan, rule: Expectation) -> Iterator[tuple[str, str]]:
    if rule.test is None:
        return
    expr = condition(rule.test)
    names = {n.name for n in t.walk(expr) if isinstance(n, t.Call)}
    if names & {function.name for function in plan.functions}:
        yield "it calls a Python function", "call it in a view, and expect something of its result"
    if any(name in catalogue() and not catalogue()[name].is_deterministic for name in names):
        # An epoch that is computed again would judge its rows another way (V9).
        yield "it asks for the time of the run", "compare columns, such as two instants of a row"
    if can_fail(expr) and any(isinstance(n, t.Query) for n in t.walk(expr)):
        yield (
            "it looks into another relation by a value that may fail to be computed",
            "compute the value in a view, with TRY_CAST where it may fail",
        )


def _own_table(test: t.Query) -> t.Node | None:
    body = test.body
    return body.source if isinstance(body, t.Select) else None


def _in_one_epoch(rule: Expectation, shape: Shape) -> bool:
    """Say whether rows that are equal in the rule's columns always come in one epoch."""
    columns = set(rule.columns)
    by_window = bool(columns & shape.ids) or bool(shape.together and shape.together <= columns)
    return shape.kind == PANES and by_window
