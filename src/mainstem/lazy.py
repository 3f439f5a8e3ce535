"""Regular expressions that are compiled when they are first used.

Compiling costs 0.2 ms of CPU each, and a package full of them pays for all at every start, though a
small run asks only a few. What every run asks is compiled where it stands, with ``re.compile``.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

TextT = TypeVar("TextT", str, bytes)


class _Pattern:
    __slots__ = ("_flags", "_made", "_text")

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = re.compile(self._text, self._flags)
        return getattr(self._made, name)


def pattern(text: TextT, flags: int = 0) -> re.Pattern[TextT]:
    """Give a regular expression with the methods of `re.Pattern`."""
    return cast("re.Pattern[TextT]", _Pattern(text, flags))
