"""Parquet files written byte by byte: uncompressed pages of 64-bit numbers, with checksums or not.

DuckDB writes no checksums, and a damaged page must be known to the byte.
"""

from __future__ import annotations

import struct
import zlib

GROUPS = ((1, 2, 3), (4, 5, 6), (7, 8, 9))
COLUMNS = ("id", "n")
PAGE = 24


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _int(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63))


def _struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Give a struct of Thrift's compact protocol from (number, kind, bytes), in order of numbers."""
    parts, last = [], 0
    for number, kind, data in fields:
        parts.append(bytes([(number - last) << 4 | kind]) + data)
        last = number
    return b"".join(parts) + b"\0"


def _list(kind: int, items: list[bytes]) -> bytes:
    return bytes([len(items) << 4 | kind]) + b"".join(items)


def _text(text: str) -> bytes:
    return _varint(len(text)) + text.encode()


def page(values: tuple[int, ...], *, has_crc: bool, times: int) -> bytes:
    """Give a data page: its header, and the plain values; `times` is what they are multiplied by."""
    data = struct.pack(f"<{len(values)}q", *(value * times for value in values))
    crc = zlib.crc32(data)
    # As the format says: a signed number of 32 bits.
    signed = crc - (1 << 32) if crc >= 1 << 31 else crc
    header = _struct((1, 5, _int(len(values))), (2, 5, _int(0)), (3, 5, _int(3)), (4, 5, _int(3)))
    fields = [(1, 5, _int(0)), (2, 5, _int(len(data))), (3, 5, _int(len(data)))]
    if has_crc:
        fields.append((4, 5, _int(signed)))
    return _struct(*fields, (5, 12, header)) + data


def parquet(*, has_crc: bool = True) -> bytes:
    """Give a file of three row groups with three rows each: id, and n = 10 id."""
    body = bytearray(b"PAR1")
    groups = []
    for values in GROUPS:
        chunks, total = [], 0
        for name, times in zip(COLUMNS, (1, 10), strict=True):
            data = page(values, has_crc=has_crc, times=times)
            start, size = len(body), len(data)
            body += data
            total += size
            meta = _struct(
                (1, 5, _int(2)), (2, 9, _list(5, [_int(0)])), (3, 9, _list(8, [_text(name)])),
                (4, 5, _int(0)), (5, 6, _int(len(values))), (6, 6, _int(size)), (7, 6, _int(size)),
                (9, 6, _int(start)),
            )  # fmt: skip
            chunks.append(_struct((2, 6, _int(start)), (3, 12, meta)))
        rows = _int(len(values))
        groups.append(_struct((1, 9, _list(12, chunks)), (2, 6, _int(total)), (3, 6, rows)))
    return bytes(body) + _footer(groups)


def _footer(groups: list[bytes]) -> bytes:
    root = _struct((4, 8, _text("schema")), (5, 5, _int(len(COLUMNS))))
    columns = [_struct((1, 5, _int(2)), (3, 5, _int(0)), (4, 8, _text(name))) for name in COLUMNS]
    rows = sum(len(values) for values in GROUPS)
    footer = _struct(
        (1, 5, _int(1)), (2, 9, _list(12, [root, *columns])), (3, 6, _int(rows)),
        (4, 9, _list(12, groups)),
    )  # fmt: skip
    return footer + struct.pack("<I", len(footer)) + b"PAR1"


def place(group: int, column: str, *, has_crc: bool = True) -> int:
    """Give where the header of a page begins."""
    at = 4
    for number, values in enumerate(GROUPS):
        for name, times in zip(COLUMNS, (1, 10), strict=True):
            if (number, name) == (group, column):
                return at
            at += len(page(values, has_crc=has_crc, times=times))
    raise AssertionError
