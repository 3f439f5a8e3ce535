"""Dead letters read once more: their bytes, by the plain-Python reference, with the present schema."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mainstem.connectors.files.listing import COMPRESSIONS, InputFile, format_of, hive_partition
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading.deadletters import TABLE
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.fileread import partition_values
from mainstem.engines.embedded.reading.reference import (
    FileReader,
    csv_format,
    file_header,
)
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import quoted
from mainstem.errors import StateError
from mainstem.formats.csv import read_csv
from mainstem.formats.jsonlines import judge_json
from mainstem.formats.lines import Line
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.plan.nodes import Source
from mainstem.plan.types import Schema
from mainstem.record import record


@record
class Letter:
    """A dead letter as it was kept; `at` is the start of the run that read it."""

    nth: int
    path: str
    row: int
    line: int | None
    offset: int | None
    raw: bytes
    header: tuple[str, ...] | None
    at: datetime


def headers(session: Session, source: Source) -> dict[str, tuple[str, ...]]:
    """Give the names in the headers of the CSV files that a source has dead letters of, by path."""
    if source.binding.type != "files":
        return {}
    options = read_options(FilesSource, source.binding, source.where)
    known = session.rows(
        "SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name = $1", [TABLE]
    )
    if not known[0][0] or not options.header:
        return {}
    paths = session.rows(
        f"SELECT DISTINCT path FROM {quoted(TABLE)} WHERE source = $1 AND path <> ''",
        [source.name],
    )
    found = {}
    for (path,) in paths:
        file = _file(path, options)
        if file.format in ("csv", "tsv"):
            names = file_header(file, options, csv_format(options, file))
            found[path] = names or ()
    return found


def _file(path: str, options: FilesSource) -> InputFile:
    """Give the file that a letter came from, as far as its name tells; it may be gone."""
    return InputFile(
        path, 0, options.format or format_of(path, member=options.member),
        options.compression or COMPRESSIONS.get(Path(path).suffix.lower(), "none"),
        hive_partition(path) if options.hive else (),
    )  # fmt: skip


class Reader:
    """Reads letters of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = read_options(FilesSource, source.binding, source.where)
        self.rule = EventTimeRule.of(source)

    def read(self, letters: Iterator[Letter]) -> Iterator[tuple[Letter, Row | BadRow]]:
        """Give each letter with the row that it is, or with what is still wrong."""
        for letter in letters:
            yield letter, self._judged(letter)

    def _judged(self, letter: Letter) -> Row | BadRow:
        file = _file(letter.path, self.options)
        partition = {name for name, _ in file.partition}
        inner = Schema(tuple(f for f in self.source.schema.fields if f.name not in partition))
        outer = tuple(f for f in self.source.schema.fields if f.name in partition)
        line = Line(letter.line or 1, letter.offset or 0, letter.raw, len(letter.raw))
        found = self._record(line, file, inner, letter)
        if isinstance(found, BadRow):
            return found
        given = dict(zip(inner.names, found.values, strict=True))
        constants = partition_values(file, outer, self.source.where)
        given |= dict(zip((f.name for f in outer), constants, strict=True))
        try:
            if self.rule.column:
                self.rule.check(given[self.rule.column], self._latest(letter))
        except Misfit as misfit:
            return BadRow.of(line.number, line.offset, line.raw, misfit)
        return replace(found, values=tuple(given[name] for name in self.source.schema.names))

    def _record(self, line: Line, file: InputFile, inner: Schema, letter: Letter) -> Row | BadRow:
        if file.format == "parquet":
            # There are no bytes of a record in such a file: the letter holds its values as JSON.
            return judge_json(line, inner)
        names: tuple[str, ...] = inner.names
        if file.format in ("csv", "tsv") and self.options.header:
            names = self._names(letter, inner)
        if file.format in ("csv", "tsv") and self.options.multiline:
            return self._several_lines(line, file, inner, names)
        return FileReader(file, self.options, inner, names).judge(line)

    def _names(self, letter: Letter, inner: Schema) -> tuple[str, ...]:
        names = letter.header or ()
        gone = [name for name in inner.names if name not in names]
        if gone:
            raise StateError(
                f"the header of {letter.path} had no column {gone[0]!r} when its dead letters were "
                f"kept ({', '.join(names) or 'it is not known'})", where=self.source.where,
                code="ReplayColumns", fix="declare the columns as the file has them, or export the "
                "letters and read them as a new file",
            )  # fmt: skip
        return names

    def _several_lines(
        self, line: Line, file: InputFile, inner: Schema, names: tuple[str, ...]
    ) -> Row | BadRow:
        spelling = replace(csv_format(self.options, file), header=False)
        found = list(read_csv(io.BytesIO(line.raw), inner, spelling, names))
        if len(found) == 1:
            return found[0]
        what = Misfit(f"these bytes are {len(found)} records", code="FieldCount")
        return BadRow.of(line.number, line.offset, line.raw, what)

    def _latest(self, letter: Letter) -> datetime:
        try:
            return self.rule.latest(letter.path)
        except OSError:
            # The file is gone. It was written before the run that read it began.
            ahead: timedelta = self.rule.max_ahead
            return letter.at + ahead


def message_of(bad: BadRow) -> str:
    """Give what is wrong with a record, as its dead letter says it."""
    return f"{bad.value[:80]!r} {bad.reason}" if bad.value else bad.reason


def unreadable(source: Source) -> str:
    """Say why the letters of a source cannot be read again at all; "" when they can."""
    if source.binding.type != "files":
        return "holds the rows of a table: correct them there, with a new value in the cursor"
    return ""


def from_row(row: tuple[Any, ...]) -> Letter:
    """Give the letter of a row (number, path, row, line, offset, bytes, header, start)."""
    nth, path, at_row, line, offset, raw, header, at = row
    names = None if header is None else tuple(header)
    return Letter(nth, path, at_row, line, offset, bytes(raw), names, at.replace(tzinfo=UTC))
