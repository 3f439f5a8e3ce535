"""What was written and what was synced, in order: recorded when a test asks for it.

After a power cut a disk has what was synced, and any part of the rest. A test replays each prefix of
a recording with the rest dropped, and looks whether the next start makes the right thing of it. So
every change that storage makes to a disk is told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.record import record


@record
class Change:
    """One change, or one sync.

    Parameters
    ----------
    what : str
        ``write``, ``make``, ``move``, ``link``, ``exchange``, ``remove`` or ``sync``.
    path, target : Path
        What it is about; `target` is the new name, or the other one of an exchange.
    data : bytes
        The whole content, after a ``write``.
    """

    what: str
    path: Path
    target: Path = Path()
    data: bytes = b""


_changes: list[Change] | None = None


@contextmanager
def recording() -> Iterator[list[Change]]:
    """Give a list that gets every change made meanwhile, by any thread."""
    global _changes  # noqa: PLW0603 - a test records the whole process, as a disk would
    found: list[Change] = []
    _changes = found
    try:
        yield found
    finally:
        _changes = None


def wrote(path: Path) -> None:
    """Tell that a file has got its content; nothing says yet that it is on the disk."""
    if _changes is not None:
        _changes.append(Change("write", path, data=path.read_bytes()))


def made(path: Path) -> None:
    """Tell that a folder was made."""
    _tell("make", path)


def moved(path: Path, target: Path) -> None:
    """Tell that a name was changed to another."""
    _tell("move", path, target)


def linked(path: Path, target: Path) -> None:
    """Tell that a file has got a second name."""
    _tell("link", path, target)


def exchanged(path: Path, target: Path) -> None:
    """Tell that two names were exchanged in one step."""
    _tell("exchange", path, target)


def removed(path: Path) -> None:
    """Tell that a file, or a folder with all that was in it, is gone."""
    _tell("remove", path)


def synced(path: Path) -> None:
    """Tell that a file's content, or the names in a folder, are on the disk."""
    _tell("sync", path)


def _tell(what: str, path: Path, target: Path = Path()) -> None:
    if _changes is not None:
        _changes.append(Change(what, path, target))
