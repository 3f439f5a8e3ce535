"""A pipeline that keeps rows aside, run in a process of its own: new files a run, each row once."""

import multiprocessing
import os
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.rule import unique
from mainstem.runtime.query import connect
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir

NAME = "aside"
# Of each file two rows are good, two break a rule, and one is no record.
FILES = {n: f"id,v\n{n}1,1\n{n}2,-1\n{n}x,1\n{n}3,2\n{n}3,3\n" for n in (1, 2, 3)}


def pipeline(*, is_incremental: bool) -> Pipeline:
    """One source that knows dead letters and two rules, and a folder that grows."""
    p = Pipeline(NAME)
    p.source(
        "rows", files("in/*.csv", incremental=is_incremental or None), schema="id bigint, v bigint",
        on_bad="dead_letter",
    )  # fmt: skip
    p.expect("rows", "v > 0", name="positive", on_fail="quarantine")
    p.expect("rows", unique("id"), name="once", on_fail="quarantine")
    p.table("good", "SELECT id, v FROM rows", sink=files(
        "out/good", format="parquet", mode="append" if is_incremental else "overwrite"
    ))  # fmt: skip
    return p


def run_with(base: Path, *numbers: int, is_incremental: bool) -> list:
    """Put files there and run; give the events."""
    (base / "in").mkdir(exist_ok=True)
    for n in numbers:
        (base / f"in/{n}.csv").write_text(FILES[n])
    plan = pipeline(is_incremental=is_incremental).plan()
    with closing(run(plan, RunOptions(base))) as events:
        return list(events)


def contents(base: Path) -> dict:
    """What the sink and the tables of rows kept aside hold, as sorted lists of ids and raw texts."""
    with closing(duckdb.connect()) as connection:
        good = connection.execute(
            "SELECT id FROM read_parquet(?) ORDER BY id", [f"{base}/out/good/*.parquet"]
        ).fetchall()
    with connect(state_dir(base, NAME)) as tables:
        kept = tables.query("SELECT __rule, id, v FROM rows__quarantine ORDER BY ALL").rows
        dead = tables.query("SELECT decode(__raw) FROM rows__dead ORDER BY ALL").rows
        ids = tables.query("SELECT __id FROM rows__quarantine").rows
    assert len(set(ids)) == len(ids)
    return {"good": [i for (i,) in good], "kept": list(kept), "dead": [raw for (raw,) in dead]}


def expected(*numbers: int) -> dict:
    """The same, worked out by hand, when exactly these files have been read."""
    return {
        "good": sorted(i for n in numbers for i in (n * 10 + 1, n * 10 + 3)),
        "kept": sorted(
            row for n in numbers
            for row in (("positive", n * 10 + 2, -1), ("once", n * 10 + 3, 3))
        ),
        "dead": [f"{n}x,1" for n in numbers],
    }  # fmt: skip


def killed(base: Path, number: int, *, is_incremental: bool, kill_at: str) -> None:
    """Run in a process that must die by SIGKILL at a point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.aside"])
    child = context.Process(target=_die, args=(kill_at, base, number, is_incremental))
    child.start()
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def _die(kill_at: str, base: Path, number: int, is_incremental: bool) -> None:
    os.environ |= {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    run_with(base, number, is_incremental=is_incremental)
