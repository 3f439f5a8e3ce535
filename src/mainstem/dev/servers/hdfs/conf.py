"""What stands in the settings files of a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from mainstem.dev.ports import HOST
from mainstem.record import record

PREFIXES = ("dfs.", "fs.", "hadoop.", "io.", "ipc.", "net.")
# A client of Hadoop reads the address from the first, a node what is its own from the second.
_FILES = ("core-site", "hdfs-site")
# The jars carry no web pages, and a node that finds no folder for them does not start.
_PAGES = ("webapps/hdfs", "webapps/datanode")
_LOG = """\
log4j.rootLogger=INFO,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c{1} %m%n
"""


@record
class Ports:
    """Where a node listens.

    Parameters
    ----------
    client : int
        For clients: calls of a NameNode, blocks of a DataNode.
    web : int
        The page on which it tells of itself.
    inside : int
        Where a DataNode is told things; a NameNode has none.
    """

    client: int
    web: int
    inside: int

    def to_dict(self) -> dict[str, int]:
        """Give them by name."""
        return {"client": self.client, "web": self.web, "inside": self.inside}


def properties(folder: Path, name: Ports, own: Ports, *, n_copies: int) -> dict[str, str]:
    """Give the settings of a node.

    Parameters
    ----------
    folder : Path
        Where it keeps its data.
    name, own : Ports
        Those of the NameNode, and its own.
    n_copies : int
        How many DataNodes have each block.
    """
    return {
        "fs.defaultFS": f"hdfs://{HOST}:{name.client}",
        "hadoop.tmp.dir": str(folder / "tmp"),
        "dfs.replication": str(n_copies),
        **_addresses(name, own),
        **{f"dfs.{kind}.{what}.dir": f"file://{folder}/data"
           for kind, what in (("namenode", "name"), ("datanode", "data"))},
        **_QUICK,
    }  # fmt: skip


def _addresses(name: Ports, own: Ports) -> dict[str, str]:
    return {
        "dfs.namenode.rpc-address": f"{HOST}:{name.client}",
        "dfs.namenode.http-address": f"{HOST}:{name.web}",
        "dfs.datanode.address": f"{HOST}:{own.client}",
        "dfs.datanode.http.address": f"{HOST}:{own.web}",
        "dfs.datanode.ipc.address": f"{HOST}:{own.inside}",
        "dfs.datanode.hostname": HOST,
        # Addresses of this machine need not have names.
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
    }


# Waiting time and memory, and nothing that a client may rely on.
_QUICK = {
    "dfs.namenode.safemode.extension": "0",
    # A node that was killed is noticed after 14 s in place of ten minutes: 2 * recheck + 10 * heartbeat.
    "dfs.heartbeat.interval": "1",
    "dfs.namenode.heartbeat.recheck-interval": "2000",
    "dfs.namenode.redundancy.interval.seconds": "1s",
    # Blocks of a few bytes let a test write a file of many.
    "dfs.namenode.fs-limits.min-block-size": "1024",
    "dfs.datanode.handler.count": "3",
    "dfs.namenode.handler.count": "5",
    # Who is not root on this machine has no groups that a script could ask for.
    "hadoop.security.group.mapping": "org.apache.hadoop.security.ShellBasedUnixGroupsMapping",
    # A disk that is nearly full holds a test all the same.
    "dfs.datanode.du.reserved": "0",
}


def write(
    folder: Path, settings: Mapping[str, str], *, files: Sequence[str] = _FILES,
    pages: Sequence[str] = _PAGES,
) -> None:  # fmt: skip
    """Write what a process of Hadoop finds on its class path: the settings, in each of these files."""
    text = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in settings.items()
    )
    for file in files:
        (folder / f"{file}.xml").write_text(f"<configuration>\n{text}</configuration>\n", "utf-8")
    (folder / "log4j.properties").write_text(_LOG, "utf-8")
    for page in pages:
        (folder / page).mkdir(parents=True, exist_ok=True)
