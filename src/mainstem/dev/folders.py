"""Where things of local servers are kept, and how a folder is made by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mainstem.settings.folders import cache

PLACE = "MAINSTEM_DEV_DIR"


def place() -> Path:
    """Give the user's folder for local servers: the cache of the platform, or what PLACE names."""
    return cache("dev", PLACE)


def running() -> Path:
    """Give the folder with an entry for each server that runs on this machine."""
    return _private(place() / f"running-{_host()}")


def thrown_away(name: str) -> Path:
    """Give the folder for the data of a server that nobody wants to keep."""
    return place() / f"data-{_host()}" / name


def _host() -> str:
    # A home folder may be shared by machines, and pids mean nothing on another one.
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "localhost"


def _private(folder: Path) -> Path:
    """Make a folder that only the user can look into: keys and passwords of servers are in it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    _private(lock.parent)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Give a folder of the cache, made when it is not there.

    Parameters
    ----------
    folder : Path
        Its final name, in which stands a hash of what it holds.
    make : callable
        Fills an empty folder; called by one process at a time, and not when the folder is there.

    Returns
    -------
    Path
        `folder`, whole: it appears under its name by one rename, after everything is in it.
    """
    if folder.is_dir():
        return folder
    with alone(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return folder
        _remove_torn(folder)
        torn = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
        try:
            make(torn)
            torn.rename(folder)
        finally:
            shutil.rmtree(torn, ignore_errors=True)
    return folder


def _remove_torn(folder: Path) -> None:
    """Remove what a killed process left; under the lock nobody else can be at it."""
    for torn in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(torn, ignore_errors=True)


def write_json(file: Path, value: Any) -> None:
    """Write a document so that a reader sees the old one or the new one, and never a half."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(json.dumps(value, indent=1), "utf-8")
    new.replace(file)


def read_json(file: Path) -> Any:
    """Give a document; None when it is not there."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
