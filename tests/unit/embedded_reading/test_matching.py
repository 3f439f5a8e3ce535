"""What a folder or a glob means: all of it, or an error."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.connectors.files.listing import list_files, list_paths
from mainstem.connectors.files.options import FilesSource
from mainstem.errors import OutsideError
from mainstem.filesystems import matching

PATTERNS = (
    "*", "*.csv", "**", "**/*.csv", "*/*.csv", "a/**/b*", "a/?.csv", "[ab]/*", "**/a/**/*.csv", ".*", ".h/*",
    "a/a.csv", "a/none.csv", "none/*", "a.csv/*", "**/b/**", "[[]x].csv", "a/*/",
)  # fmt: skip


def tree(base: Path) -> None:
    """Folders and files of two levels, hidden ones and a link among them."""
    for folder in (".", "a", "a/a", "a/b", "b", ".h", "_s", "a/.h"):
        (base / folder).mkdir(parents=True, exist_ok=True)
        for name in ("a.csv", "b.csv", "c.txt", ".d.csv", "_e.csv", "[x].csv"):
            (base / folder / name).write_text(folder)
    (base / "b" / "linked").symlink_to(base / "a" / "b")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_globs_match_what_those_of_python_match(pattern: str, tmp_path: Path) -> None:
    """The standard library is the reference; folders that it passes through are no matches here."""
    tree(tmp_path)
    path = os.path.join(tmp_path, pattern)  # noqa: PTH118 - with the blank behind a last slash
    wanted = {os.path.normpath(p) for p in glob.glob(path, recursive=True)}  # noqa: PTH207
    found = {os.path.normpath(p) for p in matching.expand(path)}

    assert {p for p in found if Path(p).is_file()} == {p for p in wanted if Path(p).is_file()}


def test_relative_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are given as the pattern spells them."""
    tree(tmp_path)
    monkeypatch.chdir(tmp_path)

    assert sorted(matching.expand("a/*.csv")) == sorted(glob.glob("a/*.csv"))  # noqa: PTH207
    assert sorted(matching.expand("*.txt")) == ["c.txt"]


@pytest.mark.parametrize(
    "path", ["in", "in/*/*.csv", "in/**/*.csv", "in/day/*.csv", "in/day/a.csv"]
)
@pytest.mark.parametrize("incremental", [False, True])
def test_folder_that_may_not_be_looked_into_stops_the_run(
    path: str, incremental: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out, as by `glob` and `os.walk`, its rows would be lost without a word."""
    (tmp_path / "in" / "day").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text("id\n1\n")
    (tmp_path / "in" / "day" / "a.csv").write_text("id\n2\n")
    lstat, scandir = os.lstat, os.scandir

    def refuse(one: str) -> None:
        if "day" in os.fspath(one):
            raise PermissionError(13, "Permission denied", one)

    monkeypatch.setattr(matching.os, "lstat", lambda p: refuse(p) or lstat(p))
    monkeypatch.setattr(matching.os, "scandir", lambda p: refuse(p) or scandir(p))
    if path == "in/day/a.csv":  # what the system says of a file in a folder that may not be entered
        monkeypatch.setattr(os.path, "exists", lambda _: False)
    options = FilesSource(str(tmp_path / path), format="csv")

    with pytest.raises(
        OutsideError, match=r"cannot look into .*day.*: Permission denied"
    ) as caught:
        list_paths(options, may_be_none=True) if incremental else list_files(options)
    assert caught.value.finding.code == "FileNotRead"


def test_link_to_nothing_stops_an_incremental_run(tmp_path: Path) -> None:
    """Nobody would hear of the file that it stands for."""
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere.csv")
    p = ms.Pipeline("links")
    p.source("s", ms.files(str(tmp_path / "*.csv"), incremental=True), schema="id bigint")
    p.table("t", "SELECT id FROM s")

    with pytest.raises(OutsideError, match=r"cannot read .*b\.csv: No such file"):
        p.run(base_dir=tmp_path)


@pytest.mark.parametrize("path", ["in", "in/*.jsonl"])
def test_pipe_stops_a_stream_of_files(path: str, tmp_path: Path) -> None:
    """Opened, it would wait for ever."""
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "b.jsonl")
    p = ms.Pipeline("pipe")
    source = ms.files(str(tmp_path / path), format="json", stream=True, settle="0 seconds")
    p.source("s", source, schema="id bigint")
    p.table("t", "SELECT id FROM s")

    with pytest.raises(OutsideError, match="it is a pipe, a socket or a device"):
        p.run(base_dir=tmp_path, until_caught_up=True)
