"""Numbers of the reference: arithmetic, rounding, bits, curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from mainstem.plan import tree as t
from mainstem.testing.reference_time import days_moved, moved
from mainstem.testing.reference_values import WIDE, Meaning, RowFails, cut, is_date, strict

_MASK = 2**64 - 1


def _add(a: Any, b: Any, sign: int = 1) -> Any:
    if isinstance(b, t.Interval):
        return moved(a, sign * b.months, sign * b.days, sign * b.micros)
    if is_date(a):
        return (a - b) // timedelta(days=1) if is_date(b) else days_moved(a, sign * b)
    if isinstance(a, Decimal):
        return WIDE.add(a, sign * b)
    return a + sign * b


def _multiply(a: Any, b: Any) -> Any:
    return WIDE.multiply(a, b) if isinstance(a, Decimal) else a * b


def _divide(a: float, b: float) -> float | None:
    return None if b == 0 else a / b


def _quotient(a: int, b: int) -> int | None:
    """Whole division that drops the fraction, towards zero."""
    if b == 0:
        return None
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: Any, b: Any) -> Any:
    if b == 0:
        return None
    if isinstance(a, float):
        return math.nan if math.isinf(a) else math.fmod(a, b)
    if isinstance(a, Decimal):
        return WIDE.subtract(a, WIDE.multiply(b, (WIDE.divide(a, b)).to_integral_value(ROUND_DOWN)))
    return a - b * (_quotient(a, b) or 0)


def _sign(a: Any) -> int:
    return int(a > 0) - int(a < 0)


def _rounded(value: Any, digits: int, rounding: str) -> Any:
    if isinstance(value, int):
        return int(cut(Decimal(value), min(digits, 0), rounding)) if digits > -40 else 0
    if isinstance(value, Decimal):
        # More digits than there are change nothing; so far before the point that nothing is left gives 0.
        scale = -int(value.as_tuple().exponent)
        return value if digits >= scale else cut(value, max(digits, -60), rounding)
    if not math.isfinite(value):
        return value
    factor = 10.0**digits
    scaled = value * factor
    whole = float(Decimal(scaled).to_integral_value(rounding)) if math.isfinite(scaled) else scaled
    return whole / factor if math.isfinite(scaled) else value


def _rounding(how: str) -> Callable[..., Any]:
    return lambda value, digits=0: _rounded(value, digits, how)


def _fixed(value: Any, digits: int, *, comma: str = "") -> str | None:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = Decimal(_rounded(value, digits, ROUND_HALF_UP))
        value = value.quantize(Decimal(1).scaleb(-digits), context=WIDE)
    rounded = cut(Decimal(value), digits, ROUND_HALF_UP)
    return f"{rounded or abs(rounded):{comma}.{digits}f}"


def _shift_left(value: int, count: int) -> int:
    if not 0 <= count <= 62:
        raise RowFails("the count is not 0 to 62")
    return value << count


def _factorial(n: int) -> int:
    if not 0 <= n <= 20:
        raise RowFails("n is below 0 or above 20")
    return math.factorial(n)


def _width_bucket(value: float, low: float, high: float, n: int) -> int | None:
    if not high > low or n < 1:
        return None
    if value < low:
        return 0
    return n + 1 if value >= high else math.floor((value - low) / (high - low) * n) + 1


def _curve(
    function: Callable[[float], float], domain: Callable[[float], bool]
) -> Callable[[float], float | None]:
    """Give a curve that is NULL outside of its domain and infinite where it is too large."""

    def curve(x: float) -> float | None:
        if math.isnan(x) or not domain(x):
            return None
        try:
            return function(x)
        except OverflowError:
            return math.inf

    return curve


MEANINGS: dict[str, Meaning] = {
    "+": Meaning(_add),
    "-": Meaning(lambda a, b: _add(a, b, -1)),
    "*": Meaning(_multiply),
    "/": Meaning(_divide),
    "//": Meaning(_quotient),
    "%": Meaning(_remainder),
    **strict(
        negate=lambda a: -a, abs=abs, sign=_sign,
        floor_div=lambda a, b: None if b == 0 else a // b,
        floor_mod=lambda a, b: None if b == 0 else a % b,
        ceil=_rounding(ROUND_CEILING), floor=_rounding(ROUND_FLOOR),
        round=_rounding(ROUND_HALF_UP), trunc=_rounding(ROUND_DOWN),
        format_decimal=_fixed, format_number=lambda x, digits=0: _fixed(x, digits, comma=","),
        bitwise_and=lambda a, b: a & b, bitwise_or=lambda a, b: a | b, bitwise_xor=lambda a, b: a ^ b,
        bitwise_not=lambda a: ~a, shift_left=_shift_left,
        shift_right=lambda a, n: a >> n if 0 <= n <= 63 else None,
        bit_count=lambda a: (a & _MASK).bit_count(),
        factorial=_factorial, gcd=math.gcd, lcm=math.lcm, width_bucket=_width_bucket,
        is_nan=math.isnan, is_finite=math.isfinite, is_infinite=math.isinf,
        sqrt=_curve(math.sqrt, lambda x: x >= 0), ln=_curve(math.log, lambda x: x > 0),
        log10=_curve(math.log10, lambda x: x > 0), log2=_curve(math.log2, lambda x: x > 0),
        exp=_curve(math.exp, lambda x: True),
    ),
}  # fmt: skip
