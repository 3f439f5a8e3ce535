"""Comparisons, logic and choices of the reference. What may stay unreached is in `reference` itself."""

from __future__ import annotations

from typing import Any

from mainstem.testing.reference_values import (
    Meaning,
    compare,
    key_of,
    loose,
    same_or_both_null,
)


def _between(value: Any, low: Any, high: Any) -> bool | None:
    sides = [
        None if value is None or low is None else compare(value, low) >= 0,
        None if value is None or high is None else compare(value, high) <= 0,
    ]
    return False if False in sides else None if None in sides else True


def _extreme(values: tuple[Any, ...], pick: Any) -> Any:
    known = [v for v in values if v is not None]
    return pick(known, key=key_of) if known else None


MEANINGS: dict[str, Meaning] = {
    "=": Meaning(lambda a, b: compare(a, b) == 0),
    "<>": Meaning(lambda a, b: compare(a, b) != 0),
    "<": Meaning(lambda a, b: compare(a, b) < 0),
    "<=": Meaning(lambda a, b: compare(a, b) <= 0),
    ">": Meaning(lambda a, b: compare(a, b) > 0),
    ">=": Meaning(lambda a, b: compare(a, b) >= 0),
    "is distinct from": Meaning(lambda a, b: not same_or_both_null(a, b), is_strict=False),
    "is not distinct from": Meaning(same_or_both_null, is_strict=False),
    "is null": Meaning(lambda a: a is None, is_strict=False),
    "is true": Meaning(lambda a: a is True, is_strict=False),
    "is false": Meaning(lambda a: a is False, is_strict=False),
    "not": Meaning(lambda a: not a),
    **loose(
        between=_between,
        greatest=lambda *values: _extreme(values, max),
        least=lambda *values: _extreme(values, min),
        nullif=lambda a, b: None if a is not None and b is not None and compare(a, b) == 0 else a,
    ),
}
