"""Where functions may stand whose results differ from call to call (V9).

After a row has got such a result, nothing may look at several rows any more: a group, a join or a
window of a run that is repeated would fall out in another way. So the calls stand in the outputs or the WHERE
of the last such SELECT of a table, and what reads the step has to take its rows one by one as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, Step
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.python_calls import python_calls


@record
class Misplaced:
    """A call whose result something else depends on: in which step, and where in its text."""

    step: Step
    call: t.Call
    why: str


def misplaced(plan: Plan) -> list[Misplaced]:
    """Give the calls of functions with ``deterministic=False`` that stand too early."""
    names = {f.name for f in plan.functions if not f.is_deterministic}
    found = []
    for step in plan.steps if names else ():
        calls = list(python_calls(step.query, names))
        free = {id(c) for part in _free(step.query, {}) for c in python_calls(part, names)}
        early = [call for call in calls if id(call) not in free]
        found += [Misplaced(step, call, "other rows depend on its result") for call in early]
        reader = _later(plan, step.name) if calls and not early else None
        if reader is not None:
            why = f"{reader.name!r} groups, joins or sorts what it gives"
            found.append(Misplaced(step, calls[0], why))
    return found


def _later(plan: Plan, name: str) -> Step | None:
    """Give the first step that does not take the rows of `name` one by one."""
    for step in plan.readers(name):
        reads = [n for n in t.walk(step.query) if isinstance(n, t.Table) and n.name == name]
        plain = {id(n) for n in _plainly_read(step.query, {})}
        if any(id(n) not in plain for n in reads if not n.is_cte):
            return step
        found = _later(plan, step.name)
        if found is not None:
            return found
    return None


def _last(query: t.Query, ctes: Mapping[str, t.Query]) -> Iterator[t.Select]:
    """Give the SELECTs after which each row stands alone, from the outermost in."""
    if query.limit is not None or query.offset is not None or query.is_recursive:
        return
    known = {**ctes, **{cte.name: cte.query for cte in query.ctes}}
    if isinstance(query.body, t.SetOperation):
        if query.body.kind == "union" and query.body.is_all:
            yield from _last(query.body.left, known)
            yield from _last(query.body.right, known)
        return
    if not isinstance(query.body, t.Select) or query.body.is_distinct:
        return
    yield query.body
    source = query.body.source
    if _is_plain(query.body) and isinstance(source, t.Subquery):
        yield from _last(source.query, known)
    if _is_plain(query.body) and isinstance(source, t.Table) and source.is_cte:
        # A WITH query that is read twice would be computed once or twice: an engine may choose.
        yield from _last(known[source.name], known)


def _is_plain(body: t.Select) -> bool:
    """Say whether a SELECT gives a row for each row, and looks at no other."""
    parts = [*(item.expr for item in body.items), body.where, body.having, body.qualify]
    has_reach = any(
        is_aggregate(n) or (isinstance(n, t.Call) and n.window is not None)
        for part in parts if part is not None for n in t.walk(part)
    )  # fmt: skip
    is_one = not isinstance(body.source, t.Join)
    return is_one and not (has_reach or body.group or body.is_distinct or body.qualify)


def _free(query: t.Query, ctes: Mapping[str, t.Query]) -> Iterator[t.Node]:
    """Give the expressions on whose value no other row depends."""
    for body in _last(query, ctes):
        keys = [k for g in body.group for k in (g.sets if isinstance(g, t.Grouping) else (g,))]
        for item in body.items:
            yield from _outside(item.expr, keys)
        if body.where is not None and _is_plain(body):
            yield body.where


def _outside(node: t.Expr, keys: Sequence[object]) -> Iterator[t.Node]:
    """Give an expression when no key, aggregate or window of its SELECT takes anything of it."""
    if node in keys or any(
        is_aggregate(n) or (isinstance(n, t.Call) and n.window is not None) for n in t.walk(node)
    ):
        return
    yield node


def _plainly_read(query: t.Query, ctes: Mapping[str, t.Query]) -> Iterator[t.Table]:
    for body in _last(query, ctes):
        if _is_plain(body) and isinstance(body.source, t.Table):
            yield body.source
