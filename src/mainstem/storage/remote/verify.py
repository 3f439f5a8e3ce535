"""Comparing files on another machine with the manifest of their folder, by names and sizes.

Their bytes are not summed here: such a system keeps checksums of its own, and looks at them each time
that it gives a byte. To read everything twice would double what goes over the network.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from mainstem.filesystems import file_system
from mainstem.storage.local.links import damaged
from mainstem.storage.local.manifest import Manifest
from mainstem.storage.local.verify import refuse_unknown
from mainstem.storage.remote.commit import read_manifest


def verify_there(paths: Sequence[str], folders: Sequence[str]) -> None:
    """Compare those of the paths that stand in a folder with a manifest.

    Parameters
    ----------
    paths : sequence of str
        Files that are about to be read.
    folders : sequence of str
        What is read whole: every file that a manifest names there must be among the paths.

    Raises
    ------
    OutsideError
        Naming a file that is missing, is not listed, or has another size.
    """
    homes: dict[str, tuple[str, Manifest] | None] = {}
    found: dict[str, set[str]] = {}
    manifests: dict[str, Manifest] = {}
    for path in paths:
        folder = posixpath.dirname(path)
        if folder not in homes:
            homes[folder] = _home(folder)
        if known := homes[folder]:
            home, manifests[home] = known
            found.setdefault(home, set()).add(posixpath.relpath(path, home))
    for home, names in found.items():
        _compare(home, manifests[home], names, folders)


def _compare(home: str, manifest: Manifest, names: set[str], folders: Sequence[str]) -> None:
    listed = {file.name: file for file in manifest.files}
    refuse_unknown(home, names - listed.keys())
    for name in sorted(listed):
        path = f"{home}/{name}"
        is_wanted = name in names or any(path.startswith(f"{folder}/") for folder in folders)
        status = file_system(path).status_or_none(path) if is_wanted else None
        if is_wanted and status is None:
            raise damaged(path, "is not there")
        if status is not None and status.size_bytes != listed[name].bytes:
            raise damaged(path, f"has {status.size_bytes} bytes", f"{listed[name].bytes}")


def _home(folder: str) -> tuple[str, Manifest] | None:
    """Give the folder whose manifest is about this one, itself or one above its partitions, and that."""
    while (manifest := read_manifest(folder)) is None:
        if "=" not in posixpath.basename(folder):
            return None
        folder = posixpath.dirname(folder)
    return folder, manifest
