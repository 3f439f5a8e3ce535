"""kill -9 at every point of a replay: each row is at each sink once, or still open and nowhere."""

import pytest

from mainstem.errors import StateError
from mainstem.runtime.journal import read, records
from mainstem.runtime.run import repair
from mainstem.runtime.state import state_dir
from mainstem.storage.local import points
from tests.faults.replaying import KINDS, NAME, contents, expected, first_run, killed, replay

BEFORE = [
    points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, points.STAGED,
    # The decision is the transaction of the state file, not the record.
    points.COMMIT_RECORDED,
]  # fmt: skip
AFTER = [
    points.STATE_COMMITTED, points.SINK_SWAPPED, f"{points.SINK_SWAPPED}:2",
    points.SINK_COMMITTED, f"{points.SINK_COMMITTED}:2", points.ALL_COMMITTED,
    points.RECORD_CLEARED,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kill_at", [*BEFORE, *AFTER])
def test_a_killed_replay_is_undone_or_finished(tmp_path, kill_at, kind):
    """And the next replay brings what is open, and nothing twice."""
    first_run(tmp_path)
    assert contents(tmp_path) == expected()

    killed(tmp_path, kind, kill_at=kill_at)
    repair(state_dir(tmp_path, NAME))

    is_done = kill_at in AFTER
    assert contents(tmp_path) == (expected(kind) if is_done else expected())
    last = records(read(state_dir(tmp_path, NAME)).entries)[-1]
    assert last.replay["kind"] == kind
    assert last.status == ("succeeded" if is_done else "killed")
    if is_done and kind == "dead":
        with pytest.raises(StateError, match="no open row"):
            replay(tmp_path, kind)
    else:
        replay(tmp_path, kind)
    assert contents(tmp_path) == expected(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_replay_repairs_by_itself(tmp_path, kind):
    """A preview too brings the state to rest before it looks."""
    first_run(tmp_path)
    killed(tmp_path, kind, kill_at=points.STATE_COMMITTED)

    other = KINDS[1 - KINDS.index(kind)]
    replay(tmp_path, other)
    assert contents(tmp_path) == expected(*KINDS)
