"""Reads the text of an INTERVAL as months, days and microseconds, which are kept apart."""

from __future__ import annotations

from decimal import Decimal

from mainstem.lazy import pattern

# Months, days, microseconds of one unit.
UNITS: dict[str, tuple[int, int, int]] = {
    "microsecond": (0, 0, 1),
    "millisecond": (0, 0, 1_000),
    "second": (0, 0, 1_000_000),
    "minute": (0, 0, 60_000_000),
    "hour": (0, 0, 3_600_000_000),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "month": (1, 0, 0),
    "quarter": (3, 0, 0),
    "year": (12, 0, 0),
}
# What years 1 to 9999 hold.
MAX_PARTS = 9999 * 366
MAX_MICROS = MAX_PARTS * 86_400_000_000
_PART = pattern(r"\s*([-+]?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")


def interval_parts(text: str) -> tuple[int, int, int]:
    """Read ``1 day 6 hours`` as months, days and microseconds.

    Raises
    ------
    ValueError
        When a part has no known unit or a fraction that is not whole microseconds.
    """
    months = days = micros = at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise ValueError(f"{text[at:].strip()!r} is not a number with a unit")
        unit = match[2].lower().removesuffix("s")
        if unit not in UNITS:
            raise ValueError(f"no unit {match[2]!r} (units: {', '.join(UNITS)})")
        amount, parts = Decimal(match[1]), UNITS[unit]
        if amount != int(amount) and not parts[2]:
            raise ValueError(f"{match[2]} takes whole numbers")
        months += int(amount) * parts[0]
        days += int(amount) * parts[1]
        micros += int(amount * parts[2])
        at = match.end()
    if not text.strip():
        raise ValueError("it is empty")
    if max(abs(months), abs(days)) > MAX_PARTS or abs(micros) > MAX_MICROS:
        raise ValueError("it is longer than the calendar")
    return months, days, micros
