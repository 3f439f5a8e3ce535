"""JSON lines: each line is one JSON object; lines of nothing but spaces are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mainstem.formats.coercion import check_null, coerce_json, members
from mainstem.formats.jsontext import parse_json
from mainstem.formats.lines import read_lines
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.plan.types import Schema


def read_jsonlines(stream: BinaryIO, schema: Schema) -> Iterator[Row | BadRow]:
    """Give one row or bad row for each line that is not blank."""
    for line in read_lines(stream):
        if not line.raw.strip(b" \t\r\n"):
            continue
        try:
            values, unknown = json_values(line.text(), schema)
        except Misfit as misfit:
            yield BadRow(
                line.number, line.offset, line.raw, misfit.reason, misfit.column, misfit.value
            )
        else:
            yield Row(line.number, line.offset, values, unknown, line.raw)


def json_values(text: str, schema: Schema) -> tuple[tuple[Any, ...], int]:
    """Give the values of one line, and how many of its fields no column has the name of.

    Raises
    ------
    Misfit
        When the line is not a JSON object or a value does not fit.
    """
    parsed = parse_json(text)
    if parsed.kind != "object":
        raise Misfit(f"JSON {parsed.kind} where an object should stand", value=parsed.raw)
    given = members(parsed, schema.names)
    values: list[Any] = []
    for field in schema.fields:
        try:
            value = coerce_json(given[field.name], field.type) if field.name in given else None
        except Misfit as misfit:
            raise Misfit(misfit.reason, column=field.name, value=misfit.value) from None
        check_null(value, field)
        values.append(value)
    return tuple(values), len(parsed.keys) - len(given)
