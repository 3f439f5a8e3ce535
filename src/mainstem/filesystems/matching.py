"""What a folder or a glob means: a part of it that cannot be looked into is an error, not nothing.

`glob` and `os.walk` leave out a folder without the right to list it, and `os.walk` one behind a link.
"""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterator
from fnmatch import translate

from mainstem.errors import NOWHERE, OutsideError, Place

# What a path of a folder that is gone meanwhile, or never was one, says.
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def _is_there(path: str, where: Place) -> bool:
    """Say whether a path names anything, a link to nothing too."""
    try:
        os.lstat(path)
    except OSError as error:
        _pass_absent(path, error, where)
        return False
    return True


def expand(pattern: str, where: Place = NOWHERE) -> Iterator[str]:
    """Give what a glob matches, as `glob.glob` does with ``recursive=True``, in any order.

    Raises
    ------
    OutsideError
        When a folder on the way cannot be listed.
    """
    # Python's own paths would drop an empty last part, which says that folders are meant.
    rest = pattern.lstrip("/")
    yield from _expanded("/" if rest != pattern else "", rest.split("/"), where)


def under(folder: str, where: Place = NOWHERE) -> Iterator[str]:
    """Give what lies in a folder at any depth; names that begin with . or _ are no data (as in Hive).

    Raises
    ------
    OutsideError
        When a folder cannot be listed.
    """
    for one in _folders(folder, where, hidden="._"):
        for entry in _entries(one, where):
            if entry.name[0] not in "._" and not entry.is_dir():
                yield _joined(one, entry.name)


def _expanded(base: str, parts: list[str], where: Place) -> Iterator[str]:
    if not parts:
        yield base
        return
    part, *rest = parts
    if part == "**":
        for folder in _folders(base, where, hidden="."):
            yield from _expanded(folder, rest or ["*"], where)
    elif not glob.has_magic(part):
        path = _joined(base, part)
        if _is_there(path, where):
            yield from _expanded(path, rest, where)
    else:
        matches = re.compile(translate(part)).match
        for entry in _entries(base, where):
            is_shown = entry.name[0] != "." or part[0] == "."
            if is_shown and matches(entry.name) and (not rest or entry.is_dir()):
                yield from _expanded(_joined(base, entry.name), rest, where)


def _folders(
    folder: str, where: Place, *, hidden: str, above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[str]:  # fmt: skip
    """Give a folder and those in it at any depth, behind links too; one inside of itself but once."""
    status = os.stat(folder or os.curdir)  # noqa: PTH116
    own = (status.st_dev, status.st_ino)
    if own in above:
        return
    yield folder
    for entry in _entries(folder, where):
        if entry.name[0] not in hidden and entry.is_dir():
            inside = _joined(folder, entry.name)
            yield from _folders(inside, where, hidden=hidden, above=above | {own})


def _entries(folder: str, where: Place) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            found = list(entries)
    except OSError as error:
        _pass_absent(folder, error, where)
        return []
    return found


def _joined(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - as the pattern spells it, and for many files


def _pass_absent(path: str, error: OSError, where: Place) -> None:
    """Let pass that nothing is there; anything else may hide a file."""
    if error.errno not in _ABSENT:
        raise OutsideError(
            f"cannot look into {path}: {error.strerror}", where=where, code="FileNotRead",
            fix="give the rights to list the folder, or leave it out of the path",
        ) from error  # fmt: skip
