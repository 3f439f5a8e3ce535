"""Tables as plain text, in the form of case files: cells parted by ``|``, perhaps below a head.

A head is a first line with the names of columns, told by the line of dashes or ``=`` below it::

    customer | total
    -------- | ------
    ada      | 12.50
    eve      | null
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mainstem.errors import SettingsError
from mainstem.testing.case import Row, cells

# What begins something else in a cell that has no quotes around it.
_SIGNS = frozenset("|'\"[]{}")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Cell(str):
    """The text of a cell, as it stands in a table."""

    __slots__ = ()


def read_table(text: str) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    r"""Give the names in the head, none without one, and the rows of a table of text.

    >>> read_table("id | name\n-- | ----\n1 | ann")
    (('id', 'name'), (('1', 'ann'),))
    """
    return headed([cells(line.strip()) for line in text.splitlines() if line.strip()])


def headed(rows: Sequence[Row]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Part rows from their head, which has a line of dashes or ``=`` below it."""
    rule = [cell or "" for cell in rows[1]] if len(rows) > 1 else []
    is_rule = all(cell and set(cell) <= {"-", "="} for cell in rule)
    # A single dash may be a value; a line of nothing but single ones is taken for values.
    if not is_rule or max(map(len, rule), default=0) < 2:
        return (), tuple(rows)
    return tuple(str(cell) for cell in rows[0]), tuple(rows[2:])


def cell_text(value: Any) -> str:
    """Give a value as a cell that reads back as the same value."""
    if isinstance(value, Cell):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        own = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return own.isoformat(" ")
    if isinstance(value, Mapping | list | tuple):
        return as_json(value)
    if isinstance(value, str):
        return _quoted(value)
    return _scalar(value)


def _quoted(text: str) -> str:
    text = text.translate(_ESCAPES)
    is_plain = text and text == text.strip() and text != "null" and not _SIGNS & set(text)
    return text if is_plain else "'" + text.replace("'", "''") + "'"


def _scalar(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, int | float):
        return repr(value)
    raise SettingsError(
        f"{value!r} is of the type {type(value).__name__}, which no column has", code="GivenForm",
        fix="give None, a bool, int, float, Decimal, str, bytes, date, datetime, list or dict",
    )  # fmt: skip


def as_json(value: Any) -> str:
    """Give a value as JSON in which no digit is lost; what JSON has no word for is text."""
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = (
            f"{json.dumps(_key(k), ensure_ascii=False)}: {as_json(v)}" for k, v in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_json, value)) + "]"
    if isinstance(value, datetime):
        return json.dumps(value.isoformat())
    text = _scalar(value)
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return text if is_number else json.dumps(text)


def _key(value: Any) -> str:
    return value if isinstance(value, str) else cell_text(value)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]], *, rule: bool = True) -> str:
    """Give rows of cells as lines below a head, in columns, that `read_table` reads."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    if rule:
        lines.insert(1, ["-" * max(width, 2) for width in widths])
    return "\n".join(
        " | ".join(cell.ljust(max(width, 2)) for cell, width in zip(line, widths, strict=True))
        .rstrip()
        for line in lines
    )  # fmt: skip
