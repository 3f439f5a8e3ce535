"""Map/reduce while its processes die: the answer is the same, or there is none and nothing is left."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.test_failures import ways_to_fill
from tests.unit.mapreduce.case import asked, events, job_facts, pipeline

ROOT = Path(__file__).resolve().parents[2]
KILLS = 100 if os.environ.get("MAINSTEM_LONG") else 20
WORKER = b"mainstem.mapreduce.worker"
# Eighty map tasks of about 60 ms each, and four reduce tasks.
COUNT = """
import time

import mainstem as ms

p = ms.Pipeline("count")
p.source("lines", ms.files("lines.txt", format="text"), schema="line string")


@p.map_reduce("lines", key="word string", value="n bigint", workers=3, reducers=4, split_size="5 kB")
class Words:
    def map(self, row):
        time.sleep(0.0003)
        for word in row["line"].split():
            yield word, 1

    def combine(self, key, values):
        yield key, sum(values)

    def reduce(self, key, values):
        time.sleep(0.0003)
        yield key, sum(values)


p.table("sorted", "SELECT word, n FROM Words ORDER BY word", sink=ms.files("out.csv"))
"""


def text() -> str:
    """About 400 kB, from a seed."""
    rng = random.Random(3)
    return "".join(f"w{rng.randrange(3000)} w{rng.randrange(30)} x\n" for _ in range(33_000))


def expected(of: str) -> bytes:
    """The file that comes out, in plain Python."""
    counts = sorted(Counter(of.split()).items())
    return ("word,n\n" + "".join(f"{word},{n}\n" for word, n in counts)).encode()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A project with its text."""
    (tmp_path / "count.py").write_text(COUNT)
    (tmp_path / "lines.txt").write_text(text())
    return tmp_path


def started(base: Path) -> subprocess.Popen[str]:
    """Run as a user does."""
    return subprocess.Popen(
        [sys.executable, "-m", "mainstem", "run", "count.py"], cwd=base, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip


def workers_of(pid: int) -> list[int]:
    """The worker processes of a run that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if (
                int(fields[1]) == pid
                and fields[0] != "Z"
                and WORKER in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def working(child: subprocess.Popen[str]) -> list[int]:
    """Wait for the workers of a run, and give them."""
    end = time.monotonic() + 60
    while not (found := workers_of(child.pid)):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end, "no worker has begun"
        time.sleep(0.02)
    return found


def wait_for_end(pids: list[int]) -> None:
    """Wait until every process has ended."""
    end = time.monotonic() + 30
    while any(map(is_alive, pids)):
        assert time.monotonic() < end, "a worker has outlived its run"
        time.sleep(0.05)


def leftovers(base: Path) -> list[Path]:
    """What a run keeps beside its state while it works."""
    return [p for p in (base / ".mainstem" / "count" / "tmp").rglob("*") if p.is_file()]


def test_workers_killed_at_random_change_nothing(base: Path) -> None:
    """As many kills as it takes, over as many runs as they need: each gives the same bytes."""
    digest = hashlib.sha256(expected(text())).hexdigest()
    rng, kills = random.Random(11), 0
    while kills < KILLS:
        child = started(base)
        while child.poll() is None:
            time.sleep(rng.uniform(0.02, 0.4))
            found = workers_of(child.pid)
            if found and kills < KILLS:
                os.kill(rng.choice(found), signal.SIGKILL)
                kills += 1
        _, err = child.communicate()

        assert child.returncode == 0, err
        assert hashlib.sha256((base / "out.csv").read_bytes()).hexdigest() == digest
        assert leftovers(base) == []


def test_killed_run_leaves_no_output_and_the_next_one_is_clean(base: Path) -> None:
    """Nobody tells the workers; they see the end of their pipe. The next run removes what is left."""
    child = started(base)
    pids = working(child)
    time.sleep(0.3)
    child.kill()
    child.communicate()

    wait_for_end(pids)
    assert not (base / "out.csv").exists()

    again = started(base)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert (base / "out.csv").read_bytes() == expected(text())
    assert leftovers(base) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_run_leaves_nothing(base: Path, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the workers in the middle of a task, and remove their files."""
    child = started(base)
    pids = working(child)
    time.sleep(0.3)

    child.send_signal(number)
    _, err = child.communicate(timeout=60)

    assert child.returncode == code, err
    assert "the run was stopped by" in err
    assert "Traceback" not in err
    assert not any(map(is_alive, pids))
    assert leftovers(base) == []
    assert not (base / "out.csv").exists()


def test_slow_worker_is_overtaken(tmp_path: Path) -> None:
    """The first attempt at one task hangs; another worker does it, and the run need not wait."""
    slow = tmp_path / "slow"
    p = pipeline(tmp_path, "".join(f"line {i}\n" for i in range(20)), name="count")

    def mapped(row):
        if row["line"] == "line 7" and not slow.exists():
            slow.touch()
            time.sleep(600)
        yield "lines", 1

    p.map_reduce("lines", name="answer", key="k string", value="n bigint", reduce="sum", workers=2,
                 split_size="20 B")(mapped)  # fmt: skip
    begun = time.monotonic()
    told = events(p, tmp_path)

    assert time.monotonic() - begun < 60
    assert asked(p, tmp_path, "SELECT n FROM answer") == [(20,)]
    assert job_facts(told)["speculations"] == 1


def test_worker_that_always_dies_ends_the_run(tmp_path: Path) -> None:
    """Four attempts, of which the last two name the record; nothing of the run stays."""
    tries = tmp_path / "tries"
    tries.mkdir()
    p = pipeline(tmp_path, name="count")

    def mapped(row):
        (tries / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
        yield "never", 1

    p.map_reduce("lines", name="answer", key="k string", value="n bigint", reduce="sum")(mapped)

    with pytest.raises(Exception, match=r"was killed by SIGKILL, at record 1 of it") as caught:
        events(p, tmp_path)

    assert caught.value.finding.code == "WorkerLost"
    assert len(list(tries.iterdir())) == 4
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("way", ways_to_fill())
def test_full_disk_while_spilling_ends_the_run(base: Path, way: str) -> None:
    """The state directory is on 2 MB, the runs are larger: the old output stays, and nothing else."""
    (base / "out.csv").write_text("old")
    (base / "lines.txt").write_text("".join(f"word{i:030}\n" for i in range(100_000)))
    (base / "count.py").write_text(
        COUNT.replace('split_size="5 kB"', 'split_size="1 MB"').replace(
            "time.sleep(0.0003)", "pass"
        )
    )
    small = base / "small"
    small.mkdir()
    run = [sys.executable, "-m", "mainstem", "run", "count.py", "--state-dir", str(small)]
    mounted = 'mount -t tmpfs -o size=2m tmpfs "$0" && "$@"; code=$?; find "$0" -type f; exit $code'
    limited = 'shift 0; ulimit -f 1024; "$@"; code=$?; find "$0" -type f; exit $code'
    shell = ["unshare", "-rm", "sh", "-c", mounted] if way == "tmpfs" else ["sh", "-c", limited]

    done = subprocess.run(
        [*shell, str(small), *run], cwd=base, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, timeout=120,
    )  # fmt: skip

    assert done.returncode == 4, done.stdout + done.stderr
    assert "DiskFull: the tasks of 'Words' cannot write or read" in done.stderr
    assert (base / "out.csv").read_text() == "old"
    left = [Path(line).name for line in done.stdout.splitlines() if str(small) in line]
    assert [name for name in left if name.endswith((".run", ".rows", ".arrow"))] == []
