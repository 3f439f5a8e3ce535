"""kill -9 at every named point of a stream's sinks: each epoch is there once, for every reader."""

import os
from collections import Counter

import pytest

from mainstem.storage.local import points
from tests.faults.streaming import N_EPOCHS, expected, feed, killed, leftovers, seen

PREPARED, DECIDED = points.SINK_PREPARED, points.SINK_DECIDED
# The n-th time that a point is passed; partitions have two files an epoch.
ALL_CASES = [
    *((kind, f"{point}:{nth}") for kind in ("table", "updating") for point in (PREPARED, DECIDED)
      for nth in (1, 2, 3, 5, 6)),
    *((kind, f"{point}:{nth}") for kind in ("folder", "joined", "csv")
      for point in (PREPARED, DECIDED, points.FILE_PLACED, points.FILES_PLACED)
      for nth in (1, 4, 6)),
    *(("parts", f"{point}:{nth}") for point in (PREPARED, DECIDED, points.FILES_PLACED)
      for nth in (1, 4)),
    *(("parts", f"{points.FILE_PLACED}:{nth}") for nth in (1, 2, 7, 8)),
    *((kind, f"{point}:{nth}") for kind in ("joined", "parts", "csv")
      for point in (points.COMPACTED, points.COMPACTION_DECIDED) for nth in (1, 2)),
]  # fmt: skip
# Every sink is killed at least ten times, and every point at least twice; all when there is time.
IS_LONG = os.environ.get("MAINSTEM_LONG") == "1"
CASES = [case for at, case in enumerate(ALL_CASES) if IS_LONG or at % 2 == 0]


def check_once(found: list, kind: str) -> None:
    """No row twice, and nothing that was never sent."""
    if kind == "updating":
        assert found in [expected(kind, n) for n in range(N_EPOCHS + 1)]
        return
    assert not [row for row, n in Counter(found).items() if n > 1]
    whole = expected(kind)
    if kind == "parts":
        # The files of the last epoch appear one by one.
        assert found in [whole[:n] for n in range(len(whole) + 1)]
    else:
        assert found in [whole[:n] for n in range(0, len(whole) + 1, 2)]


@pytest.mark.parametrize(("kind", "point"), CASES)
def test_kill_loses_and_doubles_no_row(tmp_path, kind, point):
    """For readers before the next start, and for all after it."""
    killed(tmp_path, kind, point)
    for found in seen(tmp_path, kind):
        check_once(found, kind)

    facts = feed(tmp_path, kind, "run-next")

    assert all(found == expected(kind) for found in seen(tmp_path, kind))
    assert leftovers(tmp_path, kind) == []
    assert all(f["rows"] + f["already_there"] in (2, 3) for f in facts)
    assert feed(tmp_path, kind, "run-last")[-1]["rows"] == 0


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("kind", ["joined", "parts"])
def test_kill_between_two_renames_is_finished(tmp_path, kind, nth):
    """Where two names cannot be exchanged, the folder is absent for a moment."""
    killed(tmp_path, kind, f"{points.BETWEEN_RENAMES}:{nth}", MAINSTEM_NO_EXCHANGE="1")
    assert not (tmp_path / "out").exists()

    feed(tmp_path, kind, "run-next")

    assert all(found == expected(kind) for found in seen(tmp_path, kind))
    assert leftovers(tmp_path, kind) == []


def test_killed_recovery_is_recovered(tmp_path):
    """The first kill leaves two files to place, the second comes between them."""
    killed(tmp_path, "parts", f"{DECIDED}:2")
    killed(tmp_path, "parts", f"{points.FILE_PLACED}:1")
    for found in seen(tmp_path, "parts"):
        check_once(found, "parts")

    feed(tmp_path, "parts", "run-next")

    assert all(found == expected("parts") for found in seen(tmp_path, "parts"))
