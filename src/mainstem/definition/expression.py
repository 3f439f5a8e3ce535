"""Expressions of the verbs: ``ms.col("amount") * 2 > 10`` as the tree that SQL would give.

An expression is frozen and opens nothing; each of its parts knows the line of Python that made it.
In an operator or a method a plain string is text; where a column is chosen (`select`, `group_by`,
`sort`, the arguments of a function) it is the name of a column.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, cast

from mainstem.definition.spot import Spot, Written, here
from mainstem.errors import DefinitionError
from mainstem.plan import tree as t
from mainstem.plan.duration import duration_text
from mainstem.plan.nodes import Param
from mainstem.plan.types import parse_type
from mainstem.sql.expressions import balanced
from mainstem.sql.intervals import interval_parts

# What stands for a value: text, numbers and times are constants.
Value: TypeAlias = "Expr | Param | str | bool | int | float | Decimal | date | timedelta | Sequence[Any] | Mapping[str, Any] | None"  # noqa: E501
# What stands for a column: a string is its name.
Named: TypeAlias = "Expr | str"


class Expr:
    """An expression, as `col`, `lit`, `when`, the functions of `ms.f` and the operators build it.

    Examples
    --------
    >>> from mainstem.definition.word import col
    >>> str(col("amount") * 2 > 10)
    '(("amount" * 2) > 10)'
    """

    __slots__ = ("chain", "name", "node")

    def __init__(
        self, node: t.Expr, name: str = "", chain: tuple[str, tuple[t.Expr, ...]] = ("", ())
    ) -> None:
        self.node = node
        self.name = name
        # AND and OR of several parts are one chain, as in SQL text, however they were put together.
        self.chain = chain

    def __str__(self) -> str:
        return Written().expr(self.node)

    def __repr__(self) -> str:
        return f"Expr({self})"

    def __bool__(self) -> bool:
        raise DefinitionError(
            "a condition on columns is neither true nor false before a run",
            where=here().place, code="ExpressionAsBool",
            fix="combine conditions with & | ~ in parentheses, and ranges with .between(low, high)",
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    # Names and types

    def alias(self, name: str) -> Expr:
        """Name the column that the expression gives: ``expr AS name``."""
        return Expr(self.node, name, self.chain)

    def cast(self, type: str) -> Expr:
        """Convert to a type, such as ``"decimal(12,2)"``: ``CAST(expr AS type)``."""
        return Expr(t.Cast(self.node, parse_type(type), at=here()))

    def try_cast(self, type: str) -> Expr:
        """Convert to a type, NULL where that fails: ``TRY_CAST(expr AS type)``."""
        return Expr(t.Cast(self.node, parse_type(type), is_try=True, at=here()))

    # Arithmetic

    def __add__(self, other: Value) -> Expr:
        return self._with("+", other)

    def __radd__(self, other: Value) -> Expr:
        return self._after("+", other)

    def __sub__(self, other: Value) -> Expr:
        return self._with("-", other)

    def __rsub__(self, other: Value) -> Expr:
        return self._after("-", other)

    def __mul__(self, other: Value) -> Expr:
        return self._with("*", other)

    def __rmul__(self, other: Value) -> Expr:
        return self._after("*", other)

    def __truediv__(self, other: Value) -> Expr:
        return self._with("/", other)

    def __rtruediv__(self, other: Value) -> Expr:
        return self._after("/", other)

    def __floordiv__(self, other: Value) -> Expr:
        return self._with("//", other)

    def __rfloordiv__(self, other: Value) -> Expr:
        return self._after("//", other)

    def __mod__(self, other: Value) -> Expr:
        return self._with("%", other)

    def __rmod__(self, other: Value) -> Expr:
        return self._after("%", other)

    def __neg__(self) -> Expr:
        return Expr(t.Call("negate", (self.node,), at=here()))

    def concat(self, *others: Value) -> Expr:
        """Join texts: ``expr || other``; NULL when any is NULL."""
        made = self
        for other in others:
            made = made._with("||", other)
        return made

    # Comparisons

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return self._with("=", cast("Value", other))

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return self._with("<>", cast("Value", other))

    def __lt__(self, other: Value) -> Expr:
        return self._with("<", other)

    def __le__(self, other: Value) -> Expr:
        return self._with("<=", other)

    def __gt__(self, other: Value) -> Expr:
        return self._with(">", other)

    def __ge__(self, other: Value) -> Expr:
        return self._with(">=", other)

    def is_null(self) -> Expr:
        """Say whether the value is NULL: ``expr IS NULL``."""
        return Expr(t.Call("is null", (self.node,), at=here()))

    def is_not_null(self) -> Expr:
        """Say whether there is a value: ``expr IS NOT NULL``."""
        return ~self.is_null()

    def is_true(self) -> Expr:
        """Say whether a condition is true, NULL being no: ``expr IS TRUE``."""
        return Expr(t.Call("is true", (self.node,), at=here()))

    def is_false(self) -> Expr:
        """Say whether a condition is false, NULL being no: ``expr IS FALSE``."""
        return Expr(t.Call("is false", (self.node,), at=here()))

    def is_distinct_from(self, other: Value) -> Expr:
        """Compare with NULL as a value of its own: ``expr IS DISTINCT FROM other``."""
        return self._with("is distinct from", other)

    def is_not_distinct_from(self, other: Value) -> Expr:
        """Say whether both are equal, or both NULL: ``expr IS NOT DISTINCT FROM other``."""
        return self._with("is not distinct from", other)

    def between(self, low: Value, high: Value) -> Expr:
        """Say whether the value lies between two others, both included: ``expr BETWEEN a AND b``."""
        return Expr(t.Call("between", (self.node, node_of(low), node_of(high)), at=here()))

    def like(self, pattern: Value, *, escape: str = "") -> Expr:
        """Match ``%`` and ``_``: ``expr LIKE pattern``."""
        return self._matched("like", pattern, escape)

    def ilike(self, pattern: Value, *, escape: str = "") -> Expr:
        """Match whatever the case: ``expr ILIKE pattern``."""
        return self._matched("ilike", pattern, escape)

    def is_in(self, values: Sequence[Value] | Any) -> Expr:
        """Say whether the value is one of several, or of a frame's only column: ``expr IN (…)``."""
        return self._membership(values, negated=False)

    def not_in(self, values: Sequence[Value] | Any) -> Expr:
        """Say whether the value is none of several: ``expr NOT IN (…)``."""
        return self._membership(values, negated=True)

    # Logic

    def __and__(self, other: Value) -> Expr:
        return self._chained("and", other)

    def __or__(self, other: Value) -> Expr:
        return self._chained("or", other)

    def __rand__(self, other: Value) -> Expr:
        return Expr(node_of(other))._chained("and", self)

    def __ror__(self, other: Value) -> Expr:
        return Expr(node_of(other))._chained("or", self)

    def __invert__(self) -> Expr:
        return Expr(t.Call("not", (self.node,), at=here()))

    # Parts

    def __getitem__(self, index: Value) -> Expr:
        """Give an element of a list (from 1) or of a map: ``expr[index]``."""
        return self._with("subscript", index)

    def field(self, name: str) -> Expr:
        """Give a field of a struct: ``expr.name``."""
        return Expr(t.Field(self.node, name, at=here()), name)

    # Aggregates and windows

    def filter(self, condition: Expr) -> Expr:
        """Aggregate only some rows: ``expr FILTER (WHERE condition)``."""
        return self._changed("filter", where=node_of(condition))

    def distinct(self) -> Expr:
        """Aggregate distinct values: ``sum(DISTINCT x)``."""
        return self._changed("distinct", distinct=True)

    def order_by(self, *keys: Named | Key) -> Expr:
        """Order what an aggregate collects: ``string_agg(x, ',' ORDER BY key)``."""
        return self._changed("order_by", order=tuple(key_of(key).node for key in keys))

    def ignore_nulls(self) -> Expr:
        """Look past NULLs: ``lag(x IGNORE NULLS)``."""
        return self._changed("ignore_nulls", ignore_nulls=True)

    def over(
        self, by: Named | Sequence[Named] = (), *, order: Named | Key | Sequence[Named | Key] = (),
        rows: tuple[Any, Any] | None = None, range: tuple[Any, Any] | None = None,
        groups: tuple[Any, Any] | None = None,
    ) -> Expr:  # fmt: skip
        """Compute over a window of rows: ``expr OVER (PARTITION BY … ORDER BY … ROWS …)``.

        Parameters
        ----------
        by : str, Expr or list
            PARTITION BY.
        order : str, Expr, key or list
            ORDER BY; ``ms.col("a").desc()`` turns a key around.
        rows, range, groups : pair, optional
            First and last row of the frame: below zero before the current one, 0 is the current
            one, above zero after it, None without an end. `range` also takes spans of time:
            ``("-1 hour", 0)``.
        """
        given = [(u, f) for u, f in (("rows", rows), ("range", range), ("groups", groups)) if f]
        frame = _frame(*given[0]) if given else None
        partition = tuple(column_of(key).node for key in listed(by))
        keys = tuple(key_of(key).node for key in listed(order))
        return self._changed("over", window=t.Window(partition, keys, frame, at=here()))

    # Sort keys

    def asc(self) -> Key:
        """Sort from low to high: ``expr ASC``, NULLs last."""
        return Key(t.Order(self.node, at=here()))

    def desc(self) -> Key:
        """Sort from high to low: ``expr DESC``, NULLs last."""
        return Key(t.Order(self.node, descending=True, at=here()))

    # Building

    def _with(self, name: str, other: Value) -> Expr:
        return Expr(t.Call(name, (self.node, node_of(other)), at=here()))

    def _after(self, name: str, other: Value) -> Expr:
        return Expr(t.Call(name, (node_of(other), self.node), at=here()))

    def _matched(self, name: str, pattern: Value, escape: str) -> Expr:
        args = [self.node, node_of(pattern), *([node_of(escape)] if escape else [])]
        return Expr(t.Call(name, tuple(args), at=here()))

    def _membership(self, values: Any, *, negated: bool) -> Expr:
        query = getattr(values, "query", None)
        if isinstance(query, t.Query):
            return Expr(t.InQuery((self.node,), query, negated, at=here()))
        if isinstance(values, str | Expr) or not values:
            shown = "no value" if not isinstance(values, str | Expr) else repr(values)
            raise DefinitionError(
                f"is_in takes a list of values, not {shown}", where=here().place,
                code="ValueNotPossible", fix='write .is_in(["a", "b"])',
            )  # fmt: skip
        items = tuple(node_of(value) for value in values)
        return Expr(t.InList(self.node, items, negated, at=here()))

    def _chained(self, name: str, other: Value) -> Expr:
        return chained(name, [*(self.chain[1] if self.chain[0] == name else (self.node,)),
                              node_of(other)])  # fmt: skip

    def _changed(self, word: str, **changes: Any) -> Expr:
        if not isinstance(self.node, t.Call) or not self.node.name.isidentifier():
            raise DefinitionError(
                f".{word}() belongs to a function call such as ms.sum(\"x\"), not to {self}",
                where=here().place, code="ValueNotPossible",
                fix=f"call .{word}() right behind the function",
            )  # fmt: skip
        return Expr(dataclasses.replace(self.node, **changes), self.name)


class Key:
    """A sort key, as `Expr.asc` and `Expr.desc` give it."""

    __slots__ = ("node",)

    def __init__(self, node: t.Order) -> None:
        self.node = node

    def nulls_first(self) -> Key:
        """Put NULLs before all values."""
        return Key(dataclasses.replace(self.node, nulls_first=True))

    def nulls_last(self) -> Key:
        """Put NULLs behind all values, as is the rule."""
        return Key(dataclasses.replace(self.node, nulls_first=False))


def chained(name: str, parts: Sequence[t.Expr]) -> Expr:
    """Give a chain of ANDs or ORs as SQL text would give it."""
    spot = here()
    return Expr(balanced(name, parts, [spot] * (len(parts) - 1)), chain=(name, tuple(parts)))


def column_of(value: Named | Key) -> Expr:
    """Give what stands for a column: a string is its name."""
    if isinstance(value, Expr):
        return value
    if not isinstance(value, str) or not value:
        raise _refused(value, 'a column is ms.col("name"), a name or an expression')
    relation, dot, last = value.rpartition(".")
    if last == "*":
        return Expr(t.Star(relation, at=here()))
    return Expr(t.Name(tuple(value.split(".")) if dot else (value,), at=here()))


def key_of(value: Named | Key) -> Key:
    """Give what stands for a sort key."""
    return value if isinstance(value, Key) else Key(t.Order(column_of(value).node, at=here()))


def listed(value: Any) -> tuple[Any, ...]:
    """Give one value, or several, as a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def node_of(value: Any) -> t.Expr:
    """Give what stands for a value: a string is text.

    Raises
    ------
    DefinitionError
        For a value that the dialect has no constant for.
    """  # noqa: DOC501 - built by a function
    if isinstance(value, Expr):
        return value.node
    if isinstance(value, Param):
        return t.Param(value.name, at=here())
    for kinds, make in _CONSTANTS:
        if isinstance(value, kinds):
            return make(value, here())
    raise _refused(value, "give text, a number, a date, an instant, a timedelta, a list or a dict")


def _number(value: float, at: Spot) -> t.Expr:
    if not math.isfinite(value):
        raise _refused(value, "write ms.lit('inf').cast('double')")
    return t.Literal(value, "double", at=at)


def _decimal(value: Decimal, at: Spot) -> t.Expr:
    if not value.is_finite():
        raise _refused(value, "a DECIMAL is a number")
    # 1E+2 is 100: a literal of the dialect has no exponent.
    plain = value.quantize(Decimal(1)) if int(value.as_tuple().exponent) > 0 else value
    return t.Literal(plain, "decimal", at=at)


def _instant(value: datetime, at: Spot) -> t.Expr:
    if value.tzinfo is None:
        raise _refused(value, "a timestamp is an instant: give it tzinfo=datetime.UTC")
    return t.Literal(value.astimezone(UTC), "timestamp", at=at)


def _span(value: timedelta, at: Spot) -> t.Expr:
    sign = -1 if value < timedelta(0) else 1
    parts = [sign * part for part in interval_parts(duration_text(abs(value)))]
    return t.Interval(*parts, at=at)


def _struct(value: Mapping[str, Any], at: Spot) -> t.Expr:
    return t.Struct(tuple(value), tuple(node_of(v) for v in value.values()), at=at)


# In this order: a bool is an int, a datetime is a date.
_CONSTANTS: tuple[tuple[Any, Callable[[Any, Spot], t.Expr]], ...] = (
    (type(None), lambda value, at: t.Literal(value, "null", at=at)),
    (bool, lambda value, at: t.Literal(value, "boolean", at=at)),
    (int, lambda value, at: t.Literal(value, "integer", at=at)),
    (float, _number),
    (Decimal, _decimal),
    (str, lambda value, at: t.Literal(value, "string", at=at)),
    (datetime, _instant),
    (date, lambda value, at: t.Literal(value, "date", at=at)),
    (timedelta, _span),
    (list | tuple, lambda value, at: t.Call("list_value", tuple(map(node_of, value)), at=at)),
    (Mapping, _struct),
)


def _frame(unit: str, ends: tuple[Any, Any]) -> t.Frame:
    first, last = ends
    return t.Frame(unit, _bound(first, is_last=False), _bound(last, is_last=True), at=here())


def _bound(value: Any, *, is_last: bool) -> t.Bound:
    if value is None:
        return t.Bound("unbounded", None, is_last, at=here())
    if isinstance(value, str):
        is_after = not value.startswith("-")
        return t.Bound("offset", interval_of(value.lstrip("+-")), is_after, at=here())
    if isinstance(value, timedelta):
        return t.Bound("offset", node_of(abs(value)), value > timedelta(0), at=here())
    if value == 0:
        return t.Bound("current", at=here())
    return t.Bound("offset", node_of(abs(value)), value > 0, at=here())


def interval_of(text: str) -> t.Interval:
    """Read a span of time, months and years too.

    Raises
    ------
    DefinitionError
        When it cannot be read.
    """
    try:
        return t.Interval(*interval_parts(text), at=here())
    except ValueError as error:
        raise DefinitionError(
            f"cannot read the interval {text!r}: {error}", where=here().place,
            code="DurationSyntax", fix='write it as "3 months" or "1 day 6 hours"',
        ) from error  # fmt: skip


def _refused(value: object, fix: str) -> DefinitionError:
    return DefinitionError(
        f"{value!r} ({type(value).__name__}) cannot stand in an expression", where=here().place,
        code="ValueNotPossible", fix=fix,
    )  # fmt: skip
