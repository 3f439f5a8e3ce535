"""Files on the disks of this machine."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from mainstem.filesystems.spec import FileSystem, Status


class LocalFiles(FileSystem):
    """The disks of this machine, through the calls of its system."""

    def find(self, path: str) -> list[str]:
        """Give the files that a file, a folder or a glob stands for."""
        if Path(path).is_dir():
            return _under(path)
        if Path(path).exists():
            return [path]
        # Path.glob knows no absolute pattern.
        found = glob.glob(path, recursive=True)  # noqa: PTH207
        # A Path for each of ten thousand names costs more than asking the system about them.
        return [one for one in found if os.path.isfile(one)]  # noqa: PTH113

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


def _under(directory: str) -> list[str]:
    """Give the files below a directory; names that begin with . or _ are not data (as in Hive)."""
    found = []
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name[0] not in "._"]
        found += [os.path.join(folder, name) for name in names if name[0] not in "._"]  # noqa: PTH118 - as in glob
    return found


LOCAL = LocalFiles()
