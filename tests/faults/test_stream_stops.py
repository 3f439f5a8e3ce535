"""A stream that is told to stop, met by a second run, moved to another path, or held up by its sink."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mainstem.errors import StateError
from mainstem.runtime.saved import standing
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from mainstem.storage.local import points
from tests.faults import streamed

# Says where it is, and goes on when it is told to: so that a signal arrives there and nowhere else.
SCRIPT = """
import sys
from pathlib import Path
from mainstem.engines.embedded.stream.sinks.duckdb import DuckdbTable
from mainstem.errors import MainstemError
from tests.faults import streamed

def held(function, words):
    def call(self, *given):
        found = function(self, *given)
        print(words, flush=True)
        sys.stdin.readline()
        return found
    return call

if sys.argv[2] == "epoch":
    streamed.Numbers.load = held(streamed.Numbers.load, "computing")
else:
    DuckdbTable.write = held(DuckdbTable.write, "written")
try:
    streamed.stream(Path(sys.argv[1]), tuple(sys.argv[3:]), epochs=streamed.EPOCHS)
except MainstemError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""
Child = subprocess.Popen


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Give a place for processes that end with the test."""
    found: list[Child] = []
    yield found
    for child in found:
        child.kill()
        child.communicate(timeout=60)


def start(children: list[Child], base: Path, where: str, *tables: str) -> Child:
    """Start a stream that stops at a place until it is told to go on."""
    child = subprocess.Popen(
        streamed.command(SCRIPT, base, where, *tables), cwd=streamed.ROOT, env=streamed.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    children.append(child)
    return child


def go_on(child: Child, times: int) -> None:
    """Let it pass the place so many times, and wait until it is there again."""
    for _ in range(times):
        assert child.stdout.readline(), child.stderr.read()
        child.stdin.write("\n")
        child.stdin.flush()
    assert child.stdout.readline(), child.stderr.read()


def epochs_of(base: Path) -> int:
    """Give the epochs of the last run."""
    return int(runs(state_dir(base, streamed.NAME))[-1].stream["epochs"])


@pytest.mark.parametrize(
    ("signals", "code", "word"),
    [
        ((signal.SIGTERM,), 143, "SIGTERM"),
        ((signal.SIGINT, signal.SIGINT), 130, "Ctrl-C"),
        ((signal.SIGTERM, signal.SIGTERM, signal.SIGTERM), 143, "SIGTERM"),
    ],
)
def test_signal_during_an_epoch_commits_it(
    signals: tuple[int, ...], code: int, word: str, tmp_path: Path, children: list[Child]
) -> None:
    """Told once or again and again: the epoch under way is the last one, and it is whole."""
    child = start(children, tmp_path, "epoch", *streamed.TABLES)
    go_on(child, 2)

    for number in signals:
        child.send_signal(number)
    _, err = child.communicate("\n", timeout=60)

    assert child.returncode == code, err
    assert f"the stream was stopped by {word} between two epochs" in err
    assert "Traceback" not in err
    assert epochs_of(tmp_path) == 3
    assert streamed.answers(tmp_path, ("kept",)) == streamed.expected(("kept",), 3 * streamed.ROWS)
    streamed.finished(tmp_path)
    streamed.check(tmp_path)


def test_slow_sink_holds_the_stream_up_and_not_the_signal(
    tmp_path: Path, children: list[Child]
) -> None:
    """Two epochs may wait: no third is added to them, questions are answered, and SIGTERM is heard."""
    tables = ("kept", "latest")
    child = start(children, tmp_path, "sink", *tables)
    folder = state_dir(tmp_path, streamed.NAME)
    go_on(child, 0)

    # The first epoch is written and not yet told; two more wait, and one is waited for.
    seen = set()
    while (epoch := (standing(folder) or {}).get("epoch", 0)) < 3:
        seen.add(epoch)
    for _ in range(20):
        seen.add((standing(folder) or {})["epoch"])
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate("\n", timeout=60)

    assert max(seen) == 3
    assert child.returncode == 143, err
    # Told to go on, the sink may have made room for one more before the signal was looked at.
    assert epochs_of(tmp_path) in (3, 4)
    with duckdb.connect(str(folder / "state.duckdb"), read_only=True) as connection:
        waiting = "SELECT count(DISTINCT __epoch) FROM stream_outbox.latest"
        assert connection.execute(waiting).fetchall()[0][0] in (2, 3, 4)
    streamed.finished(tmp_path, tables)
    streamed.check(tmp_path, tables)


def test_second_run_is_refused_by_name_and_the_first_goes_on(
    tmp_path: Path, children: list[Child]
) -> None:
    """The lock names the process."""
    child = start(children, tmp_path, "epoch", *streamed.TABLES)
    go_on(child, 1)

    with pytest.raises(StateError, match=rf"pid {child.pid} ") as refused:
        streamed.stream(tmp_path)
    _, err = child.communicate("", timeout=60)

    assert refused.value.finding.code == "StateLocked"
    assert child.returncode == 0, err
    streamed.check(tmp_path)


def test_state_directory_of_another_path_goes_on(tmp_path: Path) -> None:
    """Moved after a kill, with the log and the rows that wait for sinks; and then once more."""
    state = tmp_path / "first" / "state"
    base = tmp_path / "project"
    base.mkdir()
    assert streamed.killed(base, f"{points.EPOCH_COMMITTED}:4", state=state)

    for name in ("second", "a third, with 'quotes'"):
        moved = tmp_path / name / "deeper"
        moved.parent.mkdir()
        shutil.move(state, moved)
        state = moved
        assert streamed.killed(base, f"{points.EPOCH_COMPUTED}:3", state=state)
    streamed.finished(base, state=state)

    streamed.check(base, state=state)
    assert not (tmp_path / "first" / "state").exists()


def test_whole_project_may_move(tmp_path: Path) -> None:
    """State, folders and files: their places are kept relative to the project."""
    base = tmp_path / "here"
    base.mkdir()
    assert streamed.killed(base, f"{points.SINK_PREPARED}:5")

    shutil.move(base, tmp_path / "there")

    streamed.finished(tmp_path / "there")
    streamed.check(tmp_path / "there")
