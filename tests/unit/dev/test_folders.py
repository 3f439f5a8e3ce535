"""A folder of the cache is made once, and is never seen half made."""

import multiprocessing
import stat
import sys
import time
from pathlib import Path

import pytest

from mainstem.dev import folders


def make_slowly(target: str, log: str) -> None:
    """Make a folder and say so."""

    def make(folder: Path) -> None:
        (folder / "one").write_text("1")
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        (folder / "two").write_text("2")

    made = folders.made_once(Path(target), make)
    assert sorted(file.name for file in made.iterdir()) == ["one", "two"]


def test_two_at_once_make_it_once(tmp_path):
    """The second waits for the first, and finds all of it."""
    spawn = multiprocessing.get_context("spawn")
    asked = [
        spawn.Process(
            target=make_slowly, args=(str(tmp_path / "cache" / "k"), str(tmp_path / "log"))
        )
        for _ in range(3)
    ]
    for one in asked:
        one.start()
    for one in asked:
        one.join(60)

    assert [one.exitcode for one in asked] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_what_fails_leaves_nothing(tmp_path):
    """The next one begins anew; so does one after a process that was killed in between."""
    target = tmp_path / "cache" / "k"

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        folders.made_once(target, fail)
    assert [file.name for file in target.parent.iterdir()] == ["k.lock"]

    torn = tmp_path / "cache" / "k.part-killed"
    torn.mkdir()
    (torn / "half").write_text("")
    made = folders.made_once(target, lambda folder: (folder / "whole").write_text("") and None)

    assert [file.name for file in made.iterdir()] == ["whole"]
    assert not torn.exists()


def test_place_is_the_cache_of_the_platform(tmp_path, monkeypatch):
    """What is relative does not count, as the standard says; the variable of ours wins."""
    monkeypatch.delenv(folders.PLACE, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert folders.place() == tmp_path / ".cache" / "mainstem" / "dev"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert folders.place() == tmp_path / "c" / "mainstem" / "dev"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folders.place() == tmp_path / "Library" / "Caches" / "mainstem" / "dev"
    monkeypatch.setenv(folders.PLACE, str(tmp_path / "mine"))
    assert folders.place() == tmp_path / "mine"


def test_entries_are_private(tmp_path, monkeypatch):
    """Passwords and keys of servers are in them."""
    monkeypatch.setenv(folders.PLACE, str(tmp_path / "mine"))

    assert stat.S_IMODE(folders.running().stat().st_mode) == 0o700


def test_a_reader_never_sees_half_a_document(tmp_path):
    """Written beside and renamed; what is not there is None."""
    folders.write_json(tmp_path / "a.json", {"a": 1})

    assert folders.read_json(tmp_path / "a.json") == {"a": 1}
    assert folders.read_json(tmp_path / "b.json") is None
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
