"""GROUP BY: grouping sets spelled out, and which columns a group covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import prod
from typing import Protocol

from mainstem.plan import tree as t
from mainstem.record import record
from mainstem.sql.bind_call import is_aggregate

MAX_SETS = 4096


class _Reporter(Protocol):
    def report(self, code: str, what: str, node: t.Node, fix: str = "") -> None: ...


def spelled_out(item: t.Expr | t.Grouping) -> list[tuple[t.Expr, ...]]:
    """Give the grouping sets that one GROUP BY item stands for."""
    if not isinstance(item, t.Grouping):
        return [(item,)]
    parts = item.sets
    if item.kind == "rollup":
        return [_flat(parts[:n]) for n in range(len(parts), -1, -1)]
    if item.kind == "cube":
        sizes = range(len(parts), -1, -1)
        return [_flat(chosen) for n in sizes for chosen in combinations(parts, n)]
    return list(parts)


def count_sets(items: Sequence[t.Expr | t.Grouping]) -> int:
    """Give how many grouping sets a GROUP BY stands for, without building them."""
    sizes = []
    for item in items:
        n = len(item.sets) if isinstance(item, t.Grouping) else 0
        kinds = {"rollup": n + 1, "cube": 2 ** min(n, 64), "sets": n}
        sizes.append(kinds[item.kind] if isinstance(item, t.Grouping) else 1)
    return prod(sizes)


def _flat(parts: Sequence[tuple[t.Expr, ...]]) -> tuple[t.Expr, ...]:
    return tuple(e for part in parts for e in part)


@record
class Groups:
    """Bound GROUP BY. `keys` are all grouped expressions, `bound` is what the tree carries."""

    is_grouped: bool
    keys: tuple[t.Expr, ...] = ()
    bound: tuple[t.Expr | t.Grouping, ...] = ()

    @classmethod
    def all_of(cls, items: Sequence[t.Item]) -> Groups:
        """GROUP BY ALL: every output that holds no aggregate and no constant."""
        keys = tuple(
            i.expr
            for i in items
            if not any(is_aggregate(n) for n in t.walk(i.expr))
            and not isinstance(i.expr, t.Literal)
        )
        return cls(is_grouped=True, keys=keys, bound=keys)

    @classmethod
    def implied(cls, node: t.Select, items: Sequence[t.Item], reporter: _Reporter) -> Groups:
        """No GROUP BY: one group of all rows when there is an aggregate or a HAVING."""
        has = any(is_aggregate(n) for i in items for n in _own(i.expr))
        return cls(has or node.having is not None)

    @classmethod
    def of(
        cls, sets: Sequence[Sequence[tuple[t.Expr, ...]]], has_grouping: Sequence[bool]
    ) -> Groups:
        """GROUP BY a, ROLLUP (b): the sets of the items multiply."""
        keys = tuple(dict.fromkeys(e for item in sets for one in item for e in one))
        if not any(has_grouping):
            return cls(is_grouped=True, keys=keys, bound=keys)
        whole = [_unique(_flat(chosen)) for chosen in product(*sets)]
        grouping = t.Grouping("sets", tuple(whole))
        return cls(is_grouped=True, keys=keys, bound=(grouping,))

    def uncovered(self, parts: Sequence[t.Node], own: set[str]) -> Iterator[t.Column]:
        """Give the columns of this query's relations that no group key covers."""
        for part in parts:
            yield from self._uncovered(part, own, is_inner=False)

    def _uncovered(self, node: t.Node, own: set[str], *, is_inner: bool) -> Iterator[t.Column]:
        if isinstance(node, t.Expr) and _near(node) in self.keys:
            return
        if not is_inner and is_aggregate(node):
            return
        if isinstance(node, t.Column):
            # Inside a subquery a column of ours is a correlated one (depth > 0).
            if node.relation in own and (node.depth == 0) != is_inner:
                yield node
            return
        inner = is_inner or isinstance(node, t.Query)
        for child in t.children(node):
            yield from self._uncovered(child, own, is_inner=inner)


def _own(node: t.Node) -> Iterator[t.Node]:
    """Walk an expression without entering subqueries."""
    yield node
    for child in t.children(node):
        if not isinstance(child, t.Query):
            yield from _own(child)


def _unique(exprs: tuple[t.Expr, ...]) -> tuple[t.Expr, ...]:
    return tuple(dict.fromkeys(exprs))


def _near(expr: t.Expr) -> t.Expr:
    """Give a correlated column as its own query sees it, so that it equals a group key."""
    if isinstance(expr, t.Column) and expr.depth:
        return t.Column(expr.relation, expr.name, type=expr.type)
    return expr
