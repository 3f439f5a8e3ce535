"""Many epochs through every kind of state: neither the memory nor the state file grows with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

import mainstem as ms
from mainstem.engines.embedded import session
from mainstem.engines.embedded.stream import job, statefile
from mainstem.engines.embedded.stream import run as stream_run
from mainstem.engines.embedded.stream.operators import log
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from tests.faults import streamed

LONG = os.environ.get("MAINSTEM_LONG") == "1"
EPOCHS, ROWS = (1000, 3000) if LONG else (90, 1000)
# Parts of aggregates and the log of the file are put together when they have come to this much.
LOG_ROWS, LOG_BYTES = 20 * ROWS, "200KB"
# Epochs whose ledger is remembered; a number that the last one is no multiple of.
HISTORY = 33
# Of 1,000 rows, 20 s: each of these keys is busy for a minute, and then another takes its place.
KEY = ", i // 3000 AS visit, 'visitor ' || (i // 3000) || repeat('x', i % 30) AS page"
SCHEMA = "id bigint, auction bigint, ts timestamp, visit bigint, page string"
OUT = {"sink": ms.duckdb("out.duckdb", "t")}
# What is computed, and the words of its table. Tables that grow are outside of the state.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "tumble": (
        "SELECT visit, window_end, count(*) AS n, count(DISTINCT page) AS pages FROM "
        "TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY visit, window_end", OUT,
    ),
    "hop": (
        "SELECT visit, window_end, count(*) AS n, sum(id) AS ids FROM HOP(bids, ts, INTERVAL '5 "
        "seconds', INTERVAL '20 seconds') GROUP BY visit, window_end", OUT,
    ),
    "session": (
        "SELECT visit, window_end, count(*) AS n, max(page) AS page FROM SESSION(bids PARTITION BY "
        "visit, ts, INTERVAL '5 seconds') GROUP BY visit, window_start, window_end", OUT,
    ),
    "ttl": ("SELECT visit, count(*) AS n, max(page) AS page FROM bids GROUP BY visit",
            {"ttl": "10 seconds", **OUT}),
    "updating": ("SELECT auction, count(*) AS n, max(page) AS page FROM bids GROUP BY auction",
                 {"state": "unbounded"}),
    "top": ("SELECT auction, id, row_number() OVER (PARTITION BY auction ORDER BY id DESC) AS place "
            "FROM bids QUALIFY place <= 3", {"state": "unbounded"}),
}  # fmt: skip


def pipeline(kind: str) -> ms.Pipeline:
    """Give a pipeline with one kind of state."""
    sql, words = KINDS[kind]
    p = ms.Pipeline("soak")
    source = ms.files("none/*.jsonl", stream=True)
    p.source("bids", source, schema=SCHEMA, event_time="ts", watermark="2 seconds")
    p.table("t", sql, **words)
    return p


def memory() -> int:
    """Give the bytes that this process holds now; where that is not told, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(base: Path, kind: str, epochs: int, rows: int) -> None:
    """Be the process: print the bytes of memory and of the state after each epoch."""
    session.OFFLINE["checkpoint_threshold"] = LOG_BYTES
    log.LOG_ROWS = LOG_ROWS
    # As if each epoch took a second: its ledger is written down.
    job.PAUSE_S, statefile.HISTORY = 0.0, HISTORY
    stream_run.reader_of = lambda source, _: streamed.Numbers(source, epochs * rows, extra=KEY)
    settings = StreamSettings("caught_up", None, rows, max_pending=2)
    options = RunOptions(base, stream=settings, memory_limit="200MB")
    folder, samples = state_dir(base, "soak"), []
    with closing(run(pipeline(kind).plan(), options)) as events:
        for event in events:
            if event.kind == "epoch_committed":
                size = sum(path.stat().st_size for path in folder.glob("state.duckdb*"))
                samples.append((memory(), size))
    print(json.dumps(samples))


@pytest.mark.parametrize("kind", KINDS)
def test_memory_and_state_are_flat(kind: str, tmp_path: Path) -> None:
    """The most in the last third of the epochs is about the most in the third before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.test_stream_soak", str(tmp_path), kind],
        cwd=streamed.ROOT, env=streamed.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    samples = json.loads(done.stdout)
    assert len(samples) == EPOCHS
    third = EPOCHS // 3
    for what, at, more in (("memory", 0, 16 << 20), ("state file", 1, 2 << 20)):
        middle, last = (
            max(sample[at] for sample in samples[first : first + third]) for first in (third, 2 * third)
        )  # fmt: skip
        assert last < 1.1 * middle + more, f"{what}: {middle:,} bytes, then {last:,}"
    with duckdb.connect(str(state_dir(tmp_path, "soak") / "state.duckdb"), read_only=True) as state:
        ((n_epochs,),) = state.execute("SELECT count(*) FROM mainstem.epochs").fetchall()
    assert n_epochs == HISTORY


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], EPOCHS, ROWS)
