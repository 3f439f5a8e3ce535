r"""How text files fall into lines, the same for every format (contract V8).

A file is split at ``\n`` and nowhere else; one ``\r`` at the end of a line is stripped; a byte order
mark at the start of the file is dropped; what follows the last ``\n`` is a line unless it is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from mainstem.formats.records import Misfit
from mainstem.record import record

BOM = b"\xef\xbb\xbf"


@record
class Line:
    """One line: its number from 1, the bytes before it in the file, its content without the end."""

    number: int
    offset: int
    raw: bytes

    def text(self) -> str:
        """Give the line as text.

        Raises
        ------
        Misfit
            When it is not UTF-8.
        """
        try:
            return self.raw.decode()
        except UnicodeDecodeError as error:
            raise Misfit(
                f"not UTF-8: {error.reason} at byte {error.start + 1} of the line"
            ) from None


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Give the lines of a stream in order."""
    offset = 0
    for number, raw in enumerate(stream, start=1):
        content = raw.removesuffix(b"\n").removesuffix(b"\r")
        start = offset
        offset += len(raw)
        if number == 1 and content.startswith(BOM):
            content = content[len(BOM) :]
            start += len(BOM)
            if not content and not raw.endswith(b"\n"):
                return
        yield Line(number, start, content)
