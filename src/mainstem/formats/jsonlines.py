"""JSON lines: each line is one JSON object; lines of nothing but spaces are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mainstem.formats.coercion import check_null, coerce_json, members
from mainstem.formats.jsontext import parse_json
from mainstem.formats.lines import Line, read_lines
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.plan.types import Schema

# A line of nothing else is no record.
BLANKS = b" \t\r\n"


def read_jsonlines(stream: BinaryIO, schema: Schema) -> Iterator[Row | BadRow]:
    """Give one row or bad row for each line that is not blank."""
    return (
        judge_json(line, schema)
        for line in read_lines(stream)
        if line.raw.strip(BLANKS) or line.size > len(line.raw)
    )


def judge_json(line: Line, schema: Schema) -> Row | BadRow:
    """Give the row of a line that is not blank."""
    try:
        values, unknown = json_values(line.text(), schema)
    except Misfit as misfit:
        return BadRow.of(line.number, line.offset, line.raw, misfit)
    return Row(line.number, line.offset, values, unknown, line.raw)


def json_values(text: str, schema: Schema) -> tuple[tuple[Any, ...], int]:
    """Give the values of one line, and how many of its fields no column has the name of.

    Raises
    ------
    Misfit
        When the line is not a JSON object or a value does not fit.
    """
    parsed = parse_json(text)
    if parsed.kind != "object":
        raise Misfit(
            f"JSON {parsed.kind} where an object should stand", code="NotAnObject", value=parsed.raw
        )
    given = members(parsed, schema.names)
    values: list[Any] = []
    for field in schema.fields:
        try:
            value = coerce_json(given[field.name], field.type) if field.name in given else None
        except Misfit as misfit:
            raise misfit.of_column(field.name) from None
        check_null(value, field)
        values.append(value)
    return tuple(values), len(parsed.keys) - len(given)
