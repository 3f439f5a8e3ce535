"""Making a staged file or folder visible under its final name in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from mainstem.storage.local import points, trace
from mainstem.storage.local.durable import remove, sync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# The kernel, the file system or the C library does not know how to exchange two names.
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


@cache
def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (
            ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint,
        )  # fmt: skip
    return function


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False, and nothing done, where the system cannot.

    Raises
    ------
    OSError
        When the system can, and the exchange failed (no such file, no rights, another device).
    """
    function = _renameat2()
    if function is None or _is_switched_off():
        return False
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        trace.exchanged(one, other)
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _is_switched_off() -> bool:
    # The second way must be killed in its middle too, on machines that have the first.
    return points.is_testing() and os.environ.get("MAINSTEM_NO_EXCHANGE") == "1"


def parked(staged: Path) -> Path:
    """Give the name that the old folder has between the two renames."""
    return staged.with_name(f"{staged.name}.old")


def put_folder(staged: Path, target: Path) -> None:
    """Make `staged` the folder `target`; what stood there before is removed afterwards.

    With an exchange there is no moment without a whole folder. Without one there is a moment
    between two renames in which `target` is absent; after a kill there, calling it again finishes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        staged.rename(target)
    elif not exchange(staged, target):
        target.rename(parked(staged))
        points.reached(points.BETWEEN_RENAMES)
        staged.rename(target)
    sync_folder(target.parent)
    points.reached(points.SINK_SWAPPED)
    remove(staged)
    remove(parked(staged))


def put_file(staged: Path, target: Path) -> None:
    """Make `staged` the file `target`, in one step on every system; the caller syncs its folder."""
    staged.replace(target)
    points.reached(points.SINK_SWAPPED)
