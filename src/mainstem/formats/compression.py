"""Opening files that may be compressed."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

from mainstem.errors import DataError, OutsideError, listing
from mainstem.filesystems import file_system, is_address

EXTENSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}


def compression_of(path: str) -> str:
    """Give the compression that a name stands for, ``none`` when it has no such extension."""
    return EXTENSIONS.get(Path(path).suffix.lower(), "none")


def damage() -> tuple[type[Exception], ...]:
    """Give the exceptions that mean damaged or shortened compressed bytes, besides an OSError."""
    import zlib

    return (EOFError, zlib.error, zipfile.BadZipFile, zstd_module().ZstdError)


def open_binary(path: str, compression: str, member: str | None = None) -> BinaryIO:
    """Open a file for reading its decompressed bytes.

    Raises
    ------
    OutsideError
        When it cannot be opened.
    DataError
        When a zip archive holds several files and `member` names none, or is damaged.
    """  # noqa: DOC501 - built by functions
    try:
        if compression == "none" and not is_address(path):
            return io.BufferedReader(Plain(path), buffer_size=1 << 18)
        # The readers of compressed files open those of this machine by name themselves.
        given: Any = _fetched(path) if is_address(path) else path
        if compression == "none":
            stream = cast("BinaryIO", given)
        elif compression == "gzip":
            if not file_system(path).status(path).size_bytes:
                # Python's reader gives nothing and no error, as if nothing had been compressed.
                raise _damaged(path, "it has no bytes")
            stream = cast("BinaryIO", gzip.open(given, "rb"))  # noqa: SIM115 - the caller closes it
        elif compression == "zstd":
            stream = cast("BinaryIO", zstd_module().open(given, "rb"))
        else:
            stream = _open_member(given, path, member)
        return io.BufferedReader(Guarded(stream, path), buffer_size=1 << 20)
    except OSError as error:
        raise _unread(path, error) from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a zip archive: {error}", code="FileDamaged") from error


def zstd_module() -> Any:
    """Give the module that reads and writes zstd; in the standard library from Python 3.14."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return importlib.import_module(name)


def _fetched(path: str) -> BinaryIO:
    """Open a file of another machine; each request costs time, so few are made."""
    return io.BufferedReader(cast("Any", file_system(path).open(path)), buffer_size=8 << 20)


def _open_member(given: Any, path: str, member: str | None) -> BinaryIO:
    archive = zipfile.ZipFile(given)
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


def _unread(path: str, error: OSError) -> OutsideError:
    return OutsideError(
        f"cannot read {path}: {error.strerror or error}", code="FileNotRead",
        fix="see that the file is there, and that this user may read it",
    )  # fmt: skip


def _damaged(path: str, why: object) -> DataError:
    return DataError(
        f"the compressed file {path} is damaged or cut short: {why}", code="FileDamaged",
        fix="fetch it again; no part of it was taken",
    )  # fmt: skip


class Plain(io.FileIO):
    """A file that names itself when the disk does not give its bytes."""

    def readinto(self, buffer: Any) -> int | None:
        """Fill `buffer`.

        Raises
        ------
        OutsideError
            When the file cannot be read.
        """  # noqa: DOC501 - built by a function
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _unread(os.fsdecode(self.name), error) from error


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
        """  # noqa: DOC501 - built by functions
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            if error.errno is None:  # gzip.BadGzipFile
                raise _damaged(self._path, error) from error
            raise _unread(self._path, error) from error
        except damage() as error:
            raise _damaged(self._path, error) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the stream behind it."""
        self._stream.close()
        super().close()
