"""Pipelines whose sinks all keep earlier rows, run in a process of their own.

``append``: rows are added, under a key of the run, so that the state file's transaction decides.
``keyed``: merge and history, without anything in the state file.
"""

import multiprocessing
import os
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.connectors.keyed import history, merge
from mainstem.definition.pipeline import Pipeline
from mainstem.runtime.run import RunOptions, repair, run
from mainstem.runtime.state import state_dir
from mainstem.storage.local.manifest import read_manifest

NAME = "growing"
ROWS = {1: "id,k,seq\n1,a,1\n2,b,1\n", 2: "id,k,seq\n2,c,2\n3,a,2\n"}
APPENDED = {1: [(1, "a", 1), (2, "b", 1)], 2: [(1, "a", 1), (2, "b", 1), (2, "c", 2), (3, "a", 2)]}
MERGED = {1: APPENDED[1], 2: [(1, "a", 1), (2, "c", 2), (3, "a", 2)]}
# The same rows, each with the end of its span.
KEPT = {
    1: [(1, "a", 1, None), (2, "b", 1, None)],
    2: [(1, "a", 1, None), (2, "b", 1, 2), (2, "c", 2, None), (3, "a", 2, None)],
}
MODES = {
    "append": {"folder": "append", "parts": "append", "ext": "append"},
    "keyed": {
        "folder": merge(key="id", sequence_by="seq"), "parts": history(key="id", sequence_by="seq"),
        "ext": merge(key="id", sequence_by="seq"),
    },
}  # fmt: skip


@cache
def plan_of(kind: str):
    """The plan of a kind: a folder, partitions, and another DuckDB file."""
    p = Pipeline(NAME)
    p.source("rows", files("in.csv"), schema="id bigint, k string, seq bigint")
    sql, modes = "SELECT id, k, seq FROM rows", MODES[kind]
    p.table("folder", sql, sink=files("out/folder", format="parquet", mode=modes["folder"]))
    p.table("parts", sql, sink=files(
        "out/parts", format="parquet", partition_by="k", mode=modes["parts"]))  # fmt: skip
    p.table("ext", sql, sink=duckdb_table("ext.duckdb", "rows", mode=modes["ext"]))
    return p.plan()


def folder_of(base: Path) -> Path:
    """Where the state of the pipeline is."""
    return state_dir(base, NAME)


def run_version(base: Path, version: int, kind: str) -> list:
    """Run over the rows of a version; give the events."""
    (base / "in.csv").write_text(ROWS[version])
    key = f"v{version}" if kind == "append" else ""
    with closing(run(plan_of(kind), RunOptions(base, run_key=key))) as events:
        return list(events)


def contents(base: Path, kind: str) -> dict:
    """The rows of each sink; folders must agree with their manifests."""
    columns = "id, k, seq, valid_to" if kind == "keyed" else "id, k, seq"
    with closing(duckdb.connect()) as connection:

        def rows(columns, relation):
            return connection.execute(f"SELECT {columns} FROM {relation} ORDER BY ALL").fetchall()

        connection.execute(f"ATTACH '{base}/ext.duckdb' AS ext (READ_ONLY)")
        found = {
            "folder": rows("id, k, seq", f"read_parquet('{base}/out/folder/*.parquet')"),
            "parts": rows(columns, f"read_parquet('{base}/out/parts/*/*.parquet')"),
            "ext": rows("id, k, seq", "ext.rows"),
        }
    for name in ("folder", "parts"):
        folder = base / "out" / name
        listed = {f.name for f in read_manifest(folder).files}
        assert listed == {str(p.relative_to(folder)) for p in folder.rglob("*.*")}, name
    return found


def expected(version: int, kind: str) -> dict:
    """What `contents` gives after the runs up to a version."""
    if kind == "append":
        return dict.fromkeys(("folder", "parts", "ext"), APPENDED[version])
    return {"folder": MERGED[version], "parts": KEPT[version], "ext": MERGED[version]}


def leftovers(base: Path) -> list[str]:
    """Everything that only a run in progress may have lying about."""
    inner = folder_of(base)
    found = [*base.rglob(".mainstem-*"), inner / "commit.json", inner / "staging", inner / "tmp"]
    return [str(path) for path in found if path.exists()]


def killed(base: Path, action: str, version: int, kind: str, *, kill_at: str, env=None) -> None:
    """Run a process that must die by SIGKILL at a point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.growing"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at} | (env or {})
    child = context.Process(target=in_process, args=(switches, str(base), action, version, kind))
    child.start()
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def in_process(switches: dict, base: str, action: str, version: int, kind: str) -> None:
    """Be the forked process."""
    os.environ |= switches
    if action == "repair":
        repair(folder_of(Path(base)))
    else:
        run_version(Path(base), version, kind)
    sys.exit(0)
