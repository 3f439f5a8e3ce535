"""Hands records to DuckDB as an Arrow array, without copying and without any Arrow library.

Source: the Arrow C data interface and its PyCapsule protocol.
"""

from __future__ import annotations

import ctypes
import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from mainstem.engines.embedded.native.memory import Memory
from mainstem.record import record

# Milliseconds since 1970, in UTC.
TIME = "tsm:UTC"
_NULLABLE = 2


@record
class Column:
    """A column whose buffers are somewhere in memory.

    Parameters
    ----------
    name : str
        Its name.
    format : str
        Letters of the C data interface: ``z`` bytes, ``u`` text, ``l`` and ``i`` integers of 64 and
        32 bits, ``n`` nothing but NULL, ``+l`` a list, ``+s`` a struct.
    rows : int
        How many.
    buffers : tuple of int
        Addresses; 0 where there is none.
    nulls : int
        How many are NULL; the first buffer says which.
    children : tuple of Column
        Of a list and a struct.
    """

    name: str
    format: str
    rows: int
    buffers: tuple[int, ...]
    nulls: int = 0
    children: tuple[Column, ...] = ()


class Table:
    """Columns that DuckDB scans by a name of a variable; `owner` keeps their memory.

    The array may be asked for any number of times; each holds `owner` until it is let go of.
    """

    def __init__(self, columns: Sequence[Column], rows: int, owner: Any) -> None:
        self.columns = tuple(columns)
        self.rows = rows
        self.owner = owner

    def __len__(self) -> int:
        return self.rows

    def __arrow_c_schema__(self) -> Any:
        """Give names and types as a capsule."""
        return _capsule(_schema(self._root()), b"arrow_schema", _drop_schema)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        """Give the columns as a struct, as two capsules."""
        array_ = _capsule(_array(self._root(), self.owner), b"arrow_array", _drop_array)
        return self.__arrow_c_schema__(), array_

    def memory(self) -> dict[str, Memory]:
        """Give where the columns lie; they stay there as long as this object."""
        return {
            one.name: Memory(one.format, one.rows, one.nulls, one.buffers) for one in self.columns
        }

    def _root(self) -> Column:
        return Column("", "+s", self.rows, (0,), children=self.columns)


class Tables:
    """Tables with the same columns, one after the other, made while DuckDB's threads take them.

    May be scanned once. What making them raises is in `error`, and fails the statement.
    """

    def __init__(self, tables: Iterator[Table]) -> None:
        self._tables = tables
        self._first: Table | None = None
        self.error: BaseException | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Give the rest of them as a capsule; to be asked for the schema, it may be called before."""
        made = _Stream()
        made.get_schema, made.get_next = _get_schema, _get_next
        made.get_last_error, made.release = _get_last_error, _release_stream
        made.private_data = _hold(self)
        return _capsule(made, b"arrow_array_stream", _drop_stream)

    def first(self) -> Table:
        """Give the next table, and keep it."""
        if self._first is None:
            self._first = next(self._tables)
        return self._first

    def next(self) -> Table | None:
        """Give the next table; None behind the last."""
        found, self._first = self._first, None
        return found if found is not None else next(self._tables, None)


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))), ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))), ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip


class _Stream(ctypes.Structure):
    pass


_Stream._fields_ = [
    (name, ctypes.c_void_p)
    for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")
]
# What each structure that is out in the world needs to stay, by its private_data.
_held: dict[int, Any] = {}
_keys = itertools.count(1)


def _schema(column: Column) -> _Schema:
    made = _Schema()
    children = [_schema(child) for child in column.children]
    pointers = (ctypes.POINTER(_Schema) * len(children))(*map(ctypes.pointer, children))
    # Held for themselves: what a structure is asked for is a copy, and the root is moved away.
    type_, name = column.format.encode(), column.name.encode()
    made.format, made.name = type_, name
    made.flags, made.n_children = _NULLABLE, len(children)
    made.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Schema)))
    made.release = ctypes.cast(_release_schema, ctypes.c_void_p)
    made.private_data = _hold((children, pointers, type_, name))
    return made


def _array(column: Column, owner: Any) -> _Array:
    made = _Array()
    children = [_array(child, owner) for child in column.children]
    pointers = (ctypes.POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    buffers = (ctypes.c_void_p * len(column.buffers))(*(a or None for a in column.buffers))
    made.length, made.null_count = column.rows, column.nulls
    made.n_buffers, made.n_children = len(buffers), len(children)
    made.buffers = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p))
    made.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Array)))
    made.release = ctypes.cast(_release_array, ctypes.c_void_p)
    made.private_data = _hold((children, pointers, buffers, owner))
    return made


def _hold(what: Any) -> int:
    key = next(_keys)
    _held[key] = what
    return key


def _let_go(kind: type[_Schema | _Array | _Stream], address: int) -> None:
    """Release a structure and those of its children that nobody has moved elsewhere."""
    if kind is _Stream:
        _end(address)
        return
    found: Any = kind.from_address(address)
    for i in range(found.n_children):
        child = found.children[i]
        if child.contents.release:
            _let_go(kind, ctypes.addressof(child.contents))
    found.release = None
    _held.pop(found.private_data, None)


# Never collected: C code holds their addresses.
_release_schema = _Release(lambda address: _let_go(_Schema, address))
_release_array = _Release(lambda address: _let_go(_Array, address))

_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# Prototypes of our own: what is set on `ctypes.pythonapi` itself is seen by every module.
_NEW = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_new_capsule = _NEW(("PyCapsule_New", ctypes.pythonapi))
# By address: the capsule is being destroyed, and a reference to it must not be made.
_PROTOTYPE = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_inside = _PROTOTYPE(("PyCapsule_GetPointer", ctypes.pythonapi))
_capsules: dict[int, Any] = {}


def _capsule(made: Any, name: bytes, destructor: Any) -> Any:
    address = ctypes.addressof(made)
    _capsules[address] = made, name
    return _new_capsule(address, name, destructor)


def _destroyed(kind: type[_Schema | _Array | _Stream], name: bytes, capsule: int) -> None:
    address = _inside(capsule, name)
    made: Any = kind.from_address(address)
    if made.release:  # nobody has taken it
        _let_go(kind, address)
    _capsules.pop(address, None)


# --- streams ------------------------------------------------------------------------------------
_EIO = 5
_Get = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_Error = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


def _owner(stream: int) -> Tables:
    return cast("Tables", _held[_Stream.from_address(stream).private_data])


def _give(stream: int, make: Callable[[Tables], _Schema | _Array | None], into: int) -> int:
    """Put a structure where DuckDB wants it; zeros behind the last."""
    tables = _owner(stream)
    try:
        made = make(tables)
    except BaseException as error:  # noqa: BLE001 - raised where the statement is
        tables.error = error
        return _EIO
    size = ctypes.sizeof(made if made is not None else _Array)
    if made is None:
        ctypes.memset(into, 0, size)
    else:
        # Moved: what it points to is held by its number.
        ctypes.memmove(into, ctypes.addressof(made), size)
    return 0


def _next_array(tables: Tables) -> _Array | None:
    table = tables.next()
    return None if table is None else _array(table._root(), table.owner)


def _end(stream: int) -> None:
    found = _Stream.from_address(stream)
    _held.pop(found.private_data, None)
    found.release = None


# DuckDB takes it for a text, whatever it is.
_said = ctypes.create_string_buffer(b"the tables could not be made")
_SAID = ctypes.addressof(_said)
_functions = (
    _Get(lambda stream, into: _give(stream, lambda t: _schema(t.first()._root()), into)),
    _Get(lambda stream, into: _give(stream, _next_array, into)),
    _Error(lambda stream: _SAID),
    _Release(_end),
)
_get_schema, _get_next, _get_last_error, _release_stream = (
    ctypes.cast(function, ctypes.c_void_p).value for function in _functions
)
_drop_stream = _Destructor(lambda capsule: _destroyed(_Stream, b"arrow_array_stream", capsule))
_drop_schema = _Destructor(lambda capsule: _destroyed(_Schema, b"arrow_schema", capsule))
_drop_array = _Destructor(lambda capsule: _destroyed(_Array, b"arrow_array", capsule))


def integers(name: str, values: array[int]) -> Column:
    """Give a column of whole numbers; `values` must be kept by the table's owner."""
    letter = "l" if values.itemsize == 8 else "i"
    return Column(name, letter, len(values), (0, values.buffer_info()[0]))


def times(name: str, values: array[int], kept: list[Any]) -> Column:
    """Give a column of timestamps in UTC from milliseconds; -1 is none."""
    missing = (
        [i for i, value in enumerate(values) if value < 0] if min(values, default=0) < 0 else []
    )
    valid = bits(len(values), missing)
    kept.append(valid)
    buffers = (address(valid), values.buffer_info()[0])
    return Column(name, TIME, len(values), buffers, len(missing))


class Texts:
    """Bytes of any length, as they come; joined at once, since so many objects leave the cache."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("i", [0])
        self._missing: list[int] = []

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def size(self) -> int:
        """Give how many bytes they are."""
        return len(self._data)

    def add(self, values: Sequence[bytes | None]) -> None:
        """Add some values."""
        if None in values:
            first = len(self)
            self._missing += (first + i for i, value in enumerate(values) if value is None)
            values = [value or b"" for value in values]
        present = cast("Sequence[bytes]", values)
        self._ends.extend(itertools.accumulate(map(len, present), initial=self._ends.pop()))
        self._data += b"".join(present)

    def column(self, name: str, kept: list[Any], format: str = "z") -> Column:
        """Give the column, once; its buffers are added to `kept`, to be held by the table's owner."""
        valid = bits(len(self), self._missing)
        data = (ctypes.c_char * len(self._data)).from_buffer(self._data)
        kept += (self._ends, data, valid)
        buffers = (address(valid), self._ends.buffer_info()[0], ctypes.addressof(data))
        return Column(name, format, len(self), buffers, len(self._missing))


def address(data: bytes) -> int:
    """Give where bytes lie; 0 for none."""
    return (ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0) if data else 0


def bits(rows: int, missing: Sequence[int]) -> bytes:
    """Give a bit a row, the lowest first, 0 for those that are missing; nothing when none is."""
    if not missing:
        return b""
    bits = bytearray(b"\xff" * (rows // 8 + 1))
    for i in missing:
        bits[i >> 3] &= ~(1 << (i & 7))
    return bytes(bits)
