"""A folder that grows: which files are whole, in which order they are read, and which were read.

What was read is a set of marks, twelve letters for each file that is still there: a file that appears
late with an older time is not in it and is read, one that was read and is gone is forgotten. So the
position is as large as the folder and no larger, and a file's time decides about its turn only.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from time import monotonic, time

from mainstem.connectors.files.listing import list_paths
from mainstem.connectors.files.options import FilesSource
from mainstem.errors import DataError, OutsideError, listing
from mainstem.lazy import pattern
from mainstem.plan.nodes import Source
from mainstem.record import record
from mainstem.storage.local.manifest import WrittenFile
from mainstem.storage.local.verify import kept_by, verify_files

# Endings of files that somebody is still writing.
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
# Bytes of a mark: of the name, and of size and time.
_NAME, _STAT = 7, 2
MARK = _NAME + _STAT
# How our own sinks name files: by the epochs whose rows they hold.
_EPOCHS = pattern(r"part-([0-9]{12})-(?:([0-9]{12})-)?")


@record
class Seen:
    """A file as it was listed; `name` is the same wherever the project lies."""

    path: str
    name: str
    size: int
    mtime_ns: int

    @property
    def order(self) -> tuple[int, str]:
        """Give its turn (T1)."""
        return self.mtime_ns, self.name

    def mark(self) -> bytes:
        """Give what is remembered of it."""
        stat = hashlib.sha256(f"{self.size}/{self.mtime_ns}".encode()).digest()
        return name_mark(self.name) + stat[:_STAT]


def name_mark(name: str) -> bytes:
    """Give what is remembered of a name; two of a million files share one once in 10^5 folders."""
    return hashlib.sha256(name.encode()).digest()[:_NAME]


class ReadFiles:
    """The files that were read, by the mark of their names; `count` has those that are gone too."""

    def __init__(self, text: str = "", count: int | None = None) -> None:
        data = base64.b64decode(text)
        marks = (data[at : at + MARK] for at in range(0, len(data), MARK))
        self._stats = {mark[:_NAME]: mark[_NAME:] for mark in marks}
        # What was written last: most of the time another file only adds its letters.
        self._text = text
        self.count = len(self._stats) if count is None else count

    def __contains__(self, seen: Seen) -> bool:
        return name_mark(seen.name) in self._stats

    def is_same(self, seen: Seen) -> bool:
        """Say whether a file that was read has the size and the time that it had."""
        mark = seen.mark()
        return self._stats[mark[:_NAME]] == mark[_NAME:]

    def add(self, seen: Seen) -> None:
        """Remember a file."""
        mark = seen.mark()
        self._stats[mark[:_NAME]] = mark[_NAME:]
        self._text += base64.b64encode(mark).decode()
        self.count += 1

    def turns(self) -> dict[bytes, int]:
        """Give the turn in which each file was read, by the mark of its name."""
        return {name: turn for turn, name in enumerate(self._stats)}

    def keep(self, names: Iterable[bytes]) -> None:
        """Forget the files that are not there any more."""
        gone = self._stats.keys() - set(names)
        if gone:
            for name in gone:
                del self._stats[name]
            self._text = base64.b64encode(
                b"".join(name + stat for name, stat in self._stats.items())
            ).decode()

    def text(self) -> str:
        """Give them as text, to be remembered."""
        return self._text


class Folder:
    """Lists the files of a source.

    Parameters
    ----------
    source : Source
        For messages; its paths are absolute.
    options : FilesSource
        Its options.
    base : Path
        What names are relative to.
    """

    def __init__(self, source: Source, options: FilesSource, base: Path) -> None:
        self.source, self.options, self.base = source, options, os.path.abspath(base)  # noqa: PTH100
        self._settle = options.settle_span.total_seconds()
        # Files that are not whole yet, or not read: since when they have been as they are.
        self._waiting: dict[str, tuple[Seen, float]] = {}
        # Exact facts of what this process has read.
        self._taken: dict[str, Seen] = {}
        # Of folders that Mainstem writes: the last epoch of which everything was read, and any.
        self.whole: dict[str, int] = {}
        self.touched: dict[str, int] = {}

    def name_of(self, path: str) -> str:
        """Give a path as positions know it."""
        inside = path.startswith(self.base + os.sep)
        return path[len(self.base) + 1 :] if inside else path

    def took(self, seen: Seen, left: Iterable[Seen]) -> None:
        """Take note of a file that was read whole, and of those that wait behind it."""
        self._taken[seen.path] = seen
        home, found = os.path.dirname(seen.name), _epochs(seen.name)  # noqa: PTH120
        if found is None:
            return
        last = found[1]
        self.touched[home] = max(last, self.touched.get(home, last))
        others = (_epochs(o.name) for o in left if os.path.dirname(o.name) == home)  # noqa: PTH120
        if not any(o is not None and o[0] <= last for o in others):
            self.whole[home] = max(last, self.whole.get(home, last))

    def new(self, read: ReadFiles) -> tuple[list[Seen], int]:
        """Give the whole files that were not read, in their turn, and how many are not whole yet.

        Raises
        ------
        DataError
            When a file has changed after it was read.
        OutsideError
            When the disk does not answer, or a file of ours is not what its manifest says.
        """  # noqa: DOC501 - raised by functions
        listed = self._listed()
        found, changed = [], []
        for seen in listed:
            if seen not in read:
                found.append(seen)
            elif not self._is_same(seen, read):
                changed.append(seen.path)
        if changed:
            raise changed_since(self.source, changed)
        read.keep(name_mark(seen.name) for seen in listed)
        there = {seen.path for seen in listed}
        self._taken = {p: s for p, s in self._taken.items() if p in there}
        return self._settled([seen for seen in found if not self._is_joined(seen)])

    def _is_same(self, seen: Seen, read: ReadFiles) -> bool:
        known = self._taken.get(seen.path)
        return seen == known if known is not None else read.is_same(seen)

    def _settled(self, found: list[Seen]) -> tuple[list[Seen], int]:
        now, clock = monotonic(), time()
        waiting: dict[str, tuple[Seen, float]] = {}
        whole = []
        for seen in found:
            before = self._waiting.get(seen.path)
            since = before[1] if before is not None and before[0] == seen else now
            waiting[seen.path] = (seen, since)
            # What was changed long ago, by the disk's own clock, need not be watched first.
            if max(now - since, clock - seen.mtime_ns / 1e9) >= self._settle:
                whole.append(seen)
        self._waiting = waiting
        whole.sort(key=lambda seen: seen.order)
        return whole, len(found) - len(whole)

    def _listed(self) -> list[Seen]:
        paths = list_paths(self.options, self.source.where, may_be_none=True)
        paths = [p for p in paths if _is_data(os.path.basename(p))]  # noqa: PTH119
        committed: dict[str, str] = {}
        for kept in kept_by(paths):
            names = {os.fspath(kept.folder / f.name) for f in kept.manifest.files}
            inside = os.fspath(kept.folder) + os.sep
            committed |= {p: inside for p in paths if p.startswith(inside) and p not in names}
        found = []
        for path in paths:
            if path in committed:
                continue
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path for each of many costs more
            except FileNotFoundError:
                continue
            except OSError as error:
                raise not_read(path, error, self.source) from error
            if not stat.S_ISREG(status.st_mode):
                # Opening a pipe that nobody writes to would wait for ever, deaf to every signal.
                raise OutsideError(
                    f"cannot read {path}: it is a pipe, a socket or a device, not a file",
                    where=self.source.where, code="FileNotRead", fix="leave it out of the path",
                )  # fmt: skip
            found.append(Seen(path, self.name_of(path), status.st_size, status.st_mtime_ns))
        return found

    def _is_joined(self, seen: Seen) -> bool:
        """Say whether a file holds rows that were read from the small files it was made of.

        Raises
        ------
        OutsideError
            When it holds such rows, and others that were not read.
        """
        found, home = _epochs(seen.name), os.path.dirname(seen.name)  # noqa: PTH120
        if found is None or home not in self.touched:
            return False
        first, last = found
        if first == last or first > self.touched[home]:
            return False
        if last <= self.whole.get(home, -1):
            return True
        raise OutsideError(
            f"source {self.source.name!r}: {seen.path} was made of files of which some were read and "
            "some were not", where=self.source.where, code="FilesJoined",
            fix='have the pipeline that writes them leave them as they are: ms.files(…, file_size="0")',
        )  # fmt: skip

    def verify(self, seen: Seen) -> None:
        """Compare a file that Mainstem wrote with its manifest, as a batch does."""
        if self.options.verify == "none":
            return
        for kept in kept_by([seen.path]):
            files: tuple[WrittenFile, ...] = kept.files()
            verify_files(kept.folder, files, is_deep=self.options.verify == "checksum")

    def check(self, seen: Seen) -> None:
        """Check that a file that was taken is as it was.

        Raises
        ------
        DataError
            When it has changed.
        OutsideError
            When it is gone or cannot be read.
        """  # noqa: DOC501 - raised by functions
        try:
            status = os.stat(seen.path)  # noqa: PTH116
        except OSError as error:
            raise not_read(seen.path, error, self.source) from error
        if (status.st_size, status.st_mtime_ns) != (seen.size, seen.mtime_ns):
            raise changed_since(self.source, [seen.path])


def _is_data(name: str) -> bool:
    return name[0] not in "._" and not name.lower().endswith(UNFINISHED)


def _epochs(name: str) -> tuple[int, int] | None:
    found = _EPOCHS.match(name.rpartition("/")[2])
    return None if found is None else (int(found[1]), int(found[2] or found[1]))


def changed_since(source: Source, paths: list[str]) -> DataError:
    """Give the error for files that have changed after they were taken."""
    return DataError(
        f"source {source.name!r}: {listing(sorted(paths), limit=5)} changed after the stream had taken "
        f"{'them' if len(paths) > 1 else 'it'}", where=source.where, code="FileChangedSince",
        fix="write files beside and rename them into place when they are whole; put the old content "
        "back, and give new content a new name", source=source.name, files=paths,
    )  # fmt: skip


def files_gone(source: Source, left: int) -> OutsideError:
    """Give the error for files that are to be read once more and are not there."""
    return OutsideError(
        f"source {source.name!r}: {left} of the files that were read are not there any more, and a state "
        "that is older than its sinks needs them once more", where=source.where, code="FilesGone",
        fix="put the files back, with their times, or restore a newer backup", source=source.name,
    )  # fmt: skip


def not_read(path: str, error: OSError, source: Source) -> OutsideError:
    """Give the error for a file that was taken and is gone, or that the disk does not give."""
    return OutsideError(
        f"source {source.name!r}: cannot read {path}: {error.strerror or error}", where=source.where,
        code="FileNotRead", fix="see that the file is there, and that this user may read it",
    )  # fmt: skip
