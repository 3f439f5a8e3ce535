"""Kill -9 in the middle of a stream with expectations: no row is kept twice, and none is lost."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from mainstem.storage.local import points
from tests.faults import judged

KILLS = 40 if os.environ.get("MAINSTEM_LONG") == "1" else 4


@pytest.mark.parametrize(
    "point", [points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_DECIDED]
)
def test_each_row_is_kept_once_whatever_is_killed(point: str, tmp_path: Path) -> None:
    """Rows in quarantine, of a source and of closed windows, are those worked out by hand."""
    n_kills = 0
    for history in count():
        base = tmp_path / str(history)
        base.mkdir()
        before = n_kills
        while n_kills < KILLS and judged.killed(base, f"{point}:{(1, 3, 2)[n_kills % 3]}"):
            n_kills += 1
        assert n_kills > before, f"{point} was never reached"

        assert not judged.killed(base, "")
        assert judged.found(base) == judged.expected()
        if n_kills == KILLS:
            return
