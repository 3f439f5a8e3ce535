"""Swapping, recording and listing files so that a crash leaves them whole."""

import os
import threading

import pytest

from mainstem.errors import StateError
from mainstem.storage.local.commit import commit_target
from mainstem.storage.local.durable import remove, replacing, write_durably
from mainstem.storage.local.manifest import (
    Manifest,
    WrittenFile,
    manifest_path,
    read_manifest,
    strangers,
    write_manifest,
)
from mainstem.storage.local.record import (
    CommitRecord,
    Target,
    clear_record,
    read_record,
    write_record,
)
from mainstem.storage.local.swap import exchange, put_folder


def folder(path, word):
    """A folder with one file."""
    path.mkdir()
    (path / "file").write_text(word)
    return path


def manifest(*files, run_id="r1", rows=None):
    """A manifest of these files."""
    return Manifest("p", "t", run_id, "token", "x bigint", ("k",), tuple(files), rows)


def test_exchange_swaps_two_folders_in_one_step(tmp_path):
    """Exchange swaps two folders in one step."""
    one, other = folder(tmp_path / "one", "1"), folder(tmp_path / "other", "2")

    assert exchange(one, other)

    assert ((one / "file").read_text(), (other / "file").read_text()) == ("2", "1")


def test_exchange_of_what_is_not_there_is_an_error(tmp_path):
    """Exchange of what is not there is an error."""
    with pytest.raises(FileNotFoundError):
        exchange(folder(tmp_path / "one", "1"), tmp_path / "absent")


@pytest.mark.parametrize("switch", ["0", "1"])
@pytest.mark.parametrize("is_there", [True, False])
def test_put_folder_replaces_and_removes_the_old_one(tmp_path, monkeypatch, switch, is_there):
    """Put folder replaces and removes the old one."""
    monkeypatch.setenv("MAINSTEM_TESTING", "1")
    monkeypatch.setenv("MAINSTEM_NO_EXCHANGE", switch)
    staged, target = folder(tmp_path / "staged", "new"), tmp_path / "deep" / "target"
    target.parent.mkdir()
    if is_there:
        folder(target, "old")

    put_folder(staged, target)

    assert (target / "file").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_lost_staging_is_told_and_not_taken_for_done(tmp_path):
    """Lost staging is told and not taken for done."""
    target = Target("file", "t", str(tmp_path / "out"), str(tmp_path / "gone"), sha256="00")
    (tmp_path / "out").write_text("old")

    with pytest.raises(StateError, match="neither there nor committed"):
        commit_target(target, "r1")


def test_write_durably_leaves_nothing_beside(tmp_path):
    """Write durably leaves nothing beside."""
    write_durably(tmp_path / "a", b"one")
    write_durably(tmp_path / "a", b"two")

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"two"}


def test_record_is_read_back_and_cleared(tmp_path):
    """Record is read back and cleared."""
    target = Target("partitions", "t", "/a", "/b", parts=("k=1", "k=2"), rows=3, token="x")
    record = CommitRecord("r1", "p", "committing", has_state=True, targets=(target,))

    write_record(tmp_path, record)

    assert read_record(tmp_path) == record
    clear_record(tmp_path)
    clear_record(tmp_path)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_damaged_record_is_refused(tmp_path, text):
    """Damaged record is refused."""
    (tmp_path / "commit.json").write_text(text)

    with pytest.raises(StateError, match=r"commit\.json cannot be read"):
        read_record(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}'])
def test_damaged_manifest_is_refused(tmp_path, text):
    """Damaged manifest is refused."""
    manifest_path(tmp_path).parent.mkdir()
    manifest_path(tmp_path).write_text(text)

    with pytest.raises(StateError, match="cannot be read"):
        read_manifest(tmp_path)


def test_manifest_is_not_matched_by_the_globs_of_readers(tmp_path):
    """Manifest is not matched by the globs of readers."""
    write_manifest(tmp_path, manifest(rows=0))

    for ending in ("json", "jsonl", "csv", "tsv", "parquet", "txt"):
        assert list(tmp_path.rglob(f"*.{ending}")) == []


def test_merged_manifest_drops_the_replaced_partitions(tmp_path):
    """Merged manifest drops the replaced partitions."""
    old = manifest(
        WrittenFile("k=1/a", 5, 50, "x"), WrittenFile("k=10/a", 7, 70, "y"), run_id="r0", rows=12
    )
    new = manifest(WrittenFile("k=1/b", 2, 20, "z"), rows=2)

    merged = new.merged(old, ("k=1",))

    # k=10 begins like k=1 and is another partition.
    assert [(f.name, f.rows) for f in merged.files] == [("k=1/b", 2), ("k=10/a", 7)]
    assert (merged.rows, merged.size_bytes, merged.run_id) == (9, 90, "r1")


def test_rows_that_are_not_known_make_the_sum_unknown():
    """Rows that are not known make the sum unknown."""
    old = manifest(WrittenFile("k=2/a", None, 50, "x"), run_id="r0", rows=5)

    assert manifest(rows=2).merged(old, ("k=1",)).rows is None


def test_strangers_are_named(tmp_path):
    """Strangers are named."""
    known = manifest(WrittenFile("k=1/a", 1, 1, "x"), rows=1)
    write_manifest(tmp_path, known)
    (tmp_path / "k=1").mkdir()
    (tmp_path / "k=1/a").write_text("")
    (tmp_path / "k=1/b").write_text("")

    assert strangers(tmp_path, known) == ["k=1/b"]
    assert strangers(tmp_path, None) == ["k=1/a", "k=1/b"]


def test_remove_below_a_file_has_nothing_to_do(tmp_path):
    """A run that was refused there would otherwise fail in every later repair too."""
    (tmp_path / "out").write_text("mine")
    remove(tmp_path / "out" / "staged.tmp")

    assert (tmp_path / "out").read_text() == "mine"


def test_report_takes_its_place_when_all_of_it_is_written(tmp_path):
    """Until then, and when it fails, the old one is there whole."""
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail():
        with replacing(path) as file:
            file.write(b"ne")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]

    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_report_behind_a_link_and_into_a_pipe(tmp_path):
    """The link stays a link, the pipe a pipe."""
    target = tmp_path / "target"
    target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with replacing(pipe) as file:
        file.write(b"page")
    reader.join()
    assert read == [b"page"]
    assert pipe.is_fifo()
