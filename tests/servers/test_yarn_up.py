"""A real YARN beside a real HDFS: a job whose first attempts die, its counters, and nothing left of it."""

import json
import os
import subprocess
import time

import pytest

from mainstem.dev import Process, server
from mainstem.dev.servers.yarn import rest
from mainstem.dev.web import get
from mainstem.errors import SettingsError
from mainstem.filesystems import file_system
from tests.servers import hdfs_case as case

WAIT_S = 120
MAP = """#!/usr/bin/env python3
import os, sys
attempt = os.environ["mapreduce_task_attempt_id"]
sys.stderr.write("reporter:counter:words,maps,1\\n")
for n, line in enumerate(sys.stdin):
    if n > 10 and "_m_000000_0" in attempt:
        os._exit(7)
    for word in line.split():
        print(word + "\\t1")
"""
REDUCE = """#!/usr/bin/env python3
import itertools, sys
pairs = (line.rstrip("\\n").split("\\t") for line in sys.stdin)
for word, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
    print(word + "\\t" + str(sum(int(n) for _, n in group)))
"""


def page(address: str, path: str) -> dict:
    """What a page for programs says."""
    return json.loads(get(int(address.rpartition(":")[2]), path))


def test_a_job_whose_first_attempt_dies(hdfs, tmp_path):
    """Its counts are right; the history tells of both attempts; and everything goes with `down`."""
    folder = case.folder_on(hdfs)
    case.put(folder, "in/a.txt", b"the quick fox and the dog\n" * 200, tmp_path)
    case.put(folder, "in/b.txt", b"the end\n" * 200, tmp_path)
    (tmp_path / "map.py").write_text(MAP)
    (tmp_path / "reduce.py").write_text(REDUCE)
    with server("yarn", settings={"fs.defaultFS": hdfs.address}) as yarn:
        manager, history, *nodes = yarn.nodes
        assert yarn.address == f"127.0.0.1:{manager.ports['client']}"
        ports = frozenset(node.ports["client"] for node in nodes)
        assert rest.running_nodes(manager.ports["web"]) == ports
        assert len(ports) == 2
        java = yarn.entry.layout.nodes[0].argv[0]
        command = [
            java, "-cp", yarn.client["classpath"], "org.apache.hadoop.streaming.HadoopStreaming",
            "-D", "mapreduce.job.reduces=2", "-files", f"{tmp_path}/map.py,{tmp_path}/reduce.py",
            "-input", f"{folder}/in", "-output", f"{folder}/out", "-mapper", "python3 map.py",
            "-combiner", "python3 reduce.py", "-reducer", "python3 reduce.py",
        ]  # fmt: skip
        env = os.environ | {"HADOOP_CONF_DIR": yarn.client["HADOOP_CONF_DIR"]}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

        parts = file_system(folder).find(f"{folder}/out")
        lines = b"".join(map(case.read, parts)).decode().split()
        counts = dict(zip(lines[::2], map(int, lines[1::2]), strict=True))
        assert counts == {"the": 600, "quick": 200, "fox": 200, "and": 200, "dog": 200, "end": 200}
        path, until = "/ws/v1/history/mapreduce/jobs", time.monotonic() + WAIT_S
        while not (jobs := page(yarn.client["mapreduce.jobhistory.webapp.address"], path)["jobs"]):
            assert time.monotonic() < until, "the history does not know the job"
            time.sleep(0.2)
        (job,) = jobs["job"]
        found = page(f":{history.ports['web']}", f"{path}/{job['id']}")["job"]
        assert (job["state"], found["failedMapAttempts"]) == ("SUCCEEDED", 1)
        assert found["successfulMapAttempts"] == found["mapsTotal"]

        processes = [yarn.entry.supervisor, *(Process.of(node.pid) for node in yarn.nodes)]
    assert not [process for process in processes if process.is_alive]


def test_settings_that_are_none_of_hadoop():
    """They are refused before anything is fetched."""
    with pytest.raises(SettingsError, match="yarn does not know the setting 'memory'"):
        server("yarn", settings={"memory": "1"}).__enter__()
