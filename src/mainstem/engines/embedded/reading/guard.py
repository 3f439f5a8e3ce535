r"""One pass over the bytes of a text file before DuckDB reads it.

DuckDB's CSV reader decides for itself what a line is: it takes a lone \r for a line end or an error,
lets quoted fields run over lines, skips empty lines, and does not check columns that nobody asks for.
The pass counts lines and finds \r and bad UTF-8, so that afterwards the number of rows can be
compared with the number of lines. It ran at 1.3 GB/s; compressed files and files with
mixed line ends are written to a temporary file on the way.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import tempfile
from array import array
from dataclasses import field
from pathlib import Path

from mainstem.connectors.files.listing import InputFile
from mainstem.formats.compression import open_binary
from mainstem.formats.csv import CsvFormat
from mainstem.formats.lines import raw_lines
from mainstem.record import mutable

# Fits into a core's cache: decoding pieces of 4 MB took seven times as long.
CHUNK = 1 << 18
# Bytes that may serve as the delimiter of files that have none.
SEPARATORS = bytes(
    [1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 29, 30, 31]
)
# Letters that no string of JSON may hold; of carriage returns the lines are judged.
CONTROLS = tuple(bytes([code]) for code in range(32) if code not in b"\r\n")


@mutable
class Scanned:
    """What the pass found out about one file.

    Parameters
    ----------
    file : InputFile
        The file as listed.
    path : str
        What DuckDB reads: the file itself or a temporary copy of it.
    doubt : str
        Why DuckDB may not read it; empty when it may.
    separators : bytes
        Characters that do not occur in it.
    has_blanks : bool
        Whether a line of nothing but spaces was met (JSON lines).
    has_controls : bool
        Whether there is a control character besides line ends (JSON lines).
    splits : bool
        Whether its lines may be split into pieces (`template`).
    original : str
        Where the decompressed bytes lie as they came; `path` may be a copy that differs from them.
    sifted : str
        Why lines were taken out of the copy (`sift`); empty when none were.
    suspects : array
        Of each line that was taken out: record from 0, line from 1, offset.
    tail, has_tail : bytes, bool
        What is looked for at the ends of lines, and whether one ends with it.
    begins_empty : bool
        Whether the first line is empty.
    """

    file: InputFile
    path: str
    size_bytes: int = 0
    newlines: int = 0
    returns: int = 0
    pairs: int = 0
    last: bytes = b""
    doubt: str = ""
    separators: bytes = SEPARATORS
    names: tuple[str, ...] | None = None
    has_blanks: bool = False
    has_controls: bool = False
    splits: bool = True
    original: str = ""
    sifted: str = ""
    suspects: array[int] = field(default_factory=lambda: array("q"))
    tail: bytes = b""
    has_tail: bool = False
    begins_empty: bool = False
    checks_utf8: bool = True
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )
    _pending: bool = False
    _end: bytes = b""

    @property
    def lines(self) -> int:
        """Give the number of lines, empty ones included."""
        return self.newlines + (1 if self.last not in (b"", b"\n") else 0)

    @property
    def is_mixed(self) -> bool:
        """Say whether only some lines end with a carriage return."""
        ended = self.newlines
        return 0 < self.pairs < ended

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file into account."""
        if not self.size_bytes:
            start = chunk.removeprefix(codecs.BOM_UTF8)
            self.begins_empty = start.startswith((b"\n", b"\r\n"))
        self.size_bytes += len(chunk)
        # Five times as fast as counting them, as it searches from one to the next.
        self.newlines += len(chunk) - len(chunk.replace(b"\n", b""))
        if b"\r" in chunk or self.last == b"\r":
            self.returns += chunk.count(b"\r")
            self.pairs += chunk.count(b"\r\n") + (self.last == b"\r" and chunk[:1] == b"\n")
        if self.tail and not self.has_tail:
            self._find_tail(chunk)
        self.last = chunk[-1:]
        while self.separators and self.separators[:1] in chunk:
            self.separators = self.separators[1:]
        if self.file.format == "json" and not self.has_controls:
            self.has_controls = any(control in chunk for control in CONTROLS)
        self._check_utf8(chunk)

    def _find_tail(self, chunk: bytes) -> None:
        size = len(self.tail)
        # What may begin in one chunk and end in the next.
        seam = self._end + chunk[: size + 1]
        ends = (b"\n", b"\r") if b"\r" in chunk else (b"\n",)
        self.has_tail = any(self.tail + end in text for end in ends for text in (seam, chunk))
        self._end = chunk[-size:] if len(chunk) >= size else (self._end + chunk)[-size:]

    def _check_utf8(self, chunk: bytes) -> None:
        if not self.checks_utf8 or self.doubt or (chunk.isascii() and not self._pending):
            return
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError:
            self.doubt = "bad UTF-8"
            return
        self._pending = bool(self._decoder.getstate()[0])

    def finish(self) -> None:
        """Judge the file once all of it has been fed."""
        if self._pending:
            self.doubt = self.doubt or "bad UTF-8"
        if self.returns > self.pairs:
            self.doubt = self.doubt or "a carriage return inside a line"
        self.has_tail = self.has_tail or (bool(self.tail) and self._end == self.tail)


def has_extra_fields(scanned: Scanned, spelling: CsvFormat) -> bool:
    """Say whether a line ends with more than one delimiter after its last column.

    DuckDB's strict reader ignores any number of them (measured), the reference one.
    """
    if not scanned.has_tail:
        return False
    delimiter, quote = spelling.delimiter.encode(), spelling.quote.encode()
    most = len(scanned.names or ())
    with Path(scanned.path).open("rb") as stream:
        for _, line, size in raw_lines(stream):
            raw = line.rstrip(b"\r\n")
            if size > len(line):
                return True  # only its beginning is here; the reference refuses it
            # Delimiters inside quotes count too: then the reference has to look.
            if raw.endswith(scanned.tail) and (
                raw.count(delimiter) > most or (spelling.multiline and quote in raw)
            ):
                return True
    return False


class Workspace:
    """Temporary copies of input files; removed when the ingest ends."""

    def __init__(self, directory: str | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mainstem-", dir=directory)
        self._count = 0
        # Set from another thread: nobody waits any more for what is looked at.
        self.is_given_up = False

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def new_path(self) -> str:
        """Give a path that no other copy has."""
        self._count += 1
        return os.fspath(Path(self._folder.name) / f"{self._count}.data")

    def head(
        self, file: InputFile, member: str | None, *, tail: bytes = b"", checks_utf8: bool = True
    ) -> Scanned:  # fmt: skip
        """Look at the beginning of a file."""
        scanned = Scanned(file, file.path, tail=tail, checks_utf8=checks_utf8)
        with contextlib.closing(open_binary(file.path, file.compression, member)) as stream:
            scanned.feed(stream.read(CHUNK))
        return scanned

    def scan(
        self, file: InputFile, member: str | None, *, tail: bytes = b"", checks_utf8: bool = True
    ) -> Scanned:  # fmt: skip
        """Look at every byte of a file, and copy it when DuckDB cannot read it as it lies there.

        DuckDB checks the UTF-8 of what it reads: where that is every column, it need not be done here.
        """
        scanned = Scanned(file, file.path, tail=tail, checks_utf8=checks_utf8)
        with contextlib.closing(open_binary(file.path, file.compression, member)) as stream:
            if file.is_plain:
                while not self.is_given_up and (chunk := stream.read(CHUNK)):
                    scanned.feed(chunk)
            else:
                scanned.path = self.new_path()
                with Path(scanned.path).open("wb") as copy:
                    while chunk := stream.read(CHUNK):
                        scanned.feed(chunk)
                        copy.write(chunk)
        scanned.finish()
        scanned.original = scanned.path
        if scanned.is_mixed and not scanned.doubt:
            self._even_out(scanned)
        return scanned

    def _even_out(self, scanned: Scanned) -> None:
        r"""Copy a file with all line ends as \n: DuckDB wants one kind in a file."""
        source, scanned.path = scanned.path, self.new_path()
        held = b""
        with Path(source).open("rb") as stream, Path(scanned.path).open("wb") as copy:
            while chunk := stream.read(CHUNK):
                whole = held + chunk
                held = whole[-1:] if whole.endswith(b"\r") else b""
                copy.write(whole[: len(whole) - len(held)].replace(b"\r\n", b"\n"))
            copy.write(held)
