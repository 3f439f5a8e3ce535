"""Files on the disks of this machine."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from mainstem.filesystems.matching import expand, under
from mainstem.filesystems.spec import FileSystem, Status


class LocalFiles(FileSystem):
    """The disks of this machine, through the calls of its system."""

    def find(self, path: str) -> list[str]:
        """Give the files that a file, a folder or a glob stands for."""
        # A Path for each of ten thousand names costs more than asking the system about them.
        if os.path.isdir(path):  # noqa: PTH112
            return list(under(path))
        if os.path.exists(path):  # noqa: PTH110 - a name with the letters of a glob
            return [path]
        return list(expand(path))

    def status(self, path: str) -> Status:
        """Look at a file or folder."""
        found = os.stat(path)  # noqa: PTH116 - ten thousand of them: a Path each costs as much again
        is_file, is_folder = stat.S_ISREG(found.st_mode), stat.S_ISDIR(found.st_mode)
        return Status(found.st_size, found.st_mtime_ns, is_file, is_folder)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        return Path(path).open("rb")

    def put(self, source: Path, target: str) -> None:
        """Copy a file, and wait until it is on the disk."""
        with source.open("rb") as given, Path(target).open("xb") as taken:
            shutil.copyfileobj(given, taken)
            taken.flush()
            os.fsync(taken.fileno())

    def move(self, source: str, target: str) -> None:
        """Give a file or folder another name."""
        Path(source).replace(target)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        Path(path).mkdir(parents=True, exist_ok=True)


LOCAL = LocalFiles()
