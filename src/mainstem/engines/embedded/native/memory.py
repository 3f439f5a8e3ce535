"""Messages out of the memory that Arrow columns point to, for epochs of a few.

A statement that reads them through DuckDB costs more than judging twenty of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

from mainstem.record import record

# Part, position, value, key, time in microseconds; None where there is none.
Message = tuple[int, int, bytes | None, bytes | None, int | None]
_WHOLE: dict[str, Any] = {"l": ctypes.c_int64, "i": ctypes.c_int32}
# Microseconds of a unit.
_TIMES = {"tsu:": 1, "tsm:UTC": 1000}
_ENDS: dict[str, Any] = {"z": ctypes.c_int32, "Z": ctypes.c_int64}


@record
class Memory:
    """A column: the letters of its format, its rows, how many are NULL, the addresses of its buffers."""

    format: str
    rows: int
    nulls: int
    buffers: tuple[int, ...]

    def values(self) -> list[Any]:
        """Give its values.

        Raises
        ------
        KeyError
            For a format that messages do not have.
        """
        rows = self.rows
        if self.nulls == rows:
            return [None] * rows
        if self.format in _ENDS:
            ends = (_ENDS[self.format] * (rows + 1)).from_address(self.buffers[1])[:]
            data = self.buffers[2]
            found: list[Any] = [
                ctypes.string_at(data + start, end - start) if end > start else b""
                for start, end in pairwise(ends)
            ]
        else:
            unit = _TIMES.get(self.format, 1)
            kind = _WHOLE["l" if self.format in _TIMES else self.format]
            found = (kind * rows).from_address(self.buffers[1])[:]
            if unit != 1:
                found = [value * unit for value in found]
        return self._without_nulls(found) if self.nulls else found

    def _without_nulls(self, found: list[Any]) -> list[Any]:
        bits = ctypes.string_at(self.buffers[0], (self.rows + 7) // 8)
        return [value if bits[at >> 3] >> (at & 7) & 1 else None for at, value in enumerate(found)]


class InMemory(Protocol):
    """Messages whose columns can be read without DuckDB."""

    def memory(self) -> Mapping[str, Memory]:
        """Give the columns ``value``, ``key``, ``part``, ``position`` and ``time``."""
        ...


def messages(raw: InMemory) -> list[Message]:
    """Give messages in their order."""
    columns = raw.memory()
    names = ("part", "position", "value", "key", "time")
    return list(zip(*(columns[name].values() for name in names), strict=True))
