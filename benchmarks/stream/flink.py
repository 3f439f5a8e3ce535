"""Flink as a session cluster with its SQL gateway, of jars alone: three processes on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.process import CORES, ProcessFailedError
from benchmarks.stream.bids import WINDOW_S
from benchmarks.stream.jars import jars
from benchmarks.stream.usage import cpu_s
from mainstem.dev import java, ports

_READY_S = 90
_LANG = "java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time"
_UTIL = "java.util java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks"
_OPENS = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in f"{_LANG} {_UTIL}".split()]
_JVM = ["-XX:+UseSerialGC", *_OPENS]
# What the scripts of a distribution would compute; with a state of a few kB all of it is plenty.
_WORKER = {
    "taskmanager.cpu.cores": f"{CORES}.0",
    "taskmanager.memory.task.heap.size": "1024mb",
    "taskmanager.memory.task.off-heap.size": "0b",
    "taskmanager.memory.network.min": "64mb",
    "taskmanager.memory.network.max": "64mb",
    "taskmanager.memory.managed.size": "256mb",
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.framework.off-heap.size": "128mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.min": "192mb",
    "taskmanager.memory.jvm-overhead.max": "192mb",
}
SETTINGS = {
    "execution.runtime-mode": "streaming",
    "parallelism.default": str(CORES),
    "execution.checkpointing.interval": "1 s",
    "execution.checkpointing.mode": "EXACTLY_ONCE",
    "pipeline.object-reuse": "true",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "500 ms",
    "table.exec.mini-batch.size": "20000",
    "table.local-time-zone": "UTC",
}
_SOURCE = """
CREATE TABLE bids (auction BIGINT, price BIGINT, ts TIMESTAMP_LTZ(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}',
  'properties.group.id' = 'flink-{topic}', 'scan.startup.mode' = 'earliest-offset',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')
"""
_SINK = """
CREATE TABLE `{topic}` (auction BIGINT, window_end TIMESTAMP_LTZ(3), n BIGINT, total BIGINT)
WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'tx-{topic}',
  'properties.transaction.timeout.ms' = '600000')
"""
_INSERT = """
INSERT INTO `{topic}` SELECT auction, window_time_end, n, total FROM (
  SELECT auction, CAST(window_end AS TIMESTAMP_LTZ(3)) AS window_time_end, COUNT(*) AS n,
    SUM(price) AS total
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '{seconds}' SECOND))
  GROUP BY auction, window_start, window_end)
"""


class Flink:
    """A running cluster, and one session of its gateway."""

    def __init__(self, cluster: str, gateway: str, pids: list[int]) -> None:
        self._cluster, self._gateway = cluster, f"{gateway}/v3"
        self._pids = pids
        self._session = ""
        self._job = ""

    def begin(self, servers: str, topic: str) -> None:
        """Open the session and declare the source."""
        opened = _ask(f"{self._gateway}/sessions", {"properties": SETTINGS})
        self._session = f"{self._gateway}/sessions/{opened['sessionHandle']}"
        self.servers = servers
        self.sql(_SOURCE.format(topic=topic, servers=servers))

    def prepare(self, topic: str) -> None:
        """Declare a sink; not part of the time."""
        self.sql(_SINK.format(topic=topic, servers=self.servers))

    def start(self, topic: str) -> None:
        """Submit the query."""
        answer = self.sql(_INSERT.format(topic=topic, seconds=WINDOW_S))
        self._job = str(answer["results"]["data"][0]["fields"][0])

    def is_alive(self) -> bool:
        """Say whether the job has not failed; asks the cluster nothing, to cost nothing."""
        return True

    def complaint(self) -> str:
        """Give what the cluster says of the job."""
        found = _ask(f"{self._cluster}/jobs/{self._job}/exceptions")
        return str(found.get("root-exception") or found)[:2000]

    def cpu_s(self) -> float:
        """Give the CPU time so far."""
        return cpu_s(*self._pids)

    def stop(self) -> None:
        """End the job, and wait until its slots are free."""
        _ask(f"{self._cluster}/jobs/{self._job}?mode=cancel", method="PATCH")
        _wait(lambda: _ask(f"{self._cluster}/overview")["slots-available"] >= CORES, "free slots")

    def sql(self, text: str) -> dict[str, Any]:
        """Run a statement to the answer's first part."""
        handle = _ask(f"{self._session}/statements", {"statement": text})["operationHandle"]
        page = f"{self._session}/operations/{handle}/result/0?rowFormat=JSON"
        while True:
            answer = _ask(page)
            if answer["resultType"] != "NOT_READY":
                return answer
            time.sleep(0.02)


@contextmanager
def flink(folder: Path) -> Iterator[Flink]:
    """Have a cluster with as many slots as cores for as long as a block runs."""
    rest, rpc, data, gateway = ports.choose(4, ())
    lib, home = jars("flink"), folder / "flink"
    (home / "conf").mkdir(parents=True)
    configuration = {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": rpc,
        "taskmanager.host": "127.0.0.1",
        "taskmanager.data.port": data,
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": rest,
        "sql-gateway.endpoint.rest.address": "127.0.0.1",
        "sql-gateway.endpoint.rest.bind-address": "127.0.0.1",
        "sql-gateway.endpoint.rest.port": gateway,
        # Without it the gateway takes the port of the cluster.
        "sql-gateway.endpoint.rest.bind-port": gateway,
        "execution.checkpointing.dir": (home / "checkpoints").as_uri(),
        "io.tmp.dirs": str(home),
        "state.backend.type": "hashmap",
        "taskmanager.numberOfTaskSlots": CORES,
    }
    lines = [f'{name}: "{value}"' for name, value in configuration.items()]
    (home / "conf" / "config.yaml").write_text("\n".join(lines) + "\n")
    program = [*java.find(17).command, *_JVM]
    classes = ["-cp", f"{lib}/*"]
    where = ["--configDir", str(home / "conf")]
    worker = [f"-D{name}={value}" for name, value in _WORKER.items()]
    runtime = "org.apache.flink.runtime"
    entry = f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint"
    commands: dict[str, list[str]] = {
        "jobmanager": ["-Xmx512m", *classes, entry, *where, "--executionMode", "cluster"],
        "taskmanager": ["-Xms1152m", "-Xmx1152m", "-XX:MaxDirectMemorySize=256m", *classes,
                        f"{runtime}.taskexecutor.TaskManagerRunner", *where, *worker],
        "gateway": ["-Xmx512m", *classes, "org.apache.flink.table.gateway.SqlGateway"],
    }  # fmt: skip
    with ExitStack() as stack:
        pids = [
            _start(stack, home, name, [*program, *command], lib)
            for name, command in commands.items()
        ]
        found = Flink(f"http://127.0.0.1:{rest}", f"http://127.0.0.1:{gateway}", pids)
        address = f"http://127.0.0.1:{rest}/overview"
        try:
            _wait(lambda: _ask(address)["slots-available"] >= CORES, "slots")
            _wait(lambda: _ask(f"http://127.0.0.1:{gateway}/v3/info"), "the gateway")
        except ProcessFailedError as error:
            said = "".join(file.read_text()[-1500:] for file in home.glob("*.log"))
            raise ProcessFailedError(f"{error}\n{said}") from error
        yield found


def _start(stack: ExitStack, home: Path, name: str, command: list[str], lib: Path) -> int:
    folders = {"FLINK_HOME": home, "FLINK_CONF_DIR": home / "conf", "FLINK_LIB_DIR": lib}
    environment = os.environ | {key: str(value) for key, value in folders.items()}
    log = stack.enter_context((home / f"{name}.log").open("wb"))
    child = subprocess.Popen(
        command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    stack.callback(child.wait)
    stack.callback(child.kill)
    return child.pid


def _ask(
    address: str, body: Mapping[str, Any] | None = None, method: str | None = None
) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        address, data, {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        causes = [line for line in error.read().decode().split("\\n") if "aused by" in line]
        raise ProcessFailedError(f"Flink: {error} {' '.join(causes[-3:])}") from error
    found: dict[str, Any] = json.loads(text or b"{}")
    return found


def _wait(is_done: Callable[[], object], what: str) -> None:
    until = time.perf_counter() + _READY_S
    while time.perf_counter() < until:
        try:
            if is_done():
                return
        except (OSError, ProcessFailedError):
            pass  # it does not listen yet
        time.sleep(0.05)
    raise ProcessFailedError(f"Flink: no {what} within {_READY_S} s")
