"""What stands in the settings of YARN and MapReduce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mainstem.dev.ports import HOST
from mainstem.dev.servers.hdfs import conf as hdfs

PREFIXES = (*hdfs.PREFIXES, "yarn.", "mapreduce.", "mapred.")
# Each is read after the defaults of its part, which would win over what stands in the first only.
_FILES = ("core-site", "hdfs-site", "mapred-site", "yarn-site", "capacity-scheduler")
_OPENED = "--add-opens=java.base/java.lang=ALL-UNNAMED"
_JVM = f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 {_OPENED}"


def write(folder: Path, settings: Mapping[str, str]) -> None:
    """Write what a node, a task or a client finds on its class path."""
    hdfs.write(folder, settings, files=_FILES, pages=())


def shared(
    filesystem: str, manager: Sequence[int], history: Sequence[int], *, jars: str
) -> dict[str, str]:
    """Give the settings that everybody has, clients too.

    Parameters
    ----------
    filesystem : str
        Address of the HDFS.
    manager, history : sequence of int
        Ports of the ResourceManager and of the history of jobs.
    jars : str
        Class path of tasks.
    """
    what = ("", ".webapp", ".scheduler", ".resource-tracker", ".admin")
    addresses = {
        f"yarn.resourcemanager{one}.address": f"{HOST}:{port}"
        for one, port in zip(what, manager, strict=True)
    }
    addresses |= {
        f"mapreduce.jobhistory{one}.address": f"{HOST}:{port}"
        for one, port in zip(("", ".webapp", ".admin"), history, strict=False)
    }
    return {
        "fs.defaultFS": filesystem,
        "yarn.resourcemanager.hostname": HOST,
        **addresses,
        "yarn.application.classpath": jars,
        "mapreduce.application.classpath": jars,
        **_JOBS,
        **_QUEUES,
    }


def of_node(folder: Path, ports: Sequence[int]) -> dict[str, str]:
    """Give the settings of one NodeManager."""
    client, web, localizer, collector, shuffle = ports
    return {
        "yarn.nodemanager.hostname": HOST,
        "yarn.nodemanager.bind-host": HOST,
        "yarn.nodemanager.address": f"{HOST}:{client}",
        "yarn.nodemanager.webapp.address": f"{HOST}:{web}",
        "yarn.nodemanager.localizer.address": f"{HOST}:{localizer}",
        "yarn.nodemanager.collector-service.address": f"{HOST}:{collector}",
        "mapreduce.shuffle.port": str(shuffle),
        "yarn.nodemanager.local-dirs": str(folder / "local"),
        "yarn.nodemanager.log-dirs": str(folder / "logs"),
        "yarn.nodemanager.aux-services": "mapreduce_shuffle",
        "yarn.nodemanager.aux-services.mapreduce_shuffle.class":
            "org.apache.hadoop.mapred.ShuffleHandler",
        "yarn.nodemanager.env-whitelist": "JAVA_HOME,PATH,HADOOP_CONF_DIR",
        **_NODE,
    }  # fmt: skip


_NODE = {
    "yarn.nodemanager.resource.memory-mb": "2560",
    "yarn.nodemanager.resource.cpu-vcores": "8",
    # A Java maps far more memory than it has.
    "yarn.nodemanager.vmem-check-enabled": "false",
    # A disk that is nearly full holds a test all the same.
    "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99.5",
    "yarn.nodemanager.heartbeat.interval-ms": "100",
}

_JOBS = {
    "mapreduce.framework.name": "yarn",
    "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "100",
    "yarn.scheduler.minimum-allocation-mb": "128",
    "yarn.app.mapreduce.am.resource.mb": "640",
    "yarn.app.mapreduce.am.command-opts": f"-Xmx384m {_JVM}",
    "mapreduce.map.memory.mb": "512",
    "mapreduce.reduce.memory.mb": "512",
    "mapred.child.java.opts": f"-Xmx200m {_JVM}",
    "mapreduce.task.io.sort.mb": "32",
    "yarn.app.mapreduce.am.scheduler.heartbeat.interval-ms": "100",
    "mapreduce.client.progressmonitor.pollinterval": "200",
    "mapreduce.client.completion.pollinterval": "200",
}

# One queue; a job's own master may take most of it, as there are few jobs at a time.
_QUEUES = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": "100",
    "yarn.scheduler.capacity.maximum-am-resource-percent": "0.9",
    "yarn.scheduler.capacity.node-locality-delay": "0",
}
