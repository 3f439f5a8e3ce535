"""Lists and lambdas of the reference. Places count from 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mainstem.testing.reference_values import (
    Meaning,
    TooLarge,
    distinct,
    equal,
    key_of,
    loose,
    ordered,
    strict,
)  # fmt: skip

_LONGEST = 1_000_000


def _known(values: list[Any]) -> list[Any]:
    return [v for v in values if v is not None]


def _has(values: list[Any], value: Any) -> bool:
    return any(equal(v, value) for v in values)


def _element(values: list[Any], place: int) -> Any:
    if place == 0 or abs(place) > len(values):
        return None
    return values[place - 1 if place > 0 else place]


def _range(*bounds: int, is_closed: bool = False) -> list[int]:
    low, high, step = (
        (0, bounds[0], 1)
        if len(bounds) == 1
        else (*bounds[:2], bounds[2] if len(bounds) > 2 else 1)
    )
    if step == 0:
        return []
    if abs(high - low) // abs(step) > _LONGEST and (high > low) == (step > 0):
        raise TooLarge("the list is too long")
    return list(range(low, high + ((step > 0) - (step < 0) if is_closed else 0), step))


def _position(values: list[Any], value: Any) -> int | None:
    return next((i for i, v in enumerate(values, 1) if equal(v, value)), None)


def _slice(values: list[Any], first: int, last: int) -> list[Any]:
    n = len(values)
    first = max(first if first >= 0 else n + first + 1, 1)
    last = min(last if last >= 0 else n + last + 1, n)
    return values[first - 1 : last] if first <= last else []


def _sorted(values: list[Any], how: str = "asc") -> list[Any]:
    made = ordered(values)
    known = _known(made)
    return (known[::-1] if how.lower() == "desc" else known) + made[len(known) :]


def _sum(values: list[Any]) -> Any:
    known = _known(values)
    if not known:
        return None
    return (
        math.fsum(known)
        if isinstance(known[0], float)
        else sum(known, start=Decimal(0) if isinstance(known[0], Decimal) else 0)
    )


def _mean(values: list[float]) -> float | None:
    known = _known(values)
    return math.fsum(known) / len(known) if known else None


def _joined(texts: list[Any], separator: str, missing: str | None = None) -> str:
    return separator.join(
        x if x is not None else missing or "" for x in texts if x is not None or missing is not None
    )


def _mapped(values: list[Any], call: Callable[..., Any]) -> list[Any]:
    return [call(v, i) for i, v in enumerate(values, 1)]


def _reduced(values: list[Any], call: Callable[..., Any], *first: Any) -> Any:
    if not values and not first:
        return None
    result = first[0] if first else values[0]
    for value in values if first else values[1:]:
        result = call(result, value)
    return result


def _list_reduce(values: Any, call: Callable[..., Any], *first: Any) -> Any:
    return None if values is None else _reduced(values, call, *first)


def _filtered(values: list[Any], call: Callable[..., Any]) -> list[Any]:
    return [v for v, passes in zip(values, _mapped(values, call), strict=True) if passes is True]


def _except(values: list[Any], others: list[Any]) -> list[Any]:
    return distinct([v for v in _known(values) if not _has(others, v)])


MEANINGS: dict[str, Meaning] = {
    **strict(
        subscript=_element, range=_range, generate_series=lambda *bounds: _range(*bounds, is_closed=True),
        array_length=len, list_count=lambda x: len(_known(x)), list_contains=_has, list_position=_position,
        list_min=lambda x: min(_known(x), key=key_of, default=None),
        list_max=lambda x: max(_known(x), key=key_of, default=None),
        list_sum=_sum, list_avg=_mean, array_join=_joined, list_reverse=lambda x: x[::-1],
        list_slice=_slice, list_sort=_sorted, list_distinct=lambda x: distinct(_known(x)),
        flatten=lambda x: [v for part in x if part is not None for v in part],
        list_has_any=lambda a, b: any(_has(b, v) for v in a),
        list_has_all=lambda a, b: all(_has(a, v) for v in _known(b)),
        list_intersect=lambda a, b: distinct([v for v in _known(a) if _has(b, v)]),
        list_union=lambda a, b: distinct(_known(a + b)), list_except=_except,
        list_transform=_mapped, list_filter=_filtered,
        list_any=lambda x, call: any(v is True for v in _mapped(x, call)),
        list_all=lambda x, call: all(v is True for v in _mapped(x, call)),
    ),
    **loose(
        list_append=lambda x, v: None if x is None else [*x, v],
        list_prepend=lambda v, x: None if x is None else [v, *x],
        list_concat=lambda *lists: [v for x in lists if x is not None for v in x],
        list_reduce=_list_reduce,
    ),
}  # fmt: skip
