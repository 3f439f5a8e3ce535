"""``SELECT … FROM (SELECT …, row_number() OVER (…) AS n …) WHERE n <= 10``: a top-N in its other spelling.

Flink's SQL knows no other one. It means what QUALIFY means, so it is put that way before it is lowered.
"""

from __future__ import annotations

from dataclasses import replace

from mainstem.plan import tree as t
from mainstem.sql.stream.parts import has_alias, window_calls


def with_qualify(query: t.Query) -> t.Query:
    """Give a query in which each test of a row number stands where that is computed."""

    def change(node: t.Node) -> t.Node:
        made = t.rebuilt(node, change)
        return _qualified(made) if isinstance(made, t.Select) else made

    return t.rebuilt(query, change)


def _qualified(node: t.Select) -> t.Select:
    """Give a SELECT whose test of a row number of its subquery stands there."""
    source = node.source
    if node.where is None or not isinstance(source, t.Subquery) or source.window is not None:
        return node
    inner = source.query.body
    if not isinstance(inner, t.Select) or not _is_open(source.query, inner):
        return node
    tests = _conjuncts(node.where)
    for test in tests:
        qualify = _over_rank(test, source, inner)
        if qualify is not None:
            asked = replace(source.query, body=replace(inner, qualify=qualify))
            rest = [one for one in tests if one is not test]
            where = _all_of(rest, node.where)
            return replace(node, source=replace(source, query=asked), where=where)
    return node


def _is_open(query: t.Query, inner: t.Select) -> bool:
    """Say whether a test of a column may be moved into a subquery: nothing comes behind its numbering."""
    is_whole = query.limit is None and query.offset is None and not inner.is_distinct
    return is_whole and inner.qualify is None and len(set(window_calls(inner))) == 1


def _over_rank(test: t.Expr, source: t.Subquery, inner: t.Select) -> t.Expr | None:
    """Give a test ``n <= 10`` over the row number that `n` is; None when it is none."""
    if not isinstance(test, t.Call) or test.name not in ("=", "<=", "<") or len(test.args) != 2:
        return None
    left, right = test.args
    if not has_alias(left, source.alias) or not isinstance(right, t.Literal):
        return None
    ranks = [
        item.expr for name, item in zip(source.columns, inner.items, strict=False)
        if name == left.name and isinstance(item.expr, t.Call) and item.expr.window is not None
        and item.expr.name == "row_number"
    ]  # fmt: skip
    return replace(test, args=(ranks[0], right)) if ranks else None


def _conjuncts(where: t.Expr) -> list[t.Expr]:
    if isinstance(where, t.Call) and where.name == "and":
        return [one for arg in where.args for one in _conjuncts(arg)]
    return [where]


def _all_of(tests: list[t.Expr], where: t.Expr) -> t.Expr | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    first, *rest = tests
    for one in rest:
        first = t.Call("and", (first, one), type=where.type, overload=_overload(where))
    return first


def _overload(where: t.Expr) -> int:
    return where.overload if isinstance(where, t.Call) else -1
