"""The words that expressions begin with: ``ms.col``, ``ms.lit``, ``ms.when``, ``ms.expr``."""

from __future__ import annotations

import dataclasses
from typing import Any

from mainstem.definition.expression import Expr, Value, column_of, interval_of, node_of
from mainstem.definition.spot import here, moved
from mainstem.errors import DefinitionError
from mainstem.plan import tree as t
from mainstem.sql.fragment import fragment
from mainstem.sql.tokens import Text


def col(*names: str) -> Expr:
    """Give a column by name.

    Parameters
    ----------
    *names : str
        ``"amount"``, ``"o.amount"`` of the frame aliased ``o``, or ``"*"``. Several names are taken
        as they are, dots included: ``col("o", "a.b")``.
    """
    return column_of(names[0]) if len(names) == 1 else Expr(t.Name(names, at=here()))


def lit(value: Value) -> Expr:
    """Give a constant: text, a number, a date, an instant, a span, a list, or a dict for a struct."""
    return Expr(node_of(value))


def expr(text: str) -> Expr:
    """Read an expression from SQL text, with an alias when it has one: ``"amount * 2 AS twice"``.

    Raises
    ------
    DefinitionError
        Where the text is no expression of the dialect.
    """
    place = here().place
    source = Text(text, dataclasses.replace(place, column=0))
    try:
        item = fragment(source)
    except DefinitionError as error:
        error.finding = dataclasses.replace(error.finding, where=place)
        raise
    return Expr(moved(item.expr, source, place), item.name)


def interval(text: str) -> Expr:
    """Give a span of time, months and years too: ``ms.interval("3 months")``."""
    return Expr(interval_of(text))


def exists(frame: Any) -> Expr:
    """Say whether a frame has any row; its conditions may name columns of the frame around it."""
    return Expr(t.Exists(frame.query, at=here()))


class When:
    """A CASE without its last word; `when` and `otherwise` go on."""

    __slots__ = ("_condition", "_whens")

    def __init__(self, whens: tuple[tuple[t.Expr, t.Expr], ...], condition: t.Expr) -> None:
        self._whens = whens
        self._condition = condition

    def then(self, value: Value) -> Case:
        """Give the value where the condition holds."""
        return Case((*self._whens, (self._condition, node_of(value))))


class Case(Expr):
    """``CASE WHEN … THEN … END``; NULL where no condition holds, unless `otherwise` follows."""

    __slots__ = ("_arms",)

    def __init__(self, whens: tuple[tuple[t.Expr, t.Expr], ...]) -> None:
        super().__init__(t.Case(whens, at=here()))
        self._arms = whens

    def when(self, condition: Expr) -> When:
        """Add a condition."""
        return When(self._arms, node_of(condition))

    def otherwise(self, value: Value) -> Expr:
        """Give the value where no condition holds: ``ELSE value``."""
        return Expr(t.Case(self._arms, node_of(value), at=here()))


def when(condition: Expr) -> When:
    """Begin a CASE: ``ms.when(a > 0).then("up").otherwise("down")``."""
    return When((), node_of(condition))
