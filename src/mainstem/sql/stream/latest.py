"""A running aggregate with a TTL over rows that end: the aggregate of each key's latest session (C3).

What a stream keeps from epoch to epoch is written out as one query here, so every engine that runs a
batch gives it the same meaning. It is found in the query by the lowering: a `ttl` means the same in a
batch as in a stream, so what cannot be a stream cannot have one.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from mainstem.errors import Finding, InternalError
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, Step
from mainstem.plan.stream import DELTA, RUNNING, TIME, TOP, StreamNode
from mainstem.plan.types import Field, Schema
from mainstem.record import record
from mainstem.sql.bind import bind
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.stream.first import top_window
from mainstem.sql.stream.kept import CLOSED_ALIAS, Kept, relations_of
from mainstem.sql.stream.lower import lower
from mainstem.sql.stream.parts import aggregates, own_calls
from mainstem.sql.stream.ranked import with_qualify

_ROWS = "__kept"


@record
class Written:
    """The plan without a `ttl`, and what is refused of it."""

    plan: Plan
    findings: tuple[Finding, ...] = ()


def with_latest(plan: Plan, endless: Container[str] = ()) -> Written:
    """Give a plan whose steps with a `ttl` over inputs that end say in SQL what that means.

    Parameters
    ----------
    plan : Plan
        What was declared.
    endless : container of str, optional
        Steps over streams: they are left as they are.
    """
    asked = {step.name for step in plan.steps if step.ttl and step.name not in endless}
    if not asked:
        return Written(plan)
    lowered = lower(_endless(plan))
    behind = _behind([step for step in plan.steps if step.name in asked], plan)
    findings = tuple(f for f in lowered.findings if f.step in behind)
    if findings:
        return Written(plan, findings)
    steps, refused = [], []
    for step in plan.steps:
        nodes = [node for node in lowered.plan.nodes if node.step == step.name]
        query = _latest(step, nodes) if step.name in asked else step.query
        if query is None:
            refused.append(_refused(step))
        steps.append(replace(step, query=query or step.query))
    return Written(replace(plan, steps=tuple(steps)), tuple(refused))


def _endless(plan: Plan) -> Plan:
    """Give the plan as if the sources with event time did not end."""
    sources = tuple(replace(s, bounded=not s.event_time) for s in plan.sources)
    return replace(plan, sources=sources)


def _behind(steps: list[Step], plan: Plan) -> set[str]:
    """Give the names of steps and of all that they read."""
    found: set[str] = set()
    left = list(steps)
    while left:
        step = left.pop()
        found.add(step.name)
        left += [one for name in step.inputs if (one := plan.step(name)) and name not in found]
    return found


def _refused(step: Step) -> Finding:
    return Finding(
        "BatchNotYet", f"{step.name!r} has a ttl and more than one aggregate; over inputs that end this "
        "version has one in a step", step.where, "compute the others in a view of their own",
        step=step.name,
    )  # fmt: skip


def _latest(step: Step, nodes: list[StreamNode]) -> t.Query | None:
    """Give the query of a step in which its aggregate is over the latest sessions; None: too much."""
    running = [node for node in nodes if node.kind in (RUNNING, TOP)]
    if not running and all(node.ttl is None for node in nodes):
        # Windows have an end of their own: a ttl changes nothing.
        return step.query
    if len(running) != 1 or any(node not in running and node.kind != DELTA for node in nodes):
        return None
    (node,) = running
    is_asked = _is_numbered if node.kind == TOP else _is_grouped
    whole = with_qualify(step.query)
    found = [one for one in t.walk(whole) if isinstance(one, t.Select) and is_asked(one)]
    if len(found) != 1:
        return None
    (select,) = found
    time = _time_of(node)
    if time.relation not in {one.alias for one in relations_of(select.source)}:
        return None
    made = (_first_of_latest if node.kind == TOP else _over_latest)(step, select, time)

    def swapped(one: t.Node) -> t.Node:
        return made if one is select else t.rebuilt(one, swapped)

    query = swapped(whole)
    assert isinstance(query, t.Query)  # noqa: S101 - a query is rebuilt as one
    return query


def _is_grouped(select: t.Select) -> bool:
    return bool(select.group or select.is_distinct or any(map(is_aggregate, own_calls(select))))


def _is_numbered(select: t.Select) -> bool:
    return select.qualify is not None and not _is_grouped(select)


def _time_of(node: StreamNode) -> t.Column:
    """Give the column of event time by which the rows of a running aggregate are parted."""
    body = node.rows.body if node.rows is not None else None
    assert isinstance(body, t.Select)  # noqa: S101 - as `Kept.rows` makes it
    (found,) = (item.expr for item in body.items if item.name == TIME)
    assert isinstance(found, t.Column)  # noqa: S101 - as `Cores.marks` makes it
    return found


def _first_of_latest(step: Step, select: t.Select, time: t.Column) -> t.Select:
    """Give a top-N over the latest session of each of its partitions."""
    kept = Kept(select, time.relation, is_late=False)
    closing = kept.closing(select, having=False)
    partition = tuple(kept.argument(expr) for expr in top_window(select).partition)
    rows = kept.rows([t.Item(time, TIME)], ())
    body = rows.body
    assert isinstance(body, t.Select)  # noqa: S101 - as `Kept.rows` makes it
    source = t.Subquery(
        _sessions(step, rows, tuple(dict.fromkeys(partition))), alias=CLOSED_ALIAS,
        columns=tuple(item.name for item in body.items),
    )  # fmt: skip
    return replace(closing, source=source)


def _over_latest(step: Step, select: t.Select, time: t.Column) -> t.Select:
    """Give a SELECT over the latest session of each of its keys."""
    kept = Kept(select, time.relation, is_late=False)
    keys = [item.expr for item in select.items] if not select.group and select.is_distinct else []
    for expr in (*select.group, *keys):
        assert isinstance(expr, t.Expr)  # noqa: S101 - GROUPING SETS were refused
        kept.key(expr)
    calls = kept.aggregates(aggregates(select))
    closing = kept.closing(replace(select, is_distinct=False), having=True)
    rows = kept.rows([t.Item(time, TIME)], ())
    body = rows.body
    assert isinstance(body, t.Select)  # noqa: S101 - as `Kept.rows` makes it
    names = tuple(name for name, _ in kept.keys)
    columns = [
        t.Item(t.Column(CLOSED_ALIAS, item.name, type=item.expr.type), item.name)
        for item in body.items if item.name in names
    ]  # fmt: skip
    grouped = t.Query(t.Select(
        (*columns, *(t.Item(call, name) for name, call in calls)),
        t.Subquery(_sessions(step, rows, names), alias=CLOSED_ALIAS,
                   columns=tuple(item.name for item in body.items)),
        group=tuple(item.expr for item in columns),
    ))  # fmt: skip
    given = tuple(item.name for item in (*columns, *(t.Item(call, name) for name, call in calls)))
    return replace(closing, source=t.Subquery(grouped, alias=CLOSED_ALIAS, columns=given))


def _sessions(step: Step, rows: t.Query, keys: tuple[str, ...]) -> t.Query:
    """Give the rows of each key's latest session."""
    assert step.ttl is not None  # noqa: S101 - asked of steps that have one
    assert isinstance(rows.body, t.Select)  # noqa: S101 - as `Kept.rows` makes it
    schema = Schema(tuple(Field(item.name, t.type_of(item.expr)) for item in rows.body.items))
    micros = step.ttl // type(step.ttl)(microseconds=1)
    listed = "".join(f", {key}" for key in keys)
    part = f"PARTITION BY {', '.join(keys)}" if keys else ""
    bound = bind(
        f"SELECT {', '.join(schema.names)} FROM SESSION({_ROWS}, {TIME}, "
        f"INTERVAL '{micros} microseconds'{listed}) QUALIFY window_start = max(window_start) OVER ({part})",
        {_ROWS: schema},
    )
    if bound is None:
        raise InternalError(f"the sessions of {step.name!r} could not be written out")

    def filled(node: t.Node) -> t.Node:
        if isinstance(node, t.Table) and node.name == _ROWS:
            return t.Subquery(rows, alias=node.alias, columns=schema.names, at=node.at)
        return t.rebuilt(node, filled)

    query = filled(bound.query)
    assert isinstance(query, t.Query)  # noqa: S101 - a query is rebuilt as one
    return query
