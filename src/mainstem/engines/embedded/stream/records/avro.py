"""Avro messages: a zero byte, the number of their schema in four bytes, and the value.

The schema of the registry says how a message was written; the declared columns say what is taken from
it. Values become columns by the one table of coercions (V8), as if they were written as JSON: a whole
number is no 1.9 and no true, a number fits a decimal exactly, enumerations are texts.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mainstem.engines.embedded.stream import package as stream_package
from mainstem.engines.embedded.stream.records.registry import Registry
from mainstem.errors import NOWHERE, DataError, Place
from mainstem.formats.coercion import check_null, coerce_text
from mainstem.formats.records import Misfit
from mainstem.plan.types import Schema, Type

MAGIC = 0
_HEAD = 5


def package(where: Place = NOWHERE) -> Any:
    """Give the package that reads and writes this."""
    return stream_package.package("fastavro", what="format 'avro'", extra="avro", where=where)


def values_of(schema: Schema, registry: Registry) -> Callable[[bytes], tuple[tuple[Any, ...], int]]:
    """Give what reads the values of a message."""
    return _Reader(schema, registry).values


class _Reader:
    def __init__(self, schema: Schema, registry: Registry) -> None:
        self.schema = schema
        self.registry = registry
        self.avro = package(registry.where)
        self._parsed: dict[int, Any] = {}

    def values(self, raw: bytes) -> tuple[tuple[Any, ...], int]:
        found = self._record(raw)
        values: list[Any] = []
        for field in self.schema.fields:
            try:
                value = coerced(found.get(field.name), field.type)
            except Misfit as misfit:
                raise misfit.of_column(field.name) from None
            check_null(value, field)
            values.append(value)
        return tuple(values), sum(name not in self.schema.names for name in found)

    def _record(self, raw: bytes) -> dict[str, Any]:
        if len(raw) < _HEAD or raw[0] != MAGIC:
            raise Misfit(
                "not Avro as registries number it: it begins with a zero and four bytes of number",
                code="NotAvro",
            )
        parsed = self._schema(int.from_bytes(raw[1:_HEAD], "big"))
        stream = io.BytesIO(raw[_HEAD:])
        try:
            found = self.avro.schemaless_reader(
                stream, parsed, None, handle_unicode_errors="strict"
            )
        # What is wrong with bytes shows as almost any exception of Python's.
        except Exception as error:  # noqa: BLE001
            raise Misfit(
                f"not of its schema ({type(error).__name__}: {error})"[:200], code="NotAvro"
            ) from None
        if stream.read(1):
            raise Misfit("bytes stand behind the value", code="NotAvro")
        if not isinstance(found, dict):
            raise Misfit("the value is no record", code="NotAnObject")
        return found

    def _schema(self, number: int) -> Any:
        if number not in self._parsed:
            found = self.registry.schema(number)
            self._parsed[number] = None if found is None else self._parse(number, found)
        if self._parsed[number] is None:
            raise Misfit(f"the registry has no schema {number}", code="NotAvro")
        return self._parsed[number]

    def _parse(self, number: int, found: dict[str, Any]) -> Any:
        named: dict[str, Any] = {}
        try:
            for one in found["named"]:
                self.avro.parse_schema(one, named_schemas=named)
            return self.avro.parse_schema(found["schema"], named_schemas=named)
        except (self.avro.schema.SchemaParseException, self.avro.schema.UnknownType) as error:
            raise DataError(
                f"schema {number} of {self.registry.url} cannot be read: {error}",
                where=self.registry.where, code="SchemaNotAvro",
                fix="correct it in the registry: messages that name it cannot be read by anybody",
            ) from error  # fmt: skip


def coerced(value: Any, type_: Type) -> Any:
    """Give a value of Avro's as one of a declared type.

    Raises
    ------
    Misfit
        With the reason, when it does not fit.
    """
    if value is None:
        return None
    if type_.is_nested:
        return _nested(value, type_)
    given = _given(value)
    if type_.kind == given and given in ("boolean", "double", "bytes", "date", "timestamp"):
        return value.astimezone(UTC) if given == "timestamp" else value
    text = _TEXTS.get(given, lambda _: None)(value)
    fits = given == "string" or type_.kind in _BECOMES.get(given, ())
    if text is None or not fits:
        raise Misfit(f"Avro {given} where {type_} is declared", value=str(value)[:80])
    return coerce_text(text, type_)


_NUMBERS = ("bigint", "integer", "smallint", "decimal", "double", "string")
_BECOMES: dict[str, tuple[str, ...]] = {
    "whole": _NUMBERS, "double": _NUMBERS, "decimal": _NUMBERS, "boolean": ("boolean", "string"),
    "date": ("string",), "timestamp": ("string",),
}  # fmt: skip
_TEXTS: dict[str, Callable[[Any], str]] = {
    "string": str, "whole": str, "double": repr, "decimal": lambda value: f"{value:f}",
    "boolean": lambda value: str(value).lower(), "date": date.isoformat,
    "timestamp": lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"),
}  # fmt: skip


def _given(value: Any) -> str:
    """Give the kind of a Python value; bool before int and datetime before date, which they are too."""
    if isinstance(value, datetime):
        # A local timestamp is no instant.
        return "timestamp" if value.tzinfo is not None else "local timestamp"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "boolean"), (int, "whole"), (float, "double"), (Decimal, "decimal"),
        (str, "string"), (bytes, "bytes"), (date, "date"),
    )  # fmt: skip
    found = next((kind for type_, kind in kinds if isinstance(value, type_)), "")
    return found or ("string" if type(value).__name__ == "UUID" else type(value).__name__)


def _nested(value: Any, type_: Type) -> Any:
    if not isinstance(value, list if type_.kind == "list" else dict):
        raise Misfit(f"Avro {_given(value)} where {type_} is declared", value=str(value)[:80])
    given: Any = value
    if type_.kind == "list":
        return [coerced(item, type_.items[0]) for item in given]
    if type_.kind == "map":
        key, item = type_.items
        return {coerce_text(k, key): coerced(v, item) for k, v in given.items()}
    pairs = zip(type_.names, type_.items, strict=True)
    return {name: coerced(given.get(name), item) for name, item in pairs}
