"""What a record reader yields: good rows and bad rows, each with its place in the file."""

from __future__ import annotations

from typing import Any

from mainstem.record import record


class Misfit(Exception):
    """A value or a line does not fit its declaration; `reason` goes into the bad row.

    It never reaches a user: every reader turns it into a `BadRow`.
    """

    def __init__(self, reason: str, *, column: str = "", value: str = "") -> None:
        self.reason = reason
        self.column = column
        self.value = value
        super().__init__(reason)


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
    """A record that does not fit; `raw` are its bytes without the line end."""

    line: int
    offset: int
    raw: bytes
    reason: str
    column: str = ""
    value: str = ""
