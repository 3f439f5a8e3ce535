"""One process: DuckDB alone answers each query. See `benchmarks.tpcds`.

python raw.py DATA TEXTS OUT.pickle
"""

import pickle
import sys
import time
from pathlib import Path
from typing import Any

import duckdb


def main(data: Path, texts: Path, out: Path) -> None:
    """Pickle for each query its rows and seconds, or the complaint."""
    connection = duckdb.connect()
    for table in data.glob("*.parquet"):
        connection.execute(f"CREATE VIEW {table.stem} AS FROM read_parquet('{table}')")
    results: dict[str, dict[str, Any]] = {}
    for query in sorted(texts.glob("q*.sql")):
        begun = time.perf_counter()
        try:
            rows = connection.execute(query.read_text()).fetchall()
        except duckdb.Error as error:
            results[query.stem] = {"error": str(error)}
        else:
            results[query.stem] = {"rows": rows, "seconds": time.perf_counter() - begun}
    out.write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
