"""Processes, told apart by pid and start: a pid alone may belong to somebody else tomorrow."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mainstem.record import record

_TICK_S = 0.05
# Linux; other systems have no such folder, or another one.
_PROC = Path("/proc/self/stat")


@record
class Process:
    """One process that ran or runs on this machine.

    Parameters
    ----------
    pid : int
        Its number.
    started : str
        When it began, in a form that is never the same for two processes of one pid.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Give the process that has this pid now; None when there is none, or only its remains."""
        started = _started(pid)
        return cls(pid, started) if started else None

    @classmethod
    def current(cls) -> Process:
        """Give this process."""
        return cls(os.getpid(), _started(os.getpid()))

    @property
    def is_alive(self) -> bool:
        """Say whether it still runs; a zombie does not, nor does another with its pid."""
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False, and nothing is sent, when it does not run any more."""
        # Between the look and the signal the pid could only pass on if the process ended and the
        # machine used up every other number; without the look, a day in between is enough.
        if not self.is_alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        return {"pid": self.pid, "started": self.started}


def from_dict(fields: dict[str, object] | None) -> Process | None:
    """Give a process from its plain data."""
    return Process(int(str(fields["pid"])), str(fields["started"])) if fields else None


def end_all(
    processes: Iterable[Process], *, deadline_s: float,
    wait: Callable[[], None] = lambda: time.sleep(_TICK_S),
) -> None:  # fmt: skip
    """End processes: all are asked at once, and those that still run at the deadline are killed.

    The nodes of a cluster that are asked one after the other wait for one another: the last of
    three brokers found no quorum to say goodbye to, and took 30 s.

    Parameters
    ----------
    processes : iterable of Process
        What is to end.
    deadline_s : float
        How long they may take.
    wait : callable
        Called between two looks; a parent takes in its children there, so that they are no zombies.
    """
    left = [process for process in processes if process.send(signal.SIGTERM)]
    until = time.monotonic() + deadline_s
    while left and time.monotonic() < until:
        wait()
        left = [process for process in left if process.is_alive]
    for process in left:
        process.send(signal.SIGKILL)
    while any(process.is_alive for process in left):
        wait()


def children() -> list[Process]:
    """Give the processes whose parent is this one, without zombies; Linux only, elsewhere none."""
    pids = (int(folder.name) for folder in _PROC.parents[1].glob("[0-9]*"))
    found = [Process.of(pid) for pid in pids if _parent(pid) == os.getpid()]
    return [process for process in found if process]


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _started(pid: int) -> str:
    """Give when the process with this pid began; "" when it does not run."""
    return _started_by_proc(pid) if _PROC.exists() else _started_by_ps(pid)


def _started_by_proc(pid: int) -> str:
    fields = _stat(pid)
    if not fields or fields[0] in "ZX":
        return ""
    # Ticks count from the start of the machine, so the start of the machine belongs to it.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    return f"{boot[:8]}-{fields[19]}"


def _stat(pid: int) -> list[str]:
    """Give what Linux tells of a process, from its state on; nothing when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name of the program stands in brackets, and may hold spaces and brackets itself.
    return text.rpartition(")")[2].split()


def _started_by_ps(pid: int) -> str:
    told = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )  # fmt: skip
    state, _, started = told.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else " ".join(started.split())
