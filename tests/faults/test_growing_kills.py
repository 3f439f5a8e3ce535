"""kill -9 at every named point of a run that adds to what is there: no row is lost, none is doubled."""

import pytest

from mainstem.runtime.run import repair
from mainstem.storage.local import points
from tests.faults.growing import contents, expected, folder_of, killed, leftovers, run_version

# Points of `overwrite_partitions` are not reached; see test_kills.
UNDONE = [points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, points.STAGED]
DONE = [
    points.SINK_SWAPPED,
    f"{points.SINK_SWAPPED}:2",
    *(f"{points.SINK_COMMITTED}:{nth}" for nth in (1, 2, 3)),
    points.ALL_COMMITTED,
    points.RECORD_CLEARED,
]
CASES = [
    *((kind, point, 1) for kind in ("append", "keyed") for point in UNDONE),
    *((kind, point, 2) for kind in ("append", "keyed") for point in DONE),
    # The key of a run is in the state file, whose transaction is then the decision.
    ("append", points.COMMIT_RECORDED, 1),
    ("append", points.STATE_COMMITTED, 2),
    ("keyed", points.COMMIT_RECORDED, 2),
]


@pytest.mark.parametrize(("kind", "point", "after"), CASES)
def test_kill_loses_and_doubles_no_row(tmp_path, kind, point, after):
    """What was undone is run again; what was not, too: in the end every row is there once."""
    run_version(tmp_path, 1, kind)
    assert contents(tmp_path, kind) == expected(1, kind)

    killed(tmp_path, "run", 2, kind, kill_at=point)
    for sink, rows in contents(tmp_path, kind).items():
        assert rows in (expected(1, kind)[sink], expected(2, kind)[sink]), sink

    repair(folder_of(tmp_path))
    assert contents(tmp_path, kind) == expected(after, kind)
    assert leftovers(tmp_path) == []
    run_version(tmp_path, 2, kind)
    assert contents(tmp_path, kind) == expected(2, kind)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("kind", ["append", "keyed"])
def test_kill_between_two_renames_is_finished(tmp_path, kind, nth):
    """Where two names cannot be exchanged, a folder is absent for a moment."""
    run_version(tmp_path, 1, kind)

    env = {"MAINSTEM_NO_EXCHANGE": "1"}
    killed(tmp_path, "run", 2, kind, kill_at=f"{points.BETWEEN_RENAMES}:{nth}", env=env)

    repair(folder_of(tmp_path))
    assert contents(tmp_path, kind) == expected(2, kind)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("nth", [1, 2])
def test_killed_repair_is_repaired(tmp_path, nth):
    """A second kill, while the first is being mended."""
    run_version(tmp_path, 1, "keyed")
    killed(tmp_path, "run", 2, "keyed", kill_at=points.COMMIT_RECORDED)
    killed(tmp_path, "repair", 2, "keyed", kill_at=f"{points.SINK_SWAPPED}:{nth}")

    repair(folder_of(tmp_path))

    assert contents(tmp_path, "keyed") == expected(2, "keyed")
    assert leftovers(tmp_path) == []
