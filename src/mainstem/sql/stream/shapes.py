"""Output columns of bound queries, and what is known of them under other names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from mainstem.plan import tree as t
from mainstem.plan.stream import ROW_WATERMARK, Shape
from mainstem.plan.types import BIGINT
from mainstem.sql.stream.parts import tables


def is_all_of(query: t.Query, name: str) -> bool:
    """Say whether a query gives the rows of a node as they are."""
    body = query.body
    return (
        isinstance(body, t.Select)
        and isinstance(body.source, t.Table)
        and body.source.name == name
        and not (query.order or query.limit or query.offset)
        and all(
            isinstance(item.expr, t.Column) and item.expr.name == item.name for item in body.items
        )
        and body.where is None
        and body.qualify is None
        and not body.is_distinct
        and not body.group
    )


def names_of(query: t.Query) -> list[str]:
    """Give the output columns of a query."""
    body = query.body
    while isinstance(body, t.SetOperation):
        body = body.left.body
    if isinstance(body, t.Values):
        return list(body.names)
    return [item.name for item in body.items if item.name != ROW_WATERMARK]


def renamed(query: t.Query, names: Iterator[str] | tuple[str, ...] | list[str]) -> t.Query:
    """Give a query under other names of its columns; hidden ones keep theirs."""
    body, wanted = query.body, list(names)
    if isinstance(body, t.SetOperation):
        return replace(query, body=replace(body, left=renamed(body.left, wanted)))
    if isinstance(body, t.Values):
        return replace(query, body=replace(body, names=tuple(wanted)))
    hidden = body.items[len(wanted) :]
    items = [replace(i, name=n) for i, n in zip(body.items, wanted, strict=False)]
    return replace(query, body=replace(body, items=(*items, *hidden)))


def with_names(shape: Shape, names: Mapping[str, str]) -> Shape:
    """Give a shape under other names of the columns."""

    def new(found: frozenset[str]) -> frozenset[str]:
        return frozenset(names[n] for n in found if n in names)

    if not shape.together <= names.keys():
        shape = replace(shape, together=frozenset())
    return replace(
        shape, times=new(shape.times), ids=new(shape.ids), end=names.get(shape.end, ""),
        time=names.get(shape.time, ""), together=new(shape.together), key=tuple(names.get(n, n) for n in shape.key),
    )  # fmt: skip


def judged_side(query: t.Query, shape: Shape, *, is_judged: bool) -> t.Query:
    """Give a side of a union with ``__w``: NULL where its rows cannot be late."""
    if not is_judged or shape.is_judged:
        return query
    body = query.body
    if isinstance(body, t.Select):
        null = t.Literal(None, "null", type=BIGINT)
        return replace(query, body=replace(body, items=(*body.items, t.Item(null, ROW_WATERMARK))))
    if isinstance(body, t.SetOperation):
        sides = (judged_side(side, Shape(), is_judged=True) for side in (body.left, body.right))
        left, right = sides
        return replace(query, body=replace(body, left=left, right=right))
    rows = tuple((*row, t.Literal(None, "null", type=BIGINT)) for row in body.rows)
    return replace(query, body=replace(body, rows=rows, names=(*body.names, ROW_WATERMARK)))


def reads_static_side(body: t.Body, is_streamed: Callable[[str], bool]) -> bool:
    """Say whether a union has a side over bounded relations."""
    if not isinstance(body, t.SetOperation):
        return False
    return any(
        not any(map(is_streamed, tables(side))) or reads_static_side(side.body, is_streamed)
        for side in (body.left, body.right)
    )


def without_static_sides(body: t.Body, is_streamed: Callable[[str], bool]) -> t.Body:
    """Give a union without its sides over bounded relations, which only the first epoch reads (T9)."""
    if not isinstance(body, t.SetOperation):
        return body
    left, right = (
        replace(side, body=without_static_sides(side.body, is_streamed))
        for side in (body.left, body.right)
    )
    if not any(map(is_streamed, tables(left))):
        # The names of a union are those of its left side.
        return renamed(right, names_of(left)).body
    if not any(map(is_streamed, tables(right))):
        return left.body
    return replace(body, left=left, right=right)
