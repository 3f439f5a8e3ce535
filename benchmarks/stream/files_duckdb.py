"""The same table by DuckDB alone, in one query, kept in a file; prints seconds and what the table says.

python files_duckdb.py READER FILE DATABASE QUESTION
"""

import json
import sys
import time

import duckdb

reader, file, database, question = sys.argv[1:]
begun = time.perf_counter()
connection = duckdb.connect(database)
connection.execute("SET TimeZone = 'UTC'")
connection.execute(
    f"""
    CREATE TABLE out AS
    SELECT auction, time_bucket(INTERVAL '10 seconds', ts) + INTERVAL '10 seconds' AS window_end,
        count(*) AS n, sum(price) AS total
    FROM {reader}('{file}') GROUP BY ALL
    """
)
connection.execute("CHECKPOINT")
seconds = time.perf_counter() - begun
print(json.dumps([seconds, *connection.execute(question).fetchone()]))
