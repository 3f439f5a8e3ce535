"""What a path may be: a place on this machine."""

from __future__ import annotations

from mainstem.errors import Finding, Place


def is_address(path: str) -> bool:
    """Say whether a path names something on another machine, such as ``s3://bucket/x.csv``."""
    return "://" in path


def not_local(path: str, where: Place, step: str = "") -> Finding:
    """Give the finding for an address."""
    return Finding(
        "PathNotLocal", f"{path}: only local paths are read and written by this version", where,
        "name a local path, and copy the files", step=step,
    )  # fmt: skip
