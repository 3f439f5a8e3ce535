"""Taking unchanged files into a new folder without copying their bytes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mainstem.errors import InternalError, OutsideError
from mainstem.storage.local import points, trace
from mainstem.storage.local.durable import make_folders, sync_file
from mainstem.storage.local.manifest import WrittenFile

# No links at all, none to this file, too many, or another file system below.
_CANNOT = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}


def take_over(files: Iterable[WrittenFile], old: Path, new: Path) -> None:
    """Make `files` of the folder `old` files of the folder `new`, under the same names.

    The bytes of both are on the disk afterwards; the names are when their folders are synced.

    Raises
    ------
    OutsideError
        When a file is gone or has another size than the manifest says.
    InternalError
        When `new` has a file of that name already: to write through a link would change `old`.
    """
    for file in files:
        target = new / file.name
        if target.exists():
            raise InternalError(f"{target} is there already")
        check_size(old / file.name, file)
        make_folders(target.parent, is_synced=False)
        link_or_copy(old / file.name, target)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; a copy of it where the file system has no such thing."""
    if not (points.is_testing() and os.environ.get("MAINSTEM_NO_LINK") == "1"):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        else:
            trace.linked(source, target)
            return
    shutil.copy2(source, target)
    trace.wrote(target)
    sync_file(target)


def check_size(path: Path, file: WrittenFile) -> None:
    """Compare a file's size with what the manifest says.

    Raises
    ------
    OutsideError
        When it is another, or the file is gone.
    """  # noqa: DOC501 - built by a function
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise damaged(path, "is not there") from None
    if size != file.bytes:
        raise damaged(path, f"has {size} bytes", f"{file.bytes}")


def damaged(path: Path | str, found: str, listed: str = "") -> OutsideError:
    """Give the error of a file that is not what the manifest of its folder says."""
    said = (
        f", the manifest says {listed}" if listed else ", the manifest of its folder says otherwise"
    )
    return OutsideError(
        f"{path} {found}{said}", code="ManifestMismatch",
        fix="restore the file, or write the whole folder again", path=str(path),
    )  # fmt: skip
