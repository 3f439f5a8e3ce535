"""What a kind of local server says of itself: how its nodes are started, and when they are ready."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

from mainstem.errors import OutsideError
from mainstem.record import record
from mainstem.settings.java import Java

# How long a program that prepares a folder may take, in seconds.
_LIMIT_S = 180


@record
class Ask:
    """What somebody wants of a server.

    Parameters
    ----------
    nodes : int
        How many nodes.
    port : int
        Port of the first node, the next ones follow; 0 takes free ones.
    security : str
        What clients must do: one of `ServerSpec.securities`.
    settings : mapping
        Settings of the server itself, which win over ours.
    """

    nodes: int = 1
    port: int = 0
    security: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@record
class Node:
    """How one node is started.

    Parameters
    ----------
    name : str
        Name within the server, such as ``"1"``.
    argv : tuple of str
        Program and arguments.
    folder : str
        Where it runs, keeps its data, and where ``server.log`` is written.
    ports : mapping
        Its ports by what they are for.
    env : mapping
        Variables beside those of the user.
    """

    name: str
    argv: tuple[str, ...]
    folder: str
    ports: Mapping[str, int]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Give the file with everything that the node prints."""
        return Path(self.folder) / "server.log"


@record
class Layout:
    """A server that is ready to be started: its files are written, its ports are chosen.

    Parameters
    ----------
    nodes : tuple of Node
        In the order in which they are started.
    address : str
        What a client is given.
    client : mapping
        Settings with which the usual client connects, secrets among them.
    """

    nodes: tuple[Node, ...]
    address: str
    client: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        nodes = [
            {"name": n.name, "argv": n.argv, "folder": n.folder, "ports": dict(n.ports),
             "env": dict(n.env)} for n in self.nodes
        ]  # fmt: skip
        return {"nodes": nodes, "address": self.address, "client": dict(self.client)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Layout:
        """Give a layout from its plain data."""
        nodes = tuple(Node(**{**node, "argv": tuple(node["argv"])}) for node in fields["nodes"])
        return cls(nodes, fields["address"], fields["client"])


class ServerSpec(ABC):
    """One kind of server. A folder ``servers/NAME`` with a module `spec` that has ``SPEC`` adds one.

    A folder that also has a file ``jars.lock`` gets these jars, and a Java of at least `least_java`.
    """

    name: ClassVar[str]
    does: ClassVar[str]
    #: Oldest Java that will do; 0 for a server that needs none.
    least_java: ClassVar[int] = 0
    #: Whether a first start, made once for each Java, leaves an archive of loaded classes for the others.
    #: It has one main class and one class path.
    has_class_archive: ClassVar[bool] = False
    #: How many nodes it may have.
    node_counts: ClassVar[Sequence[int]] = (1,)
    #: How many it has when nobody says.
    usual_nodes: ClassVar[int] = 1
    #: What clients may be asked for; "" is nothing.
    securities: ClassVar[Sequence[str]] = ("",)
    #: How the settings begin that it knows; none is looked at when this is empty.
    prefixes: ClassVar[tuple[str, ...]] = ()
    #: What such a setting may be, for who gave another one.
    settings_are: ClassVar[str] = ""
    #: Port of the first node when a person starts it.
    usual_port: ClassVar[int]
    #: How long the nodes may take to end before they are killed.
    deadline_s: ClassVar[float] = 10.0
    #: Whether killing loses nothing but data that nobody keeps: no processes of theirs are left.
    is_killed_when_thrown_away: ClassVar[bool] = False

    def deadline(self, *, is_kept: bool) -> float:
        """Give how long the nodes may take to end: none when their data go anyway."""
        return 0.0 if self.is_killed_when_thrown_away and not is_kept else self.deadline_s

    def check(self, ask: Ask) -> None:  # noqa: B027 - most know no more than their counts and words
        """Refuse what cannot be started here, before anything is fetched.

        Parameters
        ----------
        ask : Ask
            Its number of nodes, its security and the beginnings of its settings are among those that this
            kind has.

        Raises
        ------
        SettingsError
            `PackageMissing` for what it is made of, `Usage` for what it needs and is not there.
        """

    def prepare(self, folder: Path, java: Java | None) -> None:  # noqa: B027 - most need nothing
        """Add to a fresh cache folder what every start can share; called once for each lock file.

        Parameters
        ----------
        folder : Path
            Not yet under its final name: nothing that is written into it may hold its path.
        java : Java or None
            The Java that was found, when one is needed.
        """

    @abstractmethod
    def n_ports(self, ask: Ask) -> int:
        """Give how many ports beside the one for clients each node needs."""

    @abstractmethod
    def lay_out(
        self, ask: Ask, data: Path, ports: Sequence[Sequence[int]], *, cache: Path,
        java: Java | None,
    ) -> Layout:  # fmt: skip
        """Write the files of every node below `data`, which may hold those of an earlier start.

        Parameters
        ----------
        ask : Ask
            What is wanted.
        data : Path
            Folder of this server; what is in it from before is to be kept.
        ports : sequence of sequences of int
            For each node the port for clients, then those of `n_ports`. They are free now and
            reserved among our own servers, so they stay the same when a node starts again.
        cache : Path
            Where the jars are, in ``jars``, and what `prepare` wrote.
        java : Java or None
            The Java to start.
        """

    @abstractmethod
    def not_ready(self, layout: Layout, alive: Sequence[str], asked: Sequence[str]) -> str:
        """Say why the server does not do its work yet; "" when it does.

        Ask by the protocol of its clients: an open port says little. Called every 0.1 s until it
        gives "", so it must not wait for long; a refused connection is a reason, not an error.

        Parameters
        ----------
        layout : Layout
            As `lay_out` gave it.
        alive : sequence of str
            Names of the nodes that run.
        asked : sequence of str
            Names of the nodes that must answer; each of them must know all that are alive.
        """


def needed(java: Java | None) -> Java:
    """Give the Java that a server with a `least_java` is given."""
    if java is None:
        raise AssertionError("a server with a least Java is given one")
    return java


def formatted(what: str, command: Sequence[str]) -> None:
    """Run the program of a server that prepares a folder, to its end.

    Parameters
    ----------
    what : str
        The server, for the message.
    command : sequence of str
        The program.

    Raises
    ------
    OutsideError
        `DevServerFailed` when it fails, with the end of what it said.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        timeout=_LIMIT_S,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr + done.stdout).strip()[-600:]
        raise OutsideError(
            f"{what} cannot format a folder: {said}", code="DevServerFailed",
            fix="set JAVA_HOME to another Java, such as 17",
        )  # fmt: skip
