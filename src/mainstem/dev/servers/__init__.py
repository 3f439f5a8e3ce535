"""The kinds of servers there are: every folder here is one."""

from __future__ import annotations

import importlib
from pathlib import Path

from mainstem.dev.spec import ServerSpec
from mainstem.errors import SettingsError, listing, nearest


def names() -> list[str]:
    """Give the names of all kinds."""
    return sorted(folder.name for folder in _folders())


def _folders() -> list[Path]:
    return [file.parent for place in __path__ for file in Path(place).glob("*/spec.py")]


def lock_file(kind: str) -> Path:
    """Give the file that lists the jars of a kind; it need not be there."""
    return next(folder for folder in _folders() if folder.name == kind) / "jars.lock"


def load(kind: str) -> ServerSpec:
    """Give what a kind says of itself.

    Raises
    ------
    SettingsError
        `DevServerUnknown`, with the nearest name.
    """
    if kind not in names():
        close = nearest(kind, names())
        raise SettingsError(
            f"there is no local server {kind!r} (there is: {listing(names())})",
            code="DevServerUnknown",
            fix=f"write {close}" if close else "give one of these",
        )
    spec: ServerSpec = importlib.import_module(f"{__name__}.{kind}.spec").SPEC
    return spec
