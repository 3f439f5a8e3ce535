"""Reading what runs did, without a lock: it works while a run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.errors import BusyError, StateError
from mainstem.record import record
from mainstem.runtime.journal import RunRecord, read, records
from mainstem.runtime.state import Holder, check_format, holder


@record
class Status:
    """A state directory at a glance.

    Parameters
    ----------
    state_dir : str
        Where it is.
    holder : Holder or None
        Who runs now.
    last : RunRecord or None
        The latest run.
    committed : RunRecord or None
        The latest run that committed: what the outputs hold.
    n_runs : int
        How many runs the journal knows.
    torn_bytes : int
        Bytes of a line that a crash cut off; the next run takes them away.
    """

    state_dir: str
    holder: Holder | None
    last: RunRecord | None
    committed: RunRecord | None
    n_runs: int
    torn_bytes: int = 0
    # Of a stream that runs and answers: how it stands.
    live: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the status as plain data for ``-o json``."""
        who = self.holder
        return {
            "state_dir": self.state_dir,
            "holder": {"pid": who.pid, "host": who.host, "since": who.since} if who else None,
            "last": self.last.to_dict() if self.last else None,
            "committed": self.committed.to_dict() if self.committed else None,
            "n_runs": self.n_runs, "torn_bytes": self.torn_bytes, "live": self.live,
        }  # fmt: skip


def status(state_dir: Path) -> Status:
    """Give the state directory at a glance; also while a run holds it."""
    check_format(state_dir)
    # Who holds the lock is asked first: a run that ends in between is then told as running, while
    # asked last it would be told as killed.
    who = holder(state_dir)
    found = read(state_dir)
    all_runs = _told(records(found.entries), who)
    done = [r for r in all_runs if r.has_outputs]
    return Status(
        str(state_dir), who, all_runs[-1] if all_runs else None, done[-1] if done else None,
        len(all_runs), found.torn_bytes, _live(state_dir, who, all_runs),
    )  # fmt: skip


def _live(
    state_dir: Path, who: Holder | None, found: tuple[RunRecord, ...]
) -> dict[str, Any] | None:
    if who is None or not found or not found[-1].stream:
        return None
    from mainstem.runtime.socket import ask

    try:
        return ask(state_dir, "status")
    except (BusyError, StateError):
        # It is starting, ending or in a long epoch: the journal is told all the same.
        return None


def runs(state_dir: Path) -> tuple[RunRecord, ...]:
    """Give every run, oldest first; also while a run holds the state directory."""
    check_format(state_dir)
    who = holder(state_dir)
    return _told(records(read(state_dir).entries), who)


def _told(found: tuple[RunRecord, ...], who: Holder | None) -> tuple[RunRecord, ...]:
    """A run without an end that nobody runs was killed; the next run finishes or undoes it."""
    if not found or found[-1].status != "running":
        return found
    if who is not None and who.run_id in ("", found[-1].run_id):
        return found
    return (*found[:-1], replace(found[-1], status="killed"))
