"""A growing folder is read again for sinks that are ahead: the same files, in the order of then."""

import json
import os
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

import mainstem as ms
from mainstem.engines.spec import StreamSettings
from mainstem.errors import OutsideError
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir


def pipeline() -> ms.Pipeline:
    """Rows that are late by the files before theirs, and counts."""
    p = ms.Pipeline("grown")
    p.source(
        "s", ms.files("in/*.jsonl", stream=True), schema="id bigint, ts timestamp",
        event_time="ts", watermark="1 second",
    )  # fmt: skip
    p.table(
        "t", "SELECT window_end, count(*) AS n, sum(id) AS ids FROM TUMBLE(s, ts, INTERVAL '10 seconds') "
        "GROUP BY window_end", sink=ms.duckdb("out.duckdb", "t"),
    )  # fmt: skip
    p.table("r", "SELECT id FROM s", sink=ms.files("rows/", format="csv"))
    return p


def write(base: Path, name: str, at: int, *rows: tuple[int, int]) -> None:
    """Write a file with rows (id, second); `at` is its time."""
    path = base / "in" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [{"id": i, "ts": f"2026-01-01T00:{s // 60:02}:{s % 60:02}Z"} for i, s in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path, (1_767_300_000 + at, 1_767_300_000 + at))


def stream(base: Path, rows: int = 3) -> list:
    """Run until caught up; give the kinds of the events, and of them one that says what is met."""
    options = RunOptions(base, stream=StreamSettings("caught_up", None, rows))
    with closing(run(pipeline().plan(), options)) as events:
        return [event.kind for event in events]


def answers(base: Path) -> dict:
    """Give what the sinks and the state hold."""
    with duckdb.connect(str(base / "out.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        t = connection.execute("SELECT CAST(window_end AS VARCHAR), n, ids FROM t").fetchall()
    state = state_dir(base, "grown") / "state.duckdb"
    with duckdb.connect(str(state), read_only=True) as connection:
        late = connection.execute("SELECT id FROM main.t__late").fetchall()
    ids = [
        int(line) for path in sorted((base / "rows").glob("*.csv"))
        for line in path.read_text().splitlines()[1:]
    ]  # fmt: skip
    return {"t": Counter(t), "late": Counter(late), "ids": Counter(ids)}


@pytest.fixture
def base(tmp_path):
    """Files of two runs, the state of the first, and the sinks of the second.

    A file of the second run has a time before that of another one, which was there first. So its row
    of second 5 is late: the other one has taken the watermark further.
    """
    write(tmp_path, "a", 10, (1, 0), (2, 4), (3, 9))
    stream(tmp_path)
    state = state_dir(tmp_path, "grown")
    shutil.copytree(state, tmp_path / "copy")
    write(tmp_path, "c", 30, (4, 12), (5, 25), (6, 28), (7, 29))
    stream(tmp_path)
    write(tmp_path, "b", 20, (8, 5), (9, 31), (10, 33), (11, 47))
    stream(tmp_path)
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "copy", state)
    return tmp_path


EXPECTED = {
    "t": Counter({
        ("2026-01-01 00:00:10+00", 3, 6): 1, ("2026-01-01 00:00:20+00", 1, 4): 1,
        ("2026-01-01 00:00:30+00", 3, 18): 1, ("2026-01-01 00:00:40+00", 2, 19): 1,
        ("2026-01-01 00:00:50+00", 2, 23): 1,
    }),
    "late": Counter({(8,): 1}),
    "ids": Counter(range(1, 14)),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_files_are_read_again_in_the_order_of_then(base, rows):
    """By their times the late row would have come in time."""
    write(base, "d", 40, (12, 48), (13, 70))

    kinds = stream(base, rows)

    assert "catching_up" in kinds
    assert answers(base) == EXPECTED


def test_file_that_is_gone_is_named(base):
    """Without it the windows between the state and the sinks cannot be made."""
    (base / "in" / "c.jsonl").rename(base / "c.jsonl")

    with pytest.raises(
        OutsideError, match="1 of the files that were read are not there"
    ) as refused:
        stream(base)

    assert refused.value.findings[0].code == "FilesGone"
    shutil.copy2(base / "c.jsonl", base / "in" / "c.jsonl")
    write(base, "d", 40, (12, 48), (13, 70))
    stream(base)
    assert answers(base) == EXPECTED
