"""A whole stream in a process of its own: rows from a formula, into three sinks at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

EPOCHS, ROWS = 12, 500

SCRIPT = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mainstem as ms
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.job import run_job
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.program import compile_stream
from mainstem.engines.embedded.stream.run import with_kinds
from mainstem.engines.embedded.stream.sinks import sink_of
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.engines.spec import RunSettings, StreamSettings
from mainstem.sql.stream.lower import lower

folder, epochs, rows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
p = ms.Pipeline("kills")
p.source("bids", ms.files("none.jsonl"), schema="id bigint, auction bigint, ts timestamp",
         event_time="ts", watermark="2 seconds")
counted = ("SELECT auction, window_end, count(*) AS n, sum(id) AS ids FROM "
           "TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY auction, window_end")
p.table("kept", counted)
p.table("stored", counted, sink=ms.duckdb("out.duckdb", "stored"))
p.table("filed", "SELECT id, auction FROM bids", sink=ms.files("filed/", format="parquet"))
p.table("latest", "SELECT auction, count(*) AS n FROM bids GROUP BY auction", state="unbounded",
        sink=ms.duckdb("latest.duckdb", "latest"))
plan = p.plan()
plan = replace(plan, sources=tuple(replace(s, bounded=False) for s in plan.sources))
lowered = lower(plan)
assert not lowered.findings, lowered.findings
plan = with_kinds(plan, lowered.plan)


class Feed:
    def start(self, positions, until):
        self.at = positions.get("bids", {}).get("", 0)

    def take(self, wait_s):
        if self.at >= epochs * rows:
            return Taken((), {}, frozenset({"bids"}))
        part = Part("", self.at, self.at + rows, rows)
        self.at += rows
        return Taken((Slice("bids", (part,), None),), {})

    def lag(self):
        return {}

    def committed(self, positions):
        pass

    def close(self):
        pass


def load(session, taken, table):
    part = taken.parts[0]
    session.rows(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT i AS id, i % 7 AS auction, TIMESTAMPTZ "
        f"'2026-01-01 00:00:00+00' + to_milliseconds(i * 20 - (i * 37) % 2000) AS ts, 0::INTEGER AS __part "
        f"FROM range({part.start}, {part.end}) AS r(i)"
    )
    return Loaded(part.rows, part.rows)


started = datetime.now(UTC)
settings = RunSettings(f"run-{started.timestamp()}", folder / "state", folder, started_at=started.isoformat(),
                       stream=StreamSettings(ending="caught_up", max_pending=2))
sinks = {s.name: sink_of(s, plan, settings, key=lowered.plan.shapes[s.name].key) for s in plan.tables}
ports = Ports(Feed(), {"bids": load}, {name: sink for name, sink in sinks.items() if sink is not None})
for event in run_job(compile_stream(plan, lowered.plan), settings, ports):
    pass
print("ended")
"""


def run(folder: Path, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    """Run the stream to the end of its rows, or to the point where it is killed."""
    (folder / "state").mkdir(exist_ok=True)
    env = os.environ | {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(EPOCHS), str(ROWS)],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def killed(folder: Path, kill_at: str) -> bool:
    """Run until the point; say whether it was reached."""
    done = run(folder, kill_at)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


def expected_windows() -> Counter[tuple[int, int]]:
    """Give the closed windows by hand: (auction, window end in seconds) to (rows, sum of ids)."""
    counts: Counter[tuple[int, int]] = Counter()
    latest = 0
    for i in range(EPOCHS * ROWS):
        ms = i * 20 - (i * 37) % 2000
        latest = max(latest, ms)
        counts[i % 7, (ms // 10_000 + 1) * 10] += 1
    watermark = latest - 2000
    return Counter({key: n for key, n in counts.items() if key[1] * 1000 <= watermark})


def windows(rows: list[tuple[Any, ...]]) -> Counter[tuple[int, int]]:
    """Give found rows in the form of `expected_windows`; a doubled row is counted twice."""
    found: Counter[tuple[int, int]] = Counter()
    for auction, end, n in rows:
        found[auction, end] += n
    return found


def answers(folder: Path) -> dict[str, Any]:
    """Read all sinks."""
    seconds = "SELECT auction, CAST(epoch(window_end) - epoch(TIMESTAMPTZ '2026-01-01 00:00:00+00') AS BIGINT), n"
    with duckdb.connect(str(folder / "state" / "state.duckdb"), read_only=True) as connection:
        kept = connection.execute(f"{seconds} FROM main.kept").fetchall()
    with duckdb.connect(str(folder / "out.duckdb"), read_only=True) as connection:
        stored = connection.execute(f"{seconds} FROM stored").fetchall()
    with duckdb.connect(str(folder / "latest.duckdb"), read_only=True) as connection:
        latest = connection.execute("SELECT auction, n FROM latest").fetchall()
    with duckdb.connect() as connection:
        ids = connection.execute(
            f"SELECT id FROM read_parquet('{folder}/filed/**/*.parquet') ORDER BY id"
        ).fetchall()
    return {"kept": windows(kept), "stored": windows(stored), "latest": dict(latest),
            "ids": [i for (i,) in ids]}  # fmt: skip


def check(folder: Path) -> None:
    """Raise AssertionError unless every sink has every row once."""
    found = answers(folder)
    wanted = expected_windows()
    assert found["kept"] == wanted
    assert found["stored"] == wanted
    assert found["ids"] == list(range(EPOCHS * ROWS))
    assert found["latest"] == dict(Counter(i % 7 for i in range(EPOCHS * ROWS)))


def sizes(folder: Path) -> str:
    """Give what is there, for a message."""
    return json.dumps(
        {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    )
