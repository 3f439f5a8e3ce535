"""What stands at a sink."""

from contextlib import closing
from pathlib import Path

import duckdb


def rows_of(folder: Path, column: str = "id") -> list:
    """The values of a column in all Parquet files of a folder, sorted; each as often as it is there."""
    names = sorted(str(path) for path in folder.rglob("*.parquet"))
    if not names:
        return []
    with closing(duckdb.connect()) as connection:
        found = connection.execute(f"SELECT {column} FROM read_parquet(?)", [names]).fetchall()
    return sorted(value for (value,) in found)


def table_rows(path: Path, table: str, column: str = "id") -> list:
    """The values of a column of a DuckDB table, sorted."""
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        return sorted(v for (v,) in connection.execute(f"SELECT {column} FROM {table}").fetchall())
