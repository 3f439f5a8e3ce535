"""The pages of Parquet files: their headers and checksums, and nothing of their values.

No reader that was tried verifies the checksum of a page unless told to, and DuckDB cannot be told: a
flipped bit in an uncompressed page is a wrong number. A header is a few dozen bytes in Thrift's
compact protocol, so reading them here costs little beside the CRC-32 of the pages.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from mainstem.record import mutable, record

# A header with the statistics of long texts may have some kilobytes; more is not looked at.
LONGEST_HEADER = 1 << 20
_FIRST_LOOK = 512
_STEP = 1 << 20
_DICTIONARY = 2
_DATA_PAGES = (0, 3)
# Thrift nests a page header two deep; damaged bytes may look like any depth.
_DEEPEST = 16


class Damage(Exception):
    """A chunk that cannot be right: where, and why. It never reaches a user as it is."""

    def __init__(self, offset: int, reason: str) -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(reason)


@record
class Chunk:
    """One column of one row group: its name, the bytes `start` to `end`, the values in it."""

    column: str
    start: int
    end: int
    values: int


@record
class Page:
    """One page: where its header begins, where its `size` bytes begin, its checksum if it has one."""

    offset: int
    start: int
    size: int
    crc: int | None
    values: int


def check_chunk(stream: BinaryIO, chunk: Chunk) -> tuple[int, int]:
    """Check headers and checksums of a chunk; give its pages, and how many carry a checksum.

    Raises
    ------
    Damage
        When a header cannot be read, pages do not fit their chunk or a checksum is another one.
    """
    pages = summed = 0
    for page in pages_of(stream, chunk):
        pages += 1
        if page.crc is None:
            continue
        summed += 1
        if _crc(stream, page) != page.crc:
            raise Damage(page.offset, "the checksum of a page is another one")
    return pages, summed


def pages_of(stream: BinaryIO, chunk: Chunk) -> Iterator[Page]:
    """Give the pages of a chunk, in order.

    Raises
    ------
    Damage
        When a header cannot be read, or the pages are not those that the footer tells of.
    """
    at, values = chunk.start, 0
    while values < chunk.values:
        if at >= chunk.end:
            raise Damage(at, f"the pages hold {values} of {chunk.values} values")
        page = _page(stream, at, chunk.end)
        values += page.values
        yield page
        at = page.start + page.size
    if values > chunk.values:
        raise Damage(chunk.start, f"the pages hold {values} values, not {chunk.values}")


def _page(stream: BinaryIO, at: int, end: int) -> Page:
    look = _FIRST_LOOK
    while True:
        stream.seek(at)
        data = stream.read(min(look, end - at))
        try:
            fields, length = _Compact(data).struct()
            return _read(fields, at, length, end)
        except IndexError:
            if len(data) < look or look >= LONGEST_HEADER:
                raise Damage(at, "the header of a page does not end") from None
            look *= 16
        except (ValueError, KeyError, TypeError):
            raise Damage(at, "the header of a page cannot be read") from None


def _read(fields: dict[int, Any], at: int, length: int, end: int) -> Page:
    kind, size = fields[1], fields[3]
    values = 0
    if kind in _DATA_PAGES:
        values = fields[5 if kind == 0 else 8][1]
    elif kind != _DICTIONARY:
        raise ValueError
    if size < 0 or values < 0 or at + length + size > end:
        raise Damage(at, "a page is larger than its column")
    crc = fields.get(4)
    return Page(at, at + length, size, None if crc is None else crc & 0xFFFFFFFF, values)


def _crc(stream: BinaryIO, page: Page) -> int:
    stream.seek(page.start)
    left, found = page.size, 0
    while left and (part := stream.read(min(left, _STEP))):
        found = zlib.crc32(part, found)
        left -= len(part)
    return found


@mutable
class _Compact:
    """Thrift's compact protocol: numbers and structs are kept, everything else is passed over."""

    data: bytes
    at: int = 0
    depth: int = 0

    def struct(self) -> tuple[dict[int, Any], int]:
        """Give the fields by their numbers, and where the struct ends."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, is_field=True)
        self.depth -= 1
        return fields, self.at

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _number(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7
            if shift > 63:
                raise ValueError

    def _signed(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _value(self, kind: int, *, is_field: bool = False) -> Any:
        if kind in (1, 2):
            # The value of a field stands in its kind; that of an element has a byte of its own.
            return kind == 1 if is_field else self._byte() == 1
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 12:
            return self.struct()[0]
        if kind in (9, 10):
            return self._list()
        lengths = {3: 1, 7: 8}
        if kind != 8 and kind not in lengths:
            raise ValueError
        # Not `self.at += …`: that takes the old place, and the length itself would not be passed.
        length = lengths[kind] if kind in lengths else self._number()
        self.at += length
        if self.at > len(self.data):
            raise IndexError
        return None

    def _list(self) -> None:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._number()
        for _ in range(size):
            self._value(head & 15)
