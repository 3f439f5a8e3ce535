"""One regular expression that a plain line of a JSON lines file matches as a whole.

Lines of one file mostly have the same keys in the same order. A line that matches the pattern of
that order has no repeated key and no odd value, so it needs none of the slower checks. The pattern
leaves to DuckDB's JSON parser what that is strict about: escapes in strings, raw control characters,
a second closing brace. So it proves something only for a line that the parser takes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from mainstem.engines.embedded.reading.template import Template, template_of
from mainstem.formats.jsontext import Json, parse_json
from mainstem.formats.lines import read_lines
from mainstem.formats.records import Misfit
from mainstem.plan.types import Schema, Type
from mainstem.record import record

SAMPLE = 100
# Longer objects make a pattern whose automaton does not fit into the matcher's memory.
_MOST_KEYS = 200

_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
# Years whose instants lie in range whatever the offset; the parser says whether there is such a day.
_DAY = "[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?"
_VALUES = {
    "bigint": "-?(?:0|[1-9][0-9]{0,17})",
    "integer": "-?(?:0|[1-9][0-9]{0,8})",
    "smallint": "-?(?:0|[1-9][0-9]{0,3})",
    # Not -0: it is read as a whole number, which has no sign at zero.
    "double": r"(?:0|-?[1-9][0-9]{0,16}|-?(?:0|[1-9][0-9]{0,16})\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?",
    "boolean": "true|false",
    "string": _STRING,
    "date": f'"{_DAY}"',
    "timestamp": f'"{_DAY}[T ]{_TIME}{_ZONE}"',
}


@record
class Shape:
    """The pattern, how many of its keys are no column, and how most lines are printed."""

    regex: str
    unknown: int
    template: Template | None = None


def shape_of(path: str, schema: Schema) -> Shape | None:
    """Give the pattern of a file from its first lines; None where none would prove enough."""
    lines = _first_lines(path)
    keys = _merged(found.keys for _, found in lines)
    columns = {field.name: field for field in schema.fields}
    template = template_of(lines, schema)
    if template:
        # Rows of both forms are counted alike: neither may have unknown fields.
        keys = [key for key in keys if key in columns]
    if len(keys) > _MOST_KEYS or not all(_is_plain(key) for key in keys):
        return None
    if any(not field.nullable and field.name not in keys for field in schema.fields):
        return None
    parts = []
    for key in keys:
        field = columns.get(key)
        value = _value(field.type) if field else f"{_STRING}|{_NUMBER}|true|false"
        if not value:
            return None
        null = "" if field and not field.nullable else "|null"
        # Unknown fields are required, so that every plain line has the same number of them.
        optional = "?" if field and field.nullable else ""
        # Whether brace or comma: the parser refuses a brace in the middle and a comma at the end of
        # the text, and a comma before the brace is not matched.
        parts.append(f'(?:"{re.escape(key)}": ?(?:{value}{null})(?:, ?|\\}})){optional}')
    unknown = sum(key not in columns for key in keys)
    return Shape(r"\{" + "".join(parts), unknown, template) if parts else None


def _value(type_: Type) -> str:
    if type_.kind == "decimal":
        # Read as a double, which keeps 15 digits of what was written.
        scale = min(type_.scale, 15)
        whole = min(type_.precision - type_.scale, 15 - scale)
        point = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
        return f"-?(?:0{f'|[1-9][0-9]{{0,{whole - 1}}}' if whole else ''}){point}"
    return _VALUES.get(type_.kind, "")


def _is_plain(key: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_ .:/@$-]+", key) is not None


def _first_lines(path: str) -> list[tuple[str, Json]]:
    found = []
    with Path(path).open("rb") as stream:
        # A line may be as long as the file; nothing is worth learning from such a one.
        head = io.BytesIO(stream.read(1 << 16))
    for line in islice(read_lines(head), SAMPLE):
        try:
            found.append((line.text(), parse_json(line.text())))
        except Misfit:
            continue
    return found


def _merged(lines: Iterable[tuple[str, ...]]) -> list[str]:
    """Give the keys of all lines in an order that the lines agree with, as far as they do."""
    merged: list[str] = []
    for keys in lines:
        at = 0
        for key in keys:
            if key not in merged:
                merged.insert(at, key)
            at = merged.index(key) + 1
    return merged
