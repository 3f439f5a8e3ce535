"""Streams that call Python functions: workers die, are killed with their run, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mainstem.errors import EngineError
from mainstem.runtime.query import query
from mainstem.storage.local import points
from tests.unit.stream_functions.case import asked, payments, pipeline, streamed, write

ROOT = Path(__file__).resolve().parents[2]
ROWS, EPOCH_ROWS = 400, 40
# Scores by an Arrow batch function with a model, which is opened in each worker; some rows are refused.
FRAUD = """
import os
from pathlib import Path

import mainstem as ms

p = ms.Pipeline("fraud")
p.source(
    "payments", ms.files("in/*.jsonl", stream=True), event_time="ts", watermark="5 seconds",
    schema="id bigint, amount double, country string, ts timestamp",
)


def load():
    # Who works for which run: a file for each process.
    Path(f"worker-{os.getpid()}.pid").touch()
    return {"IT": 0.5, "DE": 0.25}


@p.function(batch=True, takes="double, string", returns="double", open=load, workers=2, batch_size=10)
def risk(weights, amounts, countries):
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.equal(amounts, 4.0)).as_py():
        raise ValueError("no risk of 4")
    return pc.multiply(amounts, pa.array([weights[c] for c in countries.to_pylist()], pa.float64()))


p.view("scored", "SELECT *, risk(amount, country) AS risk FROM payments WHERE country IS NOT NULL")
p.table("alarms", "SELECT id, risk FROM scored WHERE risk > 10", sink=ms.duckdb("out.duckdb", "alarms"))
p.table(
    "minutes", "SELECT window_start, count(*) AS n, max(risk) AS most FROM "
    "TUMBLE(scored, ts, INTERVAL '1 minute') GROUP BY window_start",
)
"""


def expected():
    """What the tables hold, in plain Python: alarms, minutes, and the rows that were refused."""
    known = [row for row in payments(ROWS) if row["country"]]
    dead = [row["id"] for row in known if row["amount"] == 4.0]
    weights = {"IT": 0.5, "DE": 0.25}
    scores = [
        (row["id"], row["amount"] * weights[row["country"]]) for row in known
        if row["amount"] != 4.0
    ]  # fmt: skip
    minutes: dict[int, list[float]] = {}
    for number, score in scores:
        minutes.setdefault(number // 60, []).append(score)
    # The last minute is open: the watermark is five seconds behind the last row.
    closed = [(len(found), max(found)) for minute, found in sorted(minutes.items())
              if (minute + 1) * 60 <= ROWS - 1 - 5]  # fmt: skip
    return [(i, s) for i, s in scores if s > 10], closed, dead


def run_fraud(base: Path, kill_at: str = "") -> int:
    """Run the stream as a user does, to the end of its rows; give the exit code."""
    found = subprocess.run(
        [sys.executable, "-m", "mainstem", "run", "fraud.py", "--until-caught-up", "--epoch-rows",
         str(EPOCH_ROWS), "-o", "json"],
        cwd=base, capture_output=True, timeout=120, check=False,
        env=os.environ | {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at,
                          "PYTHONPATH": f"{ROOT / 'src'}"},
    )  # fmt: skip
    assert found.returncode in (0, -signal.SIGKILL), found.stderr
    return found.returncode


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def check_no_workers(base: Path) -> int:
    """Check that the workers of earlier runs have ended, also of those that were killed."""
    pids = [int(path.stem.partition("-")[2]) for path in base.glob("worker-*.pid")]
    end = time.monotonic() + 30
    while any(map(is_alive, pids)):
        assert time.monotonic() < end, "a worker has outlived its run"
        time.sleep(0.05)
    return len(pids)


@pytest.mark.parametrize(
    "point", [points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_DECIDED]
)
def test_killed_in_the_middle_nothing_is_lost_or_doubled(point: str, tmp_path: Path) -> None:
    """The run is killed at its fourth epoch, then at the second of the next run, then goes to its end."""
    (tmp_path / "fraud.py").write_text(FRAUD)
    write(tmp_path, payments(ROWS))
    for number in (4, 2):
        assert run_fraud(tmp_path, f"{point}:{number}") == -signal.SIGKILL
        assert check_no_workers(tmp_path)

    assert run_fraud(tmp_path) == 0

    check_no_workers(tmp_path)
    alarms, minutes, dead = expected()
    import duckdb

    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as out:
        assert out.execute("SELECT id, risk FROM alarms ORDER BY id").fetchall() == alarms
    state = tmp_path / ".mainstem" / "fraud"
    found = query(state, "SELECT n, most FROM minutes ORDER BY window_start").rows
    assert list(found) == minutes
    found = query(state, "SELECT id FROM scored__dead ORDER BY id").rows
    assert [row[0] for row in found] == dead


def test_workers_live_as_long_as_the_run(tmp_path: Path) -> None:
    """Ten epochs are worked on by the two processes of the run, not by new ones."""
    (tmp_path / "fraud.py").write_text(FRAUD)
    write(tmp_path, payments(ROWS))

    assert run_fraud(tmp_path) == 0

    assert 1 <= check_no_workers(tmp_path) <= 2


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """It dies in an epoch in the middle, once: every row is there once."""
    died = tmp_path / "died"
    p = pipeline(tmp_path)

    def mine(x):
        if x == 50 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x * 2

    p.function(name="mine", takes="bigint", returns="bigint", workers=1)(mine)
    p.table("answer", "SELECT id, mine(id) AS v FROM pay")
    write(tmp_path, payments(100))
    streamed(p, tmp_path, epoch_rows=20)

    assert died.exists()
    assert asked(tmp_path, "SELECT id, v FROM answer ORDER BY id") == [
        (i, i * 2) for i in range(100)
    ]


def test_a_worker_that_always_dies_ends_the_stream(tmp_path: Path) -> None:
    """The function, the step and how it died are named; the epochs before stay."""
    p = pipeline(tmp_path)

    def mine(x):
        if x == 50:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    p.function(name="mine", takes="bigint", returns="bigint", workers=1)(mine)
    p.table("answer", "SELECT id, mine(id) AS v FROM pay")
    write(tmp_path, payments(100))

    with pytest.raises(EngineError, match=r"called mine was killed by SIGKILL, 4 times") as raised:
        streamed(p, tmp_path, epoch_rows=20)

    assert (raised.value.finding.code, raised.value.finding.step) == ("WorkerLost", "answer")
    assert asked(tmp_path, "SELECT count(*) FROM answer") == [(40,)]


def test_a_function_that_never_returns_does_not_hold_the_run(tmp_path: Path) -> None:
    """After a while the epoch under way is undone, and the workers are ended in the middle of a call."""
    hanging = FRAUD.replace(
        'raise ValueError("no risk of 4")',
        "(Path('called').touch(), __import__('time').sleep(600))",
    )
    assert hanging != FRAUD
    (tmp_path / "fraud.py").write_text(hanging)
    write(tmp_path, payments(60))
    child = subprocess.Popen(
        [sys.executable, "-m", "mainstem", "run", "fraud.py", "-o", "json"], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"},
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "called").exists():
        assert time.monotonic() < end, "the function was not called"
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 128 + signal.SIGTERM, err
    assert b"Traceback" not in err
    check_no_workers(tmp_path)


def test_a_stream_that_is_stopped_ends_its_workers(tmp_path: Path) -> None:
    """SIGTERM while it waits for rows: the run ends as any other, and no process stays."""
    (tmp_path / "fraud.py").write_text(FRAUD)
    write(tmp_path, payments(60))
    child = subprocess.Popen(
        [sys.executable, "-m", "mainstem", "run", "fraud.py", "-o", "json"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"},
    )  # fmt: skip
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line).get("event") == "epoch_committed":
            break
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)

    assert child.returncode == 128 + signal.SIGTERM
    assert check_no_workers(tmp_path)
