"""The list of files that a run wrote into a folder, with their checksums.

It stands at ``<folder>/_mainstem/manifest``, without an ending: a reader's glob over ``*.json`` or
``*.parquet`` must never match it, and readers of folders leave names with ``_`` in front alone.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from mainstem.errors import StateError
from mainstem.record import record
from mainstem.storage.local.durable import files_under, make_folders, write_durably

FORMAT = 1
FOLDER = "_mainstem"
NAME = "manifest"
# Where the files of a stream's epoch are written, and what stands behind their endings there.
STAGED = "staged"
STAGED_SUFFIX = ".staged"


@record
class WrittenFile:
    """One file: its name relative to the folder, and what is in it; `rows` None is not known."""

    name: str
    rows: int | None
    bytes: int
    sha256: str


@record
class Manifest:
    """What a folder holds.

    Parameters
    ----------
    pipeline, table, run_id, token : str
        Who wrote it last; the token is that of the sink's last commit.
    schema : str
        Columns as schema text, partition columns included.
    partition_by : tuple of str
        Columns that became folders.
    files : tuple of WrittenFile
        Every file, in the order of their names.
    rows : int or None
        Rows of all files; None when older partitions were kept whose rows are not known.
    written : str
        How the files are written (format and its options); "" from before it was kept.
    mode : str
        The sink's mode when it was written last.
    hidden : tuple of WrittenFile
        Files below ``_mainstem`` that a keyed sink remembers by, with names relative to the folder.
    """

    pipeline: str
    table: str
    run_id: str
    token: str
    schema: str
    partition_by: tuple[str, ...]
    files: tuple[WrittenFile, ...]
    rows: int | None
    written: str = ""
    mode: str = "overwrite"
    hidden: tuple[WrittenFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Give the bytes of all files."""
        return sum(f.bytes for f in self.files)

    def merged(self, older: Manifest, folders: tuple[str, ...]) -> Manifest:
        """Give this manifest plus the files of `older` that stand in none of `folders`."""
        kept = [f for f in older.files if not inside(f.name, folders)]
        files = tuple(sorted([*kept, *self.files], key=lambda f: f.name))
        known = [f.rows for f in kept if f.rows is not None]
        complete = len(known) == len(kept) and self.rows is not None
        rows = sum(known) + (self.rows or 0) if complete else None
        return dataclasses.replace(self, files=files, rows=rows)

    def to_json(self) -> bytes:
        """Give the manifest as it is written."""
        totals = {"format": FORMAT, "bytes": self.size_bytes}
        return json.dumps(totals | dataclasses.asdict(self), indent=1).encode()


def inside(name: str, folders: tuple[str, ...]) -> bool:
    """Say whether a relative file name stands in one of these relative folders."""
    return any(name.startswith(f"{folder}/") for folder in folders)


def manifest_path(folder: Path) -> Path:
    """Give where a folder's manifest stands."""
    return folder / FOLDER / NAME


def staged_name(folder: Path, name: str) -> Path:
    """Give where a file waits that a stream's manifest names and that has not got its place yet."""
    return folder / FOLDER / STAGED / f"{name}{STAGED_SUFFIX}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest durably."""
    path = manifest_path(folder)
    make_folders(path.parent)
    write_durably(path, manifest.to_json())


def read_manifest(folder: Path) -> Manifest | None:
    """Give a folder's manifest, or None when there is none.

    Raises
    ------
    StateError
        When it is there and cannot be read, or a newer version wrote it.
    """
    path = manifest_path(folder)
    try:
        return manifest_of(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def manifest_of(text: bytes, path: str) -> Manifest:
    """Give the manifest that stands in a file.

    Raises
    ------
    StateError
        When it cannot be read, or a newer version wrote it.
    """
    try:
        return _from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"the manifest {path} cannot be read: {error}", code="ManifestDamaged",
            fix=f"move {path} away and run again with force=True on the sink",
        ) from error  # fmt: skip


def _from_json(data: dict[str, Any]) -> Manifest:
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']}, this version knows {FORMAT}")
    return Manifest(
        data["pipeline"], data["table"], data["run_id"], data["token"], data["schema"],
        tuple(data["partition_by"]), tuple(WrittenFile(**f) for f in data["files"]), data["rows"],
        data.get("written", ""), data.get("mode", "overwrite"),
        tuple(WrittenFile(**f) for f in data.get("hidden", ())),
    )  # fmt: skip


def strangers(folder: Path, manifest: Manifest | None) -> list[str]:
    """Give the files in a folder that Mainstem did not write, by relative name."""
    known = {f.name for f in manifest.files} if manifest else set()
    own = f"{FOLDER}/"
    found = (str(path.relative_to(folder)) for path in files_under(folder))
    return [name for name in found if name not in known and not name.startswith(own)]
