"""Sizes as people write them."""

from __future__ import annotations

import re

from mainstem.lazy import pattern

_SIZE = pattern(r"(?P<n>[0-9]+) *(?P<unit>[kmg]?b)?", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}


def parse_size(text: str) -> int:
    """Give the bytes of ``"128 MB"``.

    Raises
    ------
    ValueError
        When it is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no size")
    return int(found["n"]) * _UNITS[(found["unit"] or "b").lower()]
