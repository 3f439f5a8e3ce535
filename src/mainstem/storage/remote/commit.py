"""Committing and undoing one output on another machine; each can be called again after any kill.

Its rows are staged on this machine, and sent before the commit is decided into a hidden folder beside
the target: whatever that place refuses, it refuses then. What is left is a rename.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from mainstem.errors import OutsideError, StateError
from mainstem.filesystems import FileSystem, file_system
from mainstem.storage.local import points
from mainstem.storage.local.durable import files_under, remove
from mainstem.storage.local.manifest import FOLDER, NAME, Manifest, manifest_of
from mainstem.storage.local.record import Target


def hidden_folder(target: Target) -> str:
    """Give the folder beside a target that holds all of a run's that is not committed."""
    staged = Path(target.staged)
    return f"{posixpath.dirname(target.path)}/.mainstem-{staged.parent.name}.{staged.name}.tmp"


def _sent(target: Target) -> str:
    return f"{hidden_folder(target)}/{posixpath.basename(target.path)}"


def _parked(target: Target) -> str:
    return f"{hidden_folder(target)}/old"


def send_target(target: Target) -> None:
    """Send what is staged here to where it waits for the commit.

    Raises
    ------
    OutsideError
        When it does not arrive whole, or the place refuses it.
    """
    files, staged, sent = file_system(target.path), Path(target.staged), _sent(target)
    files.make_folder(hidden_folder(target))
    points.reached(points.SENDING)
    pairs = [(staged, sent)]
    if target.kind == "folder":
        files.make_folder(sent)
        # The manifest last: it says what else is there.
        names = sorted(path.relative_to(staged).as_posix() for path in files_under(staged))
        names.sort(key=lambda name: name == f"{FOLDER}/{NAME}")
        pairs = [(staged / name, f"{sent}/{name}") for name in names]
    for source, copy in pairs:
        files.put(source, copy)
        found, wanted = files.status(copy).size_bytes, source.stat().st_size
        if found != wanted:
            raise OutsideError(
                f"{copy} has {found} bytes after {wanted} were sent", code="SentShort",
                fix="run again; nothing was committed", step=target.step,
            )  # fmt: skip
    points.reached(points.SENT)


def is_waiting(target: Target) -> bool:
    """Say whether what was sent has not got its place yet."""
    return file_system(target.path).status_or_none(_sent(target)) is not None


def commit_sent(target: Target, run_id: str) -> None:
    """Make a sent output visible; nothing when it already is.

    Raises
    ------
    StateError
        When neither the sent nor the committed content can be found: somebody removed it.
    """
    files = file_system(target.path)
    if is_waiting(target):
        if target.kind == "folder" and files.status_or_none(target.path) is not None:
            # No system of other machines exchanges two names: between the renames there is none.
            files.move(target.path, _parked(target))
            points.reached(points.BETWEEN_RENAMES)
        files.move(_sent(target), target.path)
        points.reached(points.SINK_SWAPPED)
    elif not _is_done(target, run_id, files):
        raise StateError(
            f"the output of {target.step!r} for {target.path} was sent to {_sent(target)}, and is "
            "neither there nor committed", code="StagedOutputLost",
            fix="run the pipeline again once the commit record is removed from the state directory",
            path=target.path,
        )  # fmt: skip
    files.remove(hidden_folder(target))


def undo_sent(target: Target) -> None:
    """Remove what is staged here and what was sent; the old output stays as it is."""
    file_system(target.path).remove(hidden_folder(target))
    remove(Path(target.staged))


def _is_done(target: Target, run_id: str, files: FileSystem) -> bool:
    if files.status_or_none(target.path) is None:
        return False
    if target.kind == "file":
        return files.sha256(target.path) == target.sha256
    manifest = read_manifest(target.path)
    return manifest is not None and manifest.run_id == run_id


def read_manifest(folder: str) -> Manifest | None:
    """Give the manifest of a folder on another machine, or None when there is none."""
    path = f"{folder}/{FOLDER}/{NAME}"
    try:
        with file_system(path).open(path) as file:
            return manifest_of(file.read(), path)
    except FileNotFoundError:
        return None
