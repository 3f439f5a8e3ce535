"""YARN: how its nodes are started, and when they do their work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mainstem.dev import entry as entries
from mainstem.dev.ports import HOST
from mainstem.dev.servers.hdfs.jvm import program
from mainstem.dev.servers.yarn import conf, rest
from mainstem.dev.spec import Ask, Layout, Node, ServerSpec, needed
from mainstem.dev.web import NoAnswer
from mainstem.errors import SettingsError
from mainstem.settings.java import Java

_MANAGER, _HISTORY = "resourcemanager", "historyserver"
_MAIN = {
    _MANAGER: "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    _HISTORY: "org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer",
}
_NODE_MAIN = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"


class YarnSpec(ServerSpec):
    """A ResourceManager, a history of jobs, and one to four NodeManagers, beside an HDFS."""

    name = "yarn"
    does = "Apache Hadoop YARN"
    least_java = 17
    node_counts = (3, 4, 5, 6)
    usual_nodes = 4
    usual_port = 8032
    prefixes = conf.PREFIXES
    settings_are = "a property of Hadoop, such as yarn.nodemanager.resource.memory-mb"
    # What tasks have started ends with the supervisor.
    deadline_s = 5.0

    def check(self, ask: Ask) -> None:
        """Refuse a machine where no HDFS is up."""
        _filesystem(ask)

    def n_ports(self, ask: Ask) -> int:
        """Give as many as a ResourceManager has, or a NodeManager; the history needs fewer."""
        return 4

    def lay_out(
        self, ask: Ask, data: Path, ports: Sequence[Sequence[int]], *, cache: Path,
        java: Java | None,
    ) -> Layout:  # fmt: skip
        """Write the settings of each node."""
        filesystem, jars = _filesystem(ask), str(cache / "jars" / "*")
        everybody = conf.shared(filesystem, ports[0], ports[1], jars=jars)
        nodes = []
        for number, own in enumerate(ports):
            name = (_MANAGER, _HISTORY)[number] if number < 2 else f"nodemanager-{number - 1}"
            folder = data / name
            folder.mkdir(exist_ok=True)
            settings = everybody | {"hadoop.tmp.dir": str(folder / "tmp")}
            if number >= 2:
                settings |= conf.of_node(folder, own)
            conf.write(folder, settings | dict(ask.settings))
            argv = (*program(java, folder, cache), _MAIN.get(name, _NODE_MAIN))
            # Tasks have these of a NodeManager.
            env = {"JAVA_HOME": str(needed(java).home), "HADOOP_CONF_DIR": str(folder)}
            nodes.append(Node(name, argv, str(folder), {"client": own[0], "web": own[1]}, env))
        client = {
            "fs.defaultFS": filesystem,
            "yarn.resourcemanager.webapp.address": f"{HOST}:{ports[0][1]}",
            "mapreduce.jobhistory.webapp.address": f"{HOST}:{ports[1][1]}",
            "HADOOP_CONF_DIR": str(data / _MANAGER),
            "classpath": f"{data / _MANAGER}:{jars}",
        }
        return Layout(tuple(nodes), f"{HOST}:{ports[0][0]}", client)

    def not_ready(self, layout: Layout, alive: Sequence[str], asked: Sequence[str]) -> str:
        """Ask the ResourceManager for its nodes, and the history whether it is there."""
        ports = {node.name: node.ports for node in layout.nodes}
        if _MANAGER not in alive:
            return "the ResourceManager does not run"
        try:
            known = rest.running_nodes(ports[_MANAGER]["web"])
            if _HISTORY in alive:
                rest.check_history(ports[_HISTORY]["web"])
        except NoAnswer as reason:
            return f"the ResourceManager or the history of jobs does not answer: {reason}"
        nodes = [name for name in alive if name not in _MAIN]
        missing = [name for name in nodes if ports[name]["client"] not in known]
        return f"the ResourceManager does not know {', '.join(missing)}" if missing else ""


def _filesystem(ask: Ask) -> str:
    """Give the HDFS where jobs and their files are."""
    if given := ask.settings.get("fs.defaultFS"):
        return given
    found = [one for one in entries.every() if one.kind == "hdfs" and one.is_alive]
    if len(found) != 1:
        raise SettingsError(
            f"yarn needs an HDFS, and {len(found) or 'none'} of them is up", code="Usage",
            fix="mainstem dev up hdfs, or give --set fs.defaultFS=hdfs://HOST:PORT",
        )  # fmt: skip
    return found[0].layout.address


SPEC = YarnSpec()
