"""Reads the schema of an Arrow stream by its C interface, without any Arrow library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainstem.errors import DefinitionError
from mainstem.plan.types import Type, list_of
from mainstem.record import record

# Letters of the C data interface that are one type here.
_PLAIN = {
    "b": "boolean", "c": "smallint", "C": "smallint", "s": "smallint", "S": "integer",
    "i": "integer", "I": "bigint", "l": "bigint", "f": "double", "g": "double",
    "z": "bytes", "Z": "bytes", "vz": "bytes", "u": "string", "U": "string", "vu": "string",
    "tdD": "date",
}  # fmt: skip
# How those without a type here are called, by how they begin.
_WORDS = {
    "n": "null", "e": "float16", "tt": "time", "tD": "duration", "ti": "interval", "d:": "decimal",
    "+r": "run-end encoded", "+u": "union",
}  # fmt: skip
_LISTS = ("+l", "+L", "+vl", "+vL")
_NULLABLE = 2
# Digits of an unsigned integer of 64 bits.
_WIDEST = 20


@record
class Column:
    """A column of an Arrow schema; `type` is None where the dialect has none for it."""

    name: str
    type: Type | None
    nullable: bool
    format: str

    @property
    def is_null(self) -> bool:
        """Whether the column holds nothing but NULL, and so fits any type."""
        return self.format == "n"

    def __str__(self) -> str:
        shown = self.type if self.type is not None else f"(Arrow {self._word})"
        return f"{self.name} {shown}" + ("" if self.nullable else " not null")

    @property
    def _word(self) -> str:
        return next(
            (w for start, w in _WORDS.items() if self.format.startswith(start)), self.format
        )


def columns_of(data: Any) -> tuple[Column, ...]:
    """Give the columns of an object; no row is read.

    Raises
    ------
    DefinitionError
        When the schema cannot be had, or is no table's.
    """
    import ctypes

    schema = _structs()[0]
    capsule = _schema_capsule(data)
    if capsule is not None:
        pointer = _pointer(capsule, b"arrow_schema")
        return _columns(ctypes.cast(pointer, ctypes.POINTER(schema)).contents)
    return _of_stream(_given(data.__arrow_c_stream__))


def _schema_capsule(data: Any) -> Any:
    """Give the schema without a stream: one of a reader could be had only once."""
    for owner in (data, getattr(data, "schema", None)):
        give = getattr(owner, "__arrow_c_schema__", None)
        if give is not None:
            return _given(give)
    return None


def _given(give: Callable[[], Any]) -> Any:
    """Ask an object for a capsule; its library may refuse in any words, as pandas for mixed values."""
    try:
        return give()
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise DefinitionError(
            f"the object does not give its Arrow stream: {type(error).__name__}: {said}",
            code="ArrowMissing", fix="correct the object: each column needs one type and a name",
        ) from error  # fmt: skip


def _of_stream(capsule: Any) -> tuple[Column, ...]:
    import ctypes

    schema, stream = _structs()
    held = ctypes.cast(_pointer(capsule, b"arrow_array_stream"), ctypes.POINTER(stream))
    out = schema()
    if held.contents.get_schema(held, ctypes.byref(out)) != 0:
        raise DefinitionError(
            "the object does not give the schema of its Arrow stream", code="ArrowMissing",
            fix="give a table instead of a reader that was read already",
        )  # fmt: skip
    try:
        return _columns(out)
    finally:
        out.release(ctypes.byref(out))


def _columns(schema: Any) -> tuple[Column, ...]:
    if _text(schema.format) != "+s":
        raise DefinitionError(
            f"the Arrow stream is one column ({_text(schema.format)!r}), no table",
            code="ArrowMissing", fix="give a table: a column with its name",
        )  # fmt: skip
    return tuple(_column(child) for child in _children(schema))


def _column(schema: Any) -> Column:
    is_nullable = bool(schema.flags & _NULLABLE)
    return Column(_text(schema.name), _type(schema), is_nullable, _text(schema.format))


def _type(schema: Any) -> Type | None:
    """Give the type of the dialect that holds every value of an Arrow type, or None."""
    if schema.dictionary:
        return _type(schema.dictionary.contents)
    letters = _text(schema.format)
    if letters in _PLAIN:
        return Type(_PLAIN[letters])
    if letters == "L":
        return Type("decimal", _WIDEST, 0)
    if letters.startswith("d:"):
        return _decimal(letters)
    if letters[:3] in ("tss", "tsm", "tsu", "tsn"):
        return Type("timestamp")
    return _nested(schema, letters)


def _decimal(letters: str) -> Type | None:
    precision, scale = (int(part) for part in letters[2:].split(",")[:2])
    return Type("decimal", precision, scale) if 0 <= scale <= precision <= 38 else None


def _nested(schema: Any, letters: str) -> Type | None:
    children = _children(schema)
    types = [_type(child) for child in children]
    if letters in _LISTS or letters.startswith("+w:"):
        return None if types[0] is None else list_of(types[0])
    known = tuple(one for one in types if one is not None)
    if len(known) < len(types):
        return None
    if letters == "+s":
        return Type("struct", items=known, names=tuple(_text(child.name) for child in children))
    if letters == "+m":
        return Type("map", items=known[0].items)
    return None


def _children(schema: Any) -> list[Any]:
    return [schema.children[i].contents for i in range(schema.n_children)]


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _pointer(capsule: Any, name: bytes) -> Any:
    import ctypes

    # A prototype of its own: what is set on `ctypes.pythonapi` itself is seen by every module.
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return prototype(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, name)


def _structs() -> tuple[Any, Any]:
    """Give the two structs of the interface; defined here, so that importing costs nothing."""
    import ctypes

    class Schema(ctypes.Structure):
        pass

    class Stream(ctypes.Structure):
        pass

    Schema._fields_ = [
        ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
        ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
        ("dictionary", ctypes.POINTER(Schema)),
        ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))),
        ("private_data", ctypes.c_void_p),
    ]  # fmt: skip
    Stream._fields_ = [
        ("get_schema", ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))),
        ("get_next", ctypes.c_void_p), ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
    ]  # fmt: skip
    return Schema, Stream
