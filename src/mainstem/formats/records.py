"""What a record reader yields: good rows and bad rows, each with its place in the file."""

from __future__ import annotations

from typing import Any

from mainstem.record import record

# The stable names of why a record is bad; dead letters carry them, docs/files.md explains them.
REASONS = (
    "NotUtf8", "LineTooLong", "NotJson", "NotAnObject", "DuplicateKey", "FieldCount", "BadQuotes",
    "WrongValue", "OutOfRange", "NullValue", "EventTime", "RowGroupDamaged", "NotAvro",
)  # fmt: skip


class Misfit(Exception):
    """A value or a line does not fit its declaration; `reason` goes into the bad row.

    It never reaches a user: every reader turns it into a `BadRow`. `code` is one of `REASONS`.
    """

    def __init__(
        self, reason: str, *, code: str = "WrongValue", column: str = "", value: str = ""
    ) -> None:
        self.reason = reason
        self.code = code
        self.column = column
        self.value = value
        super().__init__(reason)

    def of_column(self, name: str) -> Misfit:
        """Give the same misfit as one of a column."""
        return Misfit(self.reason, code=self.code, column=name, value=self.value)


@record
class Row:
    """A record that fits.

    Parameters
    ----------
    line : int
        Number of its first line in the file, from 1.
    offset : int
        Bytes before it in the (decompressed) file.
    values : tuple
        One Python value for each declared column.
    unknown : int
        How many fields were ignored because no column has their name.
    raw : bytes
        The record without its line end.
    """

    line: int
    offset: int
    values: tuple[Any, ...]
    unknown: int = 0
    raw: bytes = b""


@record
class BadRow:
    """A record that does not fit; `raw` are its bytes without the line end, `code` one of `REASONS`."""

    line: int
    offset: int
    raw: bytes
    reason: str
    column: str = ""
    value: str = ""
    code: str = "WrongValue"

    @classmethod
    def of(cls, line: int, offset: int, raw: bytes, misfit: Misfit) -> BadRow:
        """Give the bad row that a misfit makes of a record."""
        return cls(line, offset, raw, misfit.reason, misfit.column, misfit.value, misfit.code)
