"""Values of the tables and of plans as JSON, as CSV and as text.

JSON has no decimals, instants or bytes. A decimal is text with all of its digits, a date and an
instant are ISO 8601 in UTC, bytes are base64, and NaN and the infinities are text.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any


def plain(value: Any) -> Any:
    """Give a value as data that JSON can hold, nothing rounded."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _float(value)
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return _text(value)


def _key(value: Any) -> str:
    found = plain(value)
    return found if isinstance(found, str) else text(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, PurePath):
        return str(value)
    return str(value)


def text(value: Any, *, null: str = "NULL") -> str:
    """Give a value as text for a table or a field of a CSV."""
    if value is None:
        return null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else _float(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        import json

        return json.dumps(plain(value), ensure_ascii=False)
    return value if isinstance(value, str) else _text(value)


def csv_line(values: list[Any] | tuple[Any, ...]) -> str:
    """Give a line of CSV (RFC 4180); NULL is an empty field, an empty text is ``""``."""
    return ",".join(_csv_field(value) for value in values)


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    field = text(value)
    if field == "" or any(sign in field for sign in ',"\r\n') or field != field.strip():
        return '"' + field.replace('"', '""') + '"'
    return field
