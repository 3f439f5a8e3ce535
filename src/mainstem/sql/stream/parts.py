"""Small questions about bound trees that the lowering asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeGuard

from mainstem.plan import tree as t
from mainstem.plan.stream import ROW_WATERMARK, WINDOW_COLUMNS
from mainstem.plan.types import BIGINT, STRING
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.stream.refusal import Refusal

# What becomes of a row of an updating relation.
OPERATION, UPSERT, DELETE = "__operation", "upsert", "delete"
# How deep the innermost SELECT of a window table stands, and how many columns it adds (`sql.windows`).
_DEPTHS = {"session": 4, "tumble": 2, "hop": 2, "cumulate": 2}


def has_alias(expr: t.Node, alias: str) -> TypeGuard[t.Column]:
    """Say whether an expression is a column of the relation `alias` of this SELECT."""
    return isinstance(expr, t.Column) and expr.relation == alias and expr.depth == 0


def watermark_column(alias: str) -> t.Column:
    """Give the watermark of a row."""
    return t.Column(alias, ROW_WATERMARK, type=BIGINT)


def operation_item(alias: str, where: t.Expr | None) -> t.Item:
    """Give what becomes of a row: it is there when it was and still passes, else deleted."""
    column = t.Column(alias, OPERATION, type=STRING)
    if where is None:
        return t.Item(column, OPERATION)
    upsert, delete = (t.Literal(word, "string", type=STRING) for word in (UPSERT, DELETE))
    is_kept = t.InList(column, (upsert,), type=where.type)
    both = t.Call("and", (is_kept, where), type=where.type)
    return t.Item(t.Case(((both, upsert),), delete, type=STRING), OPERATION)


def given_item(where: t.Expr | None) -> t.Item:
    """Give what becomes of a row that an updating node gives: deleted when HAVING leaves it out."""
    upsert, delete = (t.Literal(word, "string", type=STRING) for word in (UPSERT, DELETE))
    if where is None:
        return t.Item(upsert, OPERATION)
    return t.Item(t.Case(((where, upsert),), delete, type=STRING), OPERATION)


def tables(query: t.Node, *, ctes: bool = False) -> list[str]:
    """Give the sources and steps (or the common table expressions) that a query names, once each."""
    found = (n.name for n in t.walk(query) if isinstance(n, t.Table) and n.is_cte == ctes)
    return list(dict.fromkeys(found))


def own(node: t.Node | None) -> Iterator[t.Node]:
    """Give an expression and all below it, without what its subqueries hold."""
    if node is None:
        return
    yield node
    for child in t.children(node):
        if not isinstance(child, t.Query):
            yield from own(child)


def outputs(node: t.Select) -> list[t.Expr]:
    """Give the expressions of a SELECT that stand behind its grouping."""
    found = [item.expr for item in node.items]
    return found + [e for e in (node.having, node.qualify) if e is not None]


def own_calls(node: t.Select) -> list[t.Call]:
    """Give the calls in what a SELECT gives, those over a window and inside of OVER included."""
    return [n for expr in outputs(node) for n in own(expr) if isinstance(n, t.Call)]


def aggregates(node: t.Select) -> list[t.Call]:
    """Give the different aggregate calls of a SELECT, in order."""
    return list(dict.fromkeys(call for call in own_calls(node) if is_aggregate(call)))


def grouping_sets(node: t.Select) -> list[tuple[t.Expr, ...]]:
    """Give the keys of each of a SELECT's groupings: one without GROUPING SETS."""
    plain = tuple(g for g in node.group if isinstance(g, t.Expr))
    sets = [g.sets for g in node.group if isinstance(g, t.Grouping)]
    return [plain + keys for keys in sets[0]] if sets else [plain]


def window_calls(node: t.Select) -> list[t.Call]:
    """Give the calls that have an OVER."""
    return [call for call in own_calls(node) if call.window is not None]


def subqueries(node: t.Select) -> Iterator[tuple[t.Query, int, str]]:
    """Give the subqueries in a SELECT's expressions, with their places and what they are."""
    words = {t.Scalar: "a scalar subquery", t.InQuery: "IN (SELECT …)", t.Exists: "EXISTS"}
    conditions = [node.where, *(g for g in node.group if isinstance(g, t.Expr))]
    conditions += (
        [n.on for n in t.walk(node.source) if isinstance(n, t.Join)] if node.source else []
    )
    for expr in (*outputs(node), *conditions):
        for one in own(expr):
            if isinstance(one, t.Scalar | t.InQuery | t.Exists):
                yield one.query, one.at, words[type(one)]


def innermost(node: t.Subquery) -> t.Select:
    """Give the SELECT of a window table that stands directly over its input."""
    assert node.window is not None  # noqa: S101 - it is a window table
    inner = node
    for _ in range(_DEPTHS[node.window.kind]):
        body = inner.query.body
        assert isinstance(body, t.Select)  # noqa: S101 - as `sql.windows` spells it
        source = body.source.left if isinstance(body.source, t.Join) else body.source
        assert isinstance(source, t.Subquery)  # noqa: S101
        inner = source
    found = inner.query.body
    assert isinstance(found, t.Select)  # noqa: S101
    return found


def session_input(node: t.Subquery) -> tuple[t.Query, tuple[str, ...]]:
    """Give the query over which a session window stands, and the columns that part its sessions."""
    first = innermost(node)
    *items, previous = first.items
    names = node.columns[: len(items)]
    assert isinstance(previous.expr, t.Call)  # noqa: S101
    window = previous.expr.window
    assert window is not None  # noqa: S101
    keys = []
    for key in window.partition:
        name = next((n for n, i in zip(names, items, strict=True) if i.expr == key), "")
        if not name:
            raise Refusal(
                "StreamConstruct",
                "a session over a stream is parted by columns",
                key.at,
                "compute the key in a view, and name its column",
            )
        keys.append(name)
    made = t.Select(tuple(items), first.source, first.where, at=first.at)
    return t.Query(made, at=node.at), tuple(keys)


def window_input(node: t.Subquery) -> t.Subquery:
    """Give the input of a lowered window table under the table's alias, hidden columns included."""
    first = innermost(node)
    columns = tuple(c for c in node.columns if c not in (*WINDOW_COLUMNS, ROW_WATERMARK))
    own, rest = first.items[: len(columns)], first.items[len(columns) :]
    hidden = tuple(item for item in rest if item.name == ROW_WATERMARK)
    made = t.Query(replace(first, items=(*own, *hidden)), at=node.at)
    names = (*columns, *(item.name for item in hidden))
    return t.Subquery(made, alias=node.alias, columns=names, at=node.at)


def whole_sessions(node: t.Relation) -> t.Relation:
    """Give a FROM in which sessions stand in queries of their own.

    What WHERE or a join drops belongs to its session all the same: it may be what holds it together.
    """
    if isinstance(node, t.Join):
        left, right = whole_sessions(node.left), whole_sessions(node.right)
        return replace(node, left=left, right=right)
    if not isinstance(node, t.Subquery) or node.window is None or node.window.kind != "session":
        return node
    body = node.query.body
    assert isinstance(body, t.Select)  # noqa: S101 - as `sql.windows` spells it
    items = tuple(
        t.Item(t.Column(node.alias, name, type=item.expr.type), name)
        for name, item in zip(node.columns, body.items, strict=False)
    )
    made = t.Query(t.Select(items, node, at=node.at), at=node.at)
    return t.Subquery(made, alias=node.alias, columns=node.columns, at=node.at)


def with_relation(node: t.Relation, alias: str, made: t.Relation) -> t.Relation:
    """Give a FROM in which another relation stands under an alias."""
    if isinstance(node, t.Join):
        left, right = (with_relation(side, alias, made) for side in (node.left, node.right))
        return replace(node, left=left, right=right)
    return made if node.alias == alias else node
