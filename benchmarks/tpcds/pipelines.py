"""One process: each query as a pipeline of one table. See `benchmarks.tpcds`.

python pipelines.py DATA TEXTS OUT SECONDS.json
"""

import json
import re
import sys
import time
from pathlib import Path

import duckdb

import mainstem as ms
from mainstem.errors import MainstemError


def schemas(data: Path) -> dict[str, str]:
    """Give each table's columns as the files say them, in Mainstem's words."""
    connection = duckdb.connect()
    described = {}
    for table in sorted(data.glob("*.parquet")):
        columns = connection.execute(f"DESCRIBE FROM read_parquet('{table}')").fetchall()
        described[table.stem] = ", ".join(f"{name} {type_.lower()}" for name, type_, *_ in columns)
    return described


def pipeline(query: Path, tables: dict[str, str], data: Path, out: Path) -> ms.Pipeline:
    """Define the pipeline of one query: the sources that it names, and one table."""
    text = query.read_text()
    named = set(re.findall(r"\w+", text.lower()))
    p = ms.Pipeline(f"tpcds_{query.stem}")
    for name, schema in tables.items():
        if name in named:
            p.source(name, ms.files(f"{data}/{name}.parquet"), schema=schema)
    p.table("answer", text, sink=ms.files(f"{out}/{query.stem}.parquet"))
    return p


def main(data: Path, texts: Path, out: Path, seconds: Path) -> None:
    """Run all; a query that is refused is recorded with the message, and the next one follows."""
    tables = schemas(data)
    results: dict[str, float | str] = {}
    for query in sorted(texts.glob("q*.sql")):
        begun = time.perf_counter()
        try:
            pipeline(query, tables, data, out).run(state_dir=out / "state" / query.stem)
        except MainstemError as error:
            results[query.stem] = str(error)
        else:
            results[query.stem] = time.perf_counter() - begun
    seconds.write_text(json.dumps(results))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
