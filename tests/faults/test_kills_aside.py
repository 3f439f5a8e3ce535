"""kill -9 at every point of a run that keeps rows aside: none is lost, and none is there twice."""

import pytest

from mainstem.storage.local import points
from tests.faults.aside import contents, expected, killed, run_with

POINTS = [
    points.RUN_STARTED, points.STAGING_RECORDED, points.COMPUTING, points.STAGED,
    points.COMMIT_RECORDED, points.STATE_COMMITTED, points.SINK_SWAPPED, points.SINK_COMMITTED,
    points.ALL_COMMITTED, points.RECORD_CLEARED,
]  # fmt: skip


@pytest.mark.parametrize("kill_at", POINTS)
def test_rows_of_new_files_are_kept_once(tmp_path, kill_at):
    """Whether the killed run is undone or finished, the next ones bring each row exactly once."""
    run_with(tmp_path, 1, is_incremental=True)
    assert contents(tmp_path) == expected(1)

    killed(tmp_path, 2, is_incremental=True, kill_at=kill_at)
    run_with(tmp_path, is_incremental=True)
    assert contents(tmp_path) == expected(1, 2)

    run_with(tmp_path, 3, is_incremental=True)
    assert contents(tmp_path) == expected(1, 2, 3)


@pytest.mark.parametrize("kill_at", POINTS)
def test_open_rows_of_a_source_read_whole_are_replaced(tmp_path, kill_at):
    """A full source gives the same rows again; the open ones of the run before make place."""
    run_with(tmp_path, 1, is_incremental=False)
    killed(tmp_path, 2, is_incremental=False, kill_at=kill_at)

    run_with(tmp_path, is_incremental=False)

    assert contents(tmp_path) == expected(1, 2)
