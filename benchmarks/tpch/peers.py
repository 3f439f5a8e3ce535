"""One process: a peer answers the 22 queries into its own client. See `benchmarks.tpch`.

    python peers.py ENGINE DATA OUT.pickle

The peers are spared the writing of files: their answers are collected, and `done` is taken before
the answers are pickled and before the engine is shut down.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Answer = list[tuple[Any, ...]]
Run = Callable[[str], Answer]

QUERIES = {path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("q*.sql"))}
CORES = len(os.sched_getaffinity(0))


def duckdb(tables: Sequence[Path]) -> tuple[Run, Callable[[], None]]:
    """DuckDB with its own defaults, views over the Parquet files."""
    import duckdb

    connection = duckdb.connect()
    for table in tables:
        connection.execute(f"CREATE VIEW {table.stem} AS FROM read_parquet('{table}')")
    return lambda text: connection.execute(text).fetchall(), connection.close


def datafusion(tables: Sequence[Path]) -> tuple[Run, Callable[[], None]]:
    """DataFusion, one partition for each core."""
    from datafusion import SessionConfig, SessionContext

    context = SessionContext(SessionConfig().with_target_partitions(CORES))
    for table in tables:
        context.register_parquet(table.stem, str(table))

    def run(text: str) -> Answer:
        batches = context.sql(text).collect()
        return [row for batch in batches for row in zip(*batch.to_pydict().values(), strict=True)]

    return run, lambda: None


def polars(tables: Sequence[Path]) -> tuple[Run, Callable[[], None]]:
    """Polars SQL on its streaming engine."""
    import polars

    context = polars.SQLContext({table.stem: polars.scan_parquet(table) for table in tables})

    def run(text: str) -> Answer:
        return context.execute(text).collect(engine="streaming").rows()

    return run, lambda: None


def pyspark(tables: Sequence[Path]) -> tuple[Run, Callable[[], None]]:
    """PySpark on this machine: shuffle partitions = cores, adaptive execution on, 4 GB of heap."""
    from pyspark.sql import SparkSession

    options = {
        "spark.sql.shuffle.partitions": str(CORES),
        "spark.sql.adaptive.enabled": "true",
        "spark.driver.memory": "4g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.master(f"local[{CORES}]").config(map=options)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    for table in tables:
        session.read.parquet(str(table)).createOrReplaceTempView(table.stem)
    return lambda text: [tuple(row) for row in session.sql(text).collect()], session.stop


ENGINES = {"duckdb": duckdb, "datafusion": datafusion, "polars": polars, "pyspark": pyspark}


def main(engine: str, data: str, out: str) -> None:
    """Answer all queries, then write answers, times and the instant of the last answer."""
    run, close = ENGINES[engine](sorted(Path(data).glob("*.parquet")))
    answers, seconds = {}, {}
    for name, text in QUERIES.items():
        begun = time.perf_counter()
        answers[name] = run(text)
        seconds[name] = time.perf_counter() - begun
    done = time.time()
    with Path(out).open("wb") as file:
        pickle.dump({"answers": answers, "seconds": seconds, "done": done}, file)
    close()


if __name__ == "__main__":
    main(*sys.argv[1:])
