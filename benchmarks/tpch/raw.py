"""One process: DuckDB alone answers the 22 queries into Parquet files. See `benchmarks.tpch`.

python raw.py DATA OUT
"""

import sys
from pathlib import Path

import duckdb


def main(data: Path, out: Path) -> None:
    """Run each text as it stands, over views of the same files."""
    out.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    for table in data.glob("*.parquet"):
        connection.execute(f"CREATE VIEW {table.stem} AS FROM read_parquet('{table}')")
    for query in sorted(Path(__file__).parent.glob("q*.sql")):
        text = query.read_text()
        connection.execute(f"COPY ({text}) TO '{out / query.stem}.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
