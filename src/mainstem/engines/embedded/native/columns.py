"""JSON messages as columns, made in C; about a fifth of what reading them in vectors of SQL costs.

A message of which there is any doubt has no values and `FITS` false: it goes the way of all messages
that the vectors cannot prove. So what C takes is a part of what contract V8 allows, with the same values.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.native import build
from mainstem.engines.embedded.native.arrow import Column, Table
from mainstem.engines.embedded.native.memory import Memory
from mainstem.errors import InternalError
from mainstem.formats.coercion import RANGES
from mainstem.plan.types import Field, Schema
from mainstem.record import record
from mainstem.settings.log import logger

UNIT = build.Unit(
    "json-columns", "the JSON reader", Path(__file__).with_name("_json_columns.c"), "",
    "mainstem.engines.embedded.native.selftest", "JSON is read by DuckDB",
)  # fmt: skip
# The names of the columns that say whether a message was taken, and how many fields have no column.
FITS, UNKNOWN = "fits", "strange"
_P, _I, _L = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
# Kinds in the C source, and the letters of the Arrow format.
_WHOLE, _DOUBLE, _DECIMAL, _TRUTH, _TEXT, _INSTANT, _DAY = range(7)
_KINDS = {
    **dict.fromkeys(RANGES, (_WHOLE, "l")), "double": (_DOUBLE, "g"), "boolean": (_TRUTH, "b"),
    "string": (_TEXT, "u"), "timestamp": (_INSTANT, "tsu:UTC"), "date": (_DAY, "tdD"),
}  # fmt: skip
_NONE = (-1, "")
# A decimal of more digits does not fit 64 bits.
_MOST_DIGITS = 18


class _Column(ctypes.Structure):
    # In the order of `column` in the C source.
    _fields_ = [
        ("name", ctypes.c_char_p), ("low", _L), ("high", _L), ("size", _I), ("kind", _I),
        ("is_nullable", _I), ("scale", _I),
    ]  # fmt: skip


class _Values(ctypes.Structure):
    _fields_ = [
        ("data", _P), ("valid", _P), ("ends", _P), ("bytes", _L), ("room", _L), ("nulls", _L),
    ]  # fmt: skip


class _Batch(ctypes.Structure):
    _fields_ = [
        ("rows", _L), ("doubts", _L), ("unknown", _L), ("fits", _P), ("strange", _P),
        ("columns", ctypes.POINTER(_Values)), ("n_columns", _I),
    ]  # fmt: skip


@record
class Parsed:
    """Messages that were read.

    Parameters
    ----------
    table : Table
        Columns ``c0``, ``c1`` and so on, `FITS` (0 or 1), `UNKNOWN`; of messages ``part``,
        ``position``, ``time`` and ``key``, of lines ``line``.
    doubts, unknown : int
        Messages that were not taken; fields of the others that no column has the name of.
    """

    table: Table
    doubts: int
    unknown: int


class Columns:
    """Makes columns of the messages of one source.

    Parameters
    ----------
    library : CDLL
        The build.
    schema : Schema
        The columns of the messages' values; `can_be_read`.
    """

    def __init__(self, library: ctypes.CDLL, schema: Schema) -> None:
        self._library = library
        kinds = [_kind(field) for field in schema.fields]
        self._formats = [letters for _, letters in kinds]
        # C keeps where they are.
        self._names = [field.name.encode() for field in schema.fields]
        self._declared = (_Column * len(kinds))(*map(_column, schema.fields, self._names))
        self._form = library.jc_new(self._declared, len(kinds))
        if not self._form:
            raise MemoryError

    def __del__(self) -> None:
        if form := getattr(self, "_form", None):
            self._library.jc_free(form)

    def read(self, raw: Any) -> Parsed:
        """Give the columns of messages, which have a `memory.InMemory.memory`."""
        found: Mapping[str, Memory] = raw.memory()
        more = [
            Column(name, one.format, one.rows, one.buffers, one.nulls)
            for name, one in ((n, found[n]) for n in ("part", "position", "time", "key"))
        ]
        return self._parsed(found["value"], more, raw)

    def lines(self, data: bytes) -> Parsed:
        """Give the columns of the records of whole lines, and their bytes as ``line``; blanks are none."""
        # The GIL is free while C works.
        ends = (ctypes.c_int32 * (data.count(b"\n") + 2))()
        address = ctypes.cast(ctypes.c_char_p(data), _P).value or 0
        rows = self._library.jc_lines(address, len(data), ends)
        value = Memory("z", rows, 0, (0, ctypes.addressof(ends), address))
        return self._parsed(value, [Column("line", "z", rows, value.buffers)], (data, ends))

    def _parsed(self, value: Memory, more: Sequence[Column], owner: Any) -> Parsed:
        valid, ends, data = value.buffers
        batch = self._library.jc_parse(
            self._form, value.rows, ends, value.format == "Z", data, valid if value.nulls else None
        )
        if not batch:
            raise MemoryError
        # Whatever points into the messages keeps them.
        held = (owner, _Held(self._library, batch))
        made = batch.contents
        columns = [
            _values(f"c{i}", format_, made.columns[i], made.rows)
            for i, format_ in enumerate(self._formats)
        ]
        columns.append(Column(FITS, "C", made.rows, (0, made.fits)))
        columns.append(Column(UNKNOWN, "i", made.rows, (0, made.strange)))
        table = Table([*columns, *more], made.rows, held)
        return Parsed(table, made.doubts, made.unknown)


class _Held:
    """The memory of columns, freed with the last thing that points into it."""

    def __init__(self, library: ctypes.CDLL, batch: Any) -> None:
        self._free, self._batch = library.jc_batch_free, batch

    def __del__(self) -> None:
        self._free(self._batch)


def can_be_read(schema: Schema) -> bool:
    """Say whether all columns are of kinds that C reads."""
    return bool(schema.fields) and all(_kind(field) != _NONE for field in schema.fields)


def columns_of(schema: Schema) -> Columns | None:
    """Give what makes columns; None without a build, and for kinds that it does not read."""
    if not build.is_wanted() or not can_be_read(schema):
        return None
    found = library()
    return Columns(found, schema) if found else None


def library() -> ctypes.CDLL | None:
    """Give the build for this machine; None when there is none."""
    try:
        file = build.built(UNIT)
    except OSError:
        return None
    return loaded(file) if file.is_file() else None


def state() -> str:
    """Say for people how messages of JSON are read here, and how they would be read faster."""
    if not build.is_wanted():
        return f"in SQL, as {build.CHOICE} says"
    if library() is not None:
        return "compiled"
    how = "faster" if build.compiler() else "faster, once there is gcc or clang"
    return f"in SQL; mainstem doctor --build makes it {how}"


@cache
def loaded(file: Path) -> ctypes.CDLL | None:
    """Load a build; None, and a warning, when it is none of this machine."""
    try:
        found = ctypes.CDLL(str(file))
        _declare(found)
    except (OSError, AttributeError) as error:
        logger("json").warning("the compiled JSON reader cannot be used: %s", error)
        return None
    return found


def _declare(library: ctypes.CDLL) -> None:
    library.jc_size.restype, library.jc_size.argtypes = ctypes.c_size_t, (ctypes.c_int,)
    for of, struct in enumerate((_Column, _Values, _Batch)):
        if library.jc_size(of) != ctypes.sizeof(struct):
            raise InternalError(
                f"the compiled JSON reader has another {struct.__name__} than this version",
                fix="run: mainstem doctor --build",
            )
    library.jc_new.restype, library.jc_new.argtypes = _P, (ctypes.POINTER(_Column), _I)
    library.jc_parse.restype = ctypes.POINTER(_Batch)
    library.jc_parse.argtypes = (_P, _L, _P, _I, _P, _P)
    library.jc_lines.restype, library.jc_lines.argtypes = _L, (_P, _L, ctypes.POINTER(_I))
    library.jc_free.restype, library.jc_free.argtypes = None, (_P,)
    library.jc_batch_free.restype = None
    library.jc_batch_free.argtypes = (ctypes.POINTER(_Batch),)


def _kind(field: Field) -> tuple[int, str]:
    type_ = field.type
    if type_.kind == "decimal" and type_.precision <= _MOST_DIGITS:
        return _DECIMAL, f"d:{type_.precision},{type_.scale}"
    return _KINDS.get(type_.kind, _NONE)


def _column(field: Field, name: bytes) -> _Column:
    kind, _ = _kind(field)
    low, high = RANGES.get(field.type.kind, (0, 0))
    if kind == _DECIMAL:
        high = 10**field.type.precision - 1
        low = -high
    scale = field.type.scale if kind == _DECIMAL else 0
    return _Column(name, low, high, len(name), kind, field.nullable, scale)


def _values(name: str, format_: str, found: Any, rows: int) -> Column:
    data = (found.ends, found.data) if format_ == "u" else (found.data,)
    return Column(name, format_, rows, (found.valid if found.nulls else 0, *data), found.nulls)
