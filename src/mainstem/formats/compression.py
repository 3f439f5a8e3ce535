"""Opening files that may be compressed."""

from __future__ import annotations

import gzip
import importlib
import io
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

from mainstem.errors import DataError, OutsideError, listing

EXTENSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}


def compression_of(path: str) -> str:
    """Give the compression that a name stands for, ``none`` when it has no such extension."""
    return EXTENSIONS.get(Path(path).suffix.lower(), "none")


def damage() -> tuple[type[Exception], ...]:
    """Give the exceptions that mean damaged or shortened compressed bytes, besides an OSError."""
    import zlib

    return (EOFError, zlib.error, zipfile.BadZipFile, _zstd().ZstdError)


def open_binary(path: str, compression: str, member: str | None = None) -> BinaryIO:
    """Open a file for reading its decompressed bytes.

    Raises
    ------
    OutsideError
        When it cannot be opened.
    DataError
        When a zip archive holds several files and `member` names none, or is damaged.
    """
    try:
        if compression == "none":
            return Path(path).open("rb")
        if compression == "gzip":
            stream = cast("BinaryIO", gzip.open(path, "rb"))  # noqa: SIM115 - the caller closes it
        elif compression == "zstd":
            stream = cast("BinaryIO", _zstd().open(path, "rb"))
        else:
            stream = _open_member(path, member)
        return io.BufferedReader(Guarded(stream, path), buffer_size=1 << 20)
    except OSError as error:
        raise OutsideError(
            f"cannot read {path}: {error.strerror or error}", code="FileNotRead"
        ) from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a zip archive: {error}", code="FileDamaged") from error


def _zstd() -> Any:
    # In the standard library from Python 3.14.
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return importlib.import_module(name)


def _open_member(path: str, member: str | None) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    names = [item.filename for item in archive.infolist() if not item.is_dir()]
    if member is None and len(names) != 1:
        raise DataError(
            f"{path} holds {len(names)} files ({listing(names)})", code="ZipMember",
            fix='name one: member="..."',
        )  # fmt: skip
    wanted = member or names[0]
    if wanted not in names:
        raise DataError(
            f"{path} holds no file {wanted!r} ({listing(names)})", code="ZipMember",
            fix='name one of them: member="..."',
        )  # fmt: skip
    return cast("BinaryIO", archive.open(wanted))


class Guarded(io.RawIOBase):
    """A stream that names its file when the bytes behind it are damaged, cut short or unreadable."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        super().__init__()
        self._stream = stream
        self._path = path

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`.

        Raises
        ------
        DataError
            When a compressed file is damaged or cut short.
        OutsideError
            When the file cannot be read.
        """
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            if error.errno is None:  # gzip.BadGzipFile
                raise self._damaged(error) from error
            raise OutsideError(
                f"cannot read {self._path}: {error.strerror}", code="FileNotRead"
            ) from error
        except damage() as error:
            raise self._damaged(error) from error
        buffer[: len(data)] = data
        return len(data)

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"the compressed file {self._path} is damaged or cut short: {error}", code="FileDamaged",
            fix="fetch it again; no part of it was taken",
        )  # fmt: skip

    def close(self) -> None:
        """Close the stream behind it."""
        self._stream.close()
        super().close()
