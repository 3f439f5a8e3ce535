"""Kill -9 at each named point of a stream's epoch and of its sinks: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mainstem.storage.local import points
from tests.faults import streamed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
# Which passing of a point is killed: the first and one in the middle, many in the long form.
NTH = tuple(range(1, 41)) if LONG else (1, 4)
POINTS = (
    points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_PREPARED, points.SINK_DECIDED,
    points.FILE_PLACED, points.FILES_PLACED,
)  # fmt: skip


def test_without_a_kill_every_sink_has_every_row_once(tmp_path: Path) -> None:
    """The reference is worked out in plain Python from the formula of the rows."""
    done = streamed.run(tmp_path)

    assert done.returncode == 0, done.stderr
    streamed.check(tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_killed_twice_at_a_point_it_goes_on(point: str, tmp_path: Path) -> None:
    """Two kills in one history: the second hits a process that had itself recovered."""
    hit = [streamed.killed(tmp_path, f"{point}:{nth}") for nth in NTH]

    assert hit[0], f"{point} was never reached"
    done = streamed.run(tmp_path)
    assert done.returncode == 0, done.stderr
    streamed.check(tmp_path)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """A run that finds nothing new changes nothing."""
    assert streamed.run(tmp_path).returncode == 0
    before = streamed.answers(tmp_path)

    assert streamed.run(tmp_path).returncode == 0

    assert streamed.answers(tmp_path) == before
