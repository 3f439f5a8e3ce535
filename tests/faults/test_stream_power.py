"""A power cut after any change of the files sink: what was not synced is gone, and no row with it."""

import os

import pytest

from mainstem.storage.local import trace
from tests.faults.disk import LOSSES, Disk, tree_of
from tests.faults.streaming import expected, feed, leftovers, seen


@pytest.fixture(scope="module", params=["folder", "parts", "joined", "csv"])
def recorded(request, tmp_path_factory):
    """The changes of a whole stream, and the folder in which they were made."""
    base = tmp_path_factory.mktemp("recorded")
    with trace.recording() as changes:
        feed(base, request.param, "run-1")
    return request.param, base, tuple(changes)


def test_the_recording_is_complete(recorded, tmp_path_factory):
    """All changes made again give the very files: nothing reached the disk untold."""
    kind, base, changes = recorded
    disk = Disk(base)
    for change in changes:
        disk.apply(change)
    for loss in LOSSES:
        made = tmp_path_factory.mktemp("made")
        disk.image(made, loss)
        if loss != "synced":
            assert tree_of(made) == tree_of(base)
        # What a pattern over the folder finds is right again after the next start: the removal of joined
        # files may not have reached the disk. The manifest is right at once.
        shown = seen(made, kind)
        assert all(found == expected(kind) for found in (shown[-1:] if loss == "synced" else shown))


# Every change when there is time; else some, which differ from kind to kind.
STEP = 1 if os.environ.get("MAINSTEM_LONG") == "1" else 9


@pytest.mark.parametrize("loss", LOSSES)
def test_a_power_cut_loses_and_doubles_no_row(recorded, tmp_path_factory, loss):
    """After the next start every row is there once, and nothing else."""
    kind, base, changes = recorded
    disk = Disk(base)
    for at, change in enumerate(changes):
        disk.apply(change)
        if at % STEP == 0:
            made = tmp_path_factory.mktemp("cut")
            disk.image(made, loss)
            feed(made, kind, "run-2")
            assert all(found == expected(kind) for found in seen(made, kind)), (at, change)
            assert leftovers(made, kind) == [], (at, change)
