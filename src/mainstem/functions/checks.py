"""Checks of literal arguments, made when a plan is made, so that a typo never reaches a run.

A pattern such as ``"string:zone"`` in a row's `takes` names one. Each check takes the literal's value
and gives what is wrong with it, or an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mainstem.errors import nearest
from mainstem.functions.patterns import path_problem, regex_problem, start_problem
from mainstem.lazy import pattern

# What a field of a time pattern may be. Others mean different things on different engines, or, like %z of an
# instant in UTC, say nothing.
FORMAT_FIELDS: dict[str, str] = {
    "%Y": "year, four digits", "%y": "year, two digits", "%m": "month, 01 to 12", "%-m": "month, 1 to 12",
    "%b": "month, Jan", "%B": "month, January", "%d": "day, 01 to 31", "%-d": "day, 1 to 31",
    "%j": "day of the year, 001 to 366", "%a": "weekday, Mon", "%A": "weekday, Monday",
    "%u": "ISO weekday, 1 is Monday", "%G": "ISO year", "%V": "ISO week, 01 to 53",
    "%H": "hour, 00 to 23", "%-H": "hour, 0 to 23", "%I": "hour, 01 to 12", "%-I": "hour, 1 to 12",
    "%p": "AM or PM", "%M": "minute", "%S": "second", "%f": "microseconds, six digits",
    "%g": "milliseconds, three digits", "%%": "a percent sign",
}  # fmt: skip

# %j is not among them: day 366 of a year of 365 would become the next year's first. Nor are ISO weeks, whose
# reading differs between engines.
PARSE_FIELDS = (
    "%Y", "%y", "%m", "%-m", "%b", "%B", "%d", "%-d", "%a", "%A", "%H", "%-H", "%I", "%-I", "%p",
    "%M", "%S", "%f", "%z", "%%",
)  # fmt: skip

_FIELD = pattern(r"%-?.?", re.DOTALL)


def zone_problem(name: str) -> str:
    """Say what is wrong with a time zone's name; it must be one of the IANA database, in its spelling."""
    import zoneinfo

    known = zoneinfo.available_timezones() - {"localtime", "Factory"}
    # A machine without the database cannot judge; the engine, which carries its own, still refuses at the run.
    if not known or name in known:
        return ""
    close = nearest(name, sorted(known))
    hint = f"did you mean {close!r}?" if close else "write it as 'Europe/Rome' or 'UTC'"
    return f"there is no time zone {name!r}; {hint}"


def format_problem(pattern: str) -> str:
    """Say what is wrong with a pattern that writes a time."""
    return _unknown_field(pattern, tuple(FORMAT_FIELDS))


def parse_problem(pattern: str) -> str:
    """Say what is wrong with a pattern that reads a time: it must name a whole date, and no hour twice."""
    wrong = _unknown_field(pattern, PARSE_FIELDS)
    if wrong:
        return wrong
    fields = [field.replace("-", "") for field in _FIELD.findall(pattern)]
    for group, what in (
        (("%Y", "%y"), "a year, %Y"),
        (("%m", "%b", "%B"), "a month, %m"),
        (("%d",), "a day, %d"),
    ):
        if not any(field in group for field in fields):
            # Without it an engine would fill in a year 1900 or a first of January of its own.
            return f"the pattern {pattern!r} has not {what}"
    if ("%I" in fields) != ("%p" in fields):
        return f"in the pattern {pattern!r} %I and %p must stand together; hours to 23 are %H"
    twice = [field for field in dict.fromkeys(fields) if field != "%%" and fields.count(field) > 1]
    return f"{twice[0]} stands twice in the pattern {pattern!r}" if twice else ""


def _unknown_field(pattern: str, known: tuple[str, ...]) -> str:
    for field in _FIELD.findall(pattern):
        if field not in known:
            return f"{field!r} in the pattern {pattern!r} is not known; use {' '.join(known)}"
    return ""


def fraction_problem(value: Any) -> str:
    """Say what is wrong with a part of one."""
    return "" if 0 <= value <= 1 else f"{value} is not from 0 to 1"


def positive_problem(value: int) -> str:
    """Say what is wrong with a number that counts from one."""
    return "" if value >= 1 else f"{value} is not 1 or more"


def natural_problem(value: int) -> str:
    """Say what is wrong with a number that counts from zero."""
    return "" if value >= 0 else f"{value} is below 0"


def escape_problem(sign: str) -> str:
    """Say what is wrong with the escape character of LIKE."""
    if len(sign) == 1 and sign.isascii() and sign not in "%_\\":
        return ""
    return f"{sign!r} cannot escape; name one ASCII character other than %, _ and the backslash"


CHECKS: dict[str, Callable[[Any], str]] = {
    "escape": escape_problem,
    "zone": zone_problem,
    "format": format_problem,
    "parse": parse_problem,
    "fraction": fraction_problem,
    "positive": positive_problem,
    "natural": natural_problem,
    "regex": regex_problem,
    "path": path_problem,
    "start": start_problem,
}
