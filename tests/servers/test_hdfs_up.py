"""A real HDFS: up, used, hurt, down; nothing of it is left."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

import pytest
from hdfs_native import Client, WriteOptions

from mainstem.dev import Process, attach, running, server
from mainstem.dev.servers.hdfs import jmx
from mainstem.errors import SettingsError

PROGRAM = [sys.executable, "-m", "mainstem"]
# A node that was killed is noticed after 14 s, and its blocks are copied then.
WAIT_S = 120
# A process that has a cluster, as a test run has; it says where, and is then killed.
OWNER = """
import time
from mainstem.dev import server
with server("hdfs", nodes=2) as hdfs:
    print(hdfs.name, flush=True)
    time.sleep(600)
"""


def mainstem(*words):
    """Call the command line in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def wait_for(is_so) -> None:
    """Wait for something that happens by itself, soon."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.1)


def copies(web: int, path: str) -> list[set[int]]:
    """The ports of the DataNodes that have each block of a file, as the NameNode sees it."""
    address = f"http://127.0.0.1:{web}/fsck?path={path}&files=1&blocks=1&locations=1"
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if "Live_repl=" in line]
    return [set(map(int, re.findall(r"\[127\.0\.0\.1:(\d+),", line))) for line in found]


def write(client: Client, path: str, content: bytes) -> None:
    """Write a file of many blocks."""
    with client.create(path, WriteOptions(block_size=1 << 20)) as file:
        file.write(content)


def test_a_cluster_that_is_used_and_loses_a_datanode():
    """What it holds stays, gets its third copy again elsewhere, and goes with the cluster."""
    name = f"try-{uuid.uuid4().hex[:8]}"
    told = json.loads(mainstem("dev", "up", "hdfs", "--name", name, "--port", 0, "-o", "json"))
    cluster = attach(name)
    try:
        namenode, first, *others = cluster.nodes
        assert len(others) == 3
        web = namenode.ports["web"]
        assert told["address"] == f"hdfs://127.0.0.1:{namenode.ports['client']}"
        assert told["client"] == {"fs.defaultFS": told["address"]}
        everybody = frozenset(node.ports["client"] for node in (first, *others))
        assert jmx.ask(web) == jmx.Status(everybody, False, 0)
        client = Client(told["address"])
        content = os.urandom(1 << 23)
        write(client, "/eight", content)
        assert [len(on) for on in copies(web, "/eight")] == [3] * 8

        os.kill(first.pid, signal.SIGKILL)

        assert client.read("/eight").read() == content
        wait_for(lambda: jmx.ask(web).datanodes == everybody - {first.ports["client"]})
        assert cluster.state == "degraded"
        # Of 24 copies on four nodes each had some: those of the lost one are made again.
        left = everybody - {first.ports["client"]}
        wait_for(lambda: all(on == on & left and len(on) == 3 for on in copies(web, "/eight")))
        assert jmx.ask(web).n_short == 0
        assert client.read("/eight").read() == content
        write(client, "/after", content)
        first.start()
        assert (cluster.state, jmx.ask(web).datanodes) == ("up", everybody)

        namenode.kill()
        assert cluster.state == "degraded"
        namenode.start()
        assert client.read("/after").read() == content

        processes = [cluster.entry.supervisor, *(Process.of(node.pid) for node in cluster.nodes)]
        assert mainstem("dev", "down", name) == f"{name} is down\n"
        assert not [process for process in processes if process.is_alive]
    finally:
        cluster.down()
    assert not cluster.data.exists()
    assert not any(one.name == name for one in running())


def test_data_that_is_kept_and_an_owner_that_is_killed(tmp_path):
    """The next start goes on with it; of another size it is refused. Nothing outlives its owner."""
    with server("hdfs", nodes=2, data=tmp_path, settings={"dfs.blocksize": "2m"}) as cluster:
        client = Client(cluster.address)
        with client.create("/kept") as file:
            file.write(b"still here")
        status = client.get_file_info("/kept")
        assert (status.replication, status.blocksize) == (1, 2 << 20)
    with pytest.raises(SettingsError, match="holds the data of 2 nodes, not of 3"):
        server("hdfs", nodes=3, data=tmp_path).__enter__()
    with server("hdfs", nodes=2, data=tmp_path) as cluster:
        assert Client(cluster.address).read("/kept").read() == b"still here"

    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        owned = attach(owner.stdout.readline().strip())
        processes = [owned.entry.supervisor, *(Process.of(node.pid) for node in owned.nodes)]
        owner.kill()
    wait_for(lambda: not any(process.is_alive for process in processes))


def test_settings_that_are_none_of_hadoop():
    """They are refused before anything is fetched."""
    with pytest.raises(SettingsError, match="hdfs does not know the setting 'replication'"):
        server("hdfs", settings={"replication": "1"}).__enter__()
