"""Values of the reference: what fits a type, what equals, what comes first, what CAST makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from functools import cmp_to_key
from typing import Any

from mainstem.formats.coercion import NUMBER_TEXT, RANGES, coerce_text
from mainstem.formats.records import Misfit
from mainstem.plan.types import Type
from mainstem.record import record

# Wide enough that no product of two DECIMAL(38, s) is ever rounded.
WIDE = Context(prec=120)


class RowFails(Exception):
    """The row fails: an overflow, a cast without a result, an argument outside of a function's domain."""


class TooLarge(RowFails):
    """The value may exist, but is too large for a test (a text of megabytes); nothing is compared."""


@record
class Meaning:
    """How a catalogue row is computed; a strict one gives NULL beside any NULL without being asked."""

    compute: Callable[..., Any]
    is_strict: bool = True


def strict(**functions: Callable[..., Any]) -> dict[str, Meaning]:
    """Enter functions that never see NULL."""
    return {name: Meaning(function) for name, function in functions.items()}


def loose(**functions: Callable[..., Any]) -> dict[str, Meaning]:
    """Enter functions that get NULL as None."""
    return {name: Meaning(function, is_strict=False) for name, function in functions.items()}


def fitted(value: Any, type_: Type) -> Any:
    """Give a computed value as its type holds it; more than the type holds is an overflow (V1)."""
    if value is None:
        return None
    if type_.kind in RANGES:
        low, high = RANGES[type_.kind]
        if not low <= value <= high:
            raise RowFails(f"{value} is out of range of {type_}")
        return value
    if type_.kind == "decimal":
        return _fitted_decimal(Decimal(value), type_)
    if type_.kind == "list" and isinstance(value, list):
        return [fitted(v, type_.items[0]) for v in value]
    return float(value) if type_.kind == "double" else value


def _fitted_decimal(value: Decimal, type_: Type) -> Decimal:
    scaled = value.quantize(Decimal(1).scaleb(-type_.scale), context=WIDE)
    if scaled != value:
        raise AssertionError(f"{value} has more digits after the point than {type_}")
    # copy_abs: abs() would round to the context of the moment.
    if scaled.copy_abs() >= Decimal(10) ** (type_.precision - type_.scale):
        raise RowFails(f"{value} does not fit {type_}")
    # A decimal has no negative zero.
    return scaled or scaled.copy_abs()


def equal(a: Any, b: Any) -> bool | None:
    """Compare as ``=`` does: NULL on either side gives NULL; NaN equals itself."""
    return None if a is None or b is None else compare(a, b) == 0


def compare(a: Any, b: Any) -> int:
    """Order two values that are not NULL: NaN after all numbers, text by UTF-8 bytes, lists by elements.

    Inside of lists NULL is equal to NULL and comes last.
    """
    if isinstance(a, list):
        for x, y in zip(a, b, strict=False):
            found = (x is None) - (y is None) if x is None or y is None else compare(x, y)
            if found:
                return found
        return (len(a) > len(b)) - (len(a) < len(b))
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    if isinstance(a, float) and (math.isnan(a) or math.isnan(b)):
        return int(math.isnan(a)) - int(math.isnan(b))
    return int(a > b) - int(a < b)


key_of = cmp_to_key(compare)


def ordered(values: list[Any]) -> list[Any]:
    """Sort values ascending, NULLs last (V4)."""
    return sorted((v for v in values if v is not None), key=key_of) + [
        v for v in values if v is None
    ]


def distinct(values: list[Any]) -> list[Any]:
    """Give the different values in ascending order, NULL once at the end."""
    made: list[Any] = []
    for value in ordered(values):
        if not made or not same_or_both_null(made[-1], value):
            made.append(value)
    return made


def same_or_both_null(a: Any, b: Any) -> bool:
    """Say whether two values are one in GROUP BY, DISTINCT and IS NOT DISTINCT FROM."""
    return b is None if a is None else b is not None and compare(a, b) == 0


# --- CAST (V3) ----------------------------------------------------------------------------------


def cast_value(value: Any, own: Type, to: Type) -> Any:
    """Give CAST(value AS to).

    Raises
    ------
    RowFails
        When there is no such value.
    """
    if value is None or own == to:
        return value
    if to.kind == "list":
        return [cast_value(v, own.items[0], to.items[0]) for v in value]
    return _CASTS[to.kind](value, own, to)


def _to_whole(value: Any, own: Type, to: Type) -> int:
    if own.kind == "string":
        return int(_read(value, to))
    if own.kind == "double" and not math.isfinite(value):
        raise RowFails(f"{value} is no whole number")
    # int() cuts towards zero, for Decimal as for float.
    return int(fitted(int(value), to))


def _to_decimal(value: Any, own: Type, to: Type) -> Decimal:
    if own.kind == "string":
        if not NUMBER_TEXT.fullmatch(value):
            raise RowFails(f"{value!r} is no number")
        value = Decimal(value)
    if own.kind == "double" and not math.isfinite(value):
        raise RowFails(f"{value} is no decimal")
    number = Decimal(int(value)) if isinstance(value, bool) else Decimal(value)
    if number and number.adjusted() > 60:
        raise RowFails(f"{value} does not fit {to}")
    rounded = number.quantize(Decimal(1).scaleb(-to.scale), rounding=ROUND_HALF_UP, context=WIDE)
    return Decimal(fitted(rounded, to))


def _to_double(value: Any, own: Type, to: Type) -> float:
    return float(_read(value, to)) if own.kind == "string" else float(value)


def _to_boolean(value: Any, own: Type, to: Type) -> bool:
    return bool(_read(value, to)) if own.kind == "string" else value != 0


def _to_text(value: Any, own: Type, to: Type) -> str:
    if own.kind == "boolean":
        return "true" if value else "false"
    if own.kind == "decimal":
        return f"{value.quantize(Decimal(1).scaleb(-own.scale), context=WIDE):f}"
    if own.kind == "timestamp":
        text = f"{value:%H:%M:%S.%f}".rstrip("0").rstrip(".")
        return f"{value.date().isoformat()} {text}Z"
    return value.isoformat() if own.kind == "date" else str(value)


def _to_date(value: Any, own: Type, to: Type) -> Any:
    return _read(value, to) if own.kind == "string" else value.date()


def _to_instant(value: Any, own: Type, to: Type) -> Any:
    if own.kind == "date":
        return datetime.combine(value, time(), UTC)
    if len(value) == 10:
        return datetime.combine(_read(value, Type("date")), time(), UTC)
    return _read(value, to)


def _read(text: str, to: Type) -> Any:
    """Read a text by the table of exact coercions (V8)."""
    try:
        return coerce_text(text, to)
    except Misfit as error:
        raise RowFails(f"CAST: {error}") from None


_CASTS: dict[str, Callable[[Any, Type, Type], Any]] = {
    "bigint": _to_whole, "integer": _to_whole, "smallint": _to_whole, "decimal": _to_decimal,
    "double": _to_double, "boolean": _to_boolean, "string": _to_text, "date": _to_date,
    "timestamp": _to_instant,
}  # fmt: skip


def cut(value: Decimal, digits: int, rounding: str = ROUND_DOWN) -> Decimal:
    """Give a decimal rounded to a number of digits after the point, which may be below zero."""
    moved = value.scaleb(digits, context=WIDE).to_integral_value(rounding=rounding)
    return moved.scaleb(-digits, context=WIDE)


def is_date(value: Any) -> bool:
    """Say whether a value is a date and no instant; Python's datetime is a date too."""
    return isinstance(value, date) and not isinstance(value, datetime)
