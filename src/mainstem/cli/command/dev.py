"""`mainstem dev`: real servers on this machine, to try pipelines and to test them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainstem.cli.numbers import plural, seconds
from mainstem.cli.options import NO_OPTIONS, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import aligned, table
from mainstem.cli.terminal import is_interactive
from mainstem.errors import SettingsError

if TYPE_CHECKING:
    from mainstem.dev import Server


def up(
    kind: str, /, *, name: str = "", nodes: int | None = None, port: int | None = None,
    data: Path | None = None, security: str = "",
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Start a server on this machine and wait until it does its work.

    It runs until it is brought down, also when this terminal is closed.

    Parameters
    ----------
    kind : str
        Which server: kafka, spark, hdfs or yarn.
    name : str
        What to call it, to have several; its kind when not given.
    nodes : int
        How many nodes: of kafka 1 or 3; of spark a master and 1 to 4 workers, so 2 to 5, and 3 when not
        given; of hdfs 2 to 6, and 5 when not given; of yarn 3 to 6, and 4 when not given.
    port : int
        Port of the first node, the next ones follow; the usual one of the server when not given, 0
        for free ones.
    data : Path
        Folder to keep its data in, and to go on with; without it they go when it is brought down.
    security : str
        What clients of kafka must do: sasl, tls or sasl_tls; nothing when not given.
    settings : tuple of str
        A setting of the server itself, as in --set num.partitions=3; may be repeated.
    """
    from mainstem.dev import up as start
    from mainstem.dev.servers import load
    from mainstem.dev.start import is_prepared

    common.start_log()
    begun = time.monotonic()
    usual = load(kind).usual_port if port is None else port
    if is_interactive() and not common.quiet and not is_prepared(kind):
        print("the first start on this machine fetches what it needs", file=sys.stderr)
    found = start(
        kind, name=name, nodes=nodes, port=usual, data=data, security=security,
        settings=_assignments(settings),
    )  # fmt: skip
    if common.is_json:
        say_json({**_facts(found), "client": found.client})
        return 0
    say(f"{found.name}: {plural(len(found.nodes), 'node')} at {found.address}, "
        f"ready after {seconds(time.monotonic() - begun)}")  # fmt: skip
    if not common.quiet:
        say(aligned([(f"{key}", value) for key, value in found.client.items()]))
        say(f"data: {found.data}{'' if data else ', removed when it is brought down'}")
        say(f"next: mainstem dev down {found.name}")
    return 0


def down(
    name: str = "", /, *, all_: Annotated[bool, Parameter(name="--all")] = False,
    common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """End a server that `dev up` has started: all its nodes at once.

    Parameters
    ----------
    name : str
        Which one, as `dev ls` names it.
    all_ : bool
        End every server that belongs to no process.

    Raises
    ------
    SettingsError
        When neither or both are given.
    """
    from mainstem.dev import down as end
    from mainstem.dev import running

    common.start_log()
    if bool(name) == all_:
        raise SettingsError(
            "dev down ends one server by its name, or --all", code="Usage",
            fix="mainstem dev ls shows their names",
        )  # fmt: skip
    # What belongs to a test run goes with it.
    free = [server.name for server in running() if not server.is_owned] if all_ else [name]
    ended = [end(each) for each in free]
    if common.is_json:
        say_json([{"name": server.name, "kind": server.entry.kind} for server in ended])
        return 0
    for server in ended:
        kept = f"; its data stay in {server.data}" if server.entry.is_kept else ""
        say(f"{server.name} is down{kept}")
    if not ended:
        say("nothing is up")
    return 0


def ls(*, common: Common = NO_OPTIONS) -> int:
    """List the servers of this user on this machine, those of running tests too."""
    from mainstem.dev import running

    common.start_log()
    found = [_facts(server) for server in running()]
    if common.is_json:
        say_json(found)
        return 0
    if not found:
        say("nothing is up")
        return 0
    heads = ("name", "kind", "nodes", "address", "pids", "state", "data")
    rows = [
        (fact["name"], fact["kind"], len(fact["nodes"]), fact["address"],
         " ".join(str(node["pid"]) for node in fact["nodes"] if node["is_alive"]),
         fact["state"], fact["data"])
        for fact in found
    ]  # fmt: skip
    say(table(heads, rows, right=(2,)))
    return 0


def _facts(server: Server) -> dict[str, Any]:
    owner = server.entry.owner
    return {
        "name": server.name, "kind": server.entry.kind, "address": server.address,
        "state": server.state, "data": str(server.data), "is_kept": server.entry.is_kept,
        "owner_pid": owner.pid if owner else None,
        "nodes": [
            {"name": node.name, "pid": node.pid, "is_alive": node.is_alive,
             "ports": dict(node.ports), "log": str(node.log)}
            for node in server.nodes
        ],
    }  # fmt: skip


def _assignments(texts: tuple[str, ...]) -> dict[str, str]:
    """Read ``name=value``; a value may hold further signs."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign):
            raise SettingsError(
                f"--set {text} gives no value", code="Usage", fix="write --set name=value"
            )
        found[name.strip()] = value
    return found
