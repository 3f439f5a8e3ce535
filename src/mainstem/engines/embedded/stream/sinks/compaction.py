"""Small files written together as larger ones, in one step for every reader.

A reader that lists a folder must not see the rows of the small files and those of the large one, nor
neither. So a second folder is built beside: links to the files that stay, the large ones, and a
manifest with the same token. Then the two folders exchange their names. A kill before that leaves
the old folder and one to remove, a kill after it the new folder and one to remove.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb

from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.stream.sinks.joining import join_text
from mainstem.engines.embedded.types import literal
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.embedded.writing.write import copy_sql
from mainstem.storage.local import points, trace
from mainstem.storage.local.durable import (
    make_folders,
    move,
    remove,
    sha256,
    sync_added,
    sync_folder,
)
from mainstem.storage.local.links import link_or_copy, take_over
from mainstem.storage.local.manifest import (
    Manifest,
    WrittenFile,
    read_manifest,
    strangers,
    write_manifest,
)
from mainstem.storage.local.swap import exchange, parked
from mainstem.storage.local.verify import verify_files

# So many files of about one size are written together: each row is then written again
# log16(size of a file / size of an epoch) times.
FAN = 16

Group = tuple[WrittenFile, ...]


def due(files: Iterable[WrittenFile], file_bytes: int) -> tuple[Group, ...]:
    """Give the files that should be written together, by folder of the table.

    Parameters
    ----------
    files : iterable of WrittenFile
        Those of the manifest.
    file_bytes : int
        Files of this size and more stay as they are; 0 for all.
    """
    if not file_bytes:
        return ()
    small: defaultdict[str, list[WrittenFile]] = defaultdict(list)
    for file in files:
        if file.bytes < file_bytes:
            small[file.name.rpartition("/")[0]].append(file)
    found = (_group(group, file_bytes) for group in small.values() if len(group) >= FAN)
    return tuple(group for group in found if group)


def _group(files: list[WrittenFile], file_bytes: int) -> Group:
    """Give the files of one folder up to the first size of which there are enough."""
    tiers: defaultdict[int, list[WrittenFile]] = defaultdict(list)
    for file in files:
        tiers[int(math.log(max(file.bytes, 1), FAN))].append(file)
    chosen: list[WrittenFile] = []
    for tier in sorted(tiers):
        chosen += tiers[tier]
        if len(chosen) >= FAN:
            break
    else:
        return ()
    taken: list[WrittenFile] = []
    for file in sorted(chosen, key=lambda f: f.name):
        taken.append(file)
        if sum(f.bytes for f in taken) >= file_bytes:
            break
    return tuple(taken) if len(taken) > 1 else ()


def compact(
    cursor: duckdb.DuckDBPyConnection, output: Output, manifest: Manifest,
    groups: tuple[Group, ...],
) -> tuple[Manifest, int]:  # fmt: skip
    """Write each group as one file; give the folder's new manifest, and the lock on the folder.

    Raises
    ------
    OutsideError
        When a file is not what the manifest says: it must not get a new checksum.
    """
    path = output.path
    following = _next(path)
    remove(following)
    make_folders(following)
    shutil.copystat(path, following)
    gone = {f.name for group in groups for f in group}
    made = tuple(_joined(cursor, output, group, following) for group in groups)
    kept = tuple(f for f in manifest.files if f.name not in gone)
    take_over(kept, path, following)
    _take_strangers(path, manifest, following)
    files = tuple(sorted((*kept, *made), key=lambda f: f.name))
    newer = replace(manifest, files=files)
    write_manifest(following, newer)
    sync_added(following, (f.name for f in made))
    sync_folder(following.parent)
    handle = os.open(following, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    points.reached(points.COMPACTED)
    _swap(following, path)
    points.reached(points.COMPACTION_DECIDED)
    mend(path)
    return newer, handle


def finish_swap(path: Path) -> None:
    """Give the folder its name when a kill came between the two renames of a swap.

    Raises
    ------
    BlockingIOError
        When a run that is alive is between the two just now.
    """
    following = _next(path)
    if path.exists() or not (following.exists() and parked(following).exists()):
        return
    handle = os.open(following, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _rename(following, path)
    finally:
        os.close(handle)


def mend(path: Path) -> None:
    """Remove what a compaction has left, done or not; only under the lock of the folder."""
    following = _next(path)
    for left in (following, parked(following)):
        if left.exists():
            _rescue(left, path)
            remove(left)
            sync_folder(path.parent)


def _next(path: Path) -> Path:
    return path.with_name(f".{path.name}.mainstem-next")


def _swap(following: Path, path: Path) -> None:
    if not exchange(following, path):
        _rename(path, parked(following))
        points.reached(points.BETWEEN_RENAMES)
        _rename(following, path)
    sync_folder(path.parent)


def _rename(source: Path, target: Path) -> None:
    source.rename(target)
    trace.moved(source, target)
    sync_folder(target.parent)


def _take_strangers(path: Path, manifest: Manifest, following: Path) -> None:
    """Give files that somebody else has put there a second name in the new folder."""
    for name in strangers(path, manifest):
        target = following / name
        make_folders(target.parent, is_synced=False)
        link_or_copy(path / name, target)


def _rescue(left: Path, path: Path) -> None:
    """Bring back what somebody put into the old folder while the new one was being built."""
    manifest = read_manifest(left)
    if manifest is None:
        # It was never whole: it has links, and large files that no manifest names.
        return
    for name in strangers(left, manifest):
        target = path / name
        if not target.exists():
            make_folders(target.parent)
            move(left / name, target)
            sync_folder(target.parent)


def _joined(
    cursor: duckdb.DuckDBPyConnection, output: Output, group: Group, following: Path
) -> WrittenFile:
    verify_files(output.path, group)
    ordered = sorted(group, key=lambda f: f.name)
    folder, _, first = ordered[0].name.rpartition("/")
    last = ordered[-1].name.rpartition("/")[2]
    prefix = f"part-{_epochs(first)[0]}-{_epochs(last)[-1]}-"
    home = following / folder
    make_folders(home, is_synced=False)
    paths = [output.path / f.name for f in ordered]
    target = home / f"{prefix}0{output.ending}"
    known = [f.rows for f in ordered]
    rows = None if None in known else sum(n or 0 for n in known)
    if output.format == "parquet":
        found = _join_parquet(cursor, output, paths, home, prefix)
        if rows is not None and found != rows:
            raise unbalanced(f"{len(paths)} files of {rows} rows were joined, and have {found}")
        rows = found
    else:
        join_text(output, paths, target)
    trace.wrote(target)
    return WrittenFile(
        target.relative_to(following).as_posix(), rows, target.stat().st_size, sha256(target)
    )


def _join_parquet(
    cursor: duckdb.DuckDBPyConnection, output: Output, paths: list[Path], home: Path, prefix: str
) -> int:
    listed = ", ".join(literal(str(path)) for path in paths)
    select = f"SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"
    plain = replace(output, kind="folder", files=output.files and replace(
        output.files, partition_by=()))  # fmt: skip
    result = cursor.execute(copy_sql(select, plain, home, prefix)).fetchall()
    return int(result[0][1])


def _epochs(name: str) -> list[str]:
    """Give the epochs that a file's name says: one, or the first and the last one."""
    parts = name.split("-")[1:]
    return [part for part in parts if len(part) == 12 and part.isdecimal()]
