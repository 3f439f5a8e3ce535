"""HDFS: how a NameNode and its DataNodes are started, and when they do their work."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from mainstem.dev.ports import HOST
from mainstem.dev.servers.hdfs import conf, jmx
from mainstem.dev.servers.hdfs.jvm import program
from mainstem.dev.spec import Ask, Layout, Node, ServerSpec, formatted
from mainstem.dev.web import NoAnswer
from mainstem.errors import SettingsError
from mainstem.settings.java import Java

_NAME = "namenode"
_CLASSES = "org.apache.hadoop.hdfs.server"
_FORMATTED = "formatted"


class HdfsSpec(ServerSpec):
    """A NameNode, and two to five DataNodes."""

    name = "hdfs"
    does = "Apache Hadoop HDFS"
    least_java = 17
    node_counts = (2, 3, 4, 5, 6)
    # One DataNode more than a block has copies: when one is lost, what is written still has three.
    usual_nodes = 5
    usual_port = 9820
    prefixes = conf.PREFIXES
    settings_are = "a property of Hadoop, such as dfs.blocksize"
    is_killed_when_thrown_away = True

    def prepare(self, folder: Path, java: Java | None) -> None:
        """Keep what the format step writes, to begin each NameNode with: it would be half of its start."""
        with tempfile.TemporaryDirectory() as scratch:
            own = conf.Ports(1, 1, 1)
            conf.write(Path(scratch), conf.properties(Path(scratch), own, own, n_copies=1))
            command = [*program(java, Path(scratch), folder), f"{_CLASSES}.namenode.NameNode",
                       "-format", "-nonInteractive"]  # fmt: skip
            formatted("HDFS", command)
            shutil.copytree(Path(scratch, "data"), folder / _FORMATTED)

    def n_ports(self, ask: Ask) -> int:
        """Give one for the web page that each node has, and one on which a DataNode is told things."""
        return 2

    def lay_out(
        self, ask: Ask, data: Path, ports: Sequence[Sequence[int]], *, cache: Path,
        java: Java | None,
    ) -> Layout:  # fmt: skip
        """Write the settings of each node, and format the NameNode's folder."""
        _check_data(data, ask.nodes)
        listening = [conf.Ports(*own) for own in ports]
        nodes = []
        for number, own in enumerate(listening):
            name = f"datanode-{number}" if number else _NAME
            folder = data / name
            folder.mkdir(exist_ok=True)
            if not number:
                _format(folder / "data", cache)
            settings = conf.properties(folder, listening[0], own, n_copies=min(3, ask.nodes - 1))
            conf.write(folder, settings | dict(ask.settings))
            main = f"{_CLASSES}.datanode.DataNode" if number else f"{_CLASSES}.namenode.NameNode"
            argv = (*program(java, folder, cache), main)
            nodes.append(Node(name, argv, str(folder), own.to_dict()))
        address = f"hdfs://{HOST}:{listening[0].client}"
        return Layout(tuple(nodes), address, {"fs.defaultFS": address})

    def not_ready(self, layout: Layout, alive: Sequence[str], asked: Sequence[str]) -> str:
        """Ask the NameNode for the DataNodes that it has, and whether it lets anybody write."""
        if _NAME not in alive:
            return "the NameNode does not run"
        ports = {node.name: node.ports for node in layout.nodes}
        try:
            found = jmx.ask(ports[_NAME]["web"])
        except NoAnswer as reason:
            return f"the NameNode does not answer: {reason}"
        nodes = [name for name in alive if name != _NAME]
        missing = [name for name in nodes if ports[name]["client"] not in found.datanodes]
        if missing:
            return f"the NameNode does not know {', '.join(missing)}"
        return "the NameNode is in safe mode" if found.is_safe_mode else ""


def _check_data(data: Path, n_nodes: int) -> None:
    """Refuse the data of a cluster of another size: blocks would lack their copies."""
    n_before = len(list(data.glob("*/data/current/VERSION")))
    if n_before not in (0, n_nodes):
        raise SettingsError(
            f"{data} holds the data of {n_before} nodes, not of {n_nodes}",
            code="Usage", fix=f"give --nodes {n_before}, or another folder",
        )  # fmt: skip


def _format(folder: Path, cache: Path) -> None:
    """Do what the format step does, without its Java; nothing when it is done already.

    The cluster gets a name of its own: a DataNode of another one is refused by it.
    """
    if (folder / "current" / "VERSION").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    beside = folder.with_name("data.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(cache / _FORMATTED, beside)
    version = beside / "current" / "VERSION"
    lines = version.read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("clusterID=")]
    version.write_text("\n".join([*kept, f"clusterID=CID-{uuid.uuid4()}", ""]), "utf-8")
    beside.rename(folder)


SPEC = HdfsSpec()
