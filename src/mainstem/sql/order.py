"""What depends on the order of rows (V6, T11): made total, warned of, or refused.

A row has no position of its own in a bounded query, so ties are broken by the values of the row:
the columns of all relations in FROM, in their order. Rows that tie on every column are equal, and
which
of two equal rows comes first cannot be seen in any answer. Maps have no order, so a relation with a
map column cannot break ties.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import BIGINT, BOOL, Type


class _Reporter(Protocol):
    def report(
        self, code: str, what: str, node: t.Node, fix: str = "", *, severity: str = "error"
    ) -> None: ...


def has_map(type_: Type) -> bool:
    """Say whether a type is or holds a map, which no engine compares by its content alone."""
    return type_.kind == "map" or any(has_map(x) for x in type_.items)


def has_order(type_: Type) -> bool:
    """Say whether values of a type can be sorted the same way everywhere."""
    return type_.kind not in ("map", "null", "unknown", "interval") and all(
        has_order(x) for x in type_.items
    )


def finish_order(query: t.Query, reporter: _Reporter) -> tuple[t.Query, bool]:
    """Give the query with every inner order total, and whether its own final one is.

    A final LIMIT without a total order is allowed with a warning (V6); an inner one gets the output
    columns appended, so that what it lets through is the same everywhere.
    """
    inner = _Totals(reporter)
    body = inner.visit(query.body)
    ctes = tuple(dataclasses.replace(c, query=inner.query(c.query)) for c in query.ctes)
    assert isinstance(body, t.Select | t.Values | t.SetOperation)  # noqa: S101 - for the type checker
    done = dataclasses.replace(query, body=body, ctes=ctes)
    is_total = _is_total(query)
    if query.limit is not None and not is_total:
        reporter.report(
            "OrderNotTotal",
            "LIMIT without an ORDER BY that leaves no ties lets any of the tied rows through (V6)",
            query.limit,
            "order by a key, or by all columns",
            severity="warning",
        )
    return done, is_total


def _is_total(query: t.Query) -> bool:
    """Say whether ORDER BY decides between any two rows that differ."""
    columns = output_columns(query)
    ordered = {k.expr.name for k in query.order if isinstance(k.expr, t.Column)}
    if {n for n, _ in columns} <= ordered:
        return True
    body = query.body
    if not isinstance(body, t.Select) or not body.group:
        return False
    if any(isinstance(g, t.Grouping) for g in body.group):
        return False
    # One row per group: ordering by all the keys is enough.
    names = {i.expr: i.name for i in body.items}
    keys = {_output_name(k.expr) or names.get(k.expr, "") for k in query.order}
    return all(names.get(g, "?") in keys for g in body.group if isinstance(g, t.Expr))


def _output_name(expr: t.Expr) -> str:
    return expr.name if isinstance(expr, t.Column) and not expr.relation else ""


def output_columns(query: t.Query) -> list[tuple[str, Type]]:
    """Give the columns of a bound query."""
    body = query.body
    if isinstance(body, t.Select):
        return [(i.name, t.type_of(i.expr)) for i in body.items]
    if isinstance(body, t.Values):
        return [(n, t.type_of(e)) for n, e in zip(body.names, body.rows[0], strict=True)]
    return output_columns(body.left)


class _Totals:
    """Walks a bound tree and completes inner orders."""

    def __init__(self, reporter: _Reporter) -> None:
        self.reporter = reporter

    def visit(self, node: t.Node) -> t.Node:
        if isinstance(node, t.Query):
            return self.query(node)
        if isinstance(node, t.Select):
            return self.select(node)
        return t.rebuilt(node, self.visit)

    def asof(self, node: t.Join) -> t.Join:
        """Make the right side's rows unique by what ASOF matches on.

        The right rows stand in the order of (time, then their columns one after the other): looking
        back the match is the last of them, looking ahead the first. So ties are broken the same way
        everywhere.
        """
        right = node.right
        if isinstance(right, t.Join):
            return node
        keys, _, is_back = asof_keys(node)
        rows = _columns(right)
        rest = [c for c in rows if c not in keys]
        unordered = [c for c in rest if not has_order(t.type_of(c))]
        if unordered:
            self.refuse(node, getattr(unordered[0], "name", "a value"))
            return node
        return dataclasses.replace(node, right=_unique_by(right, keys, rest, descending=is_back))

    def query(self, node: t.Query) -> t.Query:
        changed = t.rebuilt(node, self.visit)
        if changed.limit is None and changed.offset is None:
            # Without LIMIT the order of a subquery's rows means nothing.
            return dataclasses.replace(changed, order=())
        if _is_total(changed):
            return changed
        return dataclasses.replace(changed, order=(*changed.order, *self.rest(changed)))

    def rest(self, node: t.Query) -> list[t.Order]:
        done = {
            k.expr.name for k in node.order if isinstance(k.expr, t.Column) and not k.expr.relation
        }
        columns = output_columns(node)
        body = node.body
        if isinstance(body, t.Select):
            ordered = [k.expr for k in node.order]
            done |= {i.name for i in body.items if i.expr in ordered}
        unordered = [n for n, x in columns if not has_order(x)]
        if unordered:
            self.refuse(node.limit or node, unordered[0])
        return [
            t.Order(t.Column("", n, type=x), nulls_first=False) for n, x in columns if n not in done
        ]

    def refuse(self, node: t.Node, name: str) -> None:
        self.reporter.report(
            "OrderNotTotal",
            f"ties cannot be broken: column {name!r} has no order (V6)",
            node,
            "order by a key that is unique",
        )

    def select(self, node: t.Select) -> t.Select:
        return _Windows(self, row_columns(node)).select(node)

    def total(self, call: t.Call, visible: Sequence[t.Column | t.Expr]) -> t.Call:
        """Append to a window's order what decides its ties."""
        window = call.window
        assert window is not None  # noqa: S101 - for the type checker
        frame = window.frame
        if (frame is not None and frame.unit != "rows" and frame.start.offset) or (
            frame is not None and frame.unit != "rows" and frame.end.offset
        ):
            what = (
                f"{call.name} over a {frame.unit.upper()} frame picks one of the rows that tie (V6)"
            )
            self.reporter.report("OrderNotTotal", what, call, "use a ROWS frame, or min and max")
            return call
        done = [*window.partition, *(k.expr for k in window.order)]
        missing = [e for e in visible if e not in done]
        unordered = [e for e in missing if not has_order(t.type_of(e))]
        if unordered:
            shown = unordered[0].name if isinstance(unordered[0], t.Column) else "a value"
            self.refuse(call, shown)
            return call
        keys = tuple(t.Order(e, nulls_first=False) for e in missing)
        return dataclasses.replace(
            call, window=dataclasses.replace(window, order=(*window.order, *keys))
        )


class _Windows:
    """Completes the windows of one SELECT, and everything below it."""

    def __init__(self, totals: _Totals, visible: list[t.Expr]) -> None:
        self.totals, self.visible = totals, visible

    def select(self, node: t.Select) -> t.Select:
        return t.rebuilt(node, self.visit)

    def visit(self, node: t.Node) -> t.Node:
        if isinstance(node, t.Query):
            return self.totals.query(node)
        if isinstance(node, t.Select):
            return self.totals.select(node)
        changed = t.rebuilt(node, self.visit)
        if isinstance(changed, t.Join) and changed.kind.startswith("asof"):
            return self.totals.asof(changed)
        if isinstance(changed, t.Call) and changed.window is not None and _needs_total(changed):
            return self.totals.total(changed, self.visible)
        return changed


def asof_keys(node: t.Join) -> tuple[list[t.Expr], t.Expr, bool]:
    """Give the right side's keys, time included, and the time of an ASOF condition; whether it looks back."""
    assert node.on is not None, "the binder refuses ASOF without a condition"  # noqa: S101 - for the type checker
    owned = {node.right.alias}
    keys: list[t.Expr] = []
    time: t.Expr = node.on
    is_back = True
    for part in conjuncts(node.on):
        assert isinstance(part, t.Call), "the binder refuses other conditions"  # noqa: S101 - for the type checker
        left, right = part.args
        is_turned = bool({n.relation for n in t.walk(left) if isinstance(n, t.Column)} & owned)
        keys.append(left if is_turned else right)
        if part.name != "=":
            is_back = part.name.startswith(">") != is_turned
            time = keys[-1]
    return keys, time, is_back


def _unique_by(
    right: t.Relation, keys: Sequence[t.Expr], rest: Sequence[t.Expr], *, descending: bool
) -> t.Relation:
    """Give a relation with one row for each value of the keys: the last by `rest`, or the first."""
    # Descending with NULLs first is the exact opposite of the one order that there is (V4).
    order = tuple(t.Order(e, descending, nulls_first=descending) for e in rest)
    first = t.Call("row_number", window=t.Window(tuple(keys), order), overload=0, type=BIGINT)
    keep = t.Call("=", (first, t.Literal(1, "integer", type=BIGINT)), overload=0, type=BOOL)
    columns = [c for c in _columns(right) if isinstance(c, t.Column)]
    items = tuple(t.Item(c, c.name) for c in columns)
    if isinstance(right, t.Subquery) and isinstance(right.query.body, t.Select):
        inner = right.query.body
        # A text that was printed from a bound tree has this already.
        if inner.qualify is not None and inner.source is not None and inner.qualify == keep:
            return right
    select = t.Select(items, right, qualify=keep, at=right.at)
    names = tuple(c.name for c in columns)
    return t.Subquery(t.Query(select, at=right.at), alias=right.alias, columns=names, at=right.at)


def conjuncts(expr: t.Expr) -> list[t.Expr]:
    """Give the conditions that AND joins."""
    if isinstance(expr, t.Call) and expr.name == "and":
        return [part for arg in expr.args for part in conjuncts(arg)]
    return [expr]


def _needs_total(call: t.Call) -> bool:
    """Say whether rows that tie in the window's order could get different results."""
    row = catalogue().get(call.name)
    if row is None or call.window is None:
        return False
    frame = call.window.frame
    if row.kind == "aggregate":
        return frame is not None and frame.unit == "rows" and not _is_whole(frame)
    return row.order == "total"


def _is_whole(frame: t.Frame) -> bool:
    return frame.start.kind == frame.end.kind == "unbounded"


def row_columns(node: t.Select) -> list[t.Expr]:
    """Give what tells two rows of a SELECT apart where its windows are computed.

    After GROUP BY that is the group keys; else every column of the relations in FROM.
    """
    if node.group:
        keys: list[t.Expr] = []
        for item in node.group:
            if isinstance(item, t.Grouping):
                keys += [e for one in item.sets for e in one]
                # The same key values stand once for each grouping set.
                keys += [t.Call("grouping", (e,), type=BIGINT) for one in item.sets for e in one]
            else:
                keys.append(item)
        return list(dict.fromkeys(keys))
    return _columns(node.source) if node.source is not None else []


def _columns(node: t.Relation) -> list[t.Expr]:
    if isinstance(node, t.Join):
        left = _columns(node.left)
        return left if node.kind in ("semi", "anti") else left + _columns(node.right)
    if isinstance(node, t.Subquery):
        names = node.columns or tuple(n for n, _ in output_columns(node.query))
        types = [x for _, x in output_columns(node.query)]
        return [t.Column(node.alias, n, type=x) for n, x in zip(names, types, strict=True)]
    if isinstance(node, t.TableCall):
        types = [*node.types, *([BIGINT] if node.has_ordinality else [])]
        return [t.Column(node.alias, n, type=x) for n, x in zip(node.columns, types, strict=True)]
    assert isinstance(node, t.Table)  # noqa: S101 - for the type checker
    return [t.Column(node.alias, n, type=x) for n, x in node.shape]
