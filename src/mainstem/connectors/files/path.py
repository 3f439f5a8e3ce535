"""What a path may be: a place on this machine, or an address of a file system that is known."""

from __future__ import annotations

from mainstem.errors import Finding, Place
from mainstem.filesystems import SCHEMES


def not_local(path: str, where: Place, step: str = "", *, what: str = "") -> Finding:
    """Give the finding for an address that is not read or written here.

    Parameters
    ----------
    path : str
        The address.
    where : Place
        The declaration.
    step : str
        Name of the source or table.
    what : str
        What wants a local path; all of this version where it knows no such address at all.
    """
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    why = f"{what} reads and writes local paths only in this version"
    if not what:
        why = f"this version reads and writes local paths and {known}"
    return Finding(
        "PathNotLocal", f"{path}: {why}", where, "name a local path, and copy the files", step=step
    )
