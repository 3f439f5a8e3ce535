"""How verbs grow a query: a clause is added where SQL would mean the same, else a subquery begins.

All of it is pure: a query in, another out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from mainstem.definition.expression import Expr, column_of, node_of
from mainstem.definition.spot import here
from mainstem.errors import DefinitionError
from mainstem.plan import tree as t
from mainstem.sql.bind_call import is_aggregate
from mainstem.sql.expressions import balanced

STAR = t.Item(t.Star())


def reading(relation: t.Relation) -> t.Query:
    """Give ``SELECT * FROM relation``."""
    at = here()
    return t.Query(t.Select((t.Item(t.Star(at=at), at=at),), relation, at=at), at=at)


def is_open(query: t.Query) -> bool:
    """Say whether a query still gives whole rows of its FROM, so that clauses may be added."""
    body = query.body
    if not isinstance(body, t.Select) or query.order or query.limit or query.offset:
        return False
    return body.items == (STAR,) and not body.is_distinct and not body.group


def is_plain(query: t.Query) -> bool:
    """Say whether a query is nothing but its FROM, which can then stand in another."""
    body = query.body
    is_all = is_open(query) and isinstance(body, t.Select)
    return is_all and select_of(query).where is None and select_of(query).qualify is None


def select_of(query: t.Query) -> t.Select:
    """Give the SELECT of an open query."""
    return cast(t.Select, query.body)


def relation_of(query: t.Query, alias: str) -> t.Relation:
    """Give a query as something to stand in FROM.

    Raises
    ------
    DefinitionError
        When it is sorted and not limited: rows of a subquery have no order (V6).
    """
    if is_plain(query):
        source = select_of(query).source
        if source is not None:
            return source
    return derived(query, alias)


def derived(query: t.Query, alias: str) -> t.Subquery:
    """Give a query in parentheses.

    Raises
    ------
    DefinitionError
        When it is sorted and not limited: rows of a subquery have no order (V6).
    """
    if query.order and query.limit is None and query.offset is None:
        raise DefinitionError(
            "sort before another verb has no effect: only the last rows of a step have an order "
            "(contract V6)", where=here().place, code="SortLost",
            fix="make sort the last verb, or put limit behind it",
        )  # fmt: skip
    return t.Subquery(query, alias=alias, at=here())


def opened(query: t.Query, alias: str) -> t.Query:
    """Give an open query with the same rows: itself, or one around it."""
    return query if is_open(query) else reading(derived(query, alias))


def changed(query: t.Query, **clauses: object) -> t.Query:
    """Give a query whose SELECT has other clauses."""
    return dataclasses.replace(
        query, body=dataclasses.replace(select_of(query), **clauses)  # type: ignore[arg-type]
    )  # fmt: skip


def both(first: t.Expr | None, parts: Sequence[t.Expr]) -> t.Expr:
    """Give a condition and others behind it as one chain of ANDs."""
    every = (*(operands(first) if first is not None else ()), *parts)
    return balanced("and", every, [here()] * (len(every) - 1))


def operands(node: t.Expr) -> tuple[t.Expr, ...]:
    """Give the parts of a chain of ANDs, in order."""
    if isinstance(node, t.Call) and node.name == "and":
        return tuple(part for arg in node.args for part in operands(arg))
    return (node,)


def parts_of(conditions: Sequence[object]) -> tuple[t.Expr, ...]:
    """Give the single conditions of a filter."""
    return tuple(part for condition in conditions for part in _parts(condition))


def _parts(condition: object) -> tuple[t.Expr, ...]:
    """Give the conditions that AND connects; a text would be a value, not SQL."""
    if not isinstance(condition, Expr):
        is_text = isinstance(condition, str)
        raise DefinitionError(
            f"filter takes conditions on columns, not {condition!r}", where=here().place,
            code="VerbArguments",
            fix=f"write ms.expr({condition!r})" if is_text else 'write ms.col("a") > 1',
        )  # fmt: skip
    kind, parts = condition.chain
    return parts if kind == "and" else (column_of(condition).node,)


def has_window(node: t.Node) -> bool:
    """Say whether an expression calls a window function of this query."""
    return any(isinstance(n, t.Call) and n.window is not None for n in own(node))


def has_reach(node: t.Node) -> bool:
    """Say whether an expression looks at several rows: an aggregate or a window function."""
    return any(is_aggregate(n) or (isinstance(n, t.Call) and n.window is not None)
               for n in own(node))  # fmt: skip


def own(node: t.Node) -> list[t.Node]:
    """Give the nodes of an expression without those of its subqueries."""
    found = [node]
    for child in t.children(node):
        if not isinstance(child, t.Query):
            found += own(child)
    return found


def spelled(node: t.Expr, items: Sequence[t.Item]) -> t.Expr | None:
    """Give an expression over the outputs of a SELECT in terms of its inputs.

    None when it names something else, or holds a query or a lambda, where names mean other things.
    """
    outputs = {name_of(item).lower(): item.expr for item in items}
    for part in t.walk(node):
        if isinstance(part, t.Query | t.Lambda | t.Star):
            return None
        if isinstance(part, t.Name) and (
            len(part.parts) > 1 or part.parts[0].lower() not in outputs
        ):
            return None

    def change(part: t.Node) -> t.Node:
        if isinstance(part, t.Name):
            return outputs[part.parts[0].lower()]
        return t.rebuilt(part, change)

    return cast(t.Expr, change(node))


def chosen(outputs: Sequence[t.Item], items: Sequence[t.Item]) -> tuple[t.Item, ...] | None:
    """Give what a select of an aggregate's outputs is in terms of its inputs, or None."""
    made = []
    for item in items:
        expr = None if has_reach(item.expr) else spelled(item.expr, outputs)
        if expr is None:
            return None
        # `sum(x)` has no name of its own: then the expression that is chosen decides.
        made.append(t.Item(expr, name_of(item), at=item.at))
    return tuple(made)


def name_of(item: t.Item) -> str:
    """Give the name of an output as the binder will, or "" when only it can know."""
    if item.name:
        return item.name
    return item.expr.parts[-1] if isinstance(item.expr, t.Name) else ""


def part_of_set(query: t.Query) -> t.Query:
    """Give a query that may be a side of UNION; its own ORDER BY and LIMIT stay with it."""
    if not query.order and query.limit is None and query.offset is None:
        return query
    return reading(derived(query, "_part"))


def items_of(columns: Sequence[Expr | str], named: Mapping[str, object]) -> tuple[t.Item, ...]:
    """Give the outputs that the arguments of `select` and `agg` name."""
    positional = [column_of(value) for value in columns]
    items = [t.Item(e.node, e.name, at=e.node.at) for e in positional]
    for name, value in named.items():
        node = value_of(value)
        items.append(t.Item(node, name, at=node.at))
    return tuple(items)


def value_of(value: object) -> t.Expr:
    """Give what stands for a value where a string is the name of a column."""
    return column_of(value).node if isinstance(value, str) else node_of(value)
