"""Values as JSON that comes back as the same Python values: no digit and no type is lost."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

# Stands before the kind of a value that JSON has no word for.
SIGN = "$"

_READ: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(days=parts[0], seconds=parts[1], microseconds=parts[2]),
    "decimal": Decimal,
    "float": float,
    "bytes": base64.b64decode,
    "uuid": UUID,
    "map": lambda pairs: {_hashable(from_wire(k)): from_wire(v) for k, v in pairs},
    "row": lambda values: tuple(from_wire(v) for v in values),
    "text": str,
}


def to_wire(value: Any) -> Any:
    """Give a value as what JSON holds; one of a kind that nobody knows as its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {SIGN: "float", "is": repr(value)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key != SIGN for key in value):
            return {key: to_wire(item) for key, item in value.items()}
        return {SIGN: "map", "is": [[to_wire(k), to_wire(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {SIGN: "row", "is": [to_wire(v) for v in value]}
    if isinstance(value, list):
        return [to_wire(item) for item in value]
    return _single(value)


def _single(value: Any) -> dict[str, Any]:
    if isinstance(value, datetime | date | time):
        return {SIGN: type(value).__name__, "is": value.isoformat()}
    if isinstance(value, timedelta):
        return {SIGN: "timedelta", "is": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, Decimal):
        return {SIGN: "decimal", "is": str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {SIGN: "bytes", "is": base64.b64encode(value).decode("ascii")}
    if isinstance(value, UUID):
        return {SIGN: "uuid", "is": str(value)}
    return {SIGN: "text", "is": str(value)}


def from_wire(value: Any) -> Any:
    """Give the value that `to_wire` was given; a tuple comes back as one."""
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(SIGN)
    if kind is None:
        return {key: from_wire(item) for key, item in value.items()}
    return _READ[kind](value["is"])


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
