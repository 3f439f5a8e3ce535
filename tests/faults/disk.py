"""A disk that loses what was not synced: images of it after any prefix of a recording.

Files and folders are nodes. A file has its content now and on the disk; a folder has its names now
and on the disk. A sync copies the first to the second, for that one node. This is less than most file
systems keep, and all that POSIX promises.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

# What is left after a power cut: only what was synced; or the names too, of which the contents are
# not there (the well-known empty file after a rename); or everything, as after kill -9.
LOSSES = ("synced", "names", "nothing")


@dataclass
class File:
    now: bytes = b""
    disk: bytes = b""


@dataclass
class Folder:
    now: dict = field(default_factory=dict)
    disk: dict = field(default_factory=dict)


class Disk:
    """The tree under `root`, which is empty at the beginning."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = Folder()

    def _at(self, path: Path):
        """Give the folder that has the name, and the name."""
        folder = self.tree
        parts = path.relative_to(self.root).parts
        for part in parts[:-1]:
            folder = folder.now[part]
        return folder, parts[-1] if parts else ""

    def _node(self, path: Path):
        folder, name = self._at(path)
        return folder.now[name] if name else folder

    def apply(self, change) -> None:
        """Make one recorded change, or sync."""
        if change.what == "sync":
            node = self._node(change.path)
            node.disk = node.now if isinstance(node, File) else dict(node.now)
            return
        folder, name = self._at(change.path)
        if change.what == "write":
            folder.now.setdefault(name, File()).now = change.data
        elif change.what == "make":
            folder.now.setdefault(name, Folder())
        elif change.what == "remove":
            folder.now.pop(name, None)
        else:
            self._rename(change, folder, name)

    def _rename(self, change, folder, name) -> None:
        other, target = self._at(change.target)
        if change.what == "exchange":
            folder.now[name], other.now[target] = other.now[target], folder.now[name]
        elif change.what == "link":
            other.now[target] = folder.now[name]
        else:
            other.now[target] = folder.now.pop(name)

    def image(self, to: Path, loss: str) -> None:
        """Write what is left into an empty folder."""
        self._write(self.tree, to, loss)

    def _write(self, node, to: Path, loss: str) -> None:
        if isinstance(node, File):
            to.write_bytes(node.now if loss == "nothing" else node.disk)
            return
        to.mkdir(exist_ok=True)
        for name, child in (node.disk if loss == "synced" else node.now).items():
            self._write(child, to / name, loss)


def tree_of(root: Path) -> dict:
    """Every file under a folder with its content, for a comparison."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found
