"""The columns that are kept of each row, and how the rest of a SELECT reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.stream import (
    CLOSED,
    SESSION,
    WINDOW_COLUMNS,
    Shape,
)
from mainstem.plan.types import BIGINT, Type
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.stream.parts import (
    aggregates,
    has_alias,
    own,
)
from mainstem.sql.stream.refusal import Refusal

# Name of the relation that a closing query reads.
CLOSED_ALIAS = "_c"
Ctes = tuple[t.Cte, ...]


class Kept:
    """The columns that are kept of each row, and how the rest of a SELECT reads them."""

    def __init__(self, node: t.Select, alias: str, *, is_late: bool) -> None:
        # Late: the window's columns are known when it closes, and are no part of what is kept.
        self.node, self.alias, self.is_late = node, alias, is_late
        self.keys: list[tuple[str, t.Expr]] = []
        self.arguments: list[tuple[str, t.Expr]] = []
        self.calls: dict[t.Call, str] = {}
        # Where rows themselves are kept, Python functions are called when a row arrives, not again
        # each time that the rows are asked for.
        self.keeps_calls = False

    def column(self, name: str) -> t.Column:
        """Give a column of the input by name."""
        types = dict(columns_of(relation_of(self.node.source, self.alias)))
        return t.Column(self.alias, name, type=types[name])

    def is_late_known(self, expr: t.Node) -> bool:
        """Say whether an expression is a column of the window, where that is known at its end."""
        return self.is_late and has_alias(expr, self.alias) and expr.name in WINDOW_COLUMNS

    def key(self, expr: t.Expr) -> str:
        """Keep a key; give its column."""
        if self.is_late_known(expr):
            assert isinstance(expr, t.Column)  # noqa: S101
            self.keys.append((expr.name, expr))
            return expr.name
        self.keys.append((f"k{len(self.keys)}", expr))
        return self.keys[-1][0]

    def argument(self, expr: t.Expr) -> str:
        """Keep what an aggregate or a closing query reads of a row; give its column."""
        if self.is_late_known(expr):
            assert isinstance(expr, t.Column)  # noqa: S101
            return expr.name
        for name, known in self.arguments:
            if known == expr:
                return name
        self.arguments.append((f"x{len(self.arguments)}", expr))
        return self.arguments[-1][0]

    def aggregates(self, calls: list[t.Call]) -> tuple[tuple[str, t.Call], ...]:
        """Keep the arguments of aggregates; give the calls over what is kept."""
        made = []
        for index, call in enumerate(calls):
            self.calls[call] = f"a{index}"
            made.append((f"a{index}", self.over_kept(call)))
        return tuple(made)

    def over_kept(self, call: t.Call) -> t.Call:
        def kept(expr: t.Expr) -> t.Expr:
            if isinstance(expr, t.Literal | t.Param | t.Lambda):
                return expr
            return t.Column(CLOSED_ALIAS, self.argument(expr), type=expr.type)

        order = tuple(replace(one, expr=kept(one.expr)) for one in call.order)
        where = None if call.where is None else kept(call.where)
        return replace(call, args=tuple(map(kept, call.args)), order=order, where=where)

    def swap(self, expr: Any) -> Any:
        """Give an expression over what is kept: keys, aggregates, then single columns."""
        if isinstance(expr, t.Expr):
            for name, known in self.keys:
                if known == expr:
                    return t.Column(CLOSED_ALIAS, name, type=expr.type)
        if isinstance(expr, t.Call) and expr in self.calls:
            return t.Column(CLOSED_ALIAS, self.calls[expr], type=expr.type)
        is_column = isinstance(expr, t.Column) and expr.depth == 0
        if is_column or (self.keeps_calls and self.is_called_early(expr)):
            return t.Column(CLOSED_ALIAS, self.argument(expr), type=expr.type)
        if isinstance(expr, t.Query):
            return deepened(expr, self)
        return t.rebuilt(expr, self.swap)

    def is_called_early(self, expr: t.Node) -> bool:
        """Say whether an expression calls a Python function with what is known of a single row."""
        parts = list(own(expr)) if isinstance(expr, t.Expr) else []
        # Only functions of the pipeline are not in the catalogue.
        if not any(isinstance(n, t.Call) and n.name not in catalogue() for n in parts):
            return False
        return not any(
            isinstance(n, t.Scalar | t.InQuery | t.Exists) or self.is_late_known(n)
            or (isinstance(n, t.Call) and (n.window is not None or is_aggregate(n))) for n in parts
        )  # fmt: skip

    def closing(self, node: t.Select, *, having: bool) -> t.Select:
        """Give the SELECT over complete windows."""
        self.keeps_calls = not having
        where = node.having if having else None
        asked = replace(node, where=where, having=None, group=(), source=None)
        items = tuple(replace(item, expr=self.swap(item.expr)) for item in asked.items)
        return replace(
            asked, items=items, where=None if where is None else self.swap(where),
            qualify=None if node.qualify is None else self.swap(node.qualify),
            source=t.Table(CLOSED, alias=CLOSED_ALIAS),
        )  # fmt: skip

    def asking(self, node: t.Select) -> t.Select:
        """Give the SELECT over the rows of complete windows: as it is written, but for WHERE."""
        self.keeps_calls = not node.group and not aggregates(node)
        whole = replace(node, where=None, source=None)
        asked = t.rebuilt(whole, self.swap)
        return replace(asked, source=t.Table(CLOSED, alias=CLOSED_ALIAS))

    def rows(self, marks: list[t.Item], ctes: Ctes) -> t.Query:
        """Give the query of what is kept of each row."""
        kept = [
            t.Item(expr, name) for name, expr in (*self.keys, *self.arguments)
            if not self.is_late_known(expr)
        ]  # fmt: skip
        if not kept and not marks:
            # count(*) of everything reads no column, and a SELECT has one.
            kept = [t.Item(t.Literal(1, "integer", type=BIGINT), "x0")]
        return t.Query(t.Select((*kept, *marks), self.node.source, self.node.where), ctes)

    def check_session(self, node: t.Select) -> None:
        """Refuse what asks for the bounds of a session before its end is known."""
        if not self.is_late:
            return
        early = [
            node.where,
            *(e for _, e in (*self.keys, *self.arguments) if not self.is_late_known(e)),
        ]
        for expr in early:
            for one in own(expr):
                if self.is_late_known(one):
                    raise Refusal(
                        "StreamConstruct",
                        "the bounds of a session are known at its end only",
                        one.at,
                        "group by them, and filter with HAVING or in the next step",
                    )


def deepened(query: t.Query, kept: Kept) -> t.Query:
    """Let a correlated subquery read what is kept in place of the outer columns."""

    def change(depth: int) -> Callable[[t.Node], t.Node]:
        def inner(node: t.Node) -> t.Node:
            if isinstance(node, t.Column) and node.depth == depth:
                flat = replace(node, depth=0)
                swapped = kept.swap(flat)
                return replace(swapped, depth=depth) if isinstance(swapped, t.Column) else swapped
            if isinstance(node, t.Query):
                return t.rebuilt(node, change(depth + 1))
            return t.rebuilt(node, inner)

        return inner

    return t.rebuilt(query, change(1))


def asks_early(node: t.Select, alias: str) -> bool:
    """Say whether WHERE, a join, a key or an argument of an aggregate asks for the row's window."""

    def is_window(expr: t.Node) -> bool:
        return has_alias(expr, alias) and expr.name in WINDOW_COLUMNS

    joins = [n.on for n in joins_of(node.source)]
    keys = [g for g in node.group if isinstance(g, t.Expr) and not is_window(g)]
    early: list[t.Node | None] = [node.where, *joins, *keys]
    for call in aggregates(node):
        early += [*call.args, call.where, *(one.expr for one in call.order)]
    return any(is_window(one) for expr in early for one in own(expr))


def joins_of(node: t.Relation | None) -> list[t.Join]:
    """Give the joins of a FROM."""
    return [node, *joins_of(node.left), *joins_of(node.right)] if isinstance(node, t.Join) else []


def spelled(kept: Kept, name: str) -> str:
    """Give the name of a column as its relation spells it: names have no case."""
    names = [known for known, _ in columns_of(relation_of(kept.node.source, kept.alias))]
    return next(known for known in names if known.lower() == name.lower())


def is_session(shape: Shape) -> bool:
    """Say whether rows are in sessions."""
    return shape.window is not None and shape.window.kind == SESSION


def relation_of(node: t.Relation | None, alias: str) -> t.Relation:
    """Give the relation of an alias in FROM."""
    if isinstance(node, t.Join):
        found = [r for side in (node.left, node.right) for r in relations_of(side)]
    else:
        found = relations_of(node)
    return next(r for r in found if r.alias == alias)


def relations_of(node: t.Relation | None) -> list[t.Relation]:
    """Give the relations of a FROM."""
    if isinstance(node, t.Join):
        return [*relations_of(node.left), *relations_of(node.right)]
    return [node] if node is not None else []


def columns_of(node: t.Relation) -> list[tuple[str, Type]]:
    """Give the columns of a relation with their types; hidden ones are among them."""
    if isinstance(node, t.Table):
        names = node.columns or tuple(name for name, _ in node.shape)
        return [(n, type_) for n, (_, type_) in zip(names, node.shape, strict=False)]
    assert isinstance(node, t.Subquery)  # noqa: S101 - only these have streams
    body: t.Body = node.query.body
    while isinstance(body, t.SetOperation):
        body = body.left.body
    if isinstance(body, t.Values):
        return [(n, t.type_of(e)) for n, e in zip(body.names, body.rows[0], strict=True)]
    types = [t.type_of(item.expr) for item in body.items]
    return list(zip(node.columns, types, strict=False))
