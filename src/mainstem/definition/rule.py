"""The rules that have a name of their own: what they take, and what they mean as SQL.

A rule is plain data; nothing is checked until the pipeline is. Rules about rows become a condition
in SQL, so that there is one mechanism for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mainstem.definition.parameter import parse_value
from mainstem.errors import DefinitionError
from mainstem.plan.types import Type
from mainstem.record import record
from mainstem.sql.text import quoted, text_literal

Value = bool | int | float | Decimal | str | date | datetime | None
Columns = str | Sequence[str]

ROW_KINDS = (
    "predicate", "not_null", "accepted", "between", "matches", "unique", "foreign_key",
)  # fmt: skip
TABLE_KINDS = ("row_count", "freshness", "volume", "completeness")


@record
class Rule:
    """A rule with a name of its own, as the functions of this module give it."""

    kind: str
    columns: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def is_about_rows(self) -> bool:
        """Say whether each row is judged by itself or among the others; else the table is."""
        return self.kind in ROW_KINDS

    def option(self, name: str) -> Any:
        """Give an option by name; None when it was not given."""
        return dict(self.options).get(name)

    @property
    def label(self) -> str:
        """Give the name that an expectation has when none was given."""
        if self.kind == "predicate":
            return str(self.option("sql"))
        return "_".join([self.kind, *map(str, self.columns)])


def _rule(kind: str, columns: Columns = (), **options: Any) -> Rule:
    named = (columns,) if isinstance(columns, str) else tuple(columns)
    given = {k: _frozen(v) for k, v in options.items() if v is not None}
    return Rule(kind, named, tuple(sorted(given.items())))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple | set) else value


def computed(sql: str) -> Rule:
    """Give the rule of a condition that was written as verbs; `sql` is how it prints."""
    return _rule("predicate", sql=sql)


def not_null(*columns: str) -> Rule:
    """Expect that none of the columns is NULL.

    Parameters
    ----------
    *columns : str
        At least one.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("not_null", columns)


def unique(*columns: str) -> Rule:
    """Expect that no two rows have the same values in the columns taken together.

    The first row by position passes, later ones fail. Rows with a NULL among the columns pass.

    Parameters
    ----------
    *columns : str
        At least one.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("unique", columns)


def accepted(column: str, values: Sequence[Value]) -> Rule:
    """Expect one of the listed values; NULL only when None is among them.

    Parameters
    ----------
    column : str
        The column.
    values : list
        Values of its type.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("accepted", column, values=values)


def between(column: str, low: Value = None, high: Value = None) -> Rule:
    """Expect a value between two bounds, both included; without one bound the other alone counts.

    Parameters
    ----------
    column : str
        The column.
    low, high : number, text, date or datetime, optional
        Values of its type; dates and instants also as text.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("between", column, low=low, high=high)


def matches(column: str, pattern: str) -> Rule:
    """Expect a text that a regular expression covers from its beginning to its end.

    Parameters
    ----------
    column : str
        A text column.
    pattern : str
        In the subset that docs/dialect.md describes.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("matches", column, pattern=pattern)


def foreign_key(columns: Columns, to: str, key: Columns) -> Rule:
    """Expect that the columns, taken together, are the key of some row of another relation.

    Rows with a NULL among the columns pass.

    Parameters
    ----------
    columns : str or list of str
        Columns of the relation that is judged.
    to : str
        A source, lookup, view or table of the pipeline.
    key : str or list of str
        As many columns of it.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    named = (key,) if isinstance(key, str) else tuple(key)
    return _rule("foreign_key", columns, to=str(getattr(to, "name", to)), key=named)


def row_count(*, min: int | None = None, max: int | None = None) -> Rule:
    """Expect a number of rows within bounds, both included.

    Parameters
    ----------
    min, max : int, optional
        At least one of them.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("row_count", min=min, max=max)


def freshness(column: str, *, within: str | timedelta) -> Rule:
    """Expect that the latest value is at most a span of time older than the start of the run.

    Parameters
    ----------
    column : str
        A timestamp or date column. A table without any value in it is not fresh.
    within : str or timedelta
        Such as ``"1 day"``.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("freshness", column, within=within)


def volume(*, within: float, of: int = 7) -> Rule:
    """Expect about as many rows as the runs before had.

    Parameters
    ----------
    within : float
        How far from their median, as a share of it: 0.5 accepts from half to one and a half of it.
    of : int, optional
        How many of the last committed runs count. Before there is one, any number is accepted.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("volume", within=within, of=of)


def completeness(column: str, *, at_least: float) -> Rule:
    """Expect that a share of the rows has a value in the column; a table without rows is complete.

    Parameters
    ----------
    column : str
        The column.
    at_least : float
        Share of rows that are not NULL, from 0 to 1.

    Returns
    -------
    Rule
        For `Pipeline.expect`.
    """
    return _rule("completeness", column, at_least=at_least)


RULES: dict[str, Callable[..., Rule]] = {
    made.__name__: made
    for made in (
        not_null, unique, accepted, between, matches, foreign_key, row_count, freshness, volume,
        completeness,
    )
}  # fmt: skip


def condition(rule: Rule, type_: Type) -> str:
    """Give a rule about one row as SQL; `type_` is that of its first column, if it names any.

    Raises
    ------
    DefinitionError
        When a value of the rule is none of the column's type.
    """
    names = [quoted(name) for name in rule.columns]
    if rule.kind == "predicate":
        return str(rule.option("sql"))
    if rule.kind == "not_null":
        return " AND ".join(f"{name} IS NOT NULL" for name in names)
    if rule.kind == "accepted":
        return _accepted(names[0], rule.option("values"), type_)
    if rule.kind == "between":
        tests = [
            f"{names[0]} {sign} {literal(rule.option(word), type_)}"
            for word, sign in (("low", ">="), ("high", "<="))
            if rule.option(word) is not None
        ]
        return " AND ".join(tests)
    if rule.kind == "matches":
        return f"regexp_full_match({names[0]}, {text_literal(rule.option('pattern'))})"
    return _foreign_key(rule, names)


def _accepted(name: str, values: Sequence[Value], type_: Type) -> str:
    listed = ", ".join(literal(value, type_) for value in values if value is not None)
    tests = [f"{name} IN ({listed})"] if listed else []
    tests += [f"{name} IS NULL"] if None in values else []
    return " OR ".join(tests)


def _foreign_key(rule: Rule, names: list[str]) -> str:
    keys = [quoted(name) for name in rule.option("key")]
    given = names[0] if len(names) == 1 else f"({', '.join(names)})"
    nulls = " OR ".join(f"{name} IS NULL" for name in names)
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    to = quoted(rule.option("to"))
    return f"{nulls} OR {given} IN (SELECT {', '.join(keys)} FROM {to} WHERE {known})"


def literal(value: Value, type_: Type) -> str:
    """Give a Python value as a literal of a column's type.

    Raises
    ------
    DefinitionError
        When it is none: text is never turned into a number, nor the other way round.
    """
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if type_.is_numeric and is_number and math.isfinite(value):  # type: ignore[arg-type]
        # Digits as they were written: as a DOUBLE, 0.1 would be another number than the column's.
        return f"{value:f}" if isinstance(value, Decimal) else repr(value)
    if type_.kind == "string" and isinstance(value, str):
        return text_literal(value)
    if type_.kind == "boolean" and isinstance(value, bool):
        return str(value).upper()
    if type_.kind in ("date", "timestamp"):
        read = parse_value(value, type_, "value")
        if type_.kind == "date":
            return f"DATE '{read.isoformat()}'"
        return f"TIMESTAMP '{read.replace(tzinfo=None).isoformat(' ', 'microseconds')}Z'"
    raise DefinitionError(
        f"{value!r} is no {type_}", code="TypeMismatch",
        fix="give a value of the column's type, or write the rule as a condition in SQL",
    )  # fmt: skip
