"""A real Spark cluster: up, used, hurt, down; nothing of it is left, executors neither."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mainstem.dev import Process, attach, running
from mainstem.dev.servers.spark import jvm, package, status

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("pyspark"), reason="needs the extra spark"
)

PROGRAM = [sys.executable, "-m", "mainstem"]
# A program of a user: for each line that it reads it counts on the cluster, in Java and in Python.
DRIVER = """
import sys
from pyspark.sql import SparkSession
spark = (
    SparkSession.builder.master(sys.argv[1])
    .config("spark.executor.memory", "512m")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
for _ in sys.stdin:
    where = spark.sparkContext.parallelize(range(8), 8).map(lambda _: sys.executable).distinct()
    print(spark.range(1000).count(), where.collect(), flush=True)
"""
# Starting a driver and its executors takes 10 s of two cores that do nothing else.
WAIT_S = 240


def mainstem(*words):
    """Call the command line in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def listed(name: str) -> dict:
    """What `ls` says of a server."""
    return next(
        one for one in json.loads(mainstem("dev", "ls", "-o", "json")) if one["name"] == name
    )


def offspring(pid: int) -> list[Process]:
    """All processes that a process has started, and those that they have."""
    told = subprocess.run(
        ["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(own): int(its) for own, its in map(str.split, told.splitlines())}
    found = {pid}
    while more := {own for own, its in parents.items() if its in found} - found:
        found |= more
    processes = [Process.of(own) for own in found - {pid}]
    return [process for process in processes if process]


def wait_for(is_so) -> None:
    """Wait for something that happens by itself, soon."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.1)


@contextmanager
def driver_at(address: str, folder) -> Iterator[Callable[[], str]]:
    """A program that uses a cluster: what is given lets it count."""
    # What a user has in mind for other clusters is not for this one.
    env = {key: text for key, text in os.environ.items() if not key.startswith("SPARK_")}
    env |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    with (
        (folder / "driver.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", DRIVER, address], cwd=folder, text=True, env=env, stderr=log,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        ) as process,
    ):  # fmt: skip

        def count() -> str:
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            yield count
        finally:
            # Its Java too.
            os.killpg(process.pid, signal.SIGKILL)


def test_options_are_those_of_spark():
    """All that its own launcher gives, and no others."""
    (jar,) = (package.find().home / "jars").glob("spark-launcher_*.jar")
    with zipfile.ZipFile(jar) as file:
        text = file.read("org/apache/spark/launcher/JavaModuleOptions.class").decode("latin-1")
    theirs = set(re.findall(r"-[-XD][\x21-\x7e]+", text))

    assert theirs == {*jvm.MODULES, "--add-modules=jdk.incubator.vector"}


@pytest.fixture
def cluster():
    """A master and two workers, which `dev up` has started."""
    name = f"try-{uuid.uuid4().hex[:8]}"
    told = json.loads(mainstem("dev", "up", "spark", "--name", name, "--port", 0, "-o", "json"))
    found = attach(name)
    assert told["client"]["spark.master"] == told["address"] == found.address
    yield found
    found.down()


def test_a_cluster_that_is_used_and_loses_a_worker(cluster, tmp_path):
    """It goes on with the other one, and has both again; then it goes with all that it has started."""
    name, (master, first, second) = cluster.name, cluster.nodes
    assert cluster.address == f"spark://127.0.0.1:{master.ports['client']}"
    both = frozenset({first.ports["client"], second.ports["client"]})
    assert status.ask(master.ports["web"]) == status.Status("ALIVE", both)
    assert listed(name)["state"] == "up"
    supervisor = cluster.entry.supervisor
    with driver_at(cluster.address, tmp_path) as count:
        expected = f"1000 ['{sys.executable}']"
        assert count() == expected, (tmp_path / "driver.log").read_text()
        wait_for(lambda: offspring(first.pid) and offspring(second.pid))
        everything = offspring(supervisor.pid)

        os.kill(second.pid, signal.SIGKILL)

        wait_for(lambda: status.ask(master.ports["web"]).workers == {first.ports["client"]})
        fact = listed(name)
        assert fact["state"] == "degraded"
        assert [node["is_alive"] for node in fact["nodes"]] == [True, True, False]
        assert count() == expected
        second.start()
        assert status.ask(master.ports["web"]).workers == both
        assert cluster.state == "up"

        # With executors at work, and the driver still there.
        everything += offspring(supervisor.pid)
        assert mainstem("dev", "down", name) == f"{name} is down\n"
        assert not [process for process in (supervisor, *everything) if process.is_alive]
    assert not cluster.data.exists()
    assert not any(one.name == name for one in running())
