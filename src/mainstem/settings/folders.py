"""Where things lie that belong to a user and can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache(name: str, variable: str) -> Path:
    """Give a folder in the user's cache as the platform has it, or the one that a variable names.

    Parameters
    ----------
    name : str
        What is kept there.
    variable : str
        The environment variable that may name another folder.
    """
    if given := os.environ.get(variable):
        return Path(given).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mainstem" / name
    cached = os.environ.get("XDG_CACHE_HOME", "")
    # The standard says that a relative one is to be ignored.
    base = Path(cached) if cached.startswith("/") else Path.home() / ".cache"
    return base / "mainstem" / name
