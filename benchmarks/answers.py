"""Whether two answers are equal: as bags of rows, exact but for floating point (contract V5)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = Sequence[Any]
Groups = dict[tuple[Any, ...], list[tuple[Any, ...]]]


def difference(
    expected: Sequence[Row], got: Sequence[Row], *, tolerance: float = 1e-9
) -> str | None:
    """Say how two answers differ; None when they are equal.

    A column in which either side has a float is compared within `tolerance`, relative. Rows are
    grouped on the other columns, and within a group paired in the order of their floats.

    Parameters
    ----------
    expected, got : sequence of rows
        In any order; column names take no part.
    tolerance : float
        Relative difference at which two floats are still equal.

    Returns
    -------
    str or None
        One sentence with the first row that differs.
    """
    if len(expected) != len(got):
        return f"{len(got)} rows instead of {len(expected)}"
    if not expected:
        return None
    if len(expected[0]) != len(got[0]):
        return f"{len(got[0])} columns instead of {len(expected[0])}"
    inexact = [_has_float(expected, got, i) for i in range(len(expected[0]))]
    wanted, found = _grouped(expected, inexact), _grouped(got, inexact)
    for key, floats in wanted.items():
        if key not in found:
            return f"row {_shown(key, floats[0])} is missing"
        if len(found[key]) != len(floats):
            return f"row {_shown(key, floats[0])} stands {len(found[key])} times, not {len(floats)}"
        for left, right in zip(floats, found[key], strict=True):
            if not all(_is_close(a, b, tolerance) for a, b in zip(left, right, strict=True)):
                return f"row {_shown(key, right)} instead of {_shown(key, left)}"
    return None


def _has_float(expected: Sequence[Row], got: Sequence[Row], i: int) -> bool:
    return any(isinstance(row[i], float) for rows in (expected, got) for row in rows)


def _grouped(rows: Sequence[Row], inexact: list[bool]) -> Groups:
    groups: Groups = defaultdict(list)
    for row in rows:
        key = tuple(_plain(v) for v, skip in zip(row, inexact, strict=True) if not skip)
        floats = (v for v, is_float in zip(row, inexact, strict=True) if is_float)
        groups[key].append(tuple(None if v is None else float(v) for v in floats))
    for floats in groups.values():
        floats.sort(key=lambda values: [(v is None, v if v is not None else 0.0) for v in values])
    return groups


def _plain(value: Any) -> Any:
    """Give one form to values that mean the same: 5 and 5.00, a naive time and one in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if value is None or isinstance(value, bool | int | Decimal | str):
        return value
    return repr(value)


def _is_close(left: float | None, right: float | None, tolerance: float) -> bool:
    if left is None or right is None:
        return left is right
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)


def _shown(key: tuple[Any, ...], floats: tuple[Any, ...]) -> str:
    text = ", ".join(map(str, (*key, *floats)))
    return f"({text[:200]})"
