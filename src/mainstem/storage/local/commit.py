"""Committing and undoing one output of files; each can be called again after any kill."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mainstem.errors import StateError
from mainstem.storage.local import points
from mainstem.storage.local.durable import remove, sha256, sync_folder
from mainstem.storage.local.manifest import Manifest, read_manifest, write_manifest
from mainstem.storage.local.record import Target
from mainstem.storage.local.swap import exchange, parked, put_file, put_folder


def commit_target(target: Target, run_id: str) -> None:
    """Make a staged output visible; nothing when it already is. `sync_files` has to follow.

    Raises
    ------
    StateError
        When neither the staged nor the committed content can be found: somebody removed it.
    OSError
        When the system refuses a rename.
    """
    if target.kind == "file":
        _commit_file(target)
    elif target.kind == "folder" or not Path(target.path).exists():
        _commit_folder(target, run_id)
    else:
        _commit_partitions(target, run_id)


def sync_files(targets: Iterable[Target]) -> None:
    """Wait until the names of committed files are on the disk: each folder once, after all renames.

    Also those that an earlier start has renamed: it may have been stopped before it waited.
    """
    for folder in sorted({Path(t.path).parent for t in targets if t.kind == "file"}):
        sync_folder(folder)


def is_waiting(target: Target) -> bool:
    """Say whether an output is staged and not committed."""
    return Path(target.staged).exists()


def undo_target(target: Target) -> None:
    """Remove what is staged; the old output stays as it is."""
    staged = Path(target.staged)
    remove(staged)
    if target.kind in ("folder", "partitions"):
        remove(parked(staged))


def _commit_file(target: Target) -> None:
    staged, path = Path(target.staged), Path(target.path)
    if staged.exists():
        put_file(staged, path)
    elif not path.exists() or sha256(path) != target.sha256:
        raise _lost(target)


def _commit_folder(target: Target, run_id: str) -> None:
    staged, path = Path(target.staged), Path(target.path)
    if _is_done(path, run_id):
        remove(staged)
        remove(parked(staged))
    elif staged.exists():
        put_folder(staged, path)
    else:
        raise _lost(target)


def _is_done(folder: Path, run_id: str) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.run_id == run_id


def _commit_partitions(target: Target, run_id: str) -> None:
    """Exchange each partition, then write the merged manifest.

    Between the exchanges a reader sees some partitions new and some old, each of them whole. The
    names of the files carry the run's id, so a second call knows which were exchanged already.
    """  # noqa: DOC501 - built by a function
    staged, path = Path(target.staged), Path(target.path)
    if not _is_done(path, run_id):
        fresh = read_manifest(staged)
        if fresh is None:
            raise _lost(target)
        for part in target.parts:
            _commit_part(staged / part, path / part, run_id)
            points.reached(points.BETWEEN_PARTITIONS)
        points.reached(points.BEFORE_MANIFEST)
        older = read_manifest(path)
        merged = _with_totals(fresh, older, target.parts)
        write_manifest(path, merged)
    points.reached(points.SINK_SWAPPED)
    remove(staged)


def _with_totals(fresh: Manifest, older: Manifest | None, parts: tuple[str, ...]) -> Manifest:
    return fresh if older is None else fresh.merged(older, parts)


def part_prefix(run_id: str) -> str:
    """Give how the names of a run's files in a folder begin."""
    return f"part-{run_id}-"


def _commit_part(staged: Path, path: Path, run_id: str) -> None:
    if path.exists() and any(path.glob(f"{part_prefix(run_id)}*")):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        staged.rename(path)
    elif not exchange(staged, path):
        _exchange_by_renames(staged, path)
    sync_folder(path.parent)


def _exchange_by_renames(staged: Path, path: Path) -> None:
    # Killed between the two, the partition is absent until the next start renames it into place.
    path.rename(parked(staged))
    points.reached(points.BETWEEN_RENAMES)
    staged.rename(path)
    remove(parked(staged))


def _lost(target: Target) -> StateError:
    return StateError(
        f"the output of {target.step!r} for {target.path} was staged at {target.staged}, "
        "and is neither there nor committed",
        code="StagedOutputLost",
        fix="run the pipeline again once the commit record is removed from the state directory",
        path=target.path,
    )
