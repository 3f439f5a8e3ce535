"""Copies of the state while a stream runs: whole ones, the newest few, and they can be restored."""

import time

import pytest

from mainstem.engines.spec import BackupSettings
from mainstem.errors import OutsideError, SettingsError
from mainstem.runtime import backups
from mainstem.runtime.backups import Backups, backup_settings, copies
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.saved import STATE, difference, restore, shown
from mainstem.runtime.state import state_dir
from tests.unit.runtime.endless import (  # noqa: F401 - base is a fixture
    WAIT_S,
    base,
    pipeline,
    run_to_end,
    write,
)


def made(folder, *days):
    """Make what looks like copies."""
    for day in days:
        path = folder / f"2026-01-{day:02}T00-00-00Z"
        path.mkdir(parents=True)
        (path / STATE).write_text("state")


def test_copies_are_made_while_the_stream_runs(base):  # noqa: F811
    """Each is a state that a stream goes on from."""
    write(base, (1, "a", 0), (2, "a", 30))
    folder = base / "copies"
    options = RunOptions(base, backups=BackupSettings(folder, 0.2, 2))
    found = []
    ends = time.monotonic() + WAIT_S
    events = run(pipeline().plan(), options)
    for event in events:
        assert time.monotonic() < ends, found
        if event.kind == "backup_made":
            found.append(event.facts)
            write(base, (len(found) + 2, "a", 30 + len(found)))
            # Names have whole seconds.
            time.sleep(1.1)
        if len(found) == 3:
            break
    events.close()

    assert [facts["removed"] for facts in found] == [0, 0, 1]
    assert [str(path) for path in copies(folder)] == [facts["path"] for facts in found[1:]]
    restored = base / "restored"
    assert restore(restored, folder)["epoch"] == found[2]["epoch"]
    assert shown(restored)["epoch"] == found[2]["epoch"]
    assert difference(restored, copies(folder)[-1])["tables"] == []


def test_nothing_is_copied_twice(base):  # noqa: F811
    """Without a new epoch there is nothing to copy."""
    write(base, (1, "a", 0))
    run_to_end(base)
    calls = []
    one = Backups(state_dir(base, "endless"), BackupSettings(base / "copies", 0.01, 2), lambda: 7)
    one.one = lambda settings: calls.append(settings) or {"path": "p"}
    with one:
        ends = time.monotonic() + WAIT_S
        while not one.told:
            assert time.monotonic() < ends
            time.sleep(0.01)
        time.sleep(0.2)

    assert len(calls) == 1
    assert [event.kind for event in one.events("endless")] == ["backup_made"]


def test_stream_goes_on_when_a_copy_fails(base):  # noqa: F811
    """It says so, and tries again."""
    write(base, (1, "a", 0))
    (base / "copies").write_text("a file is in the way")
    options = RunOptions(base, backups=BackupSettings(base / "copies" / "endless", 0.1, 2))
    kinds = []
    events = run(pipeline().plan(), options)
    ends = time.monotonic() + WAIT_S
    for event in events:
        assert time.monotonic() < ends, kinds
        if event.kind != "waiting":
            kinds.append(event.kind)
        if kinds.count("backup_failed") == 2:
            break
    events.close()


def test_half_a_copy_is_never_a_whole_one(tmp_path, monkeypatch):
    """What a kill has left is removed, and a copy loses its name before it is removed."""
    folder = tmp_path / "copies"
    made(folder, 1, 2, 3)
    for name in (".2026-01-04T00-00-00Z.making-77", ".2026-01-01T00-00-00Z.gone"):
        (folder / name).mkdir()
    (folder / "mine").mkdir()
    (folder / "2026-01-09T00-00-00Z").mkdir()
    monkeypatch.setattr(backups, "backup", lambda state, target: made(folder, 8) or {"path": "p"})
    names = []
    monkeypatch.setattr(backups, "remove", lambda path: names.append(path.name))

    facts = Backups(tmp_path, None, int).one(BackupSettings(folder, 1, 2))

    assert facts["removed"] == 2
    assert sorted(names) == [
        ".2026-01-01T00-00-00Z.gone", ".2026-01-01T00-00-00Z.gone",
        ".2026-01-02T00-00-00Z.gone", ".2026-01-04T00-00-00Z.making-77",
    ]  # fmt: skip
    # One without a state is none.
    assert [path.name[8:10] for path in copies(folder)] == ["03", "08"]
    assert (folder / "mine").exists()


def test_folder_without_copies_is_not_restored(tmp_path):
    """Neither by its name nor by what is in it."""
    (tmp_path / "copies").mkdir()
    with pytest.raises(OutsideError, match="is no backup"):
        restore(tmp_path / "state", tmp_path / "copies")


@pytest.mark.parametrize(
    ("to", "every", "keep", "words"),
    [
        ("copies", "", None, "need a folder and an interval"),
        ("", "1 minute", None, "need a folder and an interval"),
        ("copies", "200 milliseconds", None, "is 200 milliseconds"),
        ("copies", "1 minute", 0, "--backup-keep is 0"),
    ],
)
def test_wrong_options_are_refused(tmp_path, to, every, keep, words):
    """By name."""
    with pytest.raises(SettingsError, match=words):
        backup_settings("p", tmp_path, to, every, keep)


def test_each_pipeline_has_a_folder_of_its_own(tmp_path):
    """Or it would throw out another one's copies."""
    found = backup_settings("p", tmp_path, "copies", "10 minutes", None)

    assert found == BackupSettings(tmp_path / "copies" / "p", 600.0, 3)
