"""Which conversions CAST can do, and how text literals become dates and instants."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from mainstem.lazy import pattern
from mainstem.plan.types import DATE, TIMESTAMP, Type, in_expressions

_SCALARS = {
    "boolean",
    "bigint",
    "integer",
    "smallint",
    "decimal",
    "double",
    "string",
    "bytes",
    "date",
    "timestamp",
}
_NUMBERS = {"bigint", "integer", "smallint", "decimal", "double"}
# From each kind, the kinds that a CAST reaches besides itself.
_CASTS: dict[str, set[str]] = {
    "boolean": {"string", *_NUMBERS},
    "bigint": {"string", "boolean", *_NUMBERS},
    "decimal": {"string", *_NUMBERS},
    "double": {"string", *_NUMBERS},
    "string": _SCALARS - {"string"},
    "bytes": {"string"},
    "date": {"string", "timestamp"},
    "timestamp": {"string", "date"},
}
_TIME = pattern(
    r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)


def cast_problem(own: Type, to: Type) -> str:
    """Say how to get from `own` to `to` when CAST cannot; "" when it can."""
    if own.kind == "null" or own == to:
        return ""
    if own.is_nested or to.is_nested:
        if own.kind == to.kind == "struct" and own.names == to.names:
            return _first(own, to)
        if own.kind == to.kind and own.kind != "struct":
            return _first(own, to)
        return (
            "take the value apart, or use to_json(x) for text"
            if own.is_nested
            else "use a json_ function"
        )
    if to.kind == own.kind or to.kind in _CASTS.get(own.kind, ()):
        return ""
    if in_expressions(to).kind == "bigint" and own.kind in ("date", "timestamp"):
        return "use epoch_seconds(x)"
    if to.kind in ("date", "timestamp"):
        return "use from_epoch_seconds(x), or CAST a text"
    return "CAST to text first" if own.kind != "interval" else "an interval is no value of its own"


def _first(own: Type, to: Type) -> str:
    problems = [cast_problem(a, b) for a, b in zip(own.items, to.items, strict=False)]
    return next((p for p in problems if p), "")


def time_literal(text: str, to: Type) -> date | datetime | None:
    """Read ``YYYY-MM-DD[ HH:MM[:SS[.ffffff]][Z|±HH:MM]]`` as a date or an instant, or give None.

    Without an offset a time is UTC (V7).
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or (to == DATE and match[4] is not None):
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if to == DATE:
            return date(int(year), int(month), int(day))
        zone = "+00:00" if offset in (None, "Z") else _offset(offset)
        clock = (
            f"{hour or '00'}:{minute or '00'}:{second or '00'}.{(fraction or '0').ljust(6, '0')}"
        )
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{zone}")
        return moment.astimezone(UTC) if to == TIMESTAMP else None
    except (ValueError, OverflowError):
        # OverflowError: year 1 or 9999 moved out of the calendar by its offset.
        return None


def _offset(text: str) -> str:
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}"
