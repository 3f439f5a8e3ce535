"""The process that owns the nodes of one server: it starts them, and they never outlive it.

It runs in a session of its own, so that Ctrl-C in a terminal and the end of a shell do not reach
it, and it watches its owner: when a test run is killed with -9, its servers end within a second. When
it is itself killed with -9, Linux kills its nodes; elsewhere `mainstem dev down` finds them.

A node may start processes too, as a worker of Spark does. On Linux those whose node was killed
become children of the supervisor, which ends them with the server.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainstem.dev import folders
from mainstem.dev.entry import Entry, read
from mainstem.dev.process import Process, end_all
from mainstem.dev.process import children as own_children
from mainstem.dev.spec import Node
from mainstem.errors import OutsideError

_TICK_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_BEGIN = f"import sys; from {__name__} import main; main(*sys.argv[1:])"


class _Child:
    """A node and the process that it has at the moment."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.n_starts = 0
        self.popen: subprocess.Popen[bytes] | None = None
        self.process: Process | None = None

    @property
    def is_alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def start(self) -> None:
        """Start it; its last process has ended."""
        with self.node.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.node.argv, cwd=self.node.folder, env={**os.environ, **self.node.env},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )  # fmt: skip
        self.process = Process.of(self.popen.pid)
        self.n_starts += 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.node.name, "n_starts": self.n_starts,
            "exit_code": self.popen.poll() if self.popen else None,
            "process": self.process.to_dict() if self.process else None,
        }  # fmt: skip


def _dies_with(parent: int) -> Callable[[], None] | None:
    """Give what a child does first, so that it ends when this process does; Linux only."""
    prctl = _prctl()
    if prctl is None:
        return None

    def begin() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the line above: then nobody sends the signal.
        if os.getppid() != parent:
            os._exit(1)

    return begin


def _prctl() -> Any:
    """Give the call with which a process of Linux tells what it wants; None elsewhere."""
    return ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def supervise(entry: Entry, *, deadline_s: float) -> None:
    """Start the nodes of an entry, do what is asked, and end them all at once at the end."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: stopping.append(number))
    if prctl := _prctl():
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
    children = {node.name: _Child(node) for node in entry.layout.nodes}
    try:
        for child in children.values():
            child.start()
        told: Any = None
        while not stopping and not _is_orphan(entry):
            _do_requests(entry, children)
            told = _tell(entry, children, told)
            _take_in(children)
            time.sleep(_TICK_S)
    finally:
        _end(children, deadline_s)
        entry.forget()


def _is_orphan(entry: Entry) -> bool:
    """Say whether nobody needs the server any more: its owner is gone, or its entry is."""
    gone = entry.owner is not None and not entry.owner.is_alive
    return gone or not (entry.folder / "plan.json").exists()


def _do_requests(entry: Entry, children: dict[str, _Child]) -> None:
    """Start the nodes that somebody wants to run again."""
    for file in sorted((entry.folder / "requests").glob("[0-9]*.json")):
        asked = folders.read_json(file)
        child = children.get(asked["start"]) if asked else None
        # A process of many threads that was killed is a zombie for whoever asks while some of them
        # still hold its ports: the request waits for the next look.
        if child and child.is_alive and asked["after"] == child.n_starts:
            continue
        file.unlink(missing_ok=True)
        # Two that ask for the same start at once get one.
        if child and asked["after"] == child.n_starts:
            child.start()


def _tell(entry: Entry, children: dict[str, _Child], told: Any) -> Any:
    """Write the state down when it has changed."""
    state = {
        "supervisor": Process.current().to_dict(),
        "nodes": [child.to_dict() for child in children.values()],
    }
    if state != told:
        folders.write_json(entry.folder / "state.json", state)
    return state


def _end(children: dict[str, _Child], deadline_s: float) -> None:
    def wait() -> None:
        time.sleep(_TICK_S / 2)
        _take_in(children)

    processes = [child.process for child in children.values() if child.is_alive and child.process]
    end_all(processes, deadline_s=deadline_s, wait=wait)
    # What is left has lost its node, and nobody else would end it; the end of one may leave others.
    while left := own_children():
        end_all(left, deadline_s=0.0, wait=wait)


def _take_in(children: dict[str, _Child]) -> None:
    """Take in every child that has ended, nodes and what they left behind, so that none is a zombie."""
    popens = [child.popen for child in children.values() if child.popen]
    for popen in popens:
        popen.poll()
    nodes = {popen.pid for popen in popens if popen.returncode is None}
    while sys.platform == "linux" and (pid := _ended()) and pid not in nodes:
        os.waitpid(pid, 0)


def _ended() -> int:
    """Give the pid of a child that has ended, and leave it; 0 when there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found else 0


def spawn(entry: Entry, *, deadline_s: float) -> None:
    """Start the supervisor of an entry as a process of its own, and nobody's child.

    Raises
    ------
    OutsideError
        `DevServerFailed` when it cannot be started.
    """
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    with (entry.folder / "supervisor.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN, str(entry.folder), str(deadline_s)], check=False,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/",
            start_new_session=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
    if done.returncode:
        raise OutsideError(
            f"the supervisor of {entry.name!r} does not start: exit code {done.returncode}",
            code="DevServerFailed", fix=f"see {entry.folder / 'supervisor.log'}",
        )  # fmt: skip


def main(folder: str, deadline_s: str) -> None:
    """Take care of the entry in `folder` from a process that belongs to nobody."""
    found = read(Path(folder))
    # Whoever started this waits for the parent only: it is left with no child to wait for later,
    # and no zombie when the server ends before it.
    if found is not None and not os.fork():
        supervise(found, deadline_s=float(deadline_s))
