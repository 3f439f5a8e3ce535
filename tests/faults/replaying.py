"""A replay in a process of its own: open rows and letters, and sinks of each kind that adds."""

import multiprocessing
import os
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.connectors.keyed import merge
from mainstem.definition.pipeline import Pipeline
from mainstem.runtime.quarantine import quarantine_of
from mainstem.runtime.query import connect
from mainstem.runtime.state import state_dir

NAME = "replaying"
# One good row; two that break the rule, one of them also later on; one that is no record at first.
TEXT = "id,v\n1,5\n2,-5\n3,-50\n4,40000\n"
KINDS = ("quarantine", "dead")


def pipeline(bound: int = 0, type_: str = "smallint") -> Pipeline:
    """A folder and a DuckDB table that are appended to, and a folder that is merged into."""
    p = Pipeline(NAME)
    p.source("rows", files("in/*.csv", incremental=True), schema=f"id bigint, v {type_}",
             on_bad="dead_letter")  # fmt: skip
    p.expect("rows", f"v > {bound}", name="above", on_fail="quarantine")
    for name, sink in {
        "folder": files("out/folder", format="parquet", mode="append"),
        "merged": files("out/merged", format="parquet", mode=merge(key="id")),
        "ext": duckdb_table("ext.duckdb", "rows", mode="append"),
    }.items():
        p.table(name, "SELECT id, v FROM rows", sink=sink)
    return p


def first_run(base: Path) -> None:
    """Read the file: three records stay aside."""
    (base / "in").mkdir()
    (base / "in/a.csv").write_text(TEXT)
    pipeline().run(base_dir=base)


def replay(base: Path, kind: str) -> None:
    """Replay one kind of rows, by a milder rule and a wider schema."""
    p = pipeline(-10, "bigint")
    quarantine_of(p, base_dir=base).replay(f"rows__{kind}")


def contents(base: Path) -> dict:
    """The ids at each sink, and the status of each row kept aside."""
    with closing(duckdb.connect()) as connection:

        def ids(relation: str) -> list:
            return [
                i
                for (i,) in connection.execute(f"SELECT id FROM {relation} ORDER BY id").fetchall()
            ]

        connection.execute(f"ATTACH '{base}/ext.duckdb' AS ext (READ_ONLY)")
        found = {
            "folder": ids(f"read_parquet('{base}/out/folder/*.parquet')"),
            "merged": ids(f"read_parquet('{base}/out/merged/*.parquet')"),
            "ext": ids("ext.rows"),
        }
    with connect(state_dir(base, NAME)) as tables:
        for kind in KINDS:
            sql = f"SELECT __id, __status FROM rows__{kind} ORDER BY __id"
            found[kind] = list(tables.query(sql).rows)
    return found


def expected(*replayed: str) -> dict:
    """The same, worked out by hand, when these kinds have been replayed."""
    ids = [1]
    kept = {"quarantine": [("1-1", "open"), ("1-2", "open")], "dead": [("1-1", "open")]}
    if "quarantine" in replayed:
        ids.append(2)
        kept["quarantine"][0] = ("1-1", "replayed")
    if "dead" in replayed:
        ids.append(4)
        kept["dead"] = [("1-1", "replayed")]
    return {"folder": ids, "merged": ids, "ext": ids} | kept


def killed(base: Path, kind: str, *, kill_at: str) -> None:
    """Replay in a process that must die by SIGKILL at a point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.replaying"])
    child = context.Process(target=_die, args=(kill_at, base, kind))
    child.start()
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def _die(kill_at: str, base: Path, kind: str) -> None:
    os.environ |= {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    replay(base, kind)
