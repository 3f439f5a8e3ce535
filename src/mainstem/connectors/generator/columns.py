"""What the generator puts into a column.

A column is one dict with one of these words, and perhaps others beside it:

===================================  ==============================================================
``{"sequence": 1, "step": 1}``       1, 2, 3 …; in a text behind `prefix`
``{"choice": [a, b], "weights": …}``  one of the values, as often as its weight says
``{"range": [low, high]}``           any value from low to high, both included
``{"zipf": n, "exponent": 1.0}``     keys 1 to n, key k as often as 1 / k^exponent; in a text
                                     behind `prefix`
``{"letters": n}``                   n random letters, or n random bytes
``{"time": true}``                   the record's event time, or its date
===================================  ==============================================================

Beside any of them: ``"nulls": 0.01``, the share of records in which the column is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mainstem.connectors.spec import Problem, column_missing
from mainstem.errors import listing, nearest
from mainstem.plan.types import Field, Schema
from mainstem.record import record

INTEGERS = ("bigint", "integer", "smallint")
# For each word the types that it can make, and the words beside it; None for every type.
_WORDS: dict[str, tuple[tuple[str, ...] | None, tuple[str, ...]]] = {
    "sequence": ((*INTEGERS, "string"), ("step", "prefix")),
    "choice": (None, ("weights",)),
    "range": ((*INTEGERS, "decimal", "double", "date", "timestamp"), ()),
    "zipf": ((*INTEGERS, "string"), ("exponent", "prefix")),
    "letters": (("string", "bytes"), ()),
    "time": (("timestamp", "date"), ()),
}


@record
class Column:
    """One column, checked; the fields that its `kind` does not use have their defaults.

    Parameters
    ----------
    field : Field
        Its name, type and whether it may be NULL.
    kind : str
        ``sequence``, ``choice``, ``range``, ``zipf``, ``letters`` or ``time``.
    start, step : int
        Of a sequence: record ``i`` has ``start + step * i``.
    prefix : str
        What stands before the number of a sequence or a zipf key in a text.
    values, weights : tuple
        Of a choice: values as in JSON, and a weight for each.
    low, high : int, float, Decimal, date or datetime
        Of a range, both included.
    size : int
        Keys of a zipf; letters or bytes.
    exponent : float
        Of a zipf.
    nulls : float
        Share of the records in which it is NULL.
    """

    field: Field
    kind: str
    start: int = 0
    step: int = 1
    prefix: str = ""
    values: tuple[Any, ...] = ()
    weights: tuple[float, ...] = ()
    low: Any = None
    high: Any = None
    size: int = 0
    exponent: float = 1.0
    nulls: float = 0.0


class _Wrong(Exception):
    """What is wrong with one column, and how to write it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


def columns_of(
    given: tuple[tuple[Any, ...], ...], schema: Schema, event_time: str
) -> tuple[tuple[Column, ...], list[Problem]]:
    """Give the columns of a schema and what is wrong with their descriptions.

    Parameters
    ----------
    given : tuple of pairs
        Names and descriptions, as `Binding` keeps dicts.
    schema : Schema
        Declared columns.
    event_time : str
        The column that is the event time; "" for none.
    """
    problems = [p for name, _ in given for p in column_missing(name, "columns", schema)]
    described = {str(name).lower(): words for name, words in given}
    found = []
    for field in schema.fields:
        is_time = field.name.lower() == event_time.lower()
        try:
            words = described.get(field.name.lower())
            made = {"time": True} if is_time and words is None else None
            described_as = made or (_usual(field) if words is None else _words(words))
            found.append(_column(field, described_as, is_event_time=is_time))
        except _Wrong as wrong:
            what = f"column {field.name!r} of the generator: {wrong}"
            problems.append(Problem("GeneratorColumn", what, wrong.fix, "columns"))
    return tuple(found), problems


def _words(given: Any) -> dict[str, Any]:
    try:
        return {str(name): value for name, value in given}
    except (TypeError, ValueError):
        raise _Wrong(f"{given!r} is no description", 'write {"zipf": 1000}') from None


def _usual(field: Field) -> dict[str, Any]:
    """Describe a column that nobody described."""
    kind = field.type.kind
    if kind == "decimal":
        # At most what its digits leave room for: 0.99 for decimal(2,2).
        largest = Decimal(f"{10**field.type.precision - 1}E-{field.type.scale}")
        return {"range": (0, min(Decimal(100), largest))}
    usual: dict[str, dict[str, Any]] = {
        "string": {"zipf": 100}, "boolean": {"choice": (True, False)}, "double": {"range": (0, 1)},
        "date": {"time": True}, "timestamp": {"time": True}, "bytes": {"letters": 8},
    }  # fmt: skip
    if kind in INTEGERS:
        return {"range": (0, 999)}
    if kind not in usual:
        raise _Wrong(f"a {kind} has no usual values", 'write {"choice": ["<JSON text>"]}')
    return usual[kind]


def _column(field: Field, words: Mapping[str, Any], *, is_event_time: bool) -> Column:
    kinds = [word for word in words if word in _WORDS]
    if len(kinds) != 1:
        close = next(filter(None, (nearest(word, _WORDS) for word in words)), "")
        fix = f"write {close}" if close and not kinds else 'write one of them: {"zipf": 1000}'
        raise _Wrong(f"it takes one of {listing(_WORDS)}; got {listing(words) or 'none'}", fix)
    kind = kinds[0]
    types, beside = _WORDS[kind]
    if types is not None and field.type.kind not in types:
        raise _Wrong(f"{kind} makes no {field.type}", f"declare it as {listing(types)}")
    if is_event_time and kind != "time":
        raise _Wrong(f"the event time is {kind}", "leave it out; disorder= says how it advances")
    for word in words:
        if word not in (kind, *beside, "nulls"):
            close = nearest(word, (*beside, "nulls"))
            raise _Wrong(f"{kind} has no {word!r}", f"write {close}" if close else "remove it")
    nulls = _number(words.get("nulls", 0), "nulls", 0, 1)
    if nulls and (not field.nullable or is_event_time):
        raise _Wrong("it has nulls and is declared not null", "remove nulls; bad= makes bad rows")
    return _MADE[kind](field, words, nulls)


def _sequence(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    start, step = _whole(words["sequence"], "sequence"), _whole(words.get("step", 1), "step")
    return Column(field, "sequence", start, step, _prefix(field, words), nulls=nulls)


def _zipf(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    size = _whole(words["zipf"], "zipf", least=1)
    exponent = _number(words.get("exponent", 1), "exponent", 0, 100)
    return Column(
        field, "zipf", prefix=_prefix(field, words), size=size, exponent=exponent, nulls=nulls
    )


def _choice(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    values = _listed(words["choice"], "choice")
    weights = _listed(words.get("weights", (1,) * len(values)), "weights")
    checked = tuple(_number(weight, "weights", 0, 1e9) for weight in weights)
    if len(checked) != len(values) or not sum(checked):
        what = f"{len(values)} values and {len(checked)} weights"
        raise _Wrong(what, "give a weight for each value, one of them more than 0")
    return Column(field, "choice", values=values, weights=checked, nulls=nulls)


def _range(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    ends = _listed(words["range"], "range")
    if len(ends) != 2:
        raise _Wrong("a range has two ends", 'write {"range": [0, 100]}')
    read: Callable[[Any], Any] = _ENDS.get(field.type.kind, int)
    try:
        low, high = (read(str(end)) for end in ends)
    except (ValueError, InvalidOperation):
        raise _Wrong(f"{list(ends)} are no two of {field.type}", "correct the ends") from None
    if low > high:
        raise _Wrong(f"{ends[0]} is more than {ends[1]}", "write the smaller one first")
    return Column(field, "range", low=low, high=high, nulls=nulls)


def _letters(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    return Column(field, "letters", size=_whole(words["letters"], "letters", least=0), nulls=nulls)


def _time(field: Field, words: Mapping[str, Any], nulls: float) -> Column:
    if words["time"] is not True:
        raise _Wrong(f"time is {words['time']!r}", 'write {"time": true}')
    return Column(field, "time", nulls=nulls)


_MADE: dict[str, Callable[[Field, Mapping[str, Any], float], Column]] = {
    "sequence": _sequence, "zipf": _zipf, "choice": _choice, "range": _range, "letters": _letters,
    "time": _time,
}  # fmt: skip
_ENDS: dict[str, Callable[[str], Any]] = {
    "double": float, "decimal": Decimal, "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}  # fmt: skip


def _prefix(field: Field, words: Mapping[str, Any]) -> str:
    if "prefix" not in words:
        return f"{field.name}-" if field.type.kind == "string" else ""
    if field.type.kind != "string" or not isinstance(words["prefix"], str):
        raise _Wrong("a prefix stands in a text", "remove it, or declare the column as string")
    return str(words["prefix"])


def _whole(value: Any, word: str, least: int | None = None) -> int:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or (least is not None and value < least)
    ):
        wanted = "a whole number" + ("" if least is None else f" of at least {least}")
        raise _Wrong(f"{word} is {value!r}, not {wanted}", f"write {word}: {max(1, least or 1)}")
    return value


def _number(value: Any, word: str, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise _Wrong(f"{word} is {value!r}", f"give a number from {least} to {most:g}")
    return float(value)


def _listed(value: Any, word: str) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or not value:
        raise _Wrong(f"{word} is {value!r}, not a list", f"write {word}: [1, 2]")
    return value
