"""A pipeline whose files arrive day by day, run in a process of its own that may be killed."""

import multiprocessing
import os
from collections import Counter
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import MainstemError
from mainstem.runtime.run import RunOptions, repair, run
from mainstem.runtime.state import state_dir

NAME = "arrivals"


def pipeline(*, last="SELECT id FROM new"):
    """New rows into every kind of sink that grows, and a full table that a run may fail at."""
    p = Pipeline(NAME)
    p.source("new", files("in/*.csv", incremental=True), schema="id bigint")
    p.source("whole", files("whole.csv"), schema="id bigint")
    p.table("full", "SELECT id FROM whole", sink=files("full.csv"))
    p.table("folder", "SELECT id FROM new", sink=files("out/", format="parquet", mode="append"))
    p.table("rows", last, sink=duckdb_table("rows.duckdb", "rows", mode="append"))
    return p


def put(base: Path, day: int) -> None:
    """Let the file of a day arrive: two rows."""
    (base / "in").mkdir(exist_ok=True)
    (base / "in" / f"{day}.csv").write_text(f"id\n{day}0\n{day}1\n")
    (base / "whole.csv").write_text("id\n7\n")


def run_all(base: Path, **options) -> list:
    """Run to the end; give the events."""
    with closing(run(pipeline().plan(), RunOptions(base, **options))) as events:
        return list(events)


def rows(base: Path) -> dict[str, Counter]:
    """How often each row stands at each sink."""
    found = {"folder": Counter(), "rows": Counter()}
    with closing(duckdb.connect()) as connection:
        names = sorted(str(path) for path in (base / "out").rglob("*.parquet"))
        for name in names:
            found["folder"].update(
                v for (v,) in connection.execute(f"SELECT id FROM '{name}'").fetchall()
            )
    if (base / "rows.duckdb").exists():
        with closing(duckdb.connect(str(base / "rows.duckdb"), read_only=True)) as connection:
            found["rows"].update(v for (v,) in connection.execute("SELECT id FROM rows").fetchall())
    return found


def once(*days: int) -> dict[str, Counter]:
    """Each row of these days once, everywhere."""
    each = Counter(f"{day}{n}" for day in days for n in (0, 1))
    counted = Counter({int(name): n for name, n in each.items()})
    return {"folder": counted, "rows": counted}


def killed(base: Path, kill_at: str, **options) -> None:
    """Run in a process that must die by SIGKILL at a point."""
    child = started(base, {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}, **options)
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def started(base: Path, switches: dict, **options):
    """Start a run in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.arrivals"])
    child = context.Process(target=in_process, args=(switches, str(base), options))
    child.start()
    return child


def in_process(switches: dict, base: str, options: dict) -> None:
    """Be the process."""
    os.environ |= switches
    try:
        run_all(Path(base), **options)
    except MainstemError as error:
        raise SystemExit(error.exit_code) from error


def repaired(base: Path) -> None:
    """Bring the outputs to rest."""
    repair(state_dir(base, NAME))
