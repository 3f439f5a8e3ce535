"""Takes the calls of Python functions out of a query, for engines that run them beside it.

A SELECT that calls Python functions becomes two: one that gives the columns that are needed and the
arguments, and one that reads those columns and the results. Between the two stands a `Map`, which
calls the functions row by row or batch by batch::

    SELECT id, score(amount) AS s FROM payments WHERE country = 'IT' AND score(amount) > 0.5

    map:  SELECT id AS c0, amount AS a0 FROM payments WHERE country = 'IT'     calls: r0 = score(a0)
    rest: SELECT m.c0 AS id, m.r0 AS s FROM map AS m WHERE m.r0 > 0.5

All of it is pure. What the functions would be called with depends on the query alone: conditions
without a Python call go first, and a call inside of CASE, IF, COALESCE, AND or OR is made only for the rows
that reach it (V10), as far as what decides that holds no Python call itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from mainstem.plan import tree as t
from mainstem.plan.nodes import PythonFunction
from mainstem.plan.types import BIGINT, Type
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.lift_calls import Calls, MapCall, Refused
from mainstem.sql.order import conjuncts
from mainstem.sql.python_calls import python_calls


@record
class Map:
    """Functions to be called for each row of a query.

    Parameters
    ----------
    name : str
        The relation that its rows are read from: columns ``c0``, … as the query gives them, and
        ``r0``, …, the results of `calls`. A row that no function could be called for is not there.
    query : Query
        Gives ``c0``, … and the arguments ``a0``, ….
    kept, arguments : tuple of Type
        Types of the columns ``c…`` and ``a…``.
    calls : tuple of MapCall
        In an order in which each finds the results that it takes.
    results : tuple of Type
        Types of ``r0``, ….
    """

    name: str
    query: t.Query
    kept: tuple[Type, ...]
    arguments: tuple[Type, ...]
    calls: tuple[MapCall, ...]
    results: tuple[Type, ...]


@record
class Lifted:
    """A query without calls of Python functions, and the maps that it reads, in order.

    `problem` is why a call cannot be taken out: what, where in the text, and what to do instead.
    """

    query: t.Query
    maps: tuple[Map, ...] = ()
    problem: tuple[str, int, str] | None = None


def lifted(query: t.Query, functions: Sequence[PythonFunction], step: str) -> Lifted:
    """Give a bound query without calls of `functions`.

    Parameters
    ----------
    query : Query
        As the binder gave it.
    functions : sequence of PythonFunction
        Those of the plan.
    step : str
        Whose query it is; the maps are named after it.
    """
    lifter = _Lifter({one.name: one for one in functions}, step)
    if not lifter.has_calls(query):
        return Lifted(query)
    try:
        rest = lifter.query(query, ())
    except Refused as refused:
        return Lifted(query, problem=(refused.what, refused.at, refused.fix))
    return Lifted(rest, tuple(lifter.maps))


class _Lifter:
    """Works from the innermost query outward; holds the maps that were made so far."""

    def __init__(self, functions: Mapping[str, PythonFunction], step: str) -> None:
        self.functions = functions
        self.step = step
        self.maps: list[Map] = []
        self.n_grouped = 0

    def has_calls(self, node: t.Node | None) -> bool:
        return node is not None and next(python_calls(node, self.functions), None) is not None

    def query(self, node: t.Query, outer: tuple[t.Cte, ...]) -> t.Query:
        """Lift a query that sees the WITH queries `outer`."""
        if not self.has_calls(node):
            return node
        scope = outer
        ctes = []
        for cte in node.ctes:
            if node.is_recursive and self.has_calls(cte.query):
                self.refuse(cte.query, "a WITH RECURSIVE query")
            ctes.append(dataclasses.replace(cte, query=self.query(cte.query, scope)))
            # A WITH query hides an outer one of its name.
            scope = (*(c for c in scope if c.name.lower() != cte.name.lower()), ctes[-1])
        node = dataclasses.replace(node, ctes=tuple(ctes))
        if isinstance(node.body, t.Select):
            return self.select(node, scope)
        if isinstance(node.body, t.Values) and self.has_calls(node.body):
            self.refuse(node.body, "VALUES", "write SELECT … UNION ALL SELECT …")
        if isinstance(node.body, t.SetOperation):
            left, right = self.query(node.body.left, scope), self.query(node.body.right, scope)
            body = dataclasses.replace(node.body, left=left, right=right)
            return dataclasses.replace(node, body=body)
        return node

    # One SELECT

    def select(self, node: t.Query, scope: tuple[t.Cte, ...]) -> t.Query:
        body = node.body
        assert isinstance(body, t.Select)  # noqa: S101 - for the type checker
        if self.is_after_groups(node, body):
            node, body = self.grouped(node, body)
        source, moved = (None, ()) if body.source is None else self.relation(body.source, scope, [])
        node = dataclasses.replace(
            node, body=dataclasses.replace(body, source=source, where=_both(body.where, moved))
        )
        node = self.subqueries(node, scope)
        while any(self.has_calls(part) for part in _parts(node)):
            node = self.once(node, scope)
        return node

    def subqueries(self, node: t.Query, scope: tuple[t.Cte, ...]) -> t.Query:
        """Lift the subqueries of the expressions of a SELECT."""

        def change(part: t.Node) -> t.Node:
            if isinstance(part, t.Query):
                return self.query(part, scope)
            return part if isinstance(part, t.Relation) else t.rebuilt(part, change)

        body = t.rebuilt(node.body, change)
        return dataclasses.replace(node, body=body, order=tuple(
            t.rebuilt(key, change) for key in node.order
        ))  # fmt: skip

    def once(self, node: t.Query, scope: tuple[t.Cte, ...]) -> t.Query:
        """Take out the calls whose arguments hold no call that comes first, as one map."""
        body = node.body
        assert isinstance(body, t.Select)  # noqa: S101 - for the type checker
        name = f"__map_{self.step}_{len(self.maps) + 1}"
        aliases = set() if body.source is None else _aliases(body.source)
        calls = Calls(self.functions, name, aliases)
        self.refuse_correlated(node, aliases)
        every = [] if body.where is None else conjuncts(body.where)
        first = [one for one in every if not self.has_calls(one)]
        rest = [calls.whole(one) for one in every if self.has_calls(one)]
        # Before the outputs: what those repeat of a key has to be the same column.
        group = tuple(calls.group(g) for g in body.group)
        changed = t.Select(
            tuple(dataclasses.replace(i, expr=calls.whole(i.expr)) for i in body.items),
            None, _both(None, rest), group,
            having=None if body.having is None else calls.whole(body.having),
            qualify=None if body.qualify is None else calls.whole(body.qualify),
            is_distinct=body.is_distinct, at=body.at,
        )  # fmt: skip
        order = tuple(dataclasses.replace(k, expr=calls.whole(k.expr)) for k in node.order)
        made = self.made(name, calls, body, first, scope)
        self.maps.append(made)
        shape = (
            *((f"c{i}", x) for i, x in enumerate(made.kept)),
            *((f"r{i}", x) for i, x in enumerate(made.results)),
        )
        table = t.Table(name, shape=shape, alias=name)
        return dataclasses.replace(
            node, body=dataclasses.replace(changed, source=table), order=order
        )

    def made(
        self, name: str, calls: Calls, body: t.Select, first: list[t.Expr],
        scope: tuple[t.Cte, ...],
    ) -> Map:  # fmt: skip
        kept = list(calls.kept)
        arguments = list(calls.arguments)
        items = [t.Item(e, f"c{i}") for i, e in enumerate(kept)]
        items += [t.Item(e, f"a{i}") for i, e in enumerate(arguments)]
        if not items:
            # A row without any column is no row.
            kept = [t.Literal(1, "integer", type=BIGINT)]
            items = [t.Item(kept[0], "c0")]
        select = t.Select(tuple(items), body.source, _both(None, first))
        return Map(
            name, t.Query(select, scope), tuple(map(t.type_of, kept)),
            tuple(map(t.type_of, arguments)), tuple(calls.calls),
            tuple(self.functions[call.function].gives for call in calls.calls),
        )  # fmt: skip

    def refuse_correlated(self, node: t.Query, aliases: set[str]) -> None:
        """Refuse calls in a subquery that is computed anew for each row around it."""
        known = aliases | {n.alias for n in t.walk(node) if isinstance(n, t.Relation)}
        for part in t.walk(node):
            if isinstance(part, t.Column) and part.relation and part.relation not in known:
                self.refuse(node, "a subquery that looks at the row around it")

    # After GROUP BY

    def is_after_groups(self, node: t.Query, body: t.Select) -> bool:
        """Say whether a Python function is called with what GROUP BY gives."""
        outputs = [p for p in (*body.items, body.having, body.qualify, *node.order) if p]
        if not body.group and not any(is_aggregate(n) for p in outputs for n in _own(p)):
            return False
        keys = _keys(body)
        return any(self._is_outside(part, keys) for part in outputs)

    def _is_outside(self, node: t.Node, keys: Sequence[t.Expr]) -> bool:
        if node in keys or is_aggregate(node) or isinstance(node, t.Query):
            return False
        if isinstance(node, t.Call) and node.name in self.functions:
            return True
        return any(self._is_outside(child, keys) for child in t.children(node))

    def grouped(self, node: t.Query, body: t.Select) -> tuple[t.Query, t.Select]:
        """Give the same query with its groups in a subquery, so that calls stand beside them."""
        self.n_grouped += 1
        alias = f"__grouped_{self.n_grouped}"
        own = set() if body.source is None else _aliases(body.source)
        # Every part of a grouped row: its keys, and its aggregates as they are met.
        parts: list[t.Expr] = list(dict.fromkeys(_keys(body)))

        def column(part: t.Expr, like: t.Expr, depth: int = 0) -> t.Column:
            return t.Column(alias, f"g{parts.index(like)}", depth, at=part.at, type=part.type)

        def below(part: t.Node) -> t.Node:
            """Rewrite what stands in a subquery: only columns can be of the groups around it."""
            if isinstance(part, t.Column) and part.relation in own:
                plain = dataclasses.replace(part, depth=0)
                return column(part, plain, part.depth) if plain in parts else part
            return t.rebuilt(part, below)

        def change(part: t.Node) -> t.Node:
            if isinstance(part, t.Query):
                return below(part)
            if isinstance(part, t.Expr) and part not in parts and is_aggregate(part):
                parts.append(part)
            if isinstance(part, t.Expr) and part in parts:
                return column(part, part)
            return t.rebuilt(part, change)

        outer = t.Select(
            tuple(t.rebuilt(item, change) for item in body.items), None,
            None if body.having is None else cast("t.Expr", change(body.having)),
            qualify=None if body.qualify is None else cast("t.Expr", change(body.qualify)),
            is_distinct=body.is_distinct, at=body.at,
        )  # fmt: skip
        order = tuple(t.rebuilt(key, change) for key in node.order)
        items = tuple(t.Item(part, f"g{i}") for i, part in enumerate(parts))
        inner = t.Query(
            t.Select(items, body.source, body.where, body.group, at=body.at), at=node.at
        )
        source = t.Subquery(inner, alias=alias, columns=tuple(i.name for i in items))
        outer = dataclasses.replace(outer, source=source)
        return dataclasses.replace(node, body=outer, order=order), outer

    # FROM

    def relation(
        self, node: t.Relation, scope: tuple[t.Cte, ...], moved: list[t.Expr], *,
        is_inner: bool = True,
    ) -> tuple[t.Relation, list[t.Expr]]:  # fmt: skip
        """Lift the queries of FROM; give it with the conditions of ON that go to WHERE."""
        if not self.has_calls(node):
            return node, moved
        if isinstance(node, t.Subquery):
            return dataclasses.replace(node, query=self.query(node.query, scope)), moved
        if not isinstance(node, t.Join):
            self.refuse(node, "a table function")
            return node, moved
        is_plain = is_inner and node.kind in ("inner", "cross")
        left, _ = self.relation(node.left, scope, moved, is_inner=is_plain)
        right, _ = self.relation(node.right, scope, moved, is_inner=is_plain)
        kind, on = node.kind, node.on
        if on is not None and self.has_calls(on):
            if not is_plain:
                word = "JOIN" if node.kind == "inner" else f"{node.kind.upper()} JOIN"
                self.refuse(on, f"ON of {word}" + ("" if is_inner else " below another join"))
            moved += [one for one in conjuncts(on) if self.has_calls(one)]
            on = _both(None, [one for one in conjuncts(on) if not self.has_calls(one)])
            kind = "cross" if on is None else "inner"
        return dataclasses.replace(node, kind=kind, left=left, right=right, on=on), moved

    def refuse(self, node: t.Node, where: str, fix: str = "") -> None:
        """Refuse the first call below a node."""
        call = next(python_calls(node, self.functions))
        raise Refused(
            f"the Python function {call.name} cannot be called in {where}", call.at,
            fix or f"call {call.name} in a view, and read its result here",
        )  # fmt: skip


def _both(first: t.Expr | None, others: Sequence[t.Expr]) -> t.Expr | None:
    parts = [*([] if first is None else [first]), *others]
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        whole = t.Call("and", (whole, part), overload=0, type=t.type_of(part))
    return whole


def _parts(node: t.Query) -> list[t.Node]:
    """Give what is computed for each row or group of a SELECT, without its FROM."""
    body = node.body
    assert isinstance(body, t.Select)  # noqa: S101 - for the type checker
    found = [*body.items, body.where, *body.group, body.having, body.qualify, *node.order]
    return [part for part in found if part is not None]


def _keys(body: t.Select) -> list[t.Expr]:
    keys: list[t.Expr] = []
    for item in body.group:
        keys += [e for one in item.sets for e in one] if isinstance(item, t.Grouping) else [item]
    return keys


def _own(node: t.Node) -> list[t.Node]:
    """Give a node and those below it, without those of subqueries."""
    found = [node]
    for child in t.children(node):
        if not isinstance(child, t.Query):
            found += _own(child)
    return found


def _aliases(node: t.Relation) -> set[str]:
    if isinstance(node, t.Join):
        return _aliases(node.left) | _aliases(node.right)
    if isinstance(node, t.TableCall) and node.table is not None:
        return {node.alias} | _aliases(node.table)
    return {node.alias}
