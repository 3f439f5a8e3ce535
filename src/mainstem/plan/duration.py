"""Spans of time as text: ``"30 seconds"``, ``"1 hour 30 minutes"``."""

from __future__ import annotations

import re
from datetime import timedelta

from mainstem.errors import DefinitionError
from mainstem.lazy import pattern

MICROSECOND = timedelta(microseconds=1)

# Months and years have no length of their own; a bare number has no unit.
UNITS: dict[str, timedelta] = {
    "microsecond": timedelta(microseconds=1), "us": timedelta(microseconds=1),
    "millisecond": timedelta(milliseconds=1), "ms": timedelta(milliseconds=1),
    "second": timedelta(seconds=1), "sec": timedelta(seconds=1), "s": timedelta(seconds=1),
    "minute": timedelta(minutes=1), "min": timedelta(minutes=1), "m": timedelta(minutes=1),
    "hour": timedelta(hours=1), "h": timedelta(hours=1),
    "day": timedelta(days=1), "d": timedelta(days=1),
    "week": timedelta(weeks=1), "w": timedelta(weeks=1),
}  # fmt: skip

_FIX = 'write it as "30 seconds", "5 minutes", "1 hour 30 minutes" or a timedelta'
_PART = pattern(r"\s*(\d+)(?:\.(\d{1,6}))?\s*([a-zA-Z]+)\s*,?")


def parse_duration(value: str | timedelta, name: str = "duration") -> timedelta:
    """Read a span of time.

    Parameters
    ----------
    value : str or timedelta
        Such as ``"30 seconds"``, ``"1 hour 30 minutes"``, ``"1.5 h"`` or ``timedelta(seconds=30)``.
    name : str
        What it is called in the message of an error.

    Raises
    ------
    DefinitionError
        For a bare number, an unknown unit, months and years, or a negative span.
    """
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    if isinstance(value, str) and value.strip():
        return _sum(value, name)
    why = "it is empty" if isinstance(value, str) else "a number has no unit"
    why = "it is negative" if isinstance(value, timedelta) else why
    raise DefinitionError(f"{name} is {value!r}: {why}", code="DurationSyntax", fix=_FIX)


def _sum(value: str, name: str) -> timedelta:
    total, at = timedelta(0), 0
    while at < len(value.rstrip()):
        match = _PART.match(value, at)
        if match is None:
            raise _wrong(name, value, "it is not numbers with units")
        total += _part(match, name, value)
        at = match.end()
    return total


def _part(match: re.Match[str], name: str, value: object) -> timedelta:
    whole, fraction, word = match[1], match[2] or "", match[3].lower()
    unit = UNITS.get(word) or UNITS.get(word.removesuffix("s"))
    if unit is None:
        why = f"{match[3]!r} is no unit"
        if word.removesuffix("s") in ("month", "year", "mon", "y"):
            why = "months and years differ in length: give days"
        raise _wrong(name, value, why)
    # Whole microseconds throughout: 0.1 of a second as a float is not exactly 100 ms.
    scaled = (unit // MICROSECOND) * int(whole + fraction)
    size, rest = divmod(scaled, 10 ** len(fraction))
    if rest:
        raise _wrong(name, value, "it is finer than a microsecond")
    try:
        return timedelta(microseconds=size)
    except OverflowError:
        raise _wrong(name, value, "it is too long") from None


def _wrong(name: str, value: object, why: str) -> DefinitionError:
    return DefinitionError(f"{name} is {value!r}: {why}", code="DurationSyntax", fix=_FIX)


def duration_text(value: timedelta) -> str:
    """Give a span as text that `parse_duration` reads back: the largest unit that fits exactly."""
    if not value:
        return "0 seconds"
    for name in ("day", "hour", "minute", "second", "millisecond", "microsecond"):
        count, rest = divmod(value, UNITS[name])
        if not rest:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{value // MICROSECOND} microseconds"
