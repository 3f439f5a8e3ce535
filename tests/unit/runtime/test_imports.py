"""What a run starts without: every module that a plain run imports is paid for by all runs."""

from __future__ import annotations

import json
import subprocess
import sys

RUN = """
import json, sys
import duckdb
import mainstem as ms

duckdb.sql("COPY (SELECT 1::BIGINT AS id) TO 'one.parquet' (FORMAT parquet)")
p = ms.Pipeline("row")
p.source("one", ms.files("one.parquet"), schema="id bigint")
p.table("result", "SELECT id + 1 AS id FROM one", sink=ms.files("out.parquet"))
p.run(base_dir=".")
print(json.dumps(sorted(sys.modules)))
"""
WRITING = "mainstem.engines.embedded.writing"


def test_a_plain_run_imports_nothing_of_what_it_has_not(tmp_path):
    """No rules, keys, tables of DuckDB files, settings file, messages or times are in this pipeline."""
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    loaded = set(json.loads(done.stdout))
    assert f"{WRITING}.stage" in loaded
    assert loaded.isdisjoint({
        f"{WRITING}.keyed", f"{WRITING}.append", f"{WRITING}.duckdb_sink",
        "mainstem.engines.embedded.judging.expect", "mainstem.engines.embedded.judging.keep",
        "mainstem.runtime.query", "mainstem.connectors.kafka", "mainstem.connectors.generator",
        "mainstem.functions.time", "mainstem.functions.text", "tomllib", "difflib",
    })  # fmt: skip
