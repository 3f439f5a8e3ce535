r"""The records of a split, block by block.

A file falls into lines as everywhere (V8): at ``\n`` and nowhere else, one ``\r`` before it is
stripped, a byte order mark at the start is dropped, bad UTF-8 is a bad record. A line belongs to the
split in which its first byte lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, BinaryIO

from mainstem.formats.compression import open_binary
from mainstem.formats.lines import BOM, LONGEST
from mainstem.mapreduce.frames import read_all
from mainstem.mapreduce.job import RowSplit, Split, TextSplit
from mainstem.record import record

# Enough that reading costs nothing beside the user's code, little beside a worker's memory.
BLOCK_BYTES = 1 << 20


class BadText(Exception):
    """A line is not UTF-8, or too long; `offset` is its first byte, `index` its number in the split."""

    def __init__(self, what: str, index: int, offset: int, shown: str) -> None:
        super().__init__(what)
        self.index, self.offset, self.shown = index, offset, shown


@record
class Block:
    """Some records: a list for each column, equally long.

    `first` is the number of the first one in its split; `raw` and `at` are the bytes of lines, and where
    they begin.
    """

    columns: dict[str, list[Any]]
    rows: int
    first: int
    raw: bytes = b""
    at: int = -1

    def row(self, index: int) -> dict[str, Any]:
        """Give one record, by its number in the block."""
        return {name: values[index] for name, values in self.columns.items()}

    def records(self) -> Iterator[dict[str, Any]]:
        """Give the records as dicts."""
        if len(self.columns) == 1:
            ((name, values),) = self.columns.items()
            return ({name: value} for value in values)
        names = tuple(self.columns)
        return (
            dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True)
        )

    def part(self, start: int, end: int) -> Block:
        """Give some of the records."""
        columns = {name: values[start:end] for name, values in self.columns.items()}
        return Block(columns, end - start, self.first + start, at=-1)

    def offset(self, index: int) -> int:
        """Give the first byte of a record in its file; -1 where there is none."""
        if self.at < 0:
            return -1
        return self.at + sum(len(line) + 1 for line in self.raw.split(b"\n")[:index])


def planned(
    path: str, compression: str, size: int, split_bytes: int, column: str = "line"
) -> list[TextSplit]:
    """Cut a text file into splits of about `split_bytes`; a compressed one is one split."""
    if compression != "none" or size <= split_bytes:
        return [TextSplit(path, compression=compression, column=column)]
    n = -(-size // split_bytes)
    cuts = [size * i // n for i in range(n + 1)]
    return [TextSplit(path, a, b, column=column) for a, b in pairwise(cuts)]


def blocks(split: Split) -> Iterator[Block]:
    """Give the records of a split.

    Raises
    ------
    BadText
        For a line that is not UTF-8, or longer than the contract allows.
    """
    if isinstance(split, RowSplit):
        first = 0
        for columns in read_all(split.path):
            rows = len(columns[0]) if columns else 0
            yield Block(dict(zip(split.columns, columns, strict=True)), rows, first)
            first += rows
        return
    with open_binary(split.path, split.compression) as file:
        first = 0
        for at, raw in _raw_blocks(file, split):
            lines = _lines(raw, first, at)
            yield Block({split.column: lines}, len(lines), first, raw, at)
            first += len(lines)


def _raw_blocks(file: BinaryIO, split: TextSplit) -> Iterator[tuple[int, bytes]]:
    """Give whole lines with where they begin, about a block at a time."""
    at = _begin(file, split)
    end = split.end
    while end < 0 or at < end:
        wanted = BLOCK_BYTES if end < 0 else min(BLOCK_BYTES, end - at)
        raw = file.read(wanted)
        if not raw:
            return
        if not raw.endswith(b"\n"):
            raw += file.readline(LONGEST + 2)
        content = raw.removeprefix(BOM) if at == 0 else raw
        if content:
            yield at + len(raw) - len(content), content
        at += len(raw)


def _begin(file: BinaryIO, split: TextSplit) -> int:
    """Go to the first line that begins in the split; give its first byte."""
    if not split.start:
        return 0
    file.seek(split.start - 1)
    # The line before is passed over to its end, however long it is.
    skipped = file.readline()
    return split.start - 1 + len(skipped)


def _lines(raw: bytes, first: int, at: int) -> list[str]:
    if len(raw) > LONGEST:
        _refuse_long(raw, first, at)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _bad(raw, first, at) from None
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    if "\r" in text:
        return [line.removesuffix("\r") for line in lines]
    return lines


def _bad(raw: bytes, first: int, at: int) -> BadText:
    for index, line in enumerate(raw.split(b"\n")):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            what = f"not UTF-8: {error.reason} at byte {error.start + 1} of the line"
            return BadText(what, first + index, at, repr(line[:60]))
        at += len(line) + 1
    raise AssertionError("every line is UTF-8, and all of them together are not")


def _refuse_long(raw: bytes, first: int, at: int) -> None:
    for index, line in enumerate(raw.split(b"\n")):
        if len(line.removesuffix(b"\r")) > LONGEST:
            raise BadText(
                f"a line of more than {LONGEST} bytes", first + index, at, repr(line[:60])
            )
        at += len(line) + 1
