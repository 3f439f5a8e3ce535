"""Python values of the contract's types: what fits a type as it is, and what is refused by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mainstem.plan.types import Type

_INT64 = 1 << 63
_EXACT_FLOAT = 1 << 53


class Refused(Exception):
    """A value is not of the declared type."""


def checked(value: Any, type_: Type) -> Any:
    """Give a value of a type without changing it; numpy's scalars as Python's.

    Raises
    ------
    Refused
        When it is of another type, or out of range.
    """
    if value is None:
        return None
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    check = _CHECKS.get(type_.kind)
    if check is None or not check(value):
        why = f"{shown(value)}, a {type(value).__name__}, which is no {type_}"
        if type_.kind == "timestamp" and isinstance(value, dt.datetime):
            why = f"{shown(value)}, a datetime without a zone; give one, such as datetime.UTC"
        raise Refused(why)
    if type_.kind == "double":
        return float(value)
    if type_.kind == "list":
        return [checked(item, type_.items[0]) for item in value]
    if type_.kind == "map":
        key, item = type_.items
        return [(checked(k, key), checked(v, item)) for k, v in value.items()]
    if type_.kind == "struct":
        if set(value) != set(type_.names):
            raise Refused(f"{shown(value)}, whose names are not those of {type_}")
        fields = zip(type_.names, type_.items, strict=True)
        return {name: checked(value[name], item) for name, item in fields}
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "boolean": lambda v: isinstance(v, bool),
    "bigint": lambda v: _is_int(v) and -_INT64 <= v < _INT64,
    "double": lambda v: isinstance(v, float) or (_is_int(v) and abs(v) <= _EXACT_FLOAT),
    "string": lambda v: isinstance(v, str),
    "bytes": lambda v: isinstance(v, bytes | bytearray | memoryview),
    "date": lambda v: isinstance(v, dt.date) and not isinstance(v, dt.datetime),
    "timestamp": lambda v: isinstance(v, dt.datetime) and v.tzinfo is not None,
    "decimal": lambda v: (isinstance(v, Decimal) and v.is_finite()) or _is_int(v),
    "list": lambda v: isinstance(v, list | tuple),
    "map": lambda v: isinstance(v, dict),
    "struct": lambda v: isinstance(v, dict),
}


def shown(value: Any, longest: int = 60) -> str:
    """Give a value as a message shows it."""
    try:
        text = "NULL" if value is None else repr(value)
    except Exception as error:  # noqa: BLE001 - somebody's own __repr__
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= longest else text[: longest - 1] + "…"
