"""Text files joined byte by byte: no value is read, so none can change."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, cast

from mainstem.engines.embedded.writing.outputs import Output
from mainstem.errors import InternalError


def join_text(output: Output, paths: list[Path], target: Path) -> None:
    """Write the lines of some files into one; a header stands once, at the top.

    Parameters
    ----------
    output : Output
        How the files are written.
    paths : list of Path
        In the order of their rows.
    target : Path
        The new file.
    """
    has_header = output.format in ("csv", "tsv") and (output.files is None or output.files.header)
    with _opened(target, output.compression, "wb") as joined:
        for at, path in enumerate(paths):
            with _opened(path, output.compression, "rb") as part:
                header = _record(part) if has_header else b""
                if at == 0:
                    joined.write(header)
                shutil.copyfileobj(part, joined, 1 << 20)


def _record(file: IO[bytes]) -> bytes:
    """Read one record of a CSV file; a quoted name of a column may hold line ends."""
    found = b""
    while line := file.readline():
        found += line
        if found.count(b'"') % 2 == 0:
            break
    return found


def _opened(path: Path, compression: str, mode: str) -> IO[bytes]:
    if compression == "none":
        return cast("IO[bytes]", path.open(mode))
    if compression == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.open(path, mode))
    if compression == "zstd":
        from mainstem.formats.compression import zstd_module

        return cast("IO[bytes]", zstd_module().open(path, mode))
    raise InternalError(f"text files are not compressed by {compression}")
