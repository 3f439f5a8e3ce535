"""Servers as Python objects: bring one up, kill and restart its nodes, bring it down."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from mainstem.dev import entry as entries
from mainstem.dev import folders, start
from mainstem.dev.entry import Entry, NodeState
from mainstem.dev.process import Process, end_all
from mainstem.dev.servers import load
from mainstem.dev.spec import Ask, Node, ServerSpec
from mainstem.errors import SettingsError

READY_S = 120.0


class ServerNode:
    """One node of a server that runs.

    Parameters
    ----------
    server : Server
        The server.
    name : str
        Name of the node, such as ``"2"``.
    """

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self.name = name

    @property
    def state(self) -> NodeState:
        """Give what it is now."""
        return next(node for node in self._server.entry.nodes() if node.name == self.name)

    @property
    def pid(self) -> int:
        """Give the pid of its latest process."""
        process = self.state.process
        return process.pid if process else 0

    @property
    def is_alive(self) -> bool:
        """Say whether its process runs."""
        return self.state.is_alive

    @property
    def log(self) -> Path:
        """Give the file with everything that it printed."""
        return self._plan.log

    @property
    def ports(self) -> Mapping[str, int]:
        """Give its ports by what they are for."""
        return self._plan.ports

    @cached_property
    def _plan(self) -> Node:
        return next(node for node in self._server.entry.layout.nodes if node.name == self.name)

    def kill(self) -> None:
        """Kill it with -9 and wait until its process is gone; nothing when it does not run."""
        self._send(signal.SIGKILL)
        self._wait_for_end()

    def stop(self) -> None:
        """Let it end in good order; killed when that takes longer than the server's deadline."""
        process = self.state.process
        if process:
            end_all([process], deadline_s=self._server.spec.deadline_s)
        self._wait_for_end()

    def pause(self) -> None:
        """Let its process stand still, as a machine does that swaps or a network that is cut."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its process go on."""
        self._send(signal.SIGCONT)

    def start(self, *, ready_s: float = READY_S) -> None:
        """Start it again on its data and its ports, and wait until it knows all nodes that run."""
        self._server.ask_for_start(self.name)
        start.wait_ready(self._server.entry, self._server.spec, asked=(self.name,), ready_s=ready_s)

    def restart(self, *, ready_s: float = READY_S) -> None:
        """Stop it when it runs, then start it."""
        self.stop()
        self.start(ready_s=ready_s)

    def _wait_for_end(self) -> None:
        """Wait until its parent has taken it in: until then threads of it may still run."""
        start.wait_until(lambda: self.state.is_ended, 30, f"node {self.name} does not end")

    def _send(self, number: signal.Signals) -> None:
        process = self.state.process
        if process:
            process.send(number)


class Server:
    """A server that runs, for as long as nobody brings it down.

    Parameters
    ----------
    entry : Entry
        What is written down of it.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.spec: ServerSpec = load(entry.kind)
        self.nodes = [ServerNode(self, node.name) for node in entry.layout.nodes]

    @property
    def name(self) -> str:
        """Give its name."""
        return self.entry.name

    @property
    def address(self) -> str:
        """Give what a client connects to, such as ``127.0.0.1:9092``."""
        return self.entry.layout.address

    @property
    def client(self) -> dict[str, str]:
        """Give the settings with which the usual client connects, secrets among them."""
        return dict(self.entry.layout.client)

    @property
    def data(self) -> Path:
        """Give the folder of its data and logs."""
        return self.entry.data

    @property
    def is_alive(self) -> bool:
        """Say whether it has not been brought down."""
        return self.entry.is_alive and self.entry.folder.exists()

    @property
    def is_owned(self) -> bool:
        """Say whether it belongs to another process that still runs, and ends with it."""
        owner = self.entry.owner
        return owner is not None and owner != Process.current() and owner.is_alive

    @property
    def state(self) -> str:
        """Give ``up``, ``starting``, ``degraded`` (some nodes are down) or ``dead``."""
        alive = [node.name for node in self.entry.nodes() if node.is_alive]
        if not alive:
            return "starting" if self.entry.is_alive and not self.entry.supervisor else "dead"
        if self.spec.not_ready(self.entry.layout, alive, alive):
            return "starting" if len(alive) == len(self.nodes) else "degraded"
        return "up" if len(alive) == len(self.nodes) else "degraded"

    def ask_for_start(self, name: str) -> None:
        """Let the supervisor start a node, and wait until it has."""
        node = next(node for node in self.nodes if node.name == name)
        before = node.state.n_starts
        if node.is_alive:
            return
        self.entry.request({"start": name, "after": before})
        start.wait_until(lambda: node.state.n_starts > before, 30, f"node {name} is not started")

    def down(self) -> None:
        """End all nodes at once, and wait until they are gone; nothing when it is down."""
        start.end(self.entry, self.spec.deadline(is_kept=self.entry.is_kept))


def up(
    kind: str, *, name: str = "", nodes: int | None = None, port: int = 0, data: str | Path | None = None,
    security: str = "", settings: Mapping[str, str] | None = None, owner: Process | None = None,
    ready_s: float = READY_S,
) -> Server:  # fmt: skip
    """Start a server and wait until it does its work.

    Parameters
    ----------
    kind : str
        Which kind of server, such as ``"kafka"``.
    name : str
        Name of this one; the kind when empty.
    nodes : int, optional
        How many nodes; the usual number of this kind when not given.
    port : int
        Port of the first node; 0 takes free ones.
    data : str or Path, optional
        Folder to keep data in, and to go on with; without it they go when the server ends.
    security : str
        What clients must do: ``""``, ``"sasl"``, ``"tls"`` or ``"sasl_tls"``.
    settings : mapping, optional
        Settings of the server itself, which win over ours.
    owner : Process, optional
        The server ends when this process does; without one, when it is brought down.
    ready_s : float
        How long it may take to be ready.

    Returns
    -------
    Server
        Ready.

    Raises
    ------
    BusyError
        `DevServerUp` when there is one of this name, `PortTaken`.
    OutsideError
        `DevServerFailed` when a node ends or is not ready in time, with the end of its log.
    """
    n_nodes = load(kind).usual_nodes if nodes is None else nodes
    ask = Ask(n_nodes, port, security, dict(settings or {}))
    folder = Path(data).absolute() if data is not None else None
    entry = start.begin(kind, ask, name=name or kind, data=folder, owner=owner)
    found = Server(entry)
    try:
        start.wait_ready(entry, found.spec, asked=[n.name for n in found.nodes], ready_s=ready_s)
    except BaseException:
        found.down()
        raise
    return found


@contextmanager
def server(
    kind: str, *, nodes: int | None = None, port: int = 0, data: str | Path | None = None,
    security: str = "", settings: Mapping[str, str] | None = None, ready_s: float = READY_S,
) -> Iterator[Server]:  # fmt: skip
    """Have a server of one's own for as long as a block runs; it never outlives this process.

    The parameters are those of `up`.

    Its nodes can be killed and started again: ``kafka.nodes[1].kill()``, ``kafka.nodes[1].start()``.
    """
    owner = Process.current()
    name = f"{kind}-{owner.pid}-{time.monotonic_ns() % 10**9:09}"
    found = up(
        kind, name=name, nodes=nodes, port=port, data=data, security=security, settings=settings,
        owner=owner, ready_s=ready_s,
    )  # fmt: skip
    try:
        yield found
    finally:
        found.down()


def shared(
    kind: str, *, name: str, owner: Process, nodes: int | None = None, security: str = "",
    settings: Mapping[str, str] | None = None, ready_s: float = READY_S,
) -> Server:  # fmt: skip
    """Give the server of this name, started by whichever process of a group asks first.

    Parameters
    ----------
    kind : str
        Which kind of server.
    name : str
        Its name, the same in all processes of the group.
    owner : Process
        The process with which the group ends, and the server too.
    nodes, security, settings, ready_s
        As for `up`.

    Returns
    -------
    Server
        Ready.
    """
    with folders.alone(folders.running() / f".{name}.shared.lock"):
        found = attach(name)
        if found and found.is_alive and all(node.is_alive for node in found.nodes):
            # Others are at work with it: one that is too busy to answer now is waited for.
            names = [node.name for node in found.nodes]
            start.wait_ready(found.entry, found.spec, asked=names, ready_s=ready_s)
            return found
        if found:
            found.down()
        return up(
            kind, name=name, nodes=nodes, security=security, settings=settings, owner=owner,
            ready_s=ready_s,
        )  # fmt: skip


def attach(name: str) -> Server | None:
    """Give the server of this name; None when there is none."""
    entry = entries.read(folders.running() / name)
    return Server(entry) if entry else None


def running() -> list[Server]:
    """Give every server of this user on this machine, dead ones too until they are brought down."""
    return [Server(entry) for entry in entries.every()]


def down(name: str) -> Server:
    """Bring down the server of this name.

    Returns
    -------
    Server
        What was ended.

    Raises
    ------
    SettingsError
        `DevServerNotOurs` when no server of this name was started here, or when another process
        that still runs has it.
    """
    found = attach(name)
    if found is None:
        known = ", ".join(entry.name for entry in entries.every()) or "none"
        raise SettingsError(
            f"no server {name!r} was started by mainstem dev up (there is: {known})",
            code="DevServerNotOurs", fix="name one of mainstem dev ls; what others started, they end",
        )  # fmt: skip
    owner = found.entry.owner
    if owner and found.is_owned:
        raise SettingsError(
            f"server {name!r} belongs to process {owner.pid}, and ends with it",
            code="DevServerNotOurs", fix=f"end process {owner.pid}",
        )  # fmt: skip
    found.down()
    return found
