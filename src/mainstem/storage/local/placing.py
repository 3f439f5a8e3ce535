"""Adding files to a folder so that a kill at any moment neither loses nor doubles a row.

The files of an epoch are written and synced below ``_mainstem/staged``, under names that no glob
over endings matches. Then the manifest that names them, with the commit token, replaces the older
one: that one rename is the commit. Then each file is moved to its place. Whoever finds a manifest
with files that are still staged moves them first: so a reader by the manifest and one by glob see
each row once, and the second sees the files of one epoch arrive one by one.
"""

from __future__ import annotations

import os
from pathlib import Path

from mainstem.errors import StateError
from mainstem.storage.local import points, trace
from mainstem.storage.local.durable import (
    files_under,
    make_folders,
    move,
    remove,
    sync_file,
    sync_folder,
)
from mainstem.storage.local.manifest import (
    FOLDER,
    STAGED,
    STAGED_SUFFIX,
    Manifest,
    staged_name,
)


def staging(folder: Path) -> Path:
    """Give an empty folder for the files of the next epoch."""
    root = folder / FOLDER / STAGED
    remove(root)
    make_folders(root)
    return root


def sync_staged(root: Path) -> None:
    """Wait until what was written below `root` is on the disk, with its names."""
    folders = [Path(folder) for folder, _, _ in os.walk(root)]
    for folder in folders[1:]:
        trace.made(folder)
    for path in files_under(root):
        trace.wrote(path)
        sync_file(path)
    for folder in reversed(folders):
        sync_folder(folder)
    # The name of `root` itself: else the manifest may be there and its files not.
    sync_folder(root.parent)


def place(folder: Path, manifest: Manifest) -> int:
    """Move every staged file that the manifest names to its place; give how many there were.

    What else is staged is of an epoch that was not committed, and removed.

    Raises
    ------
    StateError
        When a file of the last epoch is neither staged nor in its place.
    """
    root = folder / FOLDER / STAGED
    if not root.is_dir():
        return 0
    named = {f.name for f in manifest.files}
    staged = [path.relative_to(root).as_posix() for path in files_under(root)]
    arriving = [n for n in (s.removesuffix(STAGED_SUFFIX) for s in staged) if n in named]
    parents = set()
    for name in arriving:
        target = folder / name
        make_folders(target.parent)
        move(staged_name(folder, name), target)
        parents.add(target.parent)
        points.reached(points.FILE_PLACED)
    for parent in sorted(parents):
        sync_folder(parent)
    points.reached(points.FILES_PLACED)
    # Only now: a name that is not on the disk under its new folder must stay under the old one.
    remove(root)
    return len(arriving)


def check_placed(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> None:
    """Check that files which were committed are there.

    Raises
    ------
    StateError
        When one is not: somebody has removed it while it was staged.
    """
    known = {f.name: f for f in manifest.files}
    for name in names:
        path = folder / name
        if not path.is_file() or path.stat().st_size != known[name].bytes:
            raise StateError(
                f"{path} was committed and is not there as it was written", code="StagedOutputLost",
                fix="restore the folder from a backup, or choose another path", path=str(path),
            )  # fmt: skip
