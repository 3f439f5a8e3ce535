"""A stream into several sinks whose state is lost, put back from an older copy, and catches up.

Between the copy and the sinks lie more than twenty epochs, a partition that falls idle and wakes up with
rows that are late by then, and a lookup that gets another version. What every sink has to hold is what a
run holds that was never disturbed; and what that is, is worked out by hand for one of them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

import mainstem as ms
from mainstem.engines.embedded.stream.program import Compiled, compile_stream
from mainstem.engines.embedded.stream.run import with_kinds
from mainstem.engines.embedded.stream.sinks import sink_of
from mainstem.plan.nodes import Plan
from mainstem.sql.stream.lower import lower
from mainstem.testing.stream_trial import _loader
from tests.unit.embedded_stream.replays import Entry, World

N_ENTRIES, COPIED, LOST = 40, 4, 34
IDLE, WAKES, RENAMED = 8, 20, 26
_BASE = 1_767_225_600_000_000  # 2026-01-01
COUNTED = (
    "SELECT n.city, v.window_end, count(*) AS n, sum(v.id) AS ids FROM "
    "TUMBLE(views, ts, INTERVAL '10 seconds') AS v JOIN names AS n ON n.page = v.page "
    "GROUP BY n.city, v.window_end"
)
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "kept": (COUNTED, {}),
    "stored": (COUNTED, {"sink": ms.duckdb("out.duckdb", "stored")}),
    "filed": ("SELECT v.id, n.city FROM views AS v JOIN names AS n ON n.page = v.page",
              {"sink": ms.files("filed/", format="parquet")}),
    "latest": ("SELECT page, count(*) AS n FROM views GROUP BY page",
               {"state": "unbounded", "sink": ms.duckdb("latest.duckdb", "latest")}),
}  # fmt: skip


def plan_of(base: Path, tables: dict[str, tuple[str, dict[str, Any]]]) -> Plan:
    """Give the plan."""
    p = ms.Pipeline("older")
    p.source(
        "views", ms.files(str(base / "none" / "*.jsonl"), stream=True),
        schema="id bigint, page string, ts timestamp", event_time="ts", watermark="2 seconds",
    )  # fmt: skip
    p.lookup(
        "names", ms.files(str(base / "names.csv")), schema="page string, city string", key="page",
        refresh="1 hour",
    )  # fmt: skip
    for name, (sql, words) in tables.items():
        p.table(name, sql, **words)
    return p.plan()


def script(base: Path) -> list[Entry]:
    """Give the epochs: ten seconds of event time take five of them."""
    entries = []
    for at in range(N_ENTRIES):
        rows, second = [], at * 2
        for i in range(6):
            row = (at * 100 + i, "xyz"[i % 3], _BASE + (second + i % 2) * 1_000_000)
            rows.append(("a", row))
        if at < IDLE or at > WAKES:
            rows.append(("b", (at * 100 + 50, "x", _BASE + second * 1_000_000)))
        if at == WAKES:
            # By its own watermark these are in time; by the source's, where it woke, the first is late.
            rows.append(("b", (at * 100 + 51, "x", _BASE + (IDLE * 2 + 1) * 1_000_000)))
            rows.append(("b", (at * 100 + 52, "x", _BASE + second * 1_000_000)))
        entries.append(Entry({"views": rows}, {("views", "b")} if IDLE <= at < WAKES else set()))
    # Their times are years back, and each their own: a version is known by size and time.
    entries[0].before = lambda: None
    entries[RENAMED].before = lambda: names(base, 2)
    entries[RENAMED].due = frozenset({"names"})
    return entries


def names(base: Path, version: int) -> None:
    """Write a version of the lookup."""
    path = base / "names.csv"
    cities = {1: "Rome", 2: "Genoa"}
    path.write_text(f"page,city\nx,{cities[version]}\ny,Turin\nz,Milan\n")
    os.utime(path, (1_000_000 + version, 1_000_000 + version))


class Older(World):
    """The stream, its state and its sinks in one folder."""

    def __init__(self, folder: Path, tables: dict[str, Any] = TABLES) -> None:
        folder.mkdir(exist_ok=True)
        if not (folder / "names.csv").exists():
            names(folder, 1)
        self.tables_made = tables

        def compiled() -> Compiled:
            plan = plan_of(folder, tables)
            lowered = lower(plan).plan
            return compile_stream(with_kinds(plan, lowered), lowered)

        super().__init__(folder, compiled, {"views": ("a", "b")}, _loader, script(folder))
        self.again_rows = 20

    def make_sinks(self, compiled: Compiled, settings: Any) -> dict[str, Any]:
        shapes = compiled.stream.shapes
        found = {
            step.name: sink_of(step, compiled.plan, settings, key=shapes[step.name].key)
            for step in compiled.plan.tables
        }
        return {name: sink for name, sink in found.items() if sink is not None}

    def lose(self) -> list[Any]:
        """Run on from a copy, lose the state and put the copy back; give the events of the lost run."""
        self.run(0, COPIED)
        copy = self.copy("copy")
        events = self.run(COPIED, LOST)
        self.restore(copy)
        return events

    def saved(self) -> dict[str, Any]:
        """Give what the state file says of itself."""
        with duckdb.connect(str(self.state / "state.duckdb"), read_only=True) as connection:
            ((text,),) = connection.execute("SELECT state FROM mainstem.stream").fetchall()
        return dict(json.loads(text))

    def entry_of_state(self) -> int:
        """Give the entry behind the rows that the state has read; each has rows of partition a."""
        read = self.saved()["clocks"]["views"]["partitions"]["a"][0]
        return int(read) // 6

    def answers(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """Read every table as anybody else would."""
        found: dict[str, Counter[tuple[Any, ...]]] = dict(self.tables())
        for name, path in (("stored", "out.duckdb"), ("latest", "latest.duckdb")):
            with duckdb.connect(str(self.folder / path), read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                rows = connection.execute(
                    f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {name}"
                ).fetchall()
            found[name] = Counter(rows)
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"SELECT id, city FROM read_parquet('{self.folder}/filed/**/*.parquet')"
            ).fetchall()
        found["filed"] = Counter(rows)
        return found


def expected_files() -> Counter[tuple[int, str]]:
    """Give the rows of `filed`: each with the city that its page had in its epoch."""
    found: Counter[tuple[int, str]] = Counter()
    for at, entry in enumerate(script(Path())):
        cities = {"x": "Rome" if at < RENAMED else "Genoa", "y": "Turin", "z": "Milan"}
        found.update((row[0], cities[row[1]]) for _, row in entry.rows["views"])
    return found


def _in_process(switches: dict[str, str], base: str, first: int) -> None:
    os.environ |= switches
    Older(Path(base)).run(first, N_ENTRIES)


def killed(base: Path, kill_at: str, first: int) -> bool:
    """Run until a named point, where the process is killed; say whether it was."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.older"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    child = context.Process(target=_in_process, args=(switches, str(base), first))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL), (kill_at, child.exitcode)
    return child.exitcode == -signal.SIGKILL
