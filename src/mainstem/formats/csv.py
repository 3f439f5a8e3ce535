r"""CSV: fields between delimiters, quoted or not.

The rules, decided here and followed by every reader:

* A field that begins with the quote, after one space or none, is quoted: it ends at the next single
  quote (two stand for one), and only spaces may follow before the delimiter. Elsewhere a quote is a
  letter. (One space, because that is where DuckDB's reader draws the line; measured.)
* An empty unquoted field is NULL, and so is one of the ``null=`` texts; a quoted field never is.
* A line with more or fewer fields than columns is a bad row; but one delimiter after the last column
  is ignored, as in ``1|2|`` (dbgen writes that, and DuckDB's strict reader lets it pass; measured).
* An empty line is skipped, unless the file has one column: there it is a NULL.
* A quoted field ends on its line: an open quote is a bad row, of that line only. With ``multiline`` it
  may go on; an open quote at the end of the file makes its first line a bad row, and reading goes on
  with the next line.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from mainstem.formats.coercion import check_null, coerce_text
from mainstem.formats.lines import Line, read_lines
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.plan.types import Schema
from mainstem.record import mutable, record


@record
class CsvFormat:
    """How a CSV file is spelled."""

    delimiter: str = ","
    quote: str = '"'
    nulls: tuple[str, ...] = ()
    header: bool = True
    multiline: bool = False


class _OpenQuote(Misfit):
    """A quoted field that does not end in the text at hand."""

    def __init__(self, value: str) -> None:
        super().__init__("a quote is opened and not closed", code="BadQuotes", value=value)


@mutable
class _Fields:
    """Reads the fields of one record; None stands for NULL."""

    format: CsvFormat

    def split(self, text: str) -> list[str | None]:
        fields: list[str | None] = []
        at = 0
        while True:
            value, at = self._field(text, at)
            fields.append(value)
            if at >= len(text):
                return fields
            at += 1
            if at == len(text):
                return [*fields, None]

    def _field(self, text: str, at: int) -> tuple[str | None, int]:
        start = at
        quote = self.format.quote
        if quote:
            if text[at : at + 1] == " " and self.format.delimiter != " ":
                at += 1
            if text[at : at + 1] == quote:
                return self._quoted(text, at + 1)
        end = text.find(self.format.delimiter, start)
        end = len(text) if end < 0 else end
        value = text[start:end]
        return (None if not value or value in self.format.nulls else value), end

    def _quoted(self, text: str, at: int) -> tuple[str, int]:
        quote = self.format.quote
        parts: list[str] = []
        while True:
            end = text.find(quote, at)
            if end < 0:
                raise _OpenQuote(text[at - 1 :][:80])
            parts.append(text[at:end])
            at = end + 1
            if text[at : at + 1] != quote:
                return "".join(parts), self._after(text, at)
            parts.append(quote)
            at += 1

    def _after(self, text: str, at: int) -> int:
        while text[at : at + 1] == " " and self.format.delimiter != " ":
            at += 1
        if at < len(text) and text[at] != self.format.delimiter:
            raise Misfit(
                f"{text[at]!r} stands after the closing quote of a field", code="BadQuotes",
                value=text[:80],
            )  # fmt: skip
        return at


@record
class _Record:
    line: Line
    fields: list[str | None] | None
    misfit: Misfit | None = None


def csv_records(stream: BinaryIO, format: CsvFormat) -> Iterator[_Record]:
    """Give the fields of every record, or why they cannot be told apart; the header is one of them."""
    if format.multiline:
        return _multiline_records(stream, format)
    return (_record(line, format) for line in read_lines(stream))


def _record(line: Line, format: CsvFormat) -> _Record:
    try:
        return _Record(line, _Fields(format).split(line.text()))
    except Misfit as misfit:
        return _Record(line, None, misfit)


def _multiline_records(stream: BinaryIO, format: CsvFormat) -> Iterator[_Record]:
    data = stream.read()
    lines = list(read_lines(io.BytesIO(data)))
    ends = [line.offset for line in lines[1:]] + [len(data)]
    at = 0
    while at < len(lines):
        last = _last_line(data, lines, ends, at, format)
        raw = data[lines[at].offset : ends[last]].removesuffix(b"\n").removesuffix(b"\r")
        yield _record(Line(lines[at].number, lines[at].offset, raw), format)
        at = last + 1


def _last_line(
    data: bytes, lines: list[Line], ends: list[int], at: int, format: CsvFormat
) -> int:  # fmt: skip
    """Find the line on which the record that begins on line `at` ends; `at` itself when none does."""
    for last in range(at, len(lines)):
        raw = data[lines[at].offset : ends[last]].removesuffix(b"\n").removesuffix(b"\r")
        try:
            _Fields(format).split(raw.decode(errors="surrogateescape"))
        except _OpenQuote:
            continue
        except Misfit:
            return last
        return last
    return at


def csv_header(stream: BinaryIO, format: CsvFormat) -> tuple[str, ...] | None:
    """Give the names in the header, "" for an empty one; None when the file has no line.

    Raises
    ------
    Misfit
        When the header cannot be read.
    """
    for found in csv_records(stream, format):
        if found.misfit is not None:
            raise found.misfit
        if found.line.raw:
            return tuple(name or "" for name in found.fields or ())
    return None


def read_csv(
    stream: BinaryIO, schema: Schema, format: CsvFormat, names: tuple[str, ...]
) -> Iterator[Row | BadRow]:
    """Give one row or bad row for each record after the header.

    Parameters
    ----------
    stream : binary file
        The decompressed file.
    schema : Schema
        Declared columns; a name that is not among `names` gives NULL.
    format : CsvFormat
        How the file is spelled.
    names : tuple of str
        Names of the file's columns in order: those of the header, or the declared ones.
    """
    records: Iterable[_Record] = csv_records(stream, format)
    waiting = format.header
    for found in records:
        if not found.line.raw and (waiting or len(names) > 1):
            continue
        if waiting:
            waiting = False
            continue
        yield _judged(found, schema, format, names)


def judge_csv(
    line: Line, schema: Schema, format: CsvFormat, names: tuple[str, ...]
) -> Row | BadRow:
    """Give the row of a line that is a record of its own."""
    return _judged(_record(line, format), schema, format, names)


def _judged(
    found: _Record, schema: Schema, format: CsvFormat, names: tuple[str, ...]
) -> Row | BadRow:
    line = found.line
    try:
        if found.misfit is not None:
            raise found.misfit
        fields = found.fields or []
        if len(fields) == len(names) + 1 and line.raw.endswith(format.delimiter.encode()):
            fields.pop()
        return _row(line, fields, schema, names)
    except Misfit as misfit:
        return BadRow.of(line.number, line.offset, line.raw, misfit)


def _row(line: Line, fields: list[str | None], schema: Schema, names: tuple[str, ...]) -> Row:
    if len(fields) != len(names):
        raise Misfit(f"{len(fields)} fields, the file has {len(names)} columns", code="FieldCount")
    given = dict(zip(names, fields, strict=True))
    values, unknown = csv_values(given, schema), len(names) - sum(n in given for n in schema.names)
    return Row(line.number, line.offset, values, unknown, line.raw)


def csv_values(given: dict[str, str | None], schema: Schema) -> tuple[Any, ...]:
    """Give the typed values of one record.

    Raises
    ------
    Misfit
        When a value does not fit.
    """
    values: list[Any] = []
    for field in schema.fields:
        text = given.get(field.name)
        try:
            value = None if text is None else coerce_text(text, field.type)
        except Misfit as misfit:
            raise misfit.of_column(field.name) from None
        check_null(value, field)
        values.append(value)
    return tuple(values)
