"""The state directory: its name, its format and its lock."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainstem.errors import OutsideError, StateError
from mainstem.runtime.state import holder, locked, prepare, state_dir

HOLD = """
import sys
from pathlib import Path
from mainstem.runtime.state import locked
with locked(Path(sys.argv[1]), "theirs"):
    print("held", flush=True)
    input()
"""


def held_elsewhere(folder):
    """A process that holds the lock."""
    source = Path(__file__).parents[3] / "src"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], env=os.environ | {"PYTHONPATH": str(source)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "held\n"
    return child


@pytest.mark.parametrize("name", ["a/b", "..", ".", "../x", "a b", "%2e", "ü"])
def test_any_name_is_one_folder_below(name):
    """Any name is one folder below."""
    folder = state_dir(Path("base"), name)

    assert folder.parent == Path("base/.mainstem")
    assert folder.name not in {"", ".", ".."}


def test_state_is_kept_out_of_the_repository(tmp_path):
    """State is kept out of the repository."""
    prepare(state_dir(tmp_path, "p"))

    assert (tmp_path / ".mainstem/.gitignore").read_text() == "*\n"
    assert (tmp_path / ".mainstem/p/format").read_text() == "1\n"


def test_state_of_another_version_is_refused(tmp_path):
    """State of another version is refused."""
    prepare(tmp_path / "p")
    (tmp_path / "p/format").write_text("2\n")

    with pytest.raises(StateError, match="has format '2', this version knows 1"):
        prepare(tmp_path / "p")


def test_state_that_cannot_be_made_is_told(tmp_path):
    """State that cannot be made is told."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OutsideError, match="cannot be made"):
        prepare(tmp_path / "file" / "p")


def test_lock_names_its_holder_and_is_free_after_a_kill(tmp_path):
    """Lock names its holder and is free after a kill."""
    child = held_elsewhere(tmp_path)

    with pytest.raises(StateError, match=f"pid {child.pid} on "), locked(tmp_path, "ours"):
        pass
    assert holder(tmp_path).run_id == "theirs"
    child.kill()
    child.communicate(timeout=60)

    assert holder(tmp_path) is None
    with locked(tmp_path, "ours") as stale:
        assert (stale.pid, stale.run_id) == (child.pid, "theirs")
        assert holder(tmp_path).run_id == "ours"
    assert holder(tmp_path) is None


def test_unknown_folder_has_no_holder(tmp_path):
    """Unknown folder has no holder."""
    assert holder(tmp_path / "absent") is None


@pytest.mark.parametrize("name", ["open", "pwrite"])
def test_lock_that_cannot_be_written_is_named(tmp_path, monkeypatch, name):
    """A full or read-only disk is not a fault of the program, and the file is said."""
    real = getattr(os, name)

    def refuse(*args, **options):
        if name == "open" and not str(args[0]).endswith("lock"):
            return real(*args, **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(OutsideError, match="lock cannot be written: No space left") as failed:  # noqa: SIM117 - the inner one is tried
        with locked(tmp_path, "run"):
            pass
    assert failed.value.finding.code == "FileRefused"
