"""Kill -9 at each named point of a stream's epoch and of its sinks: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from mainstem.storage.local import points
from tests.faults import streamed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
EPOCH = (points.EPOCH_COMPUTED, points.EPOCH_COMMITTED)
SINK = (*EPOCH, points.SINK_PREPARED, points.SINK_DECIDED)
# The points that a run passes which has this table alone: so it is known which sink is killed.
POINTS = {
    "kept": EPOCH, "stored": SINK, "latest": SINK,
    "filed": (*SINK, points.FILE_PLACED, points.FILES_PLACED),
}  # fmt: skip
# Kills for each sink; and which passing of a point it is in turn: 1 hits what was just recovered.
KILLS = 200 if LONG else 12
NTH = (1, 3, 2)
EPOCHS, ROWS = (240, 200) if LONG else (24, 200)


def test_without_a_kill_every_sink_has_every_row_once(tmp_path: Path) -> None:
    """The reference is worked out in plain Python from the formula of the rows."""
    streamed.finished(tmp_path)

    streamed.check(tmp_path)


@pytest.mark.parametrize(
    ("table", "point"), [(table, point) for table, found in POINTS.items() for point in found]
)
def test_killed_again_and_again_it_goes_on(table: str, point: str, tmp_path: Path) -> None:
    """Each kill but the first hits a run that had itself recovered."""
    wanted = -(-KILLS // len(POINTS[table]))
    words = {"epochs": EPOCHS, "epoch_rows": ROWS}
    n_kills = 0
    for history in count():
        base = tmp_path / str(history)
        base.mkdir()
        n_before = n_kills
        while n_kills < wanted and streamed.killed(
            base, f"{point}:{NTH[n_kills % len(NTH)]}", (table,), **words
        ):
            n_kills += 1
        assert n_kills > n_before, f"{point} was never reached"

        streamed.finished(base, (table,), **words)
        streamed.check(base, (table,), **words)
        if n_kills == wanted:
            return


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """A run that finds nothing new changes nothing."""
    streamed.finished(tmp_path)
    before = streamed.answers(tmp_path)

    streamed.finished(tmp_path)

    assert streamed.answers(tmp_path) == before
