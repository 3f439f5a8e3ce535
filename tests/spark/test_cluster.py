"""A cluster of a master and two workers: the same answer, also when it loses what it works with."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

ROWS = 60_000


def pipeline(folder: Path) -> ms.Pipeline:
    """Numbers by their last digit: with a kernel, a shuffle and a sort."""
    lines = "".join(f'{{"k":"key {n % 10}","n":{n}}}\n' for n in range(ROWS))
    (folder / "a.jsonl").write_text(lines)
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema="k string, n bigint")
    p.table(
        "t",
        "SELECT reverse(a.k) AS r, count(*) AS c, sum(a.n) AS s, max(b.n) AS m "
        "FROM s AS a JOIN s AS b ON a.n + 1 = b.n GROUP BY reverse(a.k) ORDER BY r",
    )
    return p


def expected() -> list[tuple]:
    """Of each digit d: the numbers that have a next one."""
    found = []
    for digit in range(10):
        numbers = [n for n in range(digit, ROWS, 10) if n + 1 < ROWS]
        found.append((f"{digit} yek", len(numbers), sum(numbers), max(numbers) + 1))
    return found


def executors() -> list[int]:
    """The processes that work for drivers."""
    told = subprocess.run(
        ["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    return [
        int(line.split()[0])
        for line in told.stdout.splitlines()
        if "CoarseGrainedExecutorBackend" in line
    ]


def kill_executor() -> None:
    """Kill one -9, as soon as there is one: a job is told of before it has any."""
    until = time.monotonic() + 60
    while not (found := executors()):
        assert time.monotonic() < until, "no executor has come"
        time.sleep(0.1)
    os.kill(found[0], signal.SIGKILL)


@pytest.mark.parametrize("hurt", ["nothing", "an executor", "a worker"])
def test_the_answer_is_the_same_whatever_dies(tmp_path, cluster, hurt):
    """Killed in the middle of the job: Spark computes again what is lost."""
    p = pipeline(tmp_path)
    options = RunOptions(base_dir=tmp_path, engine=cluster.address)
    kills = 0
    for event in run(p.plan(), options):
        if event.kind == "progress" and event.name == "t" and not kills:
            kills += 1
            if hurt == "an executor":
                kill_executor()
            elif hurt == "a worker":
                os.kill(cluster.nodes[2].pid, signal.SIGKILL)

    assert kills
    found = query(tmp_path / ".mainstem/p", 'SELECT * FROM "t" ORDER BY r').rows
    assert list(found) == expected()
