"""Messages as Python lists, handed to DuckDB as an Arrow stream without pyarrow.

DuckDB asks an object for ``__arrow_c_stream__`` several times for each statement that reads it, so
each call gives a new stream over the same buffers. The structures are those of the Arrow C stream
interface (arrow.apache.org/docs/format/CStreamInterface.html).
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from itertools import accumulate
from typing import Any

from mainstem.engines.embedded.native.memory import Memory
from mainstem.record import mutable, record

Header = tuple[str, bytes | None]
_INT32_MAX = 2**31 - 1


@record
class _Column:
    """A column: its format, its buffers (None for none) and its children."""

    name: str
    format: str
    length: int
    null_count: int
    buffers: tuple[Any, ...]
    children: tuple[_Column, ...] = ()


@record
class Messages:
    """Messages of an epoch in the columns that `Records.load` reads."""

    rows: int
    columns: tuple[_Column, ...] = field(repr=False, compare=False)

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
        columns = [
            _texts("value", values),
            _texts("key", keys) if keys is not None else _nothing("key", "z", rows),
            _Column("part", "i", rows, 0, (None, array("i", parts))),
            _Column("position", "l", rows, 0, (None, array("q", positions))),
            _times(times_us, rows),
        ]
        if headers is not None:
            columns.append(_headers(headers))
        return cls(rows, tuple(columns))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give a new Arrow stream of them as a capsule."""
        return _capsule(_Column("", "+s", self.rows, 0, (None,), self.columns))

    def memory(self) -> dict[str, Memory]:
        """Give where the columns lie; they stay there as long as this object."""
        return {
            one.name: Memory(
                one.format, one.length, one.null_count,
                tuple(_address(buffer) or 0 for buffer in one.buffers),
            )
            for one in self.columns
        }  # fmt: skip


def _valid(values: Sequence[Any]) -> tuple[int, bytes | None]:
    """Give the number of None, and a bit for each value that is none of them."""
    if None not in values:
        return 0, None
    bits = "".join("0" if value is None else "1" for value in reversed(values))
    size = (len(values) + 7) // 8
    return bits.count("0"), int(bits, 2).to_bytes(size, "little")


def _nothing(name: str, format_: str, rows: int) -> _Column:
    valid = bytes((rows + 7) // 8)
    return _Column(name, format_, rows, rows, (valid, bytes(4 * (rows + 1)), b""))


def _texts(name: str, values: Sequence[bytes | None], *, is_text: bool = False) -> _Column:
    nulls, valid = _valid(values)
    whole = [value or b"" for value in values] if nulls else values
    data = b"".join(whole)  # type: ignore[arg-type]
    is_large = len(data) > _INT32_MAX
    offsets = array("q" if is_large else "i", accumulate(map(len, whole), initial=0))  # type: ignore[arg-type]
    letter = "u" if is_text else "z"
    return _Column(
        name, letter.upper() if is_large else letter, len(values), nulls, (valid, offsets, data)
    )


def _times(times: Sequence[int | None] | None, rows: int) -> _Column:
    if times is None:
        return _Column("time", "tsu:", rows, rows, (bytes((rows + 7) // 8), bytes(8 * rows)))
    nulls, valid = _valid(times)
    data = array("q", (time or 0 for time in times))
    return _Column("time", "tsu:", rows, nulls, (valid, data))


def _headers(headers: Sequence[Sequence[Header] | None]) -> _Column:
    nulls, valid = _valid(headers)
    offsets = array("i", accumulate((len(one or ()) for one in headers), initial=0))
    pairs = [pair for one in headers for pair in one or ()]
    names = _texts("key", [name.encode() for name, _ in pairs], is_text=True)
    items = _texts("value", [value for _, value in pairs])
    struct = _Column("item", "+s", len(pairs), 0, (None,), (names, items))
    return _Column("headers", "+l", len(headers), nulls, (valid, offsets), (struct,))


# --- the C structures ---------------------------------------------------------------------------


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_ReleaseStream = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_GetError = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))

_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))), ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseSchema), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))), ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseArray), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Stream._fields_ = [
    ("get_schema", _GetSchema), ("get_next", _GetNext), ("get_last_error", _GetError),
    ("release", _ReleaseStream), ("private_data", ctypes.c_void_p),
]  # fmt: skip

# What a structure that was handed out points to, until its owner releases it. Numbers and not
# addresses: a released one's address is used again.
_kept: dict[int, Any] = {}
_numbers = iter(range(1, 2**62))
_NULLABLE = 2


@mutable
class _Open:
    """A stream that was handed out: its column, and whether the rows were given."""

    column: _Column
    is_done: bool = False


def _keep(thing: Any) -> int:
    number = next(_numbers)
    _kept[number] = thing
    return number


def _let_go(pointer: Any, none: Callable[[], Any]) -> None:
    """Release a structure and the children that its owner has not taken out of it."""
    one = pointer.contents
    for i in range(one.n_children):
        child = one.children[i]
        if child and child.contents.release:
            child.contents.release(child)
    _kept.pop(one.private_data, None)
    one.release = none()


def _do_release_schema(pointer: Any) -> None:
    _let_go(pointer, _ReleaseSchema)


def _do_release_array(pointer: Any) -> None:
    _let_go(pointer, _ReleaseArray)


def _do_release_stream(pointer: Any) -> None:
    _kept.pop(pointer.contents.private_data, None)
    pointer.contents.release = _ReleaseStream()


def _do_get_schema(stream: Any, out: Any) -> int:
    _fill_schema(out.contents, _kept[stream.contents.private_data].column)
    return 0


def _do_get_next(stream: Any, out: Any) -> int:
    opened = _kept[stream.contents.private_data]
    if opened.is_done:
        # A released structure is the end.
        ctypes.memset(out, 0, ctypes.sizeof(_Array))
    else:
        _fill_array(out.contents, opened.column)
        opened.is_done = True
    return 0


def _do_get_error(stream: Any) -> None:
    return None


# Kept for ever: C code has their addresses.
_release_schema = _ReleaseSchema(_do_release_schema)
_release_array = _ReleaseArray(_do_release_array)
_release_stream = _ReleaseStream(_do_release_stream)
_get_schema = _GetSchema(_do_get_schema)
_get_next = _GetNext(_do_get_next)
_get_error = _GetError(_do_get_error)


def _fill_schema(out: Any, column: _Column) -> None:
    children = [_Schema() for _ in column.children]
    for child, inner in zip(children, column.children, strict=True):
        _fill_schema(child, inner)
    pointers = (ctypes.POINTER(_Schema) * len(children))(*map(ctypes.pointer, children))
    texts = column.format.encode(), column.name.encode()
    out.format, out.name, out.metadata = *texts, None
    out.flags, out.n_children, out.dictionary = _NULLABLE, len(children), None
    out.children = pointers if children else None
    out.release = _release_schema
    out.private_data = _keep((texts, children, pointers))


def _fill_array(out: Any, column: _Column) -> None:
    children = [_Array() for _ in column.children]
    for child, inner in zip(children, column.children, strict=True):
        _fill_array(child, inner)
    pointers = (ctypes.POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    buffers = (ctypes.c_void_p * len(column.buffers))(*map(_address, column.buffers))
    out.length, out.null_count, out.offset = column.length, column.null_count, 0
    out.n_buffers, out.n_children = len(column.buffers), len(children)
    out.buffers, out.dictionary = buffers, None
    out.children = pointers if children else None
    out.release = _release_array
    out.private_data = _keep((column, children, pointers, buffers))


def _address(buffer: Any) -> int | None:
    """Give where a buffer lies: bytes and arrays do not move while somebody has them."""
    if buffer is None:
        return None
    if isinstance(buffer, array):
        return buffer.buffer_info()[0] or None
    return ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value


def _destroy(capsule: int) -> None:
    """Release a stream that nobody has taken out of its capsule."""
    address = _get_pointer(capsule, _NAME)
    stream = ctypes.cast(address, ctypes.POINTER(_Stream))
    if stream.contents.release:
        stream.contents.release(stream)
    _kept.pop(address, None)


_NAME = b"arrow_array_stream"
_destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_destroy)
# Prototypes of our own: what is set on `ctypes.pythonapi` itself is seen by every module.
_NEW = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_new_capsule = _NEW(("PyCapsule_New", ctypes.pythonapi))
# As an address: an object that is being destroyed must not be counted up again.
_GET = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_get_pointer = _GET(("PyCapsule_GetPointer", ctypes.pythonapi))


def _capsule(column: _Column) -> object:
    stream = _Stream(_get_schema, _get_next, _get_error, _release_stream, _keep(_Open(column)))
    address = ctypes.addressof(stream)
    # The structure itself lives as long as its capsule; addresses are far larger than the numbers.
    _kept[address] = stream
    return _new_capsule(address, _NAME, ctypes.cast(_destructor, ctypes.c_void_p))
