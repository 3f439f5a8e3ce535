r"""Taking out of a file the few lines that DuckDB may not read, so that it can read all others.

Only where each line is a record of its own: text, JSON lines, and CSV without ``multiline``. The lines
that surely are what DuckDB takes them for go into a copy; each other one leaves a stand-in there, so
that rows keep their numbers, and is judged by the plain-Python reference. So one bad row does not
make its file slow: the pass takes about a second per million lines, and happens only where needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mainstem.engines.embedded.reading.guard import SEPARATORS, Scanned, Workspace
from mainstem.engines.embedded.reading.reference import csv_format
from mainstem.engines.embedded.reading.statements import Layout
from mainstem.formats.csv import CsvFormat
from mainstem.formats.jsonlines import BLANKS
from mainstem.formats.lines import Line, raw_lines

# DuckDB's reader gives up on lines of 2 MB.
LONG = 1 << 20


def can_sift(scanned: Scanned, layout: Layout) -> bool:
    """Say whether the records of a file are its lines, and it was not sifted yet."""
    return not (scanned.sifted or (layout.format in ("csv", "tsv") and layout.options.multiline))


def sift(scanned: Scanned, layout: Layout, workspace: Workspace, reason: str) -> None:
    """Let `scanned` point at a copy without the lines in doubt, and remember those."""
    scanned.path, scanned.sifted, scanned.doubt = workspace.new_path(), reason, ""
    scanned.separators = scanned.separators or SEPARATORS
    is_plain, stand_in = _rules(scanned, layout)
    count = 0
    with Path(scanned.path).open("wb") as copy:
        if layout.format in ("csv", "tsv") and layout.options.header:
            names = len(scanned.names or ())
            delimiter = csv_format(layout.options, scanned.file).delimiter.encode()
            copy.write(delimiter.join([b"h"] * names) + b"\n")
            count = 1
        for record, number, offset, raw, size in records(scanned, layout):
            count += 1
            if size <= LONG and is_plain(raw):
                copy.write(raw + b"\n")
            else:
                copy.write(stand_in)
                scanned.suspects.extend((record, number, offset))
    scanned.newlines, scanned.last = count, b"\n"
    scanned.pairs = scanned.returns = 0
    scanned.has_blanks = False


def records(scanned: Scanned, layout: Layout) -> Iterator[tuple[int, int, int, bytes, int]]:
    """Give record from 0, line from 1, offset, content and size of each line that is a record."""
    is_csv = layout.format in ("csv", "tsv")
    waits_for_header = is_csv and layout.options.header
    keeps_empty = layout.format == "text" or (is_csv and len(scanned.names or ()) == 1)
    blanks = BLANKS if layout.format == "json" else b""
    record = 0
    with Path(scanned.original).open("rb") as stream:
        for number, (offset, raw, size) in enumerate(raw_lines(stream), start=1):
            if waits_for_header:
                waits_for_header = not raw
                continue
            if not keeps_empty and not raw.strip(blanks) and size == len(raw):
                continue
            yield record, number, offset, raw, size
            record += 1


def located(scanned: Scanned, layout: Layout, wanted: Iterable[int]) -> Iterator[tuple[int, Line]]:
    """Give the lines of some records, which are given in ascending order."""
    waiting = iter(wanted)
    next_ = next(waiting, None)
    if next_ is None:
        return
    for record, number, offset, raw, size in records(scanned, layout):
        if record == next_:
            yield record, Line(number, offset, raw, size)
            next_ = next(waiting, None)
            if next_ is None:
                return


def suspects(scanned: Scanned) -> Iterator[tuple[int, Line]]:
    """Give the lines that were taken out, with their record numbers."""
    if not scanned.suspects:
        return
    values = scanned.suspects
    with Path(scanned.original).open("rb") as stream:
        for at in range(0, len(values), 3):
            record, number, offset = values[at : at + 3]
            stream.seek(offset)
            _, raw, size = next(raw_lines(stream, has_start=False))
            yield record, Line(number, offset, raw, size)


def _rules(scanned: Scanned, layout: Layout) -> tuple[Callable[[bytes], bool], bytes]:
    """Give what is TRUE for a line that is surely plain, and what stands in for another one."""
    if layout.format in ("csv", "tsv"):
        spelling = csv_format(layout.options, scanned.file)
        columns = len(scanned.names or ())
        return _csv_rule(spelling, columns), spelling.delimiter.encode() * (columns - 1) + b"\n"
    separator = scanned.separators[:1]

    def is_plain(raw: bytes) -> bool:
        return separator not in raw and _is_text(raw)

    return is_plain, b"{}\n" if layout.format == "json" else b"\n"


def _is_text(raw: bytes) -> bool:
    if b"\r" in raw:
        return False
    try:
        raw.isascii() or raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv_rule(spelling: CsvFormat, columns: int) -> Callable[[bytes], bool]:
    delimiter, quote = spelling.delimiter.encode(), spelling.quote.encode()
    pattern = None
    if len(delimiter) == 1 and len(quote) == 1:
        d, q = re.escape(delimiter), re.escape(quote)
        field = b"(?:%b(?:[^%b]++|%b%b)*+%b|[^%b%b]*+)" % (q, q, q, q, q, q, d)
        pattern = re.compile(b"(?:%b%b){%d}%b%b?" % (field, d, columns - 1, field, d))

    def is_plain(raw: bytes) -> bool:
        if quote and quote in raw:
            return pattern is not None and pattern.fullmatch(raw) is not None and _is_text(raw)
        extra = raw.count(delimiter) - columns + 1
        return (extra == 0 or (extra == 1 and raw.endswith(delimiter))) and _is_text(raw)

    return is_plain
