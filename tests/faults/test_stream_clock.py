"""The clock of the machine jumps: idle partitions, lookups and runs go by the one that never does."""

from __future__ import annotations

import datetime as real
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mainstem as ms
from mainstem.engines.embedded.stream import bounded
from mainstem.engines.embedded.stream.readers import files
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs

YEAR = real.timedelta(days=365)


class Clocks:
    """Both clocks of a machine: what people read, which may jump, and what only ever goes on."""

    def __init__(self) -> None:
        self.jumped, self.passed = real.timedelta(), 0.0

    def wall(self) -> real.datetime:
        return real.datetime.now(real.UTC) + self.jumped

    def steady(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Give clocks that every module of ours looks at."""
    found = Clocks()

    class Kind(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real.datetime)

    class Jumping(real.datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: Any = None) -> real.datetime:
            return found.wall().astimezone(tz)

    for name, module in list(sys.modules.items()):
        if name.startswith("mainstem.") and vars(module).get("datetime") is real.datetime:
            monkeypatch.setattr(module, "datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: found.wall().timestamp())
    monkeypatch.setattr(files, "monotonic", found.steady)
    monkeypatch.setattr(bounded, "time", SimpleNamespace(monotonic=found.steady))
    return found


def pipeline() -> ms.Pipeline:
    """Count two folders together, by name, in windows of ten seconds."""
    p = ms.Pipeline("clock")
    for name in "ab":
        p.source(
            name, ms.files(f"{name}/*.jsonl", stream=True), schema="k string, ts timestamp",
            event_time="ts", watermark="2 seconds", idle="1 hour",
        )  # fmt: skip
    p.lookup(
        "names", ms.files("names.csv"), schema="k string, name string", key="k", refresh="1 hour"
    )
    p.view("both", "SELECT k, ts FROM a UNION ALL SELECT k, ts FROM b")
    p.view("named", "SELECT name, ts FROM both JOIN names USING (k)")
    p.table(
        "counts", "SELECT name, window_end, count(*) AS n FROM TUMBLE(named, ts, INTERVAL '10 "
        "seconds') GROUP BY name, window_end",
    )  # fmt: skip
    return p


def put(base: Path, source: str, *seconds: int) -> None:
    """Add a file with rows at seconds."""
    folder = base / source
    folder.mkdir(exist_ok=True)
    lines = [f'{{"k": "x", "ts": "2026-01-01T00:00:{second:02}Z"}}\n' for second in seconds]
    made = folder / f"{len(list(folder.iterdir()))}.tmp"
    made.write_text("".join(lines))
    made.rename(made.with_suffix(".jsonl"))


def until(events: Iterator[Any], kind: str, name: str = "") -> Any:
    """Give the next event of a kind."""
    return next(event for event in events if event.kind == kind and name in ("", event.name))


def read(events: Iterator[Any], rows: int) -> None:
    """Go on until so many rows were read."""
    while rows:
        found = until(events, "epoch_committed").facts["sources"]
        rows -= sum(one["admitted"] for one in found.values())


def waited(events: Iterator[Any], times: int) -> set[str]:
    """Give the kinds of events until so many times nothing was there to do."""
    kinds = set()
    while times:
        event = next(events)
        kinds.add(event.kind)
        times -= event.kind == "waiting"
    return kinds


def counts(base: Path) -> list[tuple[Any, ...]]:
    """Give the closed windows: name, second of the end, rows."""
    sql = "SELECT name, CAST(epoch(window_end) AS BIGINT) % 3600, n FROM counts ORDER BY ALL"
    return list(query(state_dir(base, "clock"), sql).rows)


def test_a_clock_that_jumps_makes_nothing_idle_and_nothing_old(
    clocks: Clocks, tmp_path: Path
) -> None:
    """Forward and back by years; only an hour that has passed counts, for idle and for refresh."""
    (tmp_path / "names.csv").write_text("k,name\nx,first\n")
    put(tmp_path, "a", 1, 13)
    put(tmp_path, "b", 2)
    with closing(run(pipeline().plan(), RunOptions(tmp_path))) as events:
        read(events, 3)
        (tmp_path / "names.csv").write_text("k,name\nx,other\n")
        for jump in (YEAR, -3 * YEAR, 2 * YEAR):
            clocks.jumped += jump
            # Nothing is read again, and no window closes: b has had no row past 2 s.
            assert waited(events, 3) == {"waiting"}

        clocks.passed += 3601
        assert until(events, "source_read").name == "names"
        # An epoch without rows, since who is idle is kept.
        assert until(events, "epoch_committed").facts["sources"] == {}

        clocks.jumped -= 5 * YEAR
        put(tmp_path, "b", 12, 31)
        put(tmp_path, "a", 32)
        read(events, 3)

    assert counts(tmp_path) == [("first", 10, 2), ("first", 20, 1), ("other", 20, 1)]


def test_runs_whose_clock_goes_back_go_on(clocks: Clocks, tmp_path: Path) -> None:
    """Each run begins before the one that it follows, as far as people can see."""
    (tmp_path / "names.csv").write_text("k,name\nx,x\n")
    settings = StreamSettings("caught_up")
    for number in range(4):
        put(tmp_path, "a", 10 * number + 1, 10 * number + 9)
        put(tmp_path, "b", 10 * number + 5)
        with closing(run(pipeline().plan(), RunOptions(tmp_path, stream=settings))) as events:
            list(events)
        clocks.jumped -= YEAR

    assert counts(tmp_path) == [("x", 10, 3), ("x", 20, 3), ("x", 30, 3)]
    found = runs(state_dir(tmp_path, "clock"))
    assert [one.stream["epoch"] for one in found] == sorted(one.stream["epoch"] for one in found)
    assert found[-1].started_at < found[0].started_at
