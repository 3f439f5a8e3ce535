"""The tree of a query, from the user's words to what an engine prints.

The parser builds it, the binder rebuilds it: names resolved to relations, every expression typed,
every operator and function an overload of the catalogue, every implicit conversion an explicit
`Cast`. Operators are calls too (``Call("+", (a, b))``), so there is one mechanism for all meaning.

Nodes are frozen; to change one is to build another. `at` is the offset of the first character in
the user's text and takes no part in comparisons.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar, cast

from mainstem.plan.types import Type
from mainstem.record import record

Value: TypeAlias = bool | int | float | str | bytes | Decimal | date | datetime | None


@record
class Node:
    """Root of all tree nodes."""

    at: int = field(default=-1, compare=False, kw_only=True)


@record
class Expr(Node):
    """An expression; `type` is None until it is bound."""

    type: Type | None = field(default=None, compare=False, kw_only=True)


@record
class Literal(Expr):
    """A constant: ``kind`` is null, boolean, integer, decimal, double, string, date or timestamp."""

    value: Value
    kind: str


@record
class Interval(Expr):
    """A literal span of time; months, days and microseconds are kept apart."""

    months: int = 0
    days: int = 0
    micros: int = 0


@record
class Name(Expr):
    """A column as written: ``a``, ``t.a``, ``t.a.field``. Gone after binding."""

    parts: tuple[str, ...]


@record
class Column(Expr):
    """A bound column of a relation in scope; `depth` > 0 is an outer query's (correlated)."""

    relation: str
    name: str
    depth: int = 0


@record
class Param(Expr):
    """A run parameter, ``:day``."""

    name: str


@record
class Star(Expr):
    """``*`` or ``t.*`` with EXCLUDE, REPLACE and RENAME. Gone after binding.

    `put` are the columns of the verb ``with_columns``: each takes the place of the column of its
    name, or follows the others where there is none.
    """

    relation: str = ""
    exclude: tuple[str, ...] = ()
    replace: tuple[tuple[str, Expr], ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    put: tuple[tuple[str, Expr], ...] = ()


@record
class Order(Node):
    """A sort key. `nulls_first` is None until bound; the contract's default is NULLS LAST (V4)."""

    expr: Expr
    descending: bool = False
    nulls_first: bool | None = None


@record
class Bound(Node):
    """One end of a frame: ``unbounded``, ``current`` or an offset; `following` or preceding."""

    kind: str
    offset: Expr | None = None
    following: bool = False


@record
class Frame(Node):
    """A window frame: unit is rows, range or groups."""

    unit: str
    start: Bound
    end: Bound


@record
class Window(Node):
    """What stands after OVER; `base` names a WINDOW clause and is gone after binding."""

    partition: tuple[Expr, ...] = ()
    order: tuple[Order, ...] = ()
    frame: Frame | None = None
    base: str = ""


@record
class Call(Expr):
    """A function, operator, aggregate or window call.

    After binding `overload` is the index of the catalogue row's overload.
    """

    name: str
    args: tuple[Expr, ...] = ()
    distinct: bool = False
    order: tuple[Order, ...] = ()
    where: Expr | None = None
    window: Window | None = None
    ignore_nulls: bool = False
    overload: int = -1


@record
class Case(Expr):
    """CASE; after binding `operand` is gone (each WHEN is a predicate)."""

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None = None
    operand: Expr | None = None


@record
class Cast(Expr):
    """CAST or TRY_CAST; `is_exact` marks a conversion that the binder added and that cannot fail."""

    expr: Expr
    to: Type
    is_try: bool = False
    is_exact: bool = False


@record
class InList(Expr):
    """``x IN (a, b)``."""

    expr: Expr
    items: tuple[Expr, ...]
    negated: bool = False


@record
class InQuery(Expr):
    """``x IN (SELECT …)`` or ``(x, y) IN (SELECT …)``."""

    exprs: tuple[Expr, ...]
    query: Query
    negated: bool = False


@record
class Exists(Expr):
    """``EXISTS (SELECT …)``."""

    query: Query
    negated: bool = False


@record
class Scalar(Expr):
    """``(SELECT …)`` as a value: one column, one row at the most."""

    query: Query


@record
class Row(Expr):
    """``(a, b)``; only beside IN and in VALUES."""

    items: tuple[Expr, ...]


@record
class Struct(Expr):
    """``{'a': 1, 'b': x}``."""

    names: tuple[str, ...]
    values: tuple[Expr, ...]


@record
class Field(Expr):
    """``x.name`` of a struct."""

    expr: Expr
    name: str


@record
class Lambda(Expr):
    """``x -> x + 1``, an argument of list functions only."""

    params: tuple[str, ...]
    body: Expr


@record
class Item(Node):
    """One output of a SELECT."""

    expr: Expr
    name: str = ""


@record
class Grouping(Node):
    """ROLLUP, CUBE or GROUPING SETS; after binding always ``sets``, spelled out."""

    kind: str
    sets: tuple[tuple[Expr, ...], ...]


@record
class Relation(Node):
    """Something in FROM; `alias` is never empty after binding."""

    alias: str = field(default="", kw_only=True)
    columns: tuple[str, ...] = field(default=(), kw_only=True)


@record
class Table(Relation):
    """A source, step or common table expression by name; `shape` are its columns once bound."""

    name: str
    is_cte: bool = False
    shape: tuple[tuple[str, Type], ...] = field(default=(), compare=False)


@record
class WindowTable:
    """What a window table was before it was spelled out: for those who run it over a stream.

    `kind` is tumble, hop, cumulate or session; `time` the column of its input that it goes by;
    `size` and `step` are microseconds (the gap of a session, the slide of HOP), and so is `offset`;
    None when the offset is no literal.
    """

    kind: str
    time: str
    size: int
    step: int
    offset: int | None = 0


@record
class Subquery(Relation):
    """A query in parentheses; `window` when it spells out a window table."""

    query: Query
    is_lateral: bool = False
    window: WindowTable | None = field(default=None, compare=False)


@record
class TableCall(Relation):
    """UNNEST, range or a window function such as TUMBLE; `table` is the first argument of the latter."""

    name: str
    args: tuple[Expr, ...]
    has_ordinality: bool = False
    table: Relation | None = None
    types: tuple[Type, ...] = ()


@record
class Join(Relation):
    """Two relations; kind is inner, left, right, full, cross, semi, anti, asof or asof_left."""

    kind: str
    left: Relation
    right: Relation
    on: Expr | None = None
    using: tuple[str, ...] = ()


@record
class Pivot(Relation):
    """``PIVOT (sum(x) AS s FOR c IN ('a' AS a, 'b'))``. Gone after binding."""

    source: Relation
    values: tuple[Item, ...]
    on: Expr
    cases: tuple[Item, ...]
    group: tuple[Expr, ...] | None = None


@record
class Select(Node):
    """One SELECT."""

    items: tuple[Item, ...]
    source: Relation | None = None
    where: Expr | None = None
    group: tuple[Expr | Grouping, ...] = ()
    has_group_all: bool = False
    having: Expr | None = None
    qualify: Expr | None = None
    is_distinct: bool = False
    windows: tuple[tuple[str, Window], ...] = ()


@record
class Values(Node):
    """``VALUES (…), (…)``; `names` are given by the binder."""

    rows: tuple[tuple[Expr, ...], ...]
    names: tuple[str, ...] = ()


@record
class SetOperation(Node):
    """UNION, INTERSECT or EXCEPT of two queries' rows."""

    kind: str
    left: Query
    right: Query
    is_all: bool = False
    by_name: bool = False


@record
class Cte(Node):
    """One WITH entry."""

    name: str
    query: Query
    columns: tuple[str, ...] = ()


Body: TypeAlias = "Select | Values | SetOperation"


@record
class Query(Node):
    """A whole query: WITH, body, ORDER BY, LIMIT."""

    body: Body
    ctes: tuple[Cte, ...] = ()
    is_recursive: bool = False
    order: tuple[Order, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None


NodeT = TypeVar("NodeT", bound=Node)


# Annotations of fields that no node stands in: most fields of most nodes, and planning looks at the
# children of every node a dozen times.
_PLAIN = frozenset({
    "bool", "bool | None", "int", "str", "Value", "Type", "Type | None", "tuple[str, ...]",
    "tuple[Type, ...]", "tuple[tuple[str, Type], ...]", "tuple[tuple[str, str], ...]",
})  # fmt: skip


_places_of: dict[type[Node], tuple[str, ...]] = {}


def _places(cls: type[Node]) -> tuple[str, ...]:
    """Give the fields of a class of nodes in which others may stand."""
    found = _places_of.get(cls)
    if found is None:
        fields = cls.__dataclass_fields__.values()
        found = _places_of[cls] = tuple(f.name for f in fields if f.type not in _PLAIN)
    return found


def children(node: Node) -> Iterator[Node]:
    """Give the nodes directly below, in the order of the fields."""
    return iter(_below(node))


def _below(node: Node) -> list[Node]:
    found: list[Node] = []
    for name in _places(type(node)):
        _take(getattr(node, name), found)
    return found


def _take(value: Any, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _take(item, found)


def walk(node: Node) -> Iterator[Node]:
    """Give the node and all below it, parents first."""
    # A stack and no recursion: planning walks every tree a dozen times, and a nested generator
    # hands each node up through all levels above it.
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(_below(one))


def rebuilt(node: NodeT, change: Callable[[Node], Node]) -> NodeT:
    """Give a copy in which each child `c` is `change(c)`; the same node when nothing changed."""
    changes = {}
    for name in _places(type(node)):
        old = getattr(node, name)
        new = _changed(old, change)
        if new is not old:
            changes[name] = new
    return dataclasses.replace(node, **changes) if changes else node


def _changed(value: Any, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        new = tuple(_changed(v, change) for v in value)
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def type_of(expr: Expr) -> Type:
    """Give the type of a bound expression."""
    return cast(Type, expr.type)
