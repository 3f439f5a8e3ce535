"""Copies of a stream's state: while it runs and at rest, put back, and compared."""

import pytest

from mainstem.errors import OutsideError, StateError
from mainstem.runtime.query import query
from mainstem.runtime.saved import backup, difference, restore, shown
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from tests.unit.runtime.endless import Running, base, pipeline, run_to_end, write

__all__ = ["base"]

ROWS = [(1, "a", 1), (2, "b", 12), (3, "a", 30)]
T = "SELECT k, n FROM t ORDER BY window_end"


@pytest.fixture
def folder(base):
    """The state directory of a stream that has run once."""
    write(base, *ROWS)
    run_to_end(base)
    return state_dir(base, "endless")


def test_backup_goes_on_as_the_state_would_have(base, folder):
    """Put back into an empty directory, the run goes on behind its epoch: nothing lost or doubled."""
    found = backup(folder, base / "kept")
    assert (found["epoch"], query(base / "kept", T).rows) == (1, (("a", 1), ("b", 1)))
    write(base, (4, "a", 31), (5, "a", 60))
    run_to_end(base)
    went_on = query(folder, T).rows

    folder.rename(base / "old")
    assert restore(folder, base / "kept")["epoch"] == 1
    run_to_end(base)

    assert query(folder, T).rows == went_on == (("a", 1), ("b", 1), ("a", 2))
    assert [record.status for record in runs(folder)] == ["succeeded", "succeeded"]


def test_backup_of_a_running_stream_is_one_epoch(base):
    """Through the socket, without stopping it."""
    write(base, *ROWS)
    folder = state_dir(base, "endless")
    with Running(base) as stream:
        stream.until("epoch_committed")
        assert backup(folder, base / "kept")["epoch"] == 1
        write(base, (5, "a", 60))
        stream.until("epoch_committed", 2)
        assert shown(base / "kept")["epoch"] == 1
        assert shown(folder)["epoch"] == 2

    assert query(base / "kept", T).rows == (("a", 1), ("b", 1))
    found = difference(base / "kept", folder)
    assert (found["one"]["epoch"], found["other"]["epoch"]) == (1, 2)
    assert found["one"]["positions"] == {"s": {"0": 3}}
    assert found["other"]["positions"] == {"s": {"0": 4}}
    lines = {(line["table"], line["kind"]): line for line in found["tables"]}
    assert (lines["t", "table"]["only_in_one"], lines["t", "table"]["only_in_other"]) == (0, 1)
    # The window of 30 s has closed, that of 60 s is open.
    assert (lines["t", "operator"]["only_in_one"], lines["t", "operator"]["only_in_other"]) == (
        1,
        1,
    )


def test_same_states_have_no_difference(base, folder):
    """A copy and its original."""
    backup(folder, base / "kept")

    assert difference(base / "kept", folder)["tables"] == []


def test_difference_names_tables_of_one_side(base, folder):
    """And those of other columns."""
    backup(folder, base / "kept")
    p = pipeline()
    p.table("more", "SELECT id, k FROM s")
    write(base, (5, "a", 31))
    run_to_end(base, p)

    lines = {
        (line["table"], line["kind"]): line for line in difference(base / "kept", folder)["tables"]
    }
    assert lines["more", "table"]["change"] == "only in other"


def test_nothing_is_overwritten(base, folder):
    """Neither a backup nor a state."""
    backup(folder, base / "kept")

    with pytest.raises(OutsideError, match="BackupExists"):
        backup(folder, base / "kept")
    with pytest.raises(StateError, match="StateNotEmpty"):
        restore(folder, base / "kept")
    with pytest.raises(OutsideError, match="BackupMissing"):
        restore(base / "new", base)


def test_backup_of_nothing_is_refused_and_leaves_nothing(base, tmp_path):
    """No folder that looks like a backup."""
    with pytest.raises(StateError, match="NoStateFile"):
        backup(state_dir(base, "endless"), base / "kept")

    assert not [path.name for path in base.iterdir() if "kept" in path.name]


def test_backup_that_cannot_be_written_leaves_nothing(base, folder):
    """Here the disk is full, as the copy finds out."""
    (base / "file").write_text("")
    with pytest.raises(OutsideError):
        backup(folder, base / "file" / "kept")

    assert sorted(p.name for p in base.iterdir() if "kept" in p.name) == []
