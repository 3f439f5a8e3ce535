"""Compares answers as bags of rows (contract V5): exact values exactly, floats within their bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainstem.runtime.bags import same, unpaired

__all__ = ["assert_same_rows", "same", "unpaired"]


def assert_same_rows(
    found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]], *, is_ordered: bool = False,
    scale: float | None = None,
) -> None:  # fmt: skip
    """Raise unless two tables hold the same rows.

    Rows are grouped on their exact values; in each group the floats are sorted and paired. Two
    floats are equal when they differ by at most 1e-9 × `scale`.

    Parameters
    ----------
    found, expected : sequence of rows
        Values are Python's: int, Decimal, str, bool, date, datetime, bytes, list, dict, float, None.
    is_ordered : bool
        Compare row by row instead of as bags.
    scale : float, optional
        Sum of the absolute values behind a float aggregate; the larger of the two values and 1
        when not given.

    Raises
    ------
    AssertionError
        With the rows that only one side has.
    """
    problem = _ordered(found, expected, scale) if is_ordered else _bags(found, expected, scale)
    if problem:
        raise AssertionError(problem)


def _ordered(
    found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]], scale: float | None
) -> str:
    if len(found) != len(expected):
        shown = f"  found {list(found)[:5]}\n  expected {list(expected)[:5]}"
        return f"{len(found)} rows found, {len(expected)} expected:\n{shown}"
    for number, (a, b) in enumerate(zip(found, expected, strict=True), 1):
        if not same(a, b, scale):
            return f"row {number}: found {tuple(a)!r}, expected {tuple(b)!r}"
    return ""


def _bags(
    found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]], scale: float | None
) -> str:
    only_found, only_expected = unpaired(found, expected, scale)
    if not only_found and not only_expected:
        return ""
    return (
        f"{len(found)} rows found, {len(expected)} expected; "
        f"only found: {[tuple(r) for r in only_found[:5]]!r}; missing: {[tuple(r) for r in only_expected[:5]]!r}"
    )
