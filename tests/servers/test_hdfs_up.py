"""A real HDFS: up, used, hurt, down; nothing of it is left."""

import json
import subprocess
import sys
import time
import uuid

import pytest
from hdfs_native import Client

from mainstem.dev import Process, attach, running, server
from mainstem.dev.servers.hdfs import jmx
from mainstem.errors import SettingsError

PROGRAM = [sys.executable, "-m", "mainstem"]
WAIT_S = 60
# A process that has a cluster, as a test run has; it says where, and is then killed.
OWNER = """
import sys, time
from mainstem.dev import server
with server("hdfs", nodes=2, data=sys.argv[1], settings={"dfs.blocksize": "2m"}) as hdfs:
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


def test_a_cluster_that_is_used():
    """It has three copies of everything, and goes with all that it has started."""
    name = f"try-{uuid.uuid4().hex[:8]}"
    told = json.loads(mainstem("dev", "up", "hdfs", "--name", name, "--port", 0, "-o", "json"))
    cluster = attach(name)
    try:
        namenode, *datanodes = cluster.nodes
        assert len(datanodes) == 4
        assert told["address"] == f"hdfs://127.0.0.1:{namenode.ports['client']}"
        assert told["client"] == {"fs.defaultFS": told["address"]}
        ports = frozenset(node.ports["client"] for node in datanodes)
        assert jmx.ask(namenode.ports["web"]) == jmx.Status(ports, False, 0)
        client = Client(told["address"])
        with client.create("/one") as file:
            file.write(b"what is written")
        assert client.get_file_info("/one").replication == 3
        assert client.read("/one").read() == b"what is written"
        listed = json.loads(mainstem("dev", "ls", "-o", "json"))
        assert [one["state"] for one in listed if one["name"] == name] == ["up"]

        processes = [cluster.entry.supervisor, *(Process.of(node.pid) for node in cluster.nodes)]
        assert mainstem("dev", "down", name) == f"{name} is down\n"
        assert not [process for process in processes if process.is_alive]
    finally:
        cluster.down()
    assert not cluster.data.exists()
    assert not any(one.name == name for one in running())


def test_an_owner_that_is_killed_and_data_that_is_kept(tmp_path):
    """Nothing outlives its owner; the next start goes on with the data, and one of another size does not."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        owned = attach(owner.stdout.readline().strip())
        client = Client(owned.address)
        with client.create("/kept") as file:
            file.write(b"still here")
        status = client.get_file_info("/kept")
        assert (status.replication, status.blocksize) == (1, 2 << 20)
        processes = [owned.entry.supervisor, *(Process.of(node.pid) for node in owned.nodes)]
        owner.kill()
    wait_for(lambda: not any(process.is_alive for process in processes))

    with pytest.raises(SettingsError, match="holds the data of 2 nodes, not of 3"):
        server("hdfs", nodes=3, data=tmp_path).__enter__()
    with server("hdfs", nodes=2, data=tmp_path) as cluster:
        assert Client(cluster.address).read("/kept").read() == b"still here"


def test_settings_that_are_none_of_hadoop():
    """They are refused before anything is fetched."""
    with pytest.raises(SettingsError, match="hdfs does not know the setting 'replication'"):
        server("hdfs", settings={"replication": "1"}).__enter__()
