"""A pipeline with every kind of sink, run in a process of its own, and what its sinks then hold."""

import csv
import multiprocessing
import os
import shutil
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.engine import Embedded
from mainstem.engines.spec import Program, Statement
from mainstem.errors import MainstemError
from mainstem.runtime.query import connect
from mainstem.runtime.run import RunOptions, repair, run
from mainstem.runtime.state import state_dir

ROOT = Path(__file__).parents[2]
NAME = "faults"
# Two rows a version; partition b is in both, a only in the first and c only in the second.
ROWS = {1: "id,k\n1,a\n2,b\n", 2: "id,k\n3,b\n4,c\n", 3: "id,k\n5,a\n6,c\n"}
PARTS = {1: {"a": {1}, "b": {1}}, 2: {"a": {1}, "b": {2}, "c": {2}}}


@cache
def plan_of(*, has_state: bool):
    """The plan of the pipeline; the same for every version."""
    return pipeline(has_state=has_state).plan()


def pipeline(*, has_state: bool) -> Pipeline:
    """One file, one folder, partitions, another DuckDB file, and maybe a table in the state file."""
    p = Pipeline(NAME)
    p.source("rows", files("in.csv"), schema="id bigint, k string")
    p.param("version", "bigint")
    sql = "SELECT id, k, :version AS v FROM rows"
    p.table("one", sql, sink=files("out/one.csv"))
    p.table("folder", sql, sink=files("out/folder", format="parquet"))
    p.table("parts", sql, sink=files(
        "out/parts", format="csv", partition_by="k", mode="overwrite_partitions"))  # fmt: skip
    p.table("ext", sql, sink=duckdb_table("ext.duckdb", "shop.rows"))
    if has_state:
        p.table("kept", sql)
    return p


def folder_of(base: Path) -> Path:
    """Where the state of the pipeline is."""
    return state_dir(base, NAME)


def run_version(base: Path, version: int, *, has_state: bool) -> list:
    """Run over the rows of a version; give the events."""
    (base / "in.csv").write_text(ROWS[version])
    options = RunOptions(base, params={"version": version})
    with closing(run(plan_of(has_state=has_state), options)) as events:
        return list(events)


def contents(base: Path, *, has_state: bool) -> dict:
    """The versions that each sink holds, by partition for `parts`; an absent sink holds None."""
    found = {
        "one": _versions_of_csv(base / "out/one.csv"),
        "folder": _versions_of_parquet(base / "out/folder"),
        "parts": {
            folder.name.removeprefix("k="): _versions_of_csv(*folder.glob("*.csv"))
            for folder in sorted((base / "out/parts").glob("k=*"))
        },
        "ext": _versions_of_table(base / "ext.duckdb", "shop.rows"),
    }
    if has_state:
        with connect(folder_of(base)) as tables:
            found["kept"] = {v for (v,) in tables.query("SELECT v FROM kept").rows}
    return found


def _versions_of_csv(*paths: Path):
    if not all(path.exists() for path in paths):
        return None
    found = set()
    for path in paths:
        with path.open(newline="") as file:
            found |= {int(row["v"]) for row in csv.DictReader(file)}
    return found


def _versions_of_parquet(folder: Path):
    if not folder.exists():
        return None
    with closing(duckdb.connect()) as connection:
        rows = connection.execute(
            "SELECT v FROM read_parquet(?)", [f"{folder}/*.parquet"]
        ).fetchall()
    assert len(rows) == 2, rows
    return {v for (v,) in rows}


def _versions_of_table(path: Path, table: str):
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        rows = connection.execute(f"SELECT v FROM {table}").fetchall()
    assert len(rows) == 2, rows
    return {v for (v,) in rows}


def expected(version: int, *, has_state: bool) -> dict:
    """What `contents` gives when every sink holds `version`."""
    found = {"one": {version}, "folder": {version}, "parts": PARTS[version], "ext": {version}}
    return found | ({"kept": {version}} if has_state else {})


def leftovers(base: Path) -> list[str]:
    """Everything that only a run in progress may have lying about."""
    inner = folder_of(base)
    found = [*base.rglob(".mainstem-*"), inner / "commit.json", inner / "staging", inner / "tmp"]
    return [str(path) for path in found if path.exists()]


def process(base: Path, *words: str, kill_at: str = "", env: dict | None = None, before=()):
    """Start this file as a process of its own."""
    given = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "MAINSTEM_TESTING": "1"}
    return subprocess.Popen(
        [*before, sys.executable, "-m", "tests.faults.case", str(base), *words],
        cwd=ROOT,
        env=os.environ | given | {"MAINSTEM_KILL_AT": kill_at} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(base: Path, *words: str, kill_at: str, env: dict | None = None) -> None:
    """Run a process that must die by SIGKILL at a point.

    It is forked from a server that has imported everything: a second a case less.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.case"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at} | (env or {})
    child = context.Process(target=in_process, args=(switches, str(base), *words))
    child.start()
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def in_process(switches: dict, base: str, action: str, version: str, state: str) -> None:
    """Be the forked process."""
    os.environ |= switches
    main(Path(base), action, int(version), state == "state")


class Slow(Embedded):
    """The engine with one step's SQL replaced by a query that takes for ever, or fails."""

    def __init__(self, step: str, sql: str) -> None:
        self.step = step
        self.sql = sql

    def compile(self, plan) -> Program:
        """Compile, then replace."""
        program = super().compile(plan)
        statements = tuple(
            Statement(s.step, self.sql) if s.step.name == self.step else s
            for s in program.statements
        )
        return Program(plan, program.engine, program.reads, statements)


FOR_EVER = (
    "SELECT count(*) AS id, 'a' AS k, 2::BIGINT AS v FROM range(1000000) a, range(1000000) b "
    "WHERE a.range * b.range % 7 = 3"
)


def main(base: Path, action: str, version: int, has_state: bool) -> None:
    """Be the process: run, repair, or start a run that never ends by itself."""
    import mainstem.runtime.run as runtime

    if action == "repair":
        repair(folder_of(base))
        return
    if action == "slow":
        engine = Slow("ext", FOR_EVER)
        runtime.load_engine = lambda _name: engine
    (base / "in.csv").write_text(ROWS[version])
    options = RunOptions(base, params={"version": version})
    with closing(run(plan_of(has_state=has_state), options)) as events:
        for event in events:
            if event.kind == "step_started":
                print(event.name, flush=True)


def fresh(base: Path) -> Path:
    """Give an empty folder."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    return base


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "state")
    except MainstemError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
