"""The reducers that are known by name: how two values become one, exactly.

`sum` of doubles is exact whatever the order: it is kept as a few doubles whose sum it is, and rounded
once at the end (Shewchuk 1997, by way of `math.fsum`). Decimals are added in 76 digits, which the sums
of 38 digits and any number of rows that a machine can count do not leave.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Iterable
from typing import Any

from mainstem.plan.types import Type

_WIDE = decimal.Context(prec=76, traps=[decimal.Inexact, decimal.InvalidOperation])


def chosen(word: str, type_: Type) -> Callable[[Any, Any], Any]:
    """Give how two values of a type become one."""
    if word in ("count", "sum"):
        return _added if type_.kind != "decimal" else _WIDE.add
    if type_.kind == "double":
        return _least if word == "min" else _greatest
    return min if word == "min" else max


def _added(left: Any, right: Any) -> Any:
    return left + right


def _least(left: float, right: float) -> float:
    # NaN is the greatest number, as in SQL; Python's own min depends on the order.
    return right if left != left or right < left else left  # noqa: PLR0124


def _greatest(left: float, right: float) -> float:
    return right if right != right or right > left else left  # noqa: PLR0124


def parts(values: Iterable[float]) -> tuple[float, ...]:
    """Give a few doubles whose sum is exactly that of many.

    Raises
    ------
    OverflowError
        When the sum is no double.
    """
    rest = list(values)
    found: list[float] = []
    if not all(map(math.isfinite, rest)):
        return (_not_finite(rest),)
    while True:
        part = math.fsum(rest)
        if not part:
            return tuple(found) or (0.0,)
        found.append(part)
        rest.append(-part)


def _not_finite(values: list[float]) -> float:
    infinite = {x for x in values if math.isinf(x)}
    has_nan = any(map(math.isnan, values)) or len(infinite) > 1
    return math.nan if has_nan else infinite.pop()


def total(values: Iterable[tuple[float, ...]]) -> float:
    """Give the sum of what `parts` gave, rounded once."""
    flat = [x for one in values for x in one]
    return math.fsum(flat) if all(map(math.isfinite, flat)) else _not_finite(flat)
