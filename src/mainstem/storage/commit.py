"""Committing and undoing one output of files, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.filesystems import is_address
from mainstem.storage.local import commit as local
from mainstem.storage.local.record import Target
from mainstem.storage.remote import commit as remote


def send_target(target: Target) -> None:
    """Bring what is staged to where it waits for the commit; it is there already on this machine."""
    if is_address(target.path):
        remote.send_target(target)


def commit_target(target: Target, run_id: str) -> None:
    """Make a staged output visible; nothing when it already is. `sync_files` has to follow."""
    if is_address(target.path):
        remote.commit_sent(target, run_id)
    else:
        local.commit_target(target, run_id)


def sync_files(targets: Iterable[Target]) -> None:
    """Wait until the names of committed files are on the disks of this machine."""
    local.sync_files(target for target in targets if not is_address(target.path))


def is_waiting(target: Target) -> bool:
    """Say whether an output is staged and not committed."""
    if is_address(target.path):
        return remote.is_waiting(target)
    return local.is_waiting(target)


def undo_target(target: Target) -> None:
    """Remove what is staged; the old output stays as it is."""
    if is_address(target.path):
        remote.undo_sent(target)
    else:
        local.undo_target(target)
