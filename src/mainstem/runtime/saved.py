"""The state of a stream: asked of the run that goes on, or read from what its last epoch left."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mainstem.errors import OutsideError, StateError
from mainstem.plan.nodes import Plan
from mainstem.runtime import journal
from mainstem.runtime.journal import Journal
from mainstem.runtime.socket import ask
from mainstem.runtime.state import check_format, holder, locked, prepare
from mainstem.storage.local.durable import remove, sync_tree

STATE = "state.duckdb"


def standing(folder: Path) -> dict[str, Any] | None:
    """Give how the stream stands that runs on a state directory; None when none answers."""
    return ask(folder, "status") if holder(folder) is not None else None


def event_times(plan: Plan, folder: Path) -> dict[str, Any]:
    """Give watermarks of sources and operators, and what holds which window.

    Returns
    -------
    dict
        ``is_live``, ``epoch``, ``sources``, ``operators``.
    """
    check_format(folder)
    found = ask(folder, "time") if holder(folder) is not None else None
    if found is not None:
        return {"is_live": True, **found}
    from mainstem.engines.embedded.stream.copies import saved_times

    return {"is_live": False, **saved_times(plan, folder)}


def shown(folder: Path) -> dict[str, Any]:
    """Give what the state file holds: epoch, watermarks, positions, tables with their rows."""
    check_format(folder)
    if holder(folder) is not None:
        found = ask(folder, "state")
        if found is not None:
            return {"is_live": True, **found}
    from mainstem.engines.embedded.stream.copies import shown_state

    return {"is_live": False, **shown_state(folder)}


def backup(folder: Path, target: Path) -> dict[str, Any]:
    """Copy the state at one epoch into a new folder, also while a run goes on.

    Raises
    ------
    OutsideError
        When the folder exists, or cannot be written.
    """
    check_format(folder)
    if target.exists():
        raise OutsideError(f"{target} exists already", code="BackupExists", fix="name a new folder")
    making = target.with_name(f".{target.name}.making-{os.getpid()}")
    try:
        making.mkdir(parents=True)
        found = _copy(folder, str((making / STATE).absolute()))
        # Afterwards: it may know of a run whose epoch is not in the copy, and never less.
        for name in ("format", journal.NAME):
            shutil.copyfile(folder / name, making / name)
        sync_tree(making)
        making.rename(target)
    except OutsideError:
        raise
    except OSError as error:
        raise OutsideError(
            f"the backup {target} cannot be written: {error.strerror}", code="BackupFailed",
            fix="name a folder with room that this user may write",
        ) from error  # fmt: skip
    finally:
        remove(making)
    return {"path": str(target), **found}


def _copy(folder: Path, path: str) -> dict[str, Any]:
    if holder(folder) is not None:
        found = ask(folder, "backup", path=path)
        if found is not None:
            return found
    from mainstem.engines.embedded.stream.copies import copy_at_rest

    if not (folder / STATE).exists():
        raise StateError(
            f"there is no state yet: {folder / STATE} does not exist", code="NoStateFile",
            fix="run the pipeline first",
        )  # fmt: skip
    # Held, so that no run begins while we read.
    with locked(folder, "backup"):
        return copy_at_rest(folder, path)


def restore(folder: Path, backup_folder: Path) -> dict[str, Any]:
    """Make a state directory of a backup.

    Raises
    ------
    StateError
        When there is a state already; nothing is overwritten.
    OutsideError
        When the backup is none.
    """
    from mainstem.runtime.backups import copies

    if not (backup_folder / STATE).exists():
        # A folder of copies: the newest one.
        backup_folder = [backup_folder, *copies(backup_folder)][-1]
    check_format(backup_folder)
    if not (backup_folder / STATE).exists():
        raise OutsideError(
            f"{backup_folder} is no backup: it has no {STATE}", code="BackupMissing",
            fix="name a folder that `mainstem state backup` has made",
        )  # fmt: skip
    prepare(folder)
    with locked(folder, "restore"):
        taken = [name for name in (STATE, journal.NAME) if (folder / name).exists()]
        if taken:
            raise StateError(
                f"{folder} has a state already ({', '.join(taken)}); nothing was changed",
                code="StateNotEmpty", fix="move it away, or name another --state-dir",
            )  # fmt: skip
        # The state file last and by its name: what a crash leaves is no state that could run.
        shutil.copyfile(backup_folder / journal.NAME, folder / journal.NAME)
        making = folder / f".{STATE}.making"
        shutil.copyfile(backup_folder / STATE, making)
        sync_tree(folder)
        making.rename(folder / STATE)
        sync_tree(folder)
        _note(folder, backup_folder)
    found = shown(folder)
    return {"path": str(folder), "epoch": found["epoch"], "bytes": found["bytes"]}


def _note(folder: Path, backup_folder: Path) -> None:
    """Journal where the state has come from."""
    book = Journal(folder)
    try:
        book.append({
            "kind": "restored", "run_id": "", "from": str(backup_folder.absolute()),
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        })  # fmt: skip
    finally:
        book.close()


def difference(one: Path, other: Path) -> dict[str, Any]:
    """Compare two state directories or backups.

    Returns
    -------
    dict
        Epoch, watermarks and positions of both, and the tables that differ.
    """
    from mainstem.engines.embedded.stream.copies import differences

    return differences(one, other)
