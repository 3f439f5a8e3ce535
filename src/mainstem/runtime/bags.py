"""Bags of rows (contract V5): exact values agree exactly, floats within their bound."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

FLOAT_BOUND = 1e-9


def unpaired(
    found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]], scale: float | None = None
) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
    """Give the rows that only one of two bags has, compared as V5 says.

    Rows are grouped on their exact values; in each group the floats are sorted and paired. Two floats
    are equal when they differ by at most 1e-9 × `scale`, which is the larger of the two and 1 when
    not given.
    """
    groups: dict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((found, expected)):
        for row in rows:
            groups[_exact(row)][side].append(row)
    only_found: list[Sequence[Any]] = []
    only_expected: list[Sequence[Any]] = []
    for a, b in groups.values():
        pairs = list(zip(sorted(a, key=_floats), sorted(b, key=_floats), strict=False))
        bad = [(x, y) for x, y in pairs if not same(x, y, scale)]
        only_found += [x for x, _ in bad] + sorted(a, key=_floats)[len(pairs) :]
        only_expected += [y for _, y in bad] + sorted(b, key=_floats)[len(pairs) :]
    return only_found, only_expected


def _exact(value: Any) -> Any:
    """Give a hashable stand-in in which every float is equal; types are kept apart."""
    if isinstance(value, float):
        return float
    if isinstance(value, list | tuple):
        return tuple(_exact(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, _exact(v)) for k, v in value.items())
    return type(value).__name__, value


def _floats(value: Any) -> list[tuple[bool, float]]:
    """Give the floats inside a value, in order; NaN sorts last."""
    if isinstance(value, float):
        return [(math.isnan(value), 0.0 if math.isnan(value) else value)]
    if isinstance(value, list | tuple):
        return [f for v in value for f in _floats(v)]
    if isinstance(value, dict):
        return [f for v in value.values() for f in _floats(v)]
    return []


def same(a: Any, b: Any, scale: float | None = None) -> bool:
    """Say whether two values agree (V5)."""
    if isinstance(a, float) and isinstance(b, float):
        if a == b or (math.isnan(a) and math.isnan(b)):
            return True
        if math.isinf(a) or math.isinf(b):
            return False
        return abs(a - b) <= FLOAT_BOUND * (max(abs(a), abs(b), 1.0) if scale is None else scale)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, scale) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k], scale) for k in a)
    return type(a) is type(b) and bool(a == b)
