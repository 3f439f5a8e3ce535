"""Pipelines that cross one boundary each, and ways to lose or double one row on it."""

import dataclasses
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir

NAME = "edges"
SCHEMA = "id bigint, v string"
# Of each version four rows; the second one has a key of the first.
ROWS = {1: [(1, "a"), (2, "b"), (3, "c"), (4, "d")], 2: [(4, "e"), (5, "f"), (6, "g"), (7, "h")]}


def altered(select: str, by: int, rows: int = 4) -> str:
    """The same rows, the last one lost (-1) or the first one doubled (1)."""
    if by < 0:
        return f"SELECT * FROM ({select}) LIMIT {rows - 1}"
    first = f"SELECT * FROM (SELECT * FROM ({select}) LIMIT 1)"
    return f"SELECT * FROM ({select}) UNION ALL {first}"


def write_csv(path: Path, rows) -> None:
    """A CSV file of rows."""
    path.write_text("id,v\n" + "".join(f"{i},{v}\n" for i, v in rows))


def write_source(base: Path, kind: str, version: int):
    """Write a version of the rows as a kind of source; give its binding."""
    rows = ROWS[version]
    if kind == "csv":
        write_csv(base / "in.csv", rows)
        return files("in.csv")
    if kind == "json":
        lines = "".join(f'{{"id": {i}, "v": "{v}"}}\n' for i, v in rows)
        (base / "in.jsonl").write_text(lines)
        return files("in.jsonl")
    values = ", ".join(f"({i}, '{v}')" for i, v in rows)
    select = f"SELECT i::BIGINT AS id, v FROM (VALUES {values}) AS x(i, v)"
    if kind == "parquet":
        (base / "in.parquet").unlink(missing_ok=True)
        duckdb.sql(f"COPY ({select}) TO '{base}/in.parquet'")
        return files("in.parquet")
    with closing(duckdb.connect(str(base / "in.duckdb"))) as file:
        add = "INSERT INTO rows BY NAME" if kind == "cursor" and version > 1 else None
        file.execute(f"{add} {select}" if add else f"CREATE OR REPLACE TABLE rows AS {select}")
        if add:
            # What lies behind the cursor must not change.
            file.execute("DELETE FROM rows WHERE v = 'e'")
            file.execute("INSERT INTO rows VALUES (8, 'i')")
    return duckdb_table("in.duckdb", "rows", cursor="id" if kind == "cursor" else None)


def run_plan(base: Path, p: Pipeline, **options):
    """Run a pipeline; give its ledger."""
    with closing(run(p.plan(), RunOptions(base, **options))) as events:
        *_, end = events
    return end.facts["ledger"]


def rewrite_parquet(path: Path, by: int) -> None:
    """Lose or double one row of a Parquet file."""
    with closing(duckdb.connect()) as connection:
        # The columns of partitions stand in the path only.
        source = f"read_parquet('{path}', hive_partitioning = false)"
        rows = connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]
        sql = altered(f"SELECT * FROM {source}", by, rows)
        connection.execute(f"CREATE TABLE fresh AS {sql}")
        connection.execute(f"COPY fresh TO '{path}' (FORMAT parquet)")


def rewrite_lines(path: Path, by: int) -> None:
    """Lose or double the last line of a file."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1] if by < 0 else [*lines, lines[-1]]))


def rewrite(staged, by: int) -> None:
    """Lose or double one row of the last file that a table has staged in this run."""
    path = staged.written.files[-1]
    if staged.written.is_parquet:
        rewrite_parquet(path, by)
    else:
        rewrite_lines(path, by)


def kept_rows(base: Path) -> dict:
    """Everything that stands in the tables of the state file."""
    path = state_dir(base, NAME) / "state.duckdb"
    if not path.exists():
        return {}
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        names = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL"
        ).fetchall()
        return {
            name: connection.execute(
                f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{schema}"."{name}" ORDER BY ALL'
            ).fetchall()
            for schema, name in names
        }


def outputs(base: Path) -> dict:
    """Every file below the outputs with its bytes, and the rows of the tables elsewhere."""
    found = {
        str(path.relative_to(base)): path.read_bytes()
        for path in sorted((base / "out").rglob("*"))
        if path.is_file()
    }
    if (base / "ext.duckdb").exists():
        with closing(duckdb.connect(str(base / "ext.duckdb"), read_only=True)) as connection:
            found["ext"] = connection.execute("SELECT * FROM rows ORDER BY ALL").fetchall()
            found["tokens"] = connection.execute("SELECT token FROM mainstem_tokens").fetchall()
    return found


def with_select(report, by: int, rows: int = 4):
    """A report or kept rows whose SELECT is altered."""
    return dataclasses.replace(report, select=altered(report.select, by, rows))
