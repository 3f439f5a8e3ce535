"""What a place for files can do."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO

from mainstem.record import record

_PIECE = 1 << 22


@record
class Status:
    """What is known of a file or folder without opening it.

    Parameters
    ----------
    size_bytes : int
        Its size; of a folder 0.
    mtime_ns : int
        When it was last changed, in nanoseconds since 1970 UTC, as exactly as its system knows.
    is_file, is_folder : bool
        Both are False for a pipe or a device.
    """

    size_bytes: int
    mtime_ns: int
    is_file: bool
    is_folder: bool


class FileSystem(ABC):
    """A place for files. Paths are whole: an address has its scheme and host.

    What is not there raises FileNotFoundError. Everything else that a system refuses is an OSError
    that says why, or one of our errors with what to do about it.
    """

    @abstractmethod
    def find(self, path: str) -> list[str]:
        """Give the files that a file, a folder or a glob stands for; [] when there are none.

        A glob may meet folders, which are given as they are where globs do so (on a disk of here).
        Below a folder names that begin with ``.`` or ``_`` are no data, as in Hive.
        """

    @abstractmethod
    def status(self, path: str) -> Status:
        """Look at a file or folder."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; it can be sought, so that ranges of it are read."""

    @abstractmethod
    def put(self, source: Path, target: str) -> None:
        """Copy a file of this machine to a name that is free; it is kept safe when this returns."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Give a file or folder another name in one step.

        A file takes the place of a file. A folder needs a name that is free.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing when it is not there."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder and those above it; nothing when it is there."""

    def status_or_none(self, path: str) -> Status | None:
        """Look at a file or folder that may not be there."""
        try:
            return self.status(path)
        except FileNotFoundError:
            return None

    def sha256(self, path: str) -> str:
        """Give the SHA-256 of a file as hex digits."""
        found = hashlib.sha256()
        with self.open(path) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
        return found.hexdigest()
