"""Messages as Python lists, in the columns that DuckDB and C read."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from mainstem.engines.embedded.native.arrow import Column, Table, address, bits, integers

Header = tuple[str, bytes | None]
_INT32_MAX = 2**31 - 1
_TIME = "tsu:"


class Messages(Table):
    """Messages of an epoch in the columns that `Records.load` reads."""

    @classmethod
    def of(
        cls, values: Sequence[bytes | None], positions: Iterable[int], parts: Iterable[int], *,
        times_us: Sequence[int | None] | None = None, keys: Sequence[bytes | None] | None = None,
        headers: Sequence[Sequence[Header] | None] | None = None,
    ) -> Messages:  # fmt: skip
        """Give the messages of some lists of one length.

        Parameters
        ----------
        values, keys : sequence of bytes or None
            None for a message without: a tombstone.
        positions, parts : iterable of int
            Place in the partition, and index of the part.
        times_us : sequence of int or None
            Time of the record, in microseconds since 1970.
        headers : sequence of sequence of pairs
            Names and bytes.
        """
        rows = len(values)
        # What the columns point to.
        kept: list[Any] = [array("i", parts), array("q", positions)]
        columns = [
            _texts("value", values, kept),
            _texts("key", keys if keys is not None else [None] * rows, kept),
            integers("part", kept[0]),
            integers("position", kept[1]),
            _times(times_us if times_us is not None else [None] * rows, kept),
        ]
        if headers is not None:
            columns.append(_headers(headers, kept))
        return cls(columns, rows, kept)


def _valid(values: Sequence[Any], kept: list[Any]) -> tuple[int, int]:
    """Give where there is a bit for each value that is not None, and how many are."""
    missing = [i for i, value in enumerate(values) if value is None] if None in values else []
    kept.append(bits(len(values), missing))
    return address(kept[-1]), len(missing)


def _texts(
    name: str, values: Sequence[bytes | None], kept: list[Any], *, is_text: bool = False
) -> Column:
    valid, nulls = _valid(values, kept)
    whole = [value or b"" for value in values]
    data = b"".join(whole)
    is_large = len(data) > _INT32_MAX
    ends = array("q" if is_large else "i", accumulate(map(len, whole), initial=0))
    kept += (data, ends)
    letter = "u" if is_text else "z"
    buffers = (valid, ends.buffer_info()[0], address(data))
    return Column(name, letter.upper() if is_large else letter, len(values), buffers, nulls)


def _times(times: Sequence[int | None], kept: list[Any]) -> Column:
    valid, nulls = _valid(times, kept)
    kept.append(array("q", (time or 0 for time in times)))
    return Column("time", _TIME, len(times), (valid, kept[-1].buffer_info()[0]), nulls)


def _headers(headers: Sequence[Sequence[Header] | None], kept: list[Any]) -> Column:
    valid, nulls = _valid(headers, kept)
    ends = array("i", accumulate((len(one or ()) for one in headers), initial=0))
    kept.append(ends)
    pairs = [pair for one in headers for pair in one or ()]
    names = _texts("key", [name.encode() for name, _ in pairs], kept, is_text=True)
    items = _texts("value", [value for _, value in pairs], kept)
    struct = Column("item", "+s", len(pairs), (0,), children=(names, items))
    buffers = (valid, ends.buffer_info()[0])
    return Column("headers", "+l", len(headers), buffers, nulls, (struct,))
