"""A state file whose end is torn off or whose bytes have changed: a whole epoch, or a clear word."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import duckdb
import pytest

from mainstem.runtime.saved import backup, restore
from mainstem.runtime.state import state_dir
from mainstem.storage.local import points
from tests.faults import streamed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
CASES = 60 if LONG else 4
TABLES = ("kept",)
WORDS = {"epochs": 12, "epoch_rows": 2000}
FILE, LOG = "state.duckdb", "state.duckdb.wal"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a stream that was killed in its ninth epoch: all that it has is in the log."""
    base = tmp_path_factory.mktemp("killed")
    assert streamed.killed(base, f"{points.EPOCH_COMPUTED}:9", TABLES, **WORDS)
    return base


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a stream that has ended after eight epochs: all that it has is in the file."""
    base = tmp_path_factory.mktemp("closed")
    streamed.finished(base, TABLES, **WORDS | {"epochs": 8})
    return base


def copied(base: Path, to: Path) -> Path:
    """Copy a project, without the socket that a killed run has left; give its state directory."""
    shutil.copytree(base, to, ignore=shutil.ignore_patterns("socket"))
    return state_dir(to, streamed.NAME)


def judge(base: Path) -> str:
    """Run on; give what was said. Without a word the answer must be right, where it can be read."""
    said = streamed.outcome(base, TABLES, **WORDS)
    if said:
        return said
    try:
        found = streamed.answers(base, TABLES)
    except duckdb.Error as error:
        # A block of older rows, which the stream had no reason to read.
        return f"reading: {error}"
    assert found == streamed.expected(TABLES, WORDS["epochs"] * WORDS["epoch_rows"])
    return ""


@pytest.mark.parametrize("seed", range(CASES))
def test_log_without_its_end_gives_a_whole_epoch(whole: Path, seed: int, tmp_path: Path) -> None:
    """Wherever it is cut: what was committed before is there, the rest is computed again."""
    log = copied(whole, tmp_path / "cut") / LOG
    data = log.read_bytes()
    chance = random.Random(seed)
    log.write_bytes(data[: -chance.choice([1, 100, chance.randrange(1, len(data))])])

    assert judge(tmp_path / "cut") == ""


@pytest.mark.parametrize("seed", range(CASES))
def test_log_with_another_byte_never_gives_a_wrong_answer(
    whole: Path, seed: int, tmp_path: Path
) -> None:
    """A checksum stands in each entry; a wrong length makes it the torn end, from where it is computed again."""
    folder = copied(whole, tmp_path / "flipped")
    damage(folder / LOG, random.Random(seed))

    said = judge(tmp_path / "flipped")

    if said:
        assert_damaged(said, folder)


@pytest.mark.parametrize("seed", range(CASES))
def test_file_with_another_byte_never_gives_a_wrong_answer(
    closed: Path, seed: int, tmp_path: Path
) -> None:
    """Right where the byte was in use by nobody; else a checksum of the block says so."""
    folder = copied(closed, tmp_path / "flipped")
    damage(folder / FILE, random.Random(seed))

    said = judge(tmp_path / "flipped")

    assert not said or "computed checksum" in said
    if said.startswith("State"):
        assert_damaged(said, folder)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999999])
def test_file_without_its_end_is_refused_by_name(closed: Path, kept: float, tmp_path: Path) -> None:
    """As a copy that was broken off leaves it."""
    folder = copied(closed, tmp_path / "cut")
    path = folder / FILE
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])

    assert_damaged(judge(tmp_path / "cut"), folder)


def test_file_that_is_gone_is_refused_by_name(closed: Path, tmp_path: Path) -> None:
    """A source that starts at its end would leave out what came since the last run."""
    folder = copied(closed, tmp_path / "gone")
    (folder / FILE).unlink()

    said = judge(tmp_path / "gone")

    assert said.startswith(f"StateDamaged: the state file {folder / FILE} is gone")


def test_backup_takes_the_place_of_a_damaged_state(whole: Path, tmp_path: Path) -> None:
    """What the message says helps: the stream goes on behind the epoch of the backup."""
    base = tmp_path / "project"
    folder = copied(whole, base)
    backup(folder, tmp_path / "copy")
    damage(folder / FILE, random.Random(1), at=5000)
    assert_damaged(judge(base), folder)

    shutil.move(folder, tmp_path / "aside")
    restore(folder, tmp_path / "copy")

    assert judge(base) == ""


def damage(path: Path, chance: random.Random, at: int | None = None) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data)) if at is None else at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def assert_damaged(said: str, folder: Path) -> None:
    """Check that the message names the file and says what to do."""
    assert said.startswith(f"StateDamaged: the state file {folder / FILE} is damaged: ")
    assert "mainstem state restore" in said
