"""A state more than twenty epochs older than each of its sinks catches up exactly once, kills or not."""

import os
import shutil

import pytest

from mainstem.errors import StateError
from mainstem.storage.local import points
from tests.faults.older import (
    COPIED,
    LOST,
    N_ENTRIES,
    RENAMED,
    Older,
    expected_files,
    killed,
    names,
)

IS_LONG = os.environ.get("MAINSTEM_LONG") == "1"


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """What a run that nothing happened to has answered."""
    one = Older(tmp_path_factory.mktemp("straight"))
    one.run(0, N_ENTRIES)
    return one.answers()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A stream whose state is an older copy, and a copy of all of it."""
    base = tmp_path_factory.mktemp("older") / "base"
    events = Older(base).lose()
    shutil.copytree(base, base.with_name("kept"))
    return base, events


@pytest.fixture
def older(kept):
    """A stream whose state is an older copy; always at one path, which is in the version of a lookup."""
    base, _ = kept
    shutil.rmtree(base)
    shutil.copytree(base.with_name("kept"), base)
    return Older(base)


def test_the_undisturbed_run_is_what_was_worked_out(straight):
    """The late row of the partition that woke, the idle time, and the version of the lookup all count."""
    assert straight["filed"] == expected_files()
    assert straight["latest"] == {("x", "109"): 1, ("y", "80"): 1, ("z", "80"): 1}
    # Row 2051 is of second 17; partition a has passed second 39 less the bound of 2 when b wakes.
    assert [row[0] for row in straight["kept__late"]] == ["2051"]


def test_older_state_catches_up_with_every_sink(kept, older, straight):
    """The lookup, the idle time and the late row come out as in a run that nothing happened to."""
    lost = kept[1]
    assert sum(event.kind == "epoch_committed" for event in lost) == LOST - COPIED

    events = older.run(LOST, N_ENTRIES)

    (met,) = [event.facts for event in events if event.kind == "catching_up"]
    assert met["epoch"] == COPIED
    assert set(met["sinks"]) == {"stored", "filed", "latest"}
    assert all(epoch - COPIED >= 20 for epoch in met["sinks"].values())
    assert older.answers() == straight


def test_state_at_another_path_catches_up(older, straight):
    """Tokens say nothing of where the state is."""
    older.state = older.state.rename(older.folder / "elsewhere")

    older.run(LOST, N_ENTRIES)

    assert older.answers() == straight


ALL_POINTS = [
    *(f"{points.EPOCH_COMPUTED}:{n}" for n in range(1, 13)),
    *(f"{points.EPOCH_COMMITTED}:{n}" for n in range(1, 13)),
]
POINTS = ALL_POINTS if IS_LONG else ALL_POINTS[::3]


@pytest.mark.parametrize("point", POINTS)
def test_kill_while_it_catches_up_changes_nothing(older, straight, point):
    """Twice: the second time in what the first one has begun."""
    assert killed(older.folder, point, LOST)
    assert killed(older.folder, f"{points.EPOCH_COMMITTED}:2", LOST)
    # Behind the cut epochs of the script go on where the killed run has come to.
    older.run(max(LOST, older.entry_of_state()), N_ENTRIES)

    assert older.answers() == straight


def test_copy_of_a_state_that_catches_up_catches_up(older, straight):
    """What a state has not reached yet stands in it."""
    older.run(LOST, N_ENTRIES, stop_after=5)
    copy = older.copy("half-way")
    older.run(LOST, LOST + 3)
    older.restore(copy)

    older.run(LOST + 3, N_ENTRIES)

    assert older.answers() == straight


def test_lookup_that_has_changed_again_is_refused(older):
    """Its second version is needed once more, and is golder."""
    names(older.folder, 1)
    os.utime(older.folder / "names.csv", (3_000_000, 3_000_000))
    before = older.saved()

    with pytest.raises(StateError, match=r"LookupGone.*'names'.*has changed again") as refused:
        older.run(LOST, N_ENTRIES)

    assert refused.value.findings[0].code == "LookupGone"
    assert older.saved() == before
    names(older.folder, 2)
    older.run(LOST, N_ENTRIES)


def test_changed_pipeline_is_refused(older):
    """Its answers would be others than those in the sink."""
    older.plan_print = "another"

    with pytest.raises(StateError, match="the pipeline or its parameters were others then"):
        older.run(LOST, N_ENTRIES)


def test_state_of_another_life_is_refused(older):
    """Where it began to read is not known."""
    shutil.rmtree(older.state)
    names(older.folder, 1)

    with pytest.raises(StateError, match="no stream has run on this state directory"):
        older.run(0, COPIED)


def test_sink_that_somebody_has_emptied_meanwhile_goes_on(older):
    """It gets what comes, as it would without a catch-up."""
    older.run(LOST, N_ENTRIES, stop_after=3)
    for name in ("out.duckdb", "latest.duckdb"):
        (older.folder / name).unlink()
    shutil.rmtree(older.folder / "filed")

    assert RENAMED > COPIED
    events = older.run(COPIED, COPIED)
    assert "catching_up" not in [event.kind for event in events]
