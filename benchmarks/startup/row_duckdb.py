"""One process: DuckDB alone copies one row. Usage: row_duckdb.py IN OUT."""

import sys

import duckdb

source, out = sys.argv[1:]
query = f"SELECT id + 1 AS id, name FROM read_parquet('{source}')"
duckdb.connect().execute(f"COPY ({query}) TO '{out}' (FORMAT parquet)")
