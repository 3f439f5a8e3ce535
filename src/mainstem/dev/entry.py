"""The entry of a server that was started: what it is, which processes it has, what is asked of it.

One folder for each server, and every file in it has one writer: `plan.json` whoever started it,
`state.json` its supervisor, `requests/*.json` anybody of the same user.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mainstem.dev import folders
from mainstem.dev.process import Process, from_dict
from mainstem.dev.spec import Layout
from mainstem.record import record


@record
class NodeState:
    """What a node is at the moment.

    Parameters
    ----------
    name : str
        Name of the node.
    process : Process or None
        The latest process; it may have ended.
    exit_code : int or None
        How it ended, below 0 by a signal; None while it runs.
    n_starts : int
        How often it was started.
    """

    name: str
    process: Process | None
    exit_code: int | None
    n_starts: int

    @property
    def is_alive(self) -> bool:
        """Say whether its process runs."""
        return self.process is not None and self.process.is_alive

    @property
    def is_ended(self) -> bool:
        """Say whether its process has ended, and nothing of it is left."""
        return self.process is None or self.exit_code is not None


@record
class Entry:
    """One server that was started by this user on this machine.

    Parameters
    ----------
    folder : Path
        Where the files of the entry are.
    kind : str
        Which kind of server.
    data : Path
        Folder of its data.
    is_kept : bool
        Whether the data stay when it ends.
    layout : Layout
        How its nodes are started.
    owner : Process or None
        With whom it ends; None for a server that runs until it is brought down.
    starter : Process
        Who started it.
    """

    folder: Path
    kind: str
    data: Path
    is_kept: bool
    layout: Layout
    owner: Process | None
    starter: Process

    @property
    def name(self) -> str:
        """Give the name of the server."""
        return self.folder.name

    @property
    def supervisor(self) -> Process | None:
        """Give the process that owns the nodes; None before it has begun."""
        return from_dict((self._state() or {}).get("supervisor"))

    @property
    def is_alive(self) -> bool:
        """Say whether somebody takes care of it: its supervisor, or who is about to start that."""
        supervisor = self.supervisor
        return supervisor.is_alive if supervisor else self.starter.is_alive

    def nodes(self) -> list[NodeState]:
        """Give the state of every node."""
        told = {node["name"]: node for node in (self._state() or {}).get("nodes", ())}
        return [_node(node.name, told.get(node.name, {})) for node in self.layout.nodes]

    def _state(self) -> Any:
        return folders.read_json(self.folder / "state.json")

    def request(self, fields: Mapping[str, Any]) -> None:
        """Ask the supervisor for something; it looks every 0.1 s."""
        asked = self.folder / "requests"
        asked.mkdir(exist_ok=True)
        # By time, so that they are done in the order in which they were asked.
        folders.write_json(asked / f"{time.time_ns():020}.json", dict(fields))

    def save(self) -> None:
        """Write the plan; from then on the server is listed, and its ports are its own."""
        folders.write_json(self.folder / "plan.json", {
            "kind": self.kind, "data": str(self.data), "is_kept": self.is_kept,
            "layout": self.layout.to_dict(), "starter": self.starter.to_dict(),
            "owner": self.owner.to_dict() if self.owner else None,
        })  # fmt: skip

    def forget(self) -> None:
        """Remove the entry, and the data that nobody asked to keep."""
        if not self.is_kept:
            shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _node(name: str, told: Mapping[str, Any]) -> NodeState:
    return NodeState(
        name, from_dict(told.get("process")), told.get("exit_code"), told.get("n_starts", 0)
    )


def read(folder: Path) -> Entry | None:
    """Give the entry of a folder; None when there is none, or when it is just going away."""
    plan = folders.read_json(folder / "plan.json")
    starter = from_dict(plan["starter"]) if plan else None
    if plan is None or starter is None:
        return None
    return Entry(
        folder, plan["kind"], Path(plan["data"]), plan["is_kept"],
        Layout.from_dict(plan["layout"]), from_dict(plan["owner"]), starter,
    )  # fmt: skip


def every() -> Iterator[Entry]:
    """Give all entries of this machine, by name."""
    for folder in sorted(folders.running().glob("*/")):
        if entry := read(folder):
            yield entry
