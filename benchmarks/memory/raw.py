"""One process: DuckDB alone does one step, inside a memory limit or with all that it wants.

python raw.py STEP DATA OUT [LIMIT]
"""

import sys

import duckdb
from steps import SCHEMAS, STEPS

step, data, out, *limit = sys.argv[1:]
connection = duckdb.connect()
for given in limit:
    connection.execute(f"SET memory_limit = '{given}'")
    connection.execute(f"SET temp_directory = '{out}.spill'")
for name in SCHEMAS:
    connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{data}/{name}.parquet')")
connection.execute(f"COPY ({STEPS[step]}) TO '{out}' (FORMAT parquet)")
