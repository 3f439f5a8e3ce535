"""Whole bound queries by nested loops: the slow half of the reference.

Rows are tuples in the order of the columns, a relation is a list of environments. It knows SELECT with joins,
grouping, HAVING, windows over rows, QUALIFY, DISTINCT, ORDER BY, LIMIT, VALUES, set operations, common table
expressions that are not recursive, and subqueries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any, TypeAlias, cast

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.sql.order import output_columns
from mainstem.testing.reference import Row, evaluate
from mainstem.testing.reference_values import (
    WIDE,
    compare,
    distinct,
    fitted,
    key_of,
    same_or_both_null,
)

Rows: TypeAlias = list[tuple[Any, ...]]
_Columns: TypeAlias = dict[tuple[str, str], Any]


def answer(query: t.Query, tables: Mapping[str, Rows]) -> Rows:
    """Give the rows of a bound query.

    Parameters
    ----------
    query : Query
        From `mainstem.sql.bind.bind`.
    tables : mapping of str to rows
        Each with all columns of its schema, in order.

    Returns
    -------
    list of tuple
        In the order of ORDER BY; in any order without one.

    Raises
    ------
    RowFails
        When a row fails by the contract.
    """
    return _Interpreter(dict(tables)).query(query, None)


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that are one after GROUP BY; `key` are the grouped expressions with their values."""

    key: Mapping[t.Expr, Any]
    members: tuple[Row, ...]


class _Interpreter:
    def __init__(self, tables: dict[str, Rows]) -> None:
        self.tables = tables

    def query(self, node: t.Query, outer: Row | None) -> Rows:
        inner = self
        for cte in node.ctes:
            inner = _Interpreter({**inner.tables, cte.name: inner.query(cte.query, outer)})
        return inner.bodied(node, outer)

    def bodied(self, node: t.Query, outer: Row | None) -> Rows:
        if isinstance(node.body, t.Select):
            pairs = self.select(node.body, outer)
        else:
            pairs = [(row, Row(outer=outer)) for row in self.body(node.body, outer)]
        names = [n for n, _ in output_columns(node)]

        def keys(pair: tuple[tuple[Any, ...], Row]) -> list[Any]:
            own = {("", n): v for n, v in zip(names, pair[0], strict=True)}
            row = replace(pair[1], columns={**pair[1].columns, **own})
            return [evaluate(k.expr, row) for k in node.order]

        ordered = [pair[0] for pair in _sorted(pairs, keys, node.order)]
        start = cast(int, evaluate(node.offset, Row())) if node.offset is not None else 0
        end = start + cast(int, evaluate(node.limit, Row())) if node.limit is not None else None
        return ordered[start:end]

    def body(self, node: t.Body, outer: Row | None) -> Rows:
        if isinstance(node, t.Values):
            return [tuple(evaluate(e, self.row({}, outer)) for e in row) for row in node.rows]
        assert isinstance(node, t.SetOperation)
        left, right = self.query(node.left, outer), self.query(node.right, outer)
        if node.kind == "union":
            return left + right if node.is_all else _distinct(left + right)
        if not node.is_all:
            left, right = _distinct(left), _distinct(right)
        return list(_matched(left, right, is_kept=node.kind == "intersect"))

    def row(self, columns: _Columns, outer: Row | None) -> Row:
        return Row(columns, outer=outer, subquery=self.query)

    # SELECT

    def select(self, node: t.Select, outer: Row | None) -> list[tuple[tuple[Any, ...], Row]]:
        """Give each output row with what its ORDER BY sees."""
        sources = self.relation(node.source, outer) if node.source is not None else [{}]
        rows = [self.row(columns, outer) for columns in sources]
        if node.where is not None:
            rows = [r for r in rows if evaluate(node.where, r) is True]
        if node.group or _has_aggregate(node):
            rows = self.grouped(node, rows, outer)
        rows = _windowed(node, rows)
        if node.qualify is not None:
            rows = [r for r in rows if evaluate(node.qualify, r) is True]
        made = [(tuple(evaluate(i.expr, r) for i in node.items), r) for r in rows]
        if not node.is_distinct:
            return made
        return [
            next(p for p in made if _same_row(p[0], one)) for one in _distinct([p[0] for p in made])
        ]

    def grouped(self, node: t.Select, rows: list[Row], outer: Row | None) -> list[Row]:
        sets: list[tuple[t.Expr, ...]]
        if node.group and isinstance(node.group[0], t.Grouping):
            sets = list(node.group[0].sets)
        else:
            sets = [cast("tuple[t.Expr, ...]", node.group)]
        made: list[Any] = []
        for keys in sets:
            made.extend(self.group_row(node, group, sets, outer) for group in _groups(keys, rows))
        return [r for r in made if node.having is None or evaluate(node.having, r) is True]

    def group_row(
        self, node: t.Select, group: _Group, sets: Sequence[tuple[t.Expr, ...]], outer: Row | None
    ) -> Row:
        columns = dict(group.members[0].columns) if group.members else {}
        every = {e for keys in sets for e in keys}
        columns.update(
            {(e.relation, e.name): group.key.get(e) for e in every if isinstance(e, t.Column)}
        )
        computed: dict[t.Call, Any] = {}
        for call in _calls(node):
            if call.name == "grouping":
                computed[call] = sum(
                    (e not in group.key) << i for i, e in enumerate(reversed(call.args))
                )
            elif call.window is None and _is_aggregate(call):
                computed[call] = aggregate(call, group.members)
        computed.update({e: v for e, v in group.key.items() if isinstance(e, t.Call)})
        return replace(self.row(columns, outer), computed=computed)

    # Relations

    def relation(self, node: t.Relation, outer: Row | None) -> list[_Columns]:
        if isinstance(node, t.Table):
            names = node.columns or tuple(n for n, _ in node.shape)
            return [
                {(node.alias, n): v for n, v in zip(names, row, strict=True)}
                for row in self.tables[node.name]
            ]
        if isinstance(node, t.Subquery):
            names = node.columns or tuple(n for n, _ in output_columns(node.query))
            found = self.query(node.query, outer)
            return [{(node.alias, n): v for n, v in zip(names, row, strict=True)} for row in found]
        if isinstance(node, t.Join):
            return self.join(node, outer)
        raise NotImplementedError(type(node).__name__)

    def join(self, node: t.Join, outer: Row | None) -> list[_Columns]:
        if node.kind not in ("inner", "left", "right", "full", "cross", "semi", "anti"):
            raise NotImplementedError(f"{node.kind} join")
        left, right = self.relation(node.left, outer), self.relation(node.right, outer)
        made: list[_Columns] = []
        used: set[int] = set()
        for a in left:
            hits = [i for i, b in enumerate(right) if self.joins(node, {**a, **b}, outer)]
            used.update(hits)
            if node.kind in ("semi", "anti"):
                made += [a] if bool(hits) == (node.kind == "semi") else []
                continue
            made += [{**a, **right[i]} for i in hits]
            if not hits and node.kind in ("left", "full"):
                made.append({**a, **dict.fromkeys(_names(node.right))})
        if node.kind in ("right", "full"):
            missing = dict.fromkeys(_names(node.left))
            made += [{**missing, **b} for i, b in enumerate(right) if i not in used]
        return made

    def joins(self, node: t.Join, columns: _Columns, outer: Row | None) -> bool:
        return node.on is None or evaluate(node.on, self.row(columns, outer)) is True


def _names(node: t.Relation) -> list[tuple[str, str]]:
    """Give the columns of a relation, which an outer join fills with NULL."""
    if isinstance(node, t.Join):
        return _names(node.left) + (_names(node.right) if node.kind not in ("semi", "anti") else [])
    if isinstance(node, t.Table):
        return [(node.alias, n) for n in node.columns or [n for n, _ in node.shape]]
    assert isinstance(node, t.Subquery)
    return [(node.alias, n) for n in node.columns or [n for n, _ in output_columns(node.query)]]


def _sorted(
    items: list[Any], keys: Callable[[Any], list[Any]], order: Sequence[t.Order]
) -> list[Any]:
    known = [(keys(item), item) for item in items]
    # From the last key to the first: sorting keeps the order of equals.
    for i in range(len(order) - 1, -1, -1):
        nulls = [x for x in known if x[0][i] is None]
        rest = [x for x in known if x[0][i] is not None]
        rest = sorted(rest, key=lambda x: key_of(x[0][i]), reverse=order[i].descending)
        known = nulls + rest if order[i].nulls_first else rest + nulls
    return [item for _, item in known]


def _same_row(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(same_or_both_null(x, y) for x, y in zip(a, b, strict=True))


def _distinct(rows: Rows) -> Rows:
    made: Rows = []
    for row in rows:
        if not any(_same_row(row, x) for x in made):
            made.append(row)
    return made


def _matched(left: Rows, right: Rows, *, is_kept: bool) -> Iterator[tuple[Any, ...]]:
    """Pair each row of the left with one of the right; give those that found one, or those that did not."""
    rest = list(right)
    for row in left:
        hit = next((i for i, x in enumerate(rest) if _same_row(row, x)), None)
        if hit is not None:
            del rest[hit]
        if (hit is not None) == is_kept:
            yield row


def _groups(keys: tuple[t.Expr, ...], rows: list[Row]) -> list[_Group]:
    if not keys:
        return [_Group({}, tuple(rows))]
    found: list[tuple[list[Any], list[Row]]] = []
    for row in rows:
        values = [evaluate(e, row) for e in keys]
        members = next((m for v, m in found if _same_row(v, values)), None)
        if members is None:
            found.append((values, [row]))
        else:
            members.append(row)
    return [_Group(dict(zip(keys, v, strict=True)), tuple(m)) for v, m in found]


def _is_aggregate(call: t.Call) -> bool:
    row = catalogue().get(call.name)
    return row is not None and row.kind == "aggregate"


def _parts(node: t.Select) -> Iterable[t.Expr]:
    yield from (i.expr for i in node.items)
    yield from (x for x in (node.having, node.qualify) if x is not None)


def _calls(node: t.Select) -> list[t.Call]:
    """Give the calls of the select list, HAVING and QUALIFY, inner ones last, without those of subqueries."""

    def own(part: t.Node) -> Iterator[t.Node]:
        yield part
        for child in t.children(part):
            if not isinstance(child, t.Query):
                yield from own(child)

    return [n for part in _parts(node) for n in own(part) if isinstance(n, t.Call)]


def _has_aggregate(node: t.Select) -> bool:
    return node.having is not None or any(
        c.window is None and _is_aggregate(c) for c in _calls(node)
    )


# Aggregates and windows


def aggregate(call: t.Call, members: Sequence[Row]) -> Any:
    """Give an aggregate over rows; NULLs are skipped."""
    kept = [r for r in members if call.where is None or evaluate(call.where, r) is True]
    if not call.args:
        return len(kept)
    values = [v for v in (evaluate(call.args[0], r) for r in kept) if v is not None]
    if call.distinct:
        values = distinct(values)
    with localcontext(WIDE):
        return fitted(_AGGREGATES[catalogue()[call.name].name](values), t.type_of(call))


def _total(values: list[Any]) -> Any:
    if not values:
        return None
    return math.fsum(values) if isinstance(values[0], float) else sum(values[1:], start=values[0])


def _mean(values: list[Any]) -> float | None:
    return float(Decimal(_total(values)) / len(values)) if values else None


_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len, "sum": _total, "avg": _mean,
    "min": lambda values: min(values, key=key_of, default=None),
    "max": lambda values: max(values, key=key_of, default=None),
    "count_if": lambda values: sum(v is True for v in values),
    "bool_and": lambda values: all(values) if values else None,
    "bool_or": lambda values: any(values) if values else None,
}  # fmt: skip


def _windowed(node: t.Select, rows: list[Row]) -> list[Row]:
    for call in _calls(node):
        if call.window is not None:
            values = _over(call, call.window, rows)
            rows = [
                replace(r, computed={**r.computed, call: v})
                for r, v in zip(rows, values, strict=True)
            ]
    return rows


def _over(call: t.Call, window: t.Window, rows: list[Row]) -> list[Any]:
    numbered = list(enumerate(rows))
    results: dict[int, Any] = {}
    for group in _partitions(window.partition, numbered):
        ordered = _sorted(
            group, lambda x: [evaluate(k.expr, x[1]) for k in window.order], window.order
        )
        members = [r for _, r in ordered]
        for place, (number, _) in enumerate(ordered):
            results[number] = _at(call, window, members, place)
    return [results[i] for i in range(len(rows))]


def _partitions(
    keys: tuple[t.Expr, ...], rows: list[tuple[int, Row]]
) -> list[list[tuple[int, Row]]]:
    found: list[tuple[list[Any], list[tuple[int, Row]]]] = []
    for number, row in rows:
        values = [evaluate(e, row) for e in keys]
        members = next((m for v, m in found if _same_row(v, values)), None)
        if members is None:
            found.append((values, [(number, row)]))
        else:
            members.append((number, row))
    return [m for _, m in found]


def _at(call: t.Call, window: t.Window, members: list[Row], place: int) -> Any:
    if call.name == "row_number":
        return place + 1
    if call.name in ("lag", "lead"):
        target = place + (1 if call.name == "lead" else -1)
        return evaluate(call.args[0], members[target]) if 0 <= target < len(members) else None
    if call.name in ("rank", "dense_rank"):
        before = [r for r in members[:place] if _order_of(window, r, members[place]) < 0]
        return 1 + (len(before) if call.name == "rank" else _n_different(window, before))
    first, last = _frame(window, members, place)
    return aggregate(call, members[first:last])


def _n_different(window: t.Window, rows: list[Row]) -> int:
    return sum(1 for i, r in enumerate(rows) if i == 0 or _order_of(window, rows[i - 1], r) != 0)


def _order_of(window: t.Window, a: Row, b: Row) -> int:
    for key in window.order:
        x, y = evaluate(key.expr, a), evaluate(key.expr, b)
        if x is None or y is None:
            found = (x is None) - (y is None)
            found = -found if key.nulls_first else found
        else:
            found = compare(x, y) * (-1 if key.descending else 1)
        if found:
            return found
    return 0


def _frame(window: t.Window, members: list[Row], place: int) -> tuple[int, int]:
    """Give the rows of a frame as a slice: ROWS as written; without a frame, all or up to the last peer."""
    if window.frame is None:
        if not window.order:
            return 0, len(members)
        peers = [i for i, r in enumerate(members) if _order_of(window, r, members[place]) <= 0]
        return 0, peers[-1] + 1
    if window.frame.unit != "rows":
        raise NotImplementedError("frames by range or groups")

    def edge(bound: t.Bound) -> int:
        if bound.kind == "current":
            return place
        if bound.offset is None:
            return len(members) - 1 if bound.following else 0
        n = cast(int, evaluate(bound.offset, Row()))
        return place + (n if bound.following else -n)

    return max(edge(window.frame.start), 0), max(edge(window.frame.end) + 1, 0)
