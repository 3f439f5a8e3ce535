"""kill -9 at every named point of a commit: each sink is whole, and is repaired."""

import pytest

from mainstem.runtime.journal import read, records
from mainstem.runtime.run import repair
from mainstem.runtime.status import status
from mainstem.storage.local import points
from tests.faults.case import (
    contents,
    expected,
    folder_of,
    killed,
    leftovers,
    run_version,
)

BEFORE = [points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, points.STAGED]
AFTER = [
    points.SINK_SWAPPED,
    f"{points.SINK_SWAPPED}:2",
    f"{points.SINK_SWAPPED}:3",
    f"{points.BETWEEN_PARTITIONS}:1",
    f"{points.BETWEEN_PARTITIONS}:2",
    points.BEFORE_MANIFEST,
    f"{points.SINK_COMMITTED}:1",
    f"{points.SINK_COMMITTED}:2",
    f"{points.SINK_COMMITTED}:4",
    points.ALL_COMMITTED,
]
# (point, whether there is a table in the state file, version after the repair)
CASES = [
    *((point, False, 1) for point in BEFORE),
    (points.COMMIT_RECORDED, False, 2),
    *((point, False, 2) for point in AFTER),
    (points.RECORD_CLEARED, False, 2),
    (points.STAGED, True, 1),
    # The decision is the transaction of the state file, not the record.
    (points.COMMIT_RECORDED, True, 1),
    (points.STATE_COMMITTED, True, 2),
    (f"{points.SINK_COMMITTED}:1", True, 2),
    (points.ALL_COMMITTED, True, 2),
    (points.RECORD_CLEARED, True, 2),
]


def is_whole(found: dict) -> bool:
    """No sink mixes versions: a set of one in each file, folder, partition and table."""
    single = [found["one"], found["folder"], found["ext"], *found["parts"].values()]
    return all(versions in ({1}, {2}) for versions in single)


@pytest.mark.parametrize(("point", "has_state", "after"), CASES)
def test_kill_leaves_each_sink_whole_and_is_repaired(tmp_path, point, has_state, after):
    """Kill leaves each sink whole and is repaired."""
    run_version(tmp_path, 1, has_state=has_state)
    assert contents(tmp_path, has_state=has_state) == expected(1, has_state=has_state)

    killed(tmp_path, "run", "2", "state" if has_state else "none", kill_at=point)

    assert is_whole(contents(tmp_path, has_state=False))
    told = status(folder_of(tmp_path))
    assert told.holder is None
    events = repair(folder_of(tmp_path))
    assert contents(tmp_path, has_state=has_state) == expected(after, has_state=has_state)
    assert leftovers(tmp_path) == []
    last = records(read(folder_of(tmp_path)).entries)[-1]
    assert last.is_committed == (after == 2)
    assert last.status == ("succeeded" if after == 2 else "killed")
    if point != points.RECORD_CLEARED:
        assert [e.facts["outcome"] for e in events] == ["finished" if after == 2 else "undone"]
    else:
        assert events == []


@pytest.mark.parametrize("nth", ["1", "2"])
def test_kill_between_two_renames_is_finished(tmp_path, nth):
    """Without an exchange there is a moment without a folder (1) or a partition (2)."""
    run_version(tmp_path, 1, has_state=False)

    killed(
        tmp_path, "run", "2", "none",
        kill_at=f"{points.BETWEEN_RENAMES}:{nth}", env={"MAINSTEM_NO_EXCHANGE": "1"},
    )  # fmt: skip

    found = contents(tmp_path, has_state=False)
    absent = found["folder"] if nth == "1" else found["parts"].get("b")
    assert absent is None
    repair(folder_of(tmp_path))
    assert contents(tmp_path, has_state=False) == expected(2, has_state=False)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("point", [points.SINK_SWAPPED, f"{points.SINK_SWAPPED}:2"])
def test_killed_repair_is_repaired(tmp_path, point):
    """Killed repair is repaired."""
    run_version(tmp_path, 1, has_state=False)
    killed(tmp_path, "run", "2", "none", kill_at=points.COMMIT_RECORDED)

    killed(tmp_path, "repair", "2", "none", kill_at=point)

    events = repair(folder_of(tmp_path))
    assert [e.facts["outcome"] for e in events] == ["finished"]
    assert contents(tmp_path, has_state=False) == expected(2, has_state=False)
    assert leftovers(tmp_path) == []


def test_next_run_says_what_it_found_and_goes_on(tmp_path):
    """Next run says what it found and goes on."""
    run_version(tmp_path, 1, has_state=True)
    killed(tmp_path, "run", "2", "state", kill_at=points.STATE_COMMITTED)

    events = run_version(tmp_path, 3, has_state=True)

    assert [e.kind for e in events[:2]] == ["recovered", "run_started"]
    assert events[0].facts["outcome"] == "finished"
    assert set(events[0].facts["sinks"]) == {"one", "folder", "parts", "ext"}
    assert contents(tmp_path, has_state=True)["kept"] == {3}
    epochs = [r.epoch for r in records(read(folder_of(tmp_path)).entries)]
    assert epochs == [1, 2, 3]


def test_first_run_killed_leaves_nothing(tmp_path):
    """First run killed leaves nothing."""
    killed(tmp_path, "run", "1", "none", kill_at=points.STAGED)

    repair(folder_of(tmp_path))

    assert leftovers(tmp_path) == []
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "ext.duckdb").exists()


def test_points_are_all_tried():
    """A point that no test kills at proves nothing."""
    tried = {point.partition(":")[0] for point, _, _ in CASES} | {points.BETWEEN_RENAMES}

    assert tried == set(points.POINTS)
