"""Comparing files with the manifest of their folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mainstem.errors import OutsideError, listing
from mainstem.record import record
from mainstem.storage.local.durable import sha256
from mainstem.storage.local.links import check_size, damaged
from mainstem.storage.local.manifest import (
    Manifest,
    WrittenFile,
    manifest_path,
    read_manifest,
    staged_name,
)


def verify_files(folder: Path, files: Iterable[WrittenFile], *, is_deep: bool = True) -> int:
    """Compare files with their lines of the manifest; give how many bytes were summed.

    Parameters
    ----------
    folder : Path
        The folder that has the manifest.
    files : iterable of WrittenFile
        Lines of it.
    is_deep : bool
        Whether the checksums are computed, on all cores; else the sizes only.

    Raises
    ------
    OutsideError
        Naming the first file, in the order of names, that is not what the manifest says.
    """  # noqa: DOC501 - built by a function
    listed = sorted(files, key=lambda f: f.name)
    for file in listed:
        check_size(folder / file.name, file)
    if not is_deep:
        return 0
    # Only here: it imports the logging of the standard library.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        sums = pool.map(lambda f: sha256(folder / f.name), listed)
        for file, found in zip(listed, sums, strict=True):
            if found != file.sha256:
                raise damaged(
                    folder / file.name, f"has the checksum {found[:12]}…", f"{file.sha256[:12]}…"
                )
    return sum(f.bytes for f in listed)


@record
class Kept:
    """Files of one folder with a manifest that are about to be read, by relative name."""

    folder: Path
    manifest: Manifest
    names: frozenset[str]

    def files(self) -> tuple[WrittenFile, ...]:
        """Give the lines of these files."""
        return tuple(f for f in self.manifest.files if f.name in self.names)


def kept_by(paths: Sequence[str]) -> list[Kept]:
    """Give those of the paths that stand in a folder with a manifest, by folder."""
    homes: dict[Path, Path | None] = {}
    found: dict[Path, list[str]] = {}
    for path in map(Path, paths):
        if path.parent not in homes:
            homes[path.parent] = _home(path.parent)
        home = homes[path.parent]
        if home is not None:
            found.setdefault(home, []).append(path.relative_to(home).as_posix())
    kept = []
    for home, names in found.items():
        manifest = read_manifest(home)
        if manifest is not None:
            kept.append(Kept(home, manifest, frozenset(names)))
    return kept


def _home(folder: Path) -> Path | None:
    """Give the folder whose manifest is about this one: itself, or one above its partitions."""
    while not manifest_path(folder).is_file():
        if "=" not in folder.name:
            return None
        folder = folder.parent
    return folder


def refuse_others(kept: Kept, directories: Sequence[str]) -> None:
    """Refuse files that the manifest does not name, and directories that lack one that it names.

    Parameters
    ----------
    kept : Kept
        What is about to be read of a folder.
    directories : sequence of str
        What is read whole.

    Raises
    ------
    OutsideError
        Naming the files.
    """  # noqa: DOC501 - built by a function
    listed = {f.name for f in kept.manifest.files}
    refuse_unknown(kept.folder, kept.names - listed)
    roots = [os.path.relpath(d, kept.folder) for d in directories]
    for name in sorted(listed - kept.names):
        if any(root == "." or name.startswith(f"{root}/") for root in roots) and not _is_new(
            kept.folder, name
        ):
            raise damaged(kept.folder / name, "is not there")


def refuse_unknown(folder: Path | str, names: Iterable[str]) -> None:
    """Refuse files that the manifest of their folder does not name.

    Raises
    ------
    OutsideError
        Naming the first of them.
    """
    if unknown := sorted(names):
        raise OutsideError(
            f"{folder} holds files that its manifest does not name: {listing(unknown, limit=3)}",
            code="NotInManifest", fix='move them away, or read with verify="none"', files=unknown,
        )  # fmt: skip


def _is_new(folder: Path, name: str) -> bool:
    """Say whether a stream has added a file since the folder was listed, or is just doing so."""
    return (folder / name).exists() or staged_name(folder, name).exists()
