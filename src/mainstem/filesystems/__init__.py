"""Where files are: on a disk of this machine, or where an address such as ``hdfs://host:9820/a.csv`` points.

A scheme is one module here with a `FileSystem`; `SCHEMES` names it. Everything that lists, opens or
commits files asks `file_system` for the one of a path.
"""

from __future__ import annotations

import importlib
import posixpath
from functools import cache

from mainstem.errors import UnsupportedError
from mainstem.filesystems.local import LOCAL
from mainstem.filesystems.spec import FileSystem, Status

# By its scheme, the package that it takes; the extra of this name installs it.
SCHEMES = {"hdfs": "hdfs_native"}

__all__ = ["SCHEMES", "FileSystem", "Status", "file_system", "is_address", "is_known", "normal"]


def is_address(path: str) -> bool:
    """Say whether a path names something on another machine, such as ``s3://bucket/x.csv``."""
    return "://" in path


def is_known(path: str) -> bool:
    """Say whether there is a file system for a path."""
    return not is_address(path) or path.partition("://")[0] in SCHEMES


def normal(address: str) -> str:
    """Give the one spelling of an address: no ``..``, no ``//``, no ``/`` at the end.

    Examples
    --------
    >>> normal("hdfs://host:9820/in//./a/")
    'hdfs://host:9820/in/a'
    """
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    return f"{scheme}://{authority}{posixpath.normpath(f'/{path}')}"


def file_system(path: str) -> FileSystem:
    """Give the file system of a path; nothing is connected to.

    Raises
    ------
    UnsupportedError
        For an address of a kind that this version does not know.
    """
    if not is_address(path):
        return LOCAL
    if not is_known(path):
        raise UnsupportedError(
            f"{path}: this version reads and writes local paths and {', '.join(SCHEMES)}://",
            code="PathNotLocal", fix="name such a path, and copy the files",
        )  # fmt: skip
    scheme, _, rest = path.partition("://")
    return _opened(scheme, rest.partition("/")[0])


@cache
def _opened(scheme: str, authority: str) -> FileSystem:
    module = importlib.import_module(f"{__name__}.{scheme}")
    found: FileSystem = module.open_at(authority)
    return found
