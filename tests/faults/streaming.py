"""A stream's sink that is fed epochs in a process of its own, which is killed at a named point."""

import multiprocessing
import os
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.engines.embedded.stream.sinks import compaction
from tests.unit.stream_sinks.epochs import in_table, made, write
from tests.unit.stream_sinks.folders import by_glob, by_manifest

KINDS = ("table", "updating", "folder", "joined", "parts", "csv")
N_EPOCHS = 6
# Few, so that six epochs are joined twice, and what was joined is joined again.
FAN = {"joined": 2, "parts": 2, "csv": 3}


def rows_of(kind: str, epoch: int) -> list:
    """The rows of an epoch; of an updating table: a key of its own, one that all change, one that goes."""
    if kind == "updating":
        gone = [(epoch - 1, f"own{epoch - 1}", "delete")] if epoch % 2 == 0 else []
        return [(epoch, f"own{epoch}", "upsert"), (epoch, "all", "upsert"), *gone]
    return [(epoch, "a"), (epoch, "b")]


def expected(kind: str, epochs: int = N_EPOCHS) -> list:
    """What the sink holds after so many epochs."""
    if kind == "updating":
        kept = [n for n in range(1, epochs + 1) if n % 2 == 0 or n == epochs]
        own = [(n, f"own{n}") for n in kept]
        return sorted([*own, (epochs, "all")]) if epochs else []
    return [(n, k) for n in range(1, epochs + 1) for k in "ab"]


def sink_for(base: Path, kind: str, run_id: str):
    """The sink of a kind."""
    if kind in ("table", "updating"):
        more = {"kind": "updating", "key": ("k",)} if kind == "updating" else {}
        return made(base, duckdb_table("ext.duckdb", "out"), run_id=run_id, **more)
    words = {"partition_by": "k"} if kind == "parts" else {}
    format_ = "csv" if kind == "csv" else "parquet"
    size = "0" if kind == "folder" else "128 MB"
    return made(base, files("out", format=format_, file_size=size, **words), run_id=run_id)


def feed(base: Path, kind: str, run_id: str) -> list[dict]:
    """Open the sink and send every epoch; give what the sink says of each."""
    # Put back: tests feed sinks in their own process too, and other tests join by sixteen.
    with (
        patch.object(compaction, "FAN", FAN.get(kind, compaction.FAN)),
        closing(sink_for(base, kind, run_id)) as sink,
    ):
        sink.open()
        return [
            write(sink, epoch, rows_of(kind, epoch), operations=kind == "updating")
            for epoch in range(1, N_EPOCHS + 1)
        ]


def seen(base: Path, kind: str) -> list[list]:
    """The rows that each kind of reader sees."""
    if kind in ("table", "updating"):
        found = []
        if (base / "ext.duckdb").exists():
            found = in_table(base / "ext.duckdb") if _has_table(base) else []
        return [found]
    format_, more = ("csv" if kind == "csv" else "parquet"), {"is_partitioned": kind == "parts"}
    # While the folder is between two names, nobody can read it.
    return [by_glob(base / "out", format_, **more), by_manifest(base / "out", format_, **more)]


def _has_table(base: Path) -> bool:
    return bool(in_table(base / "ext.duckdb", "duckdb_tables() WHERE table_name = 'out'", "1, 1"))


def leftovers(base: Path, kind: str) -> list[str]:
    """What only a sink that is open may have lying about."""
    names = {"out", "ext.duckdb"}
    found = [path.name for path in base.iterdir() if path.name not in names]
    if kind not in ("table", "updating"):
        inner = base / "out" / "_mainstem"
        found += [path.name for path in inner.iterdir() if path.name != "manifest"]
    return found


def killed(base: Path, kind: str, kill_at: str, **env: str) -> None:
    """Feed the sink in a process that must die by SIGKILL at a point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.streaming"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at} | env
    child = context.Process(target=_in_process, args=(switches, str(base), kind))
    child.start()
    child.join(60)
    assert child.exitcode == -9, (kill_at, child.exitcode)


def _in_process(switches: dict, base: str, kind: str) -> None:
    os.environ |= switches
    feed(Path(base), kind, "run-killed")
