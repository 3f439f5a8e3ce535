"""A stream with expectations over rows from a formula: what goes aside is worked out in plain Python."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

import mainstem as ms
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from tests.faults.streamed import reading, row

NAME = "judged"
EPOCHS, ROWS = 12, 100


def pipeline() -> ms.Pipeline:
    """Give a source, and windows over it, each with rules."""
    p = ms.Pipeline(NAME)
    p.source(
        "bids", ms.files("none/*.jsonl", stream=True),
        schema="id bigint, auction bigint, ts timestamp", event_time="ts", watermark="2 seconds",
    )  # fmt: skip
    p.expect("bids", "auction <> 3", name="known", on_fail="quarantine")
    p.expect("bids", "id % 5 <> 0", name="fifth", on_fail="drop")
    p.table("passed", "SELECT id FROM bids", sink=ms.duckdb("out.duckdb", "passed"))
    p.table(
        "counts", "SELECT auction, window_end, count(*) AS n FROM TUMBLE(bids, ts, INTERVAL '1 second') "
        "GROUP BY auction, window_end",
    )  # fmt: skip
    p.expect("counts", "auction < 5", name="low", on_fail="quarantine")
    return p


def stream(folder: Path) -> None:
    """Run to the end of the rows."""
    options = RunOptions(folder, stream=StreamSettings("caught_up", None, ROWS, 2))
    with reading(EPOCHS * ROWS), closing(run(pipeline().plan(), options)) as events:  # type: ignore[type-var]
        list(events)


def _in_process(switches: dict[str, str], base: str) -> None:
    os.environ |= switches
    stream(Path(base))


def killed(folder: Path, kill_at: str) -> bool:
    """Run until a named point, where the process is killed; say whether it was reached."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.judged"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    child = context.Process(target=_in_process, args=(switches, str(folder)))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL), (kill_at, child.exitcode)
    return child.exitcode == -signal.SIGKILL


def expected() -> dict[str, Any]:
    """Give by hand which ids pass, which are kept, and which windows are."""
    every = range(EPOCHS * ROWS)
    kept = [(i, i // ROWS + 1) for i in every if i % 7 == 3]
    passed = [i for i in every if i % 7 != 3 and i % 5]
    latest, windows = 0, {}
    for i in passed:
        auction, at_ms = row(i)
        latest = max(latest, at_ms)
        end = at_ms // 1000 + 1
        windows[auction, end] = windows.get((auction, end), 0) + 1
    closed = {key: n for key, n in windows.items() if key[1] * 1000 <= latest - 2000}
    return {
        "kept": kept, "passed": passed,
        "counts": sorted((*key, n) for key, n in closed.items() if key[0] < 5),
        "low": sorted((*key, n) for key, n in closed.items() if key[0] >= 5),
    }  # fmt: skip


def found(folder: Path) -> dict[str, Any]:
    """Read what is there, as anybody else would."""
    end = "CAST(epoch(window_end) - epoch(TIMESTAMPTZ '2026-01-01 00:00:00+00') AS BIGINT)"
    with duckdb.connect(
        str(state_dir(folder, NAME) / "state.duckdb"), read_only=True
    ) as connection:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        answers: dict[str, Any] = {
            "kept": ask("SELECT id, __epoch FROM main.bids__quarantine ORDER BY id"),
            "counts": ask(f"SELECT auction, {end}, n FROM main.counts ORDER BY ALL"),
            "low": ask(f"SELECT auction, {end}, n FROM main.counts__quarantine ORDER BY ALL"),
        }
        ids = ask("SELECT __id FROM main.bids__quarantine")
        assert len(set(ids)) == len(ids)
    with duckdb.connect(str(folder / "out.duckdb"), read_only=True) as connection:
        answers["passed"] = [
            i for (i,) in connection.execute("SELECT id FROM passed ORDER BY id").fetchall()
        ]
    return answers
