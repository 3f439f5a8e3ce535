"""Incremental sources and append under kills: each file's rows stand at each sink exactly once."""

import pytest

from mainstem.engines.embedded.writing.resume import FOLDER
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from mainstem.storage.local import points
from tests.faults.arrivals import NAME, killed, once, put, repaired, rows, run_all, started

# A run of this pipeline passes the state's commit, two swaps and one commit of another file.
POINTS = [
    points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, f"{points.COMPUTING}:3",
    points.STAGED, points.COMMIT_RECORDED, points.STATE_COMMITTED, points.SINK_SWAPPED,
    f"{points.SINK_SWAPPED}:2", points.SINK_COMMITTED, f"{points.SINK_COMMITTED}:2",
    f"{points.SINK_COMMITTED}:3", points.ALL_COMMITTED, points.RECORD_CLEARED,
]  # fmt: skip
UNDONE = {
    points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, f"{points.COMPUTING}:3",
    points.STAGED, points.COMMIT_RECORDED,
}  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_kill_loses_and_doubles_no_row(tmp_path, point):
    """Before the state's commit the files are unread, after it they are read."""
    put(tmp_path, 1)
    run_all(tmp_path)
    put(tmp_path, 2)
    killed(tmp_path, point)
    repaired(tmp_path)
    assert rows(tmp_path) == (once(1) if point in UNDONE else once(1, 2))

    put(tmp_path, 3)
    events = run_all(tmp_path)
    assert rows(tmp_path) == once(1, 2, 3)
    assert events[-1].facts["ledger"]["sources"]["new"]["new"] == (2 if point in UNDONE else 1)
    assert rows(tmp_path) == once(1, 2, 3)


@pytest.mark.parametrize("point", [points.COMPUTING, points.STATE_COMMITTED, points.SINK_COMMITTED])
def test_first_run_killed(tmp_path, point):
    """Sinks and state file are made by it."""
    put(tmp_path, 1)
    killed(tmp_path, point)
    run_all(tmp_path)

    assert rows(tmp_path) == once(1)


@pytest.mark.parametrize("point", [points.COMMIT_RECORDED, points.STATE_COMMITTED])
def test_key_of_a_killed_run(tmp_path, point):
    """It is used exactly when the rows are there."""
    put(tmp_path, 1)
    killed(tmp_path, point, run_key="k")
    events = run_all(tmp_path, run_key="k")

    sinks = events[-1].facts["ledger"]["sinks"]
    was_there = point == points.STATE_COMMITTED
    assert [bool(s["already_there"]) for s in sinks.values()] == [was_there] * 3
    assert rows(tmp_path) == once(1)


def test_two_runs_at_once(tmp_path):
    """One of them is refused, or finds nothing new; no row is twice."""
    put(tmp_path, 1)
    run_all(tmp_path)
    put(tmp_path, 2)
    children = [started(tmp_path, {}) for _ in range(3)]
    for child in children:
        child.join(60)

    codes = sorted(child.exitcode for child in children)
    assert codes[0] == 0
    assert set(codes) <= {0, 7}
    assert rows(tmp_path) == once(1, 2)


def test_finished_table_of_a_killed_run_is_taken_over(tmp_path):
    """It was written down durably before the next one began."""
    put(tmp_path, 1)
    killed(tmp_path, f"{points.COMPUTING}:2")
    events = run_all(tmp_path, resume=True)

    assert [e.name for e in events if e.kind == "step_kept"] == ["full"]
    assert (tmp_path / "full.csv").read_text() == "id\n7\n"
    assert rows(tmp_path) == once(1)
    assert not (state_dir(tmp_path, NAME) / FOLDER).exists()


@pytest.mark.parametrize("point", [points.COMPUTING, points.STAGED, points.STATE_COMMITTED])
def test_killed_while_resuming(tmp_path, point):
    """What was taken over is kept again, or committed."""
    put(tmp_path, 1)
    killed(tmp_path, f"{points.COMPUTING}:2")
    killed(tmp_path, point, resume=True)
    run_all(tmp_path, resume=True)

    assert (tmp_path / "full.csv").read_text() == "id\n7\n"
    assert rows(tmp_path) == once(1)
    assert list(tmp_path.rglob(".mainstem-*")) == []
    assert runs(state_dir(tmp_path, NAME))[-1].status == "succeeded"
