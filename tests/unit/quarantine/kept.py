"""A pipeline whose new files leave rows aside, and what then stands where."""

from pathlib import Path

import duckdb

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline

NAME = "shop"
SCHEMA = "id bigint, amount bigint"
FIRST = "id,amount\n1,10\n2,-20\n3,-5\nx,7\n4,40\n"


def write(base: Path, name: str, text: str) -> None:
    """Write an input file."""
    path = base / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def pipeline(rule="amount > 0", *, schema=SCHEMA, on_fail="quarantine", sink=None, path="in/*.csv"):
    """Orders that are read as they come, and are appended."""
    p = Pipeline(NAME)
    p.source("orders", files(path, incremental=True), schema=schema, on_bad="dead_letter")
    if rule:
        p.expect("orders", rule, name="positive", on_fail=on_fail)
    p.table("paid", "SELECT id, amount FROM orders", sink=sink or files(
        "out/paid", format="parquet", mode="append"))  # fmt: skip
    return p


def quarantine(base: Path, p=None, **options):
    """The rows kept aside by a pipeline whose files are in `base`."""
    return (p or pipeline()).quarantine(base_dir=base, **options)


def paid(base: Path) -> list:
    """The rows at the sink, sorted."""
    sql = f"SELECT id, amount FROM read_parquet('{base}/out/paid/*.parquet') ORDER BY ALL"
    return duckdb.sql(sql).fetchall()


def statuses(base: Path, table: str, p=None) -> dict:
    """The status and the number of tries of each row, by id."""
    with (p or pipeline()).connect(base_dir=base) as tables:
        rows = tables.query(
            f"SELECT __id, __status, coalesce(__tries, 0) FROM {table} ORDER BY __id"
        ).rows
    return {id_: (status, tries) for id_, status, tries in rows}
