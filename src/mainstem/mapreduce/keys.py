r"""One encoding of keys: equal keys have equal bytes, and the bytes sort as the keys do.

A column is ``01`` and its payload, or ``02`` for NULL, so that NULL comes last (V4). The payload of a
boolean is one byte; of a bigint eight, big-endian, with the sign bit turned; of a string its UTF-8,
of bytes themselves. Where another column follows, ``00`` in a text becomes ``00 FF`` and a single
``00`` ends it: no text is then the beginning of another one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from mainstem.plan.values import shown

# What a key may be made of. Not doubles: 0.0 and -0.0 are equal and have other bytes, NaN is equal to
# nothing, and a sum that differs in its last digit would be another group.
KINDS = ("boolean", "bigint", "string", "bytes")

_VALUE, _NULL = b"\x01", b"\x02"
_INT = struct.Struct(">Q")
_HALF = 1 << 63


class WrongKey(Exception):
    """A key is not of the declared type."""


class Keys:
    """The keys of a job.

    Parameters
    ----------
    kinds : sequence of str
        The type of each column, of `KINDS`. A key of one column is the value itself, one of several a
        tuple of as many.

    Attributes
    ----------
    is_plain : bool
        Whether Python's own equality of keys is the one of their bytes. It is not where numbers are:
        1, 1.0 and True are one key of a dict.
    encode : callable
        Gives the bytes of a key; raises `WrongKey`.
    decode : callable
        Gives the key of its bytes.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        self.is_plain = all(kind in ("string", "bytes") for kind in self.kinds)
        self.encode: Callable[[Any], bytes] = self._encode
        self.decode: Callable[[bytes], Any] = self._decode
        if len(self.kinds) == 1:
            self.encode, self.decode = _LAST[self.kinds[0]], _DECODE[self.kinds[0]]

    def encode_all(self, keys: Iterable[Any]) -> Iterator[bytes]:
        """Give the bytes of many keys; of texts without a call for each."""
        found = list(keys)
        if self.kinds == ("string",) and set(map(type, found)) == {str}:
            with suppress(UnicodeEncodeError):
                return iter([_VALUE + key.encode() for key in found])
        return map(self.encode, found)

    def _encode(self, key: Any) -> bytes:
        kinds = self.kinds
        if not isinstance(key, tuple) or len(key) != len(kinds):
            raise WrongKey(f"the key {shown(key)}, which is no tuple of {len(kinds)}")
        *first, last = zip(kinds, key, strict=True)
        parts = [_ended(_LAST[kind](value), kind) for kind, value in first]
        return b"".join(parts) + _LAST[last[0]](last[1])

    def _decode(self, data: bytes) -> tuple[Any, ...]:
        found, at = [], 0
        for kind in self.kinds[:-1]:
            end = _end_of(data, at, kind)
            part = data[at:end]
            if kind in ("string", "bytes") and part != _NULL:
                part, end = part.replace(b"\0\xff", b"\0"), end + 1
            found.append(_DECODE[kind](part))
            at = end
        return (*found, _DECODE[self.kinds[-1]](data[at:]))


def partition_of(data: bytes, n: int) -> int:
    """Give which of `n` partitions the bytes of a key belong to; the same in every process."""
    return zlib.crc32(data) % n


def _ended(part: bytes, kind: str) -> bytes:
    if kind in ("boolean", "bigint") or part == _NULL:
        return part
    return part.replace(b"\0", b"\0\xff") + b"\0"


def _end_of(data: bytes, at: int, kind: str) -> int:
    if data[at : at + 1] == _NULL:
        return at + 1
    if kind == "boolean":
        return at + 2
    if kind == "bigint":
        return at + 9
    end = data.index(b"\0", at)
    while data[end + 1 : end + 2] == b"\xff":
        end = data.index(b"\0", end + 2)
    return end


def _wrong(value: Any, kind: str) -> WrongKey:
    return WrongKey(f"the key {shown(value)}, a {type(value).__name__}, which is no {kind}")


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return _VALUE + value.encode()
        except UnicodeEncodeError:
            raise WrongKey(f"the key {shown(value)}, which is not UTF-8") from None
    if value is None:
        return _NULL
    raise _wrong(value, "string")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _VALUE + value
    if value is None:
        return _NULL
    raise _wrong(value, "bytes")


def _bigint(value: Any) -> bytes:
    if value is None:
        return _NULL
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "bigint")
    if not -_HALF <= value < _HALF:
        raise WrongKey(f"the key {shown(value)}, which is out of range of a bigint")
    return _VALUE + _INT.pack(value + _HALF)


def _boolean(value: Any) -> bytes:
    if value is None:
        return _NULL
    if not isinstance(value, bool):
        raise _wrong(value, "boolean")
    return _VALUE + (b"\1" if value else b"\0")


_LAST: dict[str, Callable[[Any], bytes]] = {
    "string": _string, "bytes": _bytes, "bigint": _bigint, "boolean": _boolean,
}  # fmt: skip
_DECODE: dict[str, Callable[[bytes], Any]] = {
    "string": lambda data: None if data == _NULL else data[1:].decode(),
    "bytes": lambda data: None if data == _NULL else data[1:],
    "bigint": lambda data: None if data == _NULL else _INT.unpack(data[1:])[0] - _HALF,
    "boolean": lambda data: None if data == _NULL else data == b"\1\1",
}
