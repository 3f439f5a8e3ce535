"""Writing that survives a power cut: fsync of files and of the folders that name them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mainstem.storage.local import trace


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk.

    Without it a file that was written and synced may have no name after a power cut.
    """
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    trace.synced(path)


def sync_tree(root: Path) -> None:
    """Sync every file and folder under `root`, deepest first, and `root` itself."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            sync_file(Path(folder, name))
        sync_folder(Path(folder))


def sync_added(root: Path, names: Iterable[str]) -> None:
    """Sync the files under `root` of these relative names, and every folder, deepest first.

    For a tree whose other files were on the disk before: to sync thousands of links takes seconds.
    """
    for name in names:
        sync_file(root / name)
    for folder, _, _ in os.walk(root, topdown=False):
        sync_folder(Path(folder))


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file's content as one step: old or new, never a mixture, and never empty."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    trace.wrote(beside)
    trace.synced(beside)
    move(beside, path)
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place when all is written, and else leaves it alone.

    For reports and exports: whoever looks meanwhile sees the old file or the new one. What is no
    file, such as a pipe, is written as it is.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()  # the file behind a link, not the link, is replaced
    beside = target.with_name(f".{target.name}.tmp")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def move(source: Path, target: Path) -> None:
    """Give a file another name; what had that name before is gone."""
    source.replace(target)
    trace.moved(source, target)


def make_folders(path: Path, *, is_synced: bool = True) -> None:
    """Make a folder and those above it that are not there.

    Parameters
    ----------
    path : Path
        The folder.
    is_synced : bool
        Whether their names are on the disk afterwards; else the caller sees to it.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        trace.made(folder)
        if is_synced:
            sync_folder(folder.parent)


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_under(root: Path) -> Iterator[Path]:
    """Give every file under `root`, in a fixed order."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing when it is not there.

    Raises
    ------
    OSError
        When it is there and cannot be removed: a leftover that nobody hears of fills a disk.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        trace.removed(path)
    else:
        # Below what is now a file nothing can be left: that would stop every later run for ever.
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            trace.removed(path)
