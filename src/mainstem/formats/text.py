"""Text files: each line is a record, the empty ones too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from mainstem.errors import NOWHERE, DefinitionError, Place
from mainstem.formats.lines import Line, read_lines
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.plan.types import BIGINT, STRING, Schema

COLUMNS = {"line": STRING, "line_number": BIGINT, "file": STRING}


def check_columns(schema: Schema, where: Place = NOWHERE) -> None:
    """Refuse columns that a text file cannot have.

    Raises
    ------
    DefinitionError
        For another name or type than ``line string, line_number bigint, file string``.
    """
    for field in schema.fields:
        if COLUMNS.get(field.name) != field.type:
            raise DefinitionError(
                f"a text file has no column {field}", where=where, code="TextColumns",
                fix="declare some of: line string, line_number bigint, file string",
            )  # fmt: skip


def read_text(stream: BinaryIO, schema: Schema, file: str) -> Iterator[Row | BadRow]:
    """Give one row for each line; a line that is not UTF-8 is a bad row."""
    return (judge_text(line, schema, file) for line in read_lines(stream))


def judge_text(line: Line, schema: Schema, file: str) -> Row | BadRow:
    """Give the row of a line."""
    try:
        given = {"line": line.text(), "line_number": line.number, "file": file}
    except Misfit as misfit:
        return BadRow.of(line.number, line.offset, line.raw, misfit)
    values = tuple(given[name] for name in schema.names)
    return Row(line.number, line.offset, values, raw=line.raw)
