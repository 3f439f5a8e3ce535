"""Files of HDFS, by the package hdfs-native: no Java in this process."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from mainstem.errors import MainstemError, OutsideError, SettingsError
from mainstem.filesystems.spec import FileSystem, Status
from mainstem.lazy import pattern

if TYPE_CHECKING:
    from hdfs_native import Client, FileStatus

T = TypeVar("T")

# A write fails from when a DataNode dies until the NameNode notices, when it is given that node: 13 s
# with the settings of `dev up` (measured). With Hadoop's own that takes ten minutes: then a try
# succeeds that is given other nodes.
PATIENCE_S = 90.0
_PAUSE_S = 1.0
_CONNECT_S = 10.0
# Bytes of one request: each is a connection to a DataNode of its own.
_PIECE = 4 << 20
_JAVA = pattern(r'RPCError\("(?P<kind>[\w.$]+)", "(?P<said>.*?)(?:\\n|"\)|$)', re.DOTALL)
_WILD = pattern(r"[*?\[]")


class HdfsFiles(FileSystem):
    """One HDFS.

    Parameters
    ----------
    authority : str
        Host and port of its NameNode, or the name of a cluster that ``HADOOP_CONF_DIR`` tells of.
    """

    def __init__(self, authority: str) -> None:
        self.root = f"hdfs://{authority}"
        self._authority = authority

    @cached_property
    def client(self) -> Client:
        """Give the client, once it is known that somebody listens there."""
        try:
            from hdfs_native import Client
        except ImportError as error:
            raise SettingsError(
                f"{self.root} needs hdfs-native, not installed here", code="PackageMissing",
                fix="run: pip install 'mainstem[hdfs]'",
            ) from error  # fmt: skip
        self._knock()
        return Client(self.root)

    def _knock(self) -> None:
        """Refuse an address where nobody listens: the client would try for minutes, and say nothing."""
        host, _, port = self._authority.rpartition(":")
        if not port.isdigit():
            return  # the settings of Hadoop say where it is
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        except OSError as error:
            raise OutsideError(
                f"no NameNode answers at {self.root}: {error.strerror or error}",
                code="HdfsNotReached",
                fix="see that it runs (its address is fs.defaultFS of core-site.xml), and that this "
                "machine may connect to it",
            ) from error  # fmt: skip

    # Reading

    def find(self, path: str) -> list[str]:
        """Give the files that a file, a folder or a glob stands for."""
        found = self.status_or_none(path)
        if found is None:
            return self._matches(path) if _WILD.search(path) else []
        if found.is_file:
            return [path]
        folder = self._name(path)
        return [
            f"{self.root}{one.path}" for one in self._under(folder)
            if not re.search(r"/[._]", one.path[len(folder.rstrip("/")) :])
        ]  # fmt: skip

    def _matches(self, path: str) -> list[str]:
        """Give the files that a glob fits, by the rules of a local one.

        HDFS has globs of its own, which know no ``**`` and more signs than ours.
        """
        parts = self._name(path).split("/")
        first = next(at for at, part in enumerate(parts) if _WILD.search(part))
        above = "/".join(parts[:first]) or "/"
        if self.status_or_none(f"{self.root}{above}") is None:
            return []
        start = len(above.rstrip("/")) + 1
        return [
            f"{self.root}{one.path}" for one in self._under(above)
            if _fits(one.path[start:].split("/"), parts[first:])
        ]  # fmt: skip

    def _under(self, folder: str) -> list[FileStatus]:
        """Give the files below a folder."""

        def listed() -> list[FileStatus]:
            return [one for one in self.client.list_status(folder, recursive=True) if not one.isdir]

        return self._told(f"{self.root}{folder}", listed)

    def status(self, path: str) -> Status:
        """Look at a file or folder; HDFS knows its time to the millisecond."""
        found = self._told(path, lambda: self.client.get_file_info(self._name(path)))
        mtime_ns = found.modification_time * 1_000_000
        return Status(found.length, mtime_ns, not found.isdir, found.isdir)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; a DataNode that dies meanwhile is replaced by another one."""
        inner = self._told(path, lambda: self.client.read(self._name(path)))
        return cast("BinaryIO", _Reader(self, path, inner))

    # Writing

    def put(self, source: Path, target: str) -> None:
        """Write a copy under another name, in as many tries as it takes, and then give it its own."""
        self._again(target, lambda: self._put(source, target))

    def _put(self, source: Path, target: str) -> None:
        # A name for each try: HDFS lets nobody write a file that another writer has not closed.
        beside = f"{posixpath.dirname(target)}/.{uuid.uuid4().hex}.tmp"
        try:
            file = self.client.create(self._name(beside))
            with source.open("rb") as given:
                while piece := given.read(_PIECE):
                    file.write(piece)
            file.close()
            self.client.rename(self._name(beside), self._name(target), overwrite=True)
        except BaseException:
            # Whoever stages files removes their folder: what is left here goes with it.
            with suppress(OSError, RuntimeError):
                self.client.delete(self._name(beside))
            raise

    def move(self, source: str, target: str) -> None:
        """Give a file or folder another name; HDFS does it in one step."""
        is_file = self.status(source).is_file
        self._told(
            target,
            lambda: self.client.rename(self._name(source), self._name(target), overwrite=is_file),
        )

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        self._told(path, lambda: self.client.delete(self._name(path), recursive=True))

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        self._told(path, lambda: self.client.mkdirs(self._name(path), create_parent=True))

    # What HDFS says

    def _name(self, path: str) -> str:
        return path.removeprefix(self.root) or "/"

    def _told(self, path: str, work: Callable[[], T]) -> T:
        """Do something; what HDFS refuses is said in our words."""
        try:
            return work()
        except MainstemError:
            raise
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        except (OSError, RuntimeError) as error:
            raise self._refused(path, error) from error

    def _again(self, path: str, work: Callable[[], T]) -> T:
        """Do something that can be done again, until a lost DataNode is known to be lost."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._told(path, work)
            except OutsideError as error:
                if error.finding.code != "HdfsFailed" or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_S)

    def _refused(self, path: str, error: Exception) -> OutsideError:
        found = _JAVA.search(str(error))
        kind = found["kind"].rpartition(".")[2] if found else type(error).__name__
        said = found["said"].replace('\\"', '"') if found else str(error).splitlines()[0]
        code, fix = _code_and_fix(kind, str(error))
        return OutsideError(f"{path}: {said[:500]}", code=code, fix=fix, path=path)


def _code_and_fix(kind: str, text: str) -> tuple[str, str]:
    code, fix = (
        "HdfsFailed",
        ("see the log of the NameNode and whether its DataNodes run; then run again"),
    )
    if kind == "AccessControlException":
        code, fix = (
            "HdfsRights",
            (
                "give that user the right (hdfs dfs -chmod, -chown), or run as another one: HADOOP_USER_NAME"
            ),
        )
    elif "Quota" in kind:
        code, fix = "HdfsQuota", "remove what is not needed there, or let the quota be raised"
    # Right after its start it waits for its DataNodes, and then goes on by itself.
    elif kind == "SafeModeException" and "automatically" not in text:
        code, fix = "HdfsSafeMode", "let an administrator end it: hdfs dfsadmin -safemode leave"
    return code, fix


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """Say whether the parts of a path are what a glob asks for, as `glob.glob` does.

    Only a pattern that begins with a dot meets a name that does.
    """
    if not wanted:
        return not parts
    if not parts:
        return wanted == ["**"]
    is_met = wanted[0].startswith(".") or not parts[0].startswith(".")
    if wanted[0] == "**":
        return _fits(parts, wanted[1:]) or (is_met and _fits(parts[1:], wanted))
    return is_met and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


class _Reader(io.RawIOBase):
    """A file that is read in ranges."""

    def __init__(self, files: HdfsFiles, path: str, inner: Any) -> None:
        super().__init__()
        self._files, self._path, self._inner = files, path, inner
        self._size = inner.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        # The client dies when it is asked for what is behind the end.
        n_bytes = max(0, min(len(view), self._size - self._at))
        done = 0
        for piece in self._pieces(n_bytes):
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._at += done
        return done

    def _pieces(self, n_bytes: int) -> Iterator[bytes]:
        for start in range(self._at, self._at + n_bytes, _PIECE):
            size = min(_PIECE, self._at + n_bytes - start)
            yield self._files._again(
                self._path,
                lambda at=start, n=size: self._inner.read_range(at, n),  # type: ignore[misc]
            )


def open_at(authority: str) -> HdfsFiles:
    """Give the HDFS of an authority."""
    return HdfsFiles(authority)
