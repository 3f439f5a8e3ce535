"""Workers of Python functions that die, and runs that are stopped while workers work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import EngineError
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

ROOT = Path(__file__).parents[2]
SQL = "SELECT id, mine(id) AS v FROM rows"
SLOW = """
import os, time
import mainstem as ms
p = ms.Pipeline("calls")
p.source("rows", ms.files("rows.csv"), schema="id bigint")
@p.function(workers=2, batch_size=10)
def mine(x: int) -> int:
    open(f"{os.getpid()}.pid", "w").close()
    time.sleep(600)
    return x
p.table("answer", "SELECT id, mine(id) AS v FROM rows")
"""


def pipeline(base, function, **options):
    """A pipeline whose function `mine` is called for a hundred rows, ten at a time."""
    (base / "rows.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(1, 101)))
    p = Pipeline("calls")
    p.source("rows", files("rows.csv"), schema="id bigint")
    given = {"takes": "bigint", "returns": "bigint", "workers": 2, "batch_size": 10} | options
    p.function(name="mine", **given)(function)
    p.table("answer", SQL)
    return p


def is_alive(pid):
    """Say whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_dead_worker_is_replaced(tmp_path, number):
    """A worker that dies once costs nothing but its work: every row is there once."""
    died = tmp_path / "died"

    def mine(x):
        if x == 42 and not died.exists():
            died.touch()
            os.kill(os.getpid(), number)
        return x * 2

    p = pipeline(tmp_path, mine)
    list(run(p.plan(), RunOptions(tmp_path)))

    found = query(tmp_path / ".mainstem" / "calls", "SELECT id, v FROM answer ORDER BY id").rows
    assert found == tuple((i, i * 2) for i in range(1, 101))
    assert died.exists()


def test_worker_that_always_dies_is_named(tmp_path):
    """After three more tries the run fails, and says how the worker had ended."""
    tries = tmp_path / "tries"
    tries.mkdir()

    def mine(x):
        if x == 42:
            (tries / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    p = pipeline(tmp_path, mine)

    with pytest.raises(EngineError) as caught:
        list(run(p.plan(), RunOptions(tmp_path)))

    assert caught.value.finding.code == "WorkerLost"
    assert "called mine was killed by SIGKILL, 4 times on the same 10 rows" in str(caught.value)
    pids = [int(path.name) for path in tries.iterdir()]
    assert len(pids) == 4
    assert not any(map(is_alive, pids))


def test_failed_run_leaves_no_worker(tmp_path):
    """One batch fails while another one works for ever: its worker ends with the run."""
    pids = tmp_path / "pids"
    pids.mkdir()

    def mine(x):
        (pids / str(os.getpid())).touch()
        if x <= 10:
            while len(list(pids.iterdir())) < 2:
                time.sleep(0.05)
            raise ValueError("first")
        time.sleep(600)
        return x

    with pytest.raises(Exception, match="ValueError: first"):
        list(run(pipeline(tmp_path, mine).plan(), RunOptions(tmp_path)))

    assert not any(is_alive(int(path.name)) for path in pids.iterdir())


@pytest.fixture
def computing(tmp_path):
    """A run in a process of its own whose two workers are inside of the function."""
    (tmp_path / "rows.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(1, 101)))
    (tmp_path / "shop.py").write_text(SLOW)
    child = subprocess.Popen(
        [sys.executable, "-m", "mainstem", "run", "shop.py"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        yield child, [int(path.stem) for path in tmp_path.glob("*.pid")]
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_run_ends_its_workers(computing, number, code):
    """Ctrl-C and SIGTERM end the workers, though they are in the middle of a call."""
    child, pids = computing
    assert all(map(is_alive, pids))

    child.send_signal(number)
    _, err = child.communicate(timeout=60)

    assert child.returncode == code
    assert "the run was stopped by" in err
    assert "Traceback" not in err
    assert not any(map(is_alive, pids))


def test_killed_run_ends_its_workers(computing):
    """Nobody is left to tell them: they see the end of their pipe."""
    child, pids = computing

    child.kill()
    child.wait(60)

    wait_for(lambda: not any(map(is_alive, pids)))
