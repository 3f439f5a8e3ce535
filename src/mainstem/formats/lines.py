r"""How text files fall into lines, the same for every format (contract V8).

A file is split at ``\n`` and nowhere else; one ``\r`` at the end of a line is stripped; a byte order
mark at the start of the file is dropped; what follows the last ``\n`` is a line unless it is empty.

A line of more than `LONGEST` bytes is a bad row of which only the first `KEPT` bytes are kept: so no
file, whatever stands in it, takes more memory than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from mainstem.formats.records import Misfit
from mainstem.record import record

BOM = b"\xef\xbb\xbf"
LONGEST = 32 << 20
KEPT = 64 << 10


@record
class Line:
    """One line: its number from 1, the bytes before it in the file, its content without the end.

    Of a line that is too long, `raw` is the beginning and `size` says how many bytes it has.
    """

    number: int
    offset: int
    raw: bytes
    size: int = 0

    def text(self) -> str:
        """Give the line as text.

        Raises
        ------
        Misfit
            When it is too long, or not UTF-8.
        """
        if self.size > LONGEST:
            raise Misfit(
                f"a line of {self.size} bytes, more than {LONGEST}; its first {KEPT} are kept",
                code="LineTooLong",
            )
        try:
            return self.raw.decode()
        except UnicodeDecodeError as error:
            raise Misfit(
                f"not UTF-8: {error.reason} at byte {error.start + 1} of the line", code="NotUtf8"
            ) from None


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Give the lines of a stream in order."""
    for number, (offset, raw, size) in enumerate(raw_lines(stream), start=1):
        yield Line(number, offset, raw, size)


def raw_lines(
    stream: BinaryIO, *, has_start: bool = True
) -> Iterator[tuple[int, bytes, int]]:  # fmt: skip
    """Give offset, content and size of each line: `read_lines` without its objects, which cost.

    `has_start` says whether the stream begins where its file does; only there is a byte order mark.
    """
    offset = 0
    is_first = has_start
    while raw := stream.readline(LONGEST + 2):
        content = raw.removesuffix(b"\n").removesuffix(b"\r")
        size, taken = len(content), len(raw)
        if taken == LONGEST + 2 and not raw.endswith(b"\n"):
            size, taken = _rest(stream, raw)
        if size > LONGEST:
            content = content[:KEPT]
        start = offset
        offset += taken
        if is_first and content.startswith(BOM):
            content = content[len(BOM) :]
            start += len(BOM)
            size -= len(BOM)
            if not content and not raw.endswith(b"\n"):
                return
        is_first = False
        yield start, content, size


def _rest(stream: BinaryIO, start: bytes) -> tuple[int, int]:
    """Pass over the rest of a long line; give the line's bytes without and with its end."""
    taken, tail = len(start), start[-1:]
    while part := stream.readline(1 << 20):
        taken += len(part)
        tail = (tail + part)[-2:]
        if part.endswith(b"\n"):
            break
    end = 2 if tail == b"\r\n" else int(tail[-1:] in (b"\n", b"\r"))
    return taken - end, taken
