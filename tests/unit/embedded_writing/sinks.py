"""A pipeline of one table, run again and again over other rows, and what its sink then holds."""

import itertools
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.definition.pipeline import Pipeline
from mainstem.runtime.run import RunOptions, run
from mainstem.storage.local.manifest import read_manifest

# A full source may be appended under a key only; each run here is meant.
KEYS = itertools.count()
COLUMNS = "id bigint, v string"


def run_rows(base: Path, text: str, sink, *, schema=COLUMNS, sql="SELECT * FROM rows", **words):
    """Run the pipeline over CSV text; give the ledger of its sink."""
    from mainstem.connectors.files import files

    (base / "in.csv").write_text(text)
    p = Pipeline("growing")
    p.source("rows", files("in.csv"), schema=schema)
    p.table("t", sql, sink=sink, **words)
    with closing(run(p.plan(), RunOptions(base, run_key=f"k{next(KEYS)}"))) as events:
        *_, end = events
    return end.facts["ledger"]["sinks"]["t"]


def held(folder: Path, columns="*", *, reader="read_parquet", glob="**/*.parquet", more="") -> list:
    """The rows of a folder, sorted; NULLs last."""
    with closing(duckdb.connect()) as connection:
        return connection.execute(
            f"SELECT {columns} FROM {reader}('{folder}/{glob}'{more}) ORDER BY ALL"
        ).fetchall()


def table(path: Path, sql: str) -> list:
    """The answer of another DuckDB file."""
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        return connection.execute(sql).fetchall()


def is_whole(folder: Path) -> bool:
    """The manifest names exactly the files that are there, with their sizes."""
    manifest = read_manifest(folder)
    there = {
        str(p.relative_to(folder)): p.stat().st_size
        for p in folder.rglob("*") if p.is_file() and p.name != "manifest"
    }  # fmt: skip
    return {f.name: f.bytes for f in (*manifest.files, *manifest.hidden)} == there
