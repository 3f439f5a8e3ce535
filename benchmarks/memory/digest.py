"""One process: print a digest of Parquet files that does not depend on the order of rows.

python digest.py FILE ...
"""

import sys

import duckdb

for file in sys.argv[1:]:
    columns = duckdb.sql(f"DESCRIBE FROM read_parquet('{file}')").fetchall()
    # As text: a BIGINT and a HUGEINT of one value have different hashes.
    texts = ", ".join(f'"{name}"::VARCHAR' for name, *_ in columns)
    digest = f"count(*), sum(hash({texts})::HUGEINT)"
    print(*duckdb.sql(f"SELECT {digest} FROM read_parquet('{file}')").fetchall())
