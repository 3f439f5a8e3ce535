"""Files cut into pieces that one epoch can take: at line ends, by row groups, else whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mainstem.connectors.files.listing import COMPRESSIONS, format_of
from mainstem.connectors.files.options import FilesSource
from mainstem.engines.embedded.stream.readers.folder import Seen
from mainstem.formats.compression import open_binary
from mainstem.plan.nodes import Source
from mainstem.record import mutable, record

if TYPE_CHECKING:
    import duckdb

CHUNK = 1 << 20
# A piece of a text file holds no more bytes than this, however long its lines are.
MOST_BYTES = 1 << 30


@record
class Piece:
    """Records of one file that an epoch takes.

    Parameters
    ----------
    seen : Seen
        The file.
    format : str
        Its format.
    first, rows : int
        Number of its first record in the file, and how many there are; empty lines are among them.
    path : str
        Where its bytes are: the file, or a copy of a piece.
    is_whole : bool
        Whether it is all of the file.
    lines, offset : int
        Lines and bytes of the file before the piece, where `path` is a copy, less those that the copy
        has before it.
    """

    seen: Seen
    format: str
    first: int
    rows: int
    path: str
    is_whole: bool = True
    lines: int = 0
    offset: int = 0


@mutable
class Cursor:
    """How far a file was read: records, and for text the lines and bytes before them."""

    seen: Seen
    row: int = 0
    line: int = 0
    offset: int = 0


class Cutter:
    """Cuts files into pieces; in the reader's thread.

    Parameters
    ----------
    source : Source
        What is read.
    options : FilesSource
        Its options.
    folder : Path
        Where copies of pieces go.
    """

    def __init__(self, source: Source, options: FilesSource, folder: Path) -> None:
        self.source, self.options, self.folder = source, options, folder
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0
        self._footers: duckdb.DuckDBPyConnection | None = None
        # The decompressed copy of a compressed file that is being read.
        self._plain: tuple[str, str] = ("", "")

    def cut(self, cursor: Cursor, most_rows: int, *, is_first: bool) -> Piece | None:
        """Give the next piece of a file, of about `most_rows` at most, and move the cursor behind it.

        None when something is in the slice already (not `is_first`) and the file does not fit in too.
        """
        format_ = self.options.format or format_of(cursor.seen.path, self.source.where)
        if format_ == "parquet":
            return self._cut_groups(cursor, most_rows, is_first=is_first)
        return self._cut_lines(cursor, format_, most_rows, is_first=is_first)

    # ---- text

    def _cut_lines(
        self, cursor: Cursor, format_: str, most_rows: int, *, is_first: bool
    ) -> Piece | None:
        seen = cursor.seen
        data = self._decompressed(seen)
        head = self._header(data, format_)
        with closing(open_binary(data, "none")) as stream:
            stream.seek(max(cursor.offset, len(head)))
            begin = stream.tell()
            # A quoted field may hold line ends: such a file is one piece.
            limit = None if self.options.multiline and format_ in ("csv", "tsv") else most_rows
            lines, blanks, end, is_end = _ahead(stream, limit, is_json=format_ == "json")
        is_whole = is_end and cursor.offset == 0
        if not is_first and not is_end:
            return None
        if is_whole and data == seen.path:
            piece = Piece(seen, format_, 0, lines - blanks, data)
        else:
            path = self._copy(cursor.seen, data, format_, head, (begin, end))
            n_head = 1 if head else 0
            before = cursor.line if cursor.offset else n_head
            piece = Piece(
                seen, format_, cursor.row, lines - blanks, path, is_end, before - n_head,
                begin - len(head),
            )  # fmt: skip
        before = cursor.line if cursor.offset else (1 if head else 0)
        cursor.row += lines - blanks
        cursor.line, cursor.offset = before + lines, end
        if is_end and data != seen.path:
            self._forget_plain()
        return piece

    def _header(self, data: str, format_: str) -> bytes:
        """Give the line of names that each piece of a CSV file begins with."""
        if format_ not in ("csv", "tsv") or not self.options.header:
            return b""
        with closing(open_binary(data, "none")) as stream:
            return stream.readline()

    def _decompressed(self, seen: Seen) -> str:
        """Give where the plain bytes of a file are."""
        ending = Path(seen.path).suffix.lower()
        compression = self.options.compression or COMPRESSIONS.get(ending, "none")
        if compression == "none":
            return seen.path
        if self._plain[0] == seen.path:
            return self._plain[1]
        path = self._new_path("plain")
        with closing(open_binary(seen.path, compression)) as stream, Path(path).open("wb") as copy:
            while chunk := stream.read(CHUNK):
                copy.write(chunk)
        self._plain = (seen.path, path)
        return path

    def _forget_plain(self) -> None:
        Path(self._plain[1]).unlink(missing_ok=True)
        self._plain = ("", "")

    def _copy(
        self, seen: Seen, data: str, format_: str, head: bytes, span: tuple[int, int]
    ) -> str:  # fmt: skip
        begin, end = span
        # Folders named column=value are part of what a file says.
        hive = [part for part in Path(seen.path).parts[:-1] if "=" in part]
        path = Path(self._new_path("piece"), *hive, f"piece.{format_}")
        path.parent.mkdir(parents=True)
        with closing(open_binary(data, "none")) as stream, path.open("wb") as copy:
            copy.write(head)
            stream.seek(begin)
            left = end - begin
            while left and (chunk := stream.read(min(CHUNK, left))):
                copy.write(chunk)
                left -= len(chunk)
        # An event time is judged by the time of its file (T2).
        os.utime(path, ns=(seen.mtime_ns, seen.mtime_ns))
        return os.fspath(path)

    def _new_path(self, word: str) -> str:
        if self._home is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._home = tempfile.TemporaryDirectory(prefix="mainstem-", dir=self.folder)
        self._count += 1
        return os.fspath(Path(self._home.name) / f"{word}-{self._count}")

    # ---- Parquet

    def _cut_groups(self, cursor: Cursor, most_rows: int, *, is_first: bool) -> Piece | None:
        groups = self._groups(cursor.seen)
        total, taken, at = sum(groups), 0, 0
        if cursor.row == 0 and total <= most_rows:
            cursor.row = total
            return Piece(cursor.seen, "parquet", 0, total, cursor.seen.path)
        if not is_first:
            return None
        for rows in groups:
            if at >= cursor.row and (not taken or taken + rows <= most_rows):
                taken += rows
            elif taken:
                break
            at += rows
        first, cursor.row = cursor.row, cursor.row + taken
        is_end = cursor.row >= total
        return Piece(cursor.seen, "parquet", first, taken, cursor.seen.path, is_end and first == 0)

    def _groups(self, seen: Seen) -> list[int]:
        from mainstem.engines.embedded.reading.footers import row_group_rows

        if self._footers is None:
            import duckdb

            # A database of its own: the engine's connection belongs to the engine's thread.
            self._footers = duckdb.connect(config={"threads": 1})
        return row_group_rows(self._footers, seen.path, self.source)

    def is_at_end(self, cursor: Cursor) -> bool:
        """Say whether all of a file was cut."""
        format_ = self.options.format or format_of(cursor.seen.path, self.source.where)
        if format_ == "parquet":
            return cursor.row >= sum(self._groups(cursor.seen))
        return cursor.offset >= Path(self._decompressed(cursor.seen)).stat().st_size

    def close(self) -> None:
        """Remove copies."""
        if self._footers is not None:
            self._footers.close()
            self._footers = None
        if self._home is not None:
            self._home.cleanup()
            self._home = None


def _ahead(stream: BinaryIO, limit: int | None, *, is_json: bool) -> tuple[int, int, int, bool]:
    """Look ahead from where a stream is, at most `limit` lines.

    Returns
    -------
    tuple
        Lines, those of them that are empty (JSON lines), the position behind them, whether that is
        the end of the file.
    """
    begin = end = stream.tell()
    lines = blanks = 0
    tail = b""
    for chunk in _chunks(stream):
        whole = chunk
        n = chunk.count(b"\n")
        if limit is not None and lines + n >= limit:
            whole = chunk[: _nth(chunk, limit - lines)]
            n = limit - lines
        elif limit is not None and end - begin > MOST_BYTES and n:
            whole = chunk[: chunk.rindex(b"\n") + 1]
        lines += n
        end += len(whole)
        if is_json:
            blanks += _blanks(tail + whole)
            tail = (tail + whole)[(tail + whole).rfind(b"\n") + 1 :]
        if len(whole) < len(chunk) or (limit is not None and lines == limit):
            return lines, blanks, end, not stream.read(1) and len(whole) == len(chunk)
        tail = tail if is_json else whole[-1:]
    if tail and tail != b"\n":
        lines += 1
        blanks += is_json and not tail.strip(b" \t\r")
    return lines, blanks, end, True


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _nth(chunk: bytes, n: int) -> int:
    """Give the position behind the n-th line end."""
    at = 0
    for _ in range(n):
        at = chunk.index(b"\n", at) + 1
    return at


def _blanks(data: bytes) -> int:
    """Count the empty lines that end in a piece of bytes."""
    whole = data[: data.rfind(b"\n") + 1]
    if not (b"\n\n" in whole or b"\n\r" in whole or b"\n " in whole or b"\n\t" in whole
            or whole[:1] in b"\n\r \t"):  # fmt: skip
        return 0
    return sum(1 for line in whole.split(b"\n")[:-1] if not line.strip(b" \t\r"))


def overridden(source: Source, piece: Piece, paths: list[str], **more: Any) -> Source:
    """Give a source that is some files alone, of one format."""
    from dataclasses import replace

    words: dict[str, Any] = {"path": paths, "format": piece.format, **more}
    if piece.path != piece.seen.path:
        words["compression"] = "none"
    binding = source.binding.overridden(words, "stream")
    return replace(source, binding=binding, max_bad=None)
