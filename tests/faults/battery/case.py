"""What a malformed input is: how it is made, and exactly what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

SCHEMA = "id bigint not null, amount decimal(8,2), day date"
HEAD = b"id,amount,day\n"


@dataclass(frozen=True)
class Bad:
    """A bad record: number in its file from 0, line from 1, byte offset, column, reason."""

    row: int
    line: int
    offset: int
    reason: str
    column: str = ""


@dataclass(frozen=True)
class Case:
    """One malformed (or only unusual) input.

    `defect` is its line in docs/bad-input.md. Either `refused` is the code of the error that stops
    the run whatever `on_bad` says, or `good` are the ids of the rows that are read and `bad` the
    records that are not. A good row with the id n is (n, n.50, 2024-01-31), unless `rows` says
    what is read. The source names the file, or the `glob`.
    """

    name: str
    defect: str
    file: str
    data: bytes | Callable[[Path], None] = b""
    good: tuple[int, ...] = ()
    bad: tuple[Bad, ...] = ()
    rows: tuple[tuple[Any, ...], ...] | None = None
    refused: str = ""
    says: str = ""
    schema: str = SCHEMA
    options: dict[str, Any] = field(default_factory=dict)
    glob: str = ""

    def expected(self) -> list[tuple[Any, ...]]:
        """Give the rows that have to be read, in order."""
        if self.rows is not None:
            return list(self.rows)
        return [row_of(number) for number in self.good]

    def make(self, folder: Path) -> Path:
        """Write the input; give the path that the source names."""
        path = folder / self.file
        if callable(self.data):
            self.data(path)
        else:
            path.write_bytes(self.data)
        return folder / self.glob if self.glob else path


def row_of(number: int) -> tuple[int, Decimal, date]:
    """Give the values of the row with an id."""
    return number, Decimal(f"{number}.50"), date(2024, 1, 31)


def line(number: int) -> bytes:
    """Give the CSV line of a row: 17 bytes for an id of one digit, without its end."""
    return b"%d,%d.50,2024-01-31" % (number, number)


def csv(*lines: bytes, end: bytes = b"\n") -> bytes:
    """Give a CSV file: the header of 14 bytes, and lines of 18 with their ends."""
    return HEAD[:-1] + end + b"".join(one + end for one in lines)


def between(middle: bytes) -> bytes:
    """Give a CSV file with one odd line: the record 1, on line 3, at byte 14 + 18."""
    return csv(line(1), middle, line(3))


def odd(reason: str, column: str = "") -> tuple[Bad, ...]:
    """Give what has to be said about the odd line of `between`."""
    return (Bad(1, 3, 32, reason, column),)


def json_line(number: int) -> bytes:
    """Give the JSON line of a row: 41 bytes for an id of one digit, without its end."""
    return b'{"id":%d,"amount":%d.50,"day":"2024-01-31"}' % (number, number)
