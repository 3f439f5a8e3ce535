"""What the analysis calls final is final: two runs over two days give what one run over both gives."""

import json
from collections import Counter
from contextlib import closing

import duckdb

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.runtime.run import RunOptions, run
from tests.unit.incremental.test_delta import FINAL, SCHEMA

# Equal keys within a day and over days, keys that the other side lacks, ties in time, an empty list.
DAYS = {
    1: [(1, "a", "2024-01-01T10:00:00Z", ["x", "y"]), (2, "b", "2024-01-01T10:30:00Z", []),
        (2, "b", "2024-01-01T10:30:00Z", ["x"])],
    2: [(1, "a", "2024-01-01T10:00:00Z", ["x", "y"]), (3, "c", "2024-01-01T12:00:00Z", ["z"]),
        (9, "z", "2024-01-01T09:00:00Z", ["x"])],
}  # fmt: skip
WHOLE = [(1, "a", "2024-01-01T09:00:00Z", ["q"]), (1, "a", "2024-01-01T09:30:00Z", []),
         (3, "c", "2024-01-01T12:00:00Z", []), (4, "d", "2024-01-01T12:00:00Z", [])]  # fmt: skip


def pipeline():
    """Every final query as a table of its own."""
    p = Pipeline("final")
    p.source("new", files("new/*.jsonl", incremental=True), schema=SCHEMA, event_time="at")
    p.source("other", duckdb_table("o.duckdb", "rows", cursor="id"), schema=SCHEMA)
    p.source("whole", files("whole.jsonl"), schema=SCHEMA)
    for at, sql in enumerate(FINAL.values()):
        p.table(f"t{at}", sql, sink=files(f"out/{at}/", format="parquet", mode="append"))
    return p


def arrive(base, day):
    """Let a day's rows come to both sources."""
    (base / "new").mkdir(exist_ok=True)
    (base / "new" / f"{day}.jsonl").write_text(lines(DAYS[day]))
    (base / "whole.jsonl").write_text(lines(WHOLE))
    with closing(duckdb.connect(str(base / "o.duckdb"))) as connection:
        connection.execute(
            'CREATE TABLE IF NOT EXISTS rows (id BIGINT, k VARCHAR, "at" TIMESTAMPTZ, tags VARCHAR[])'
        )
        for n in (1, 2):
            connection.execute(
                "INSERT INTO rows VALUES (?, 'k', TIMESTAMPTZ '2024-01-01 00:00:00+00', [])",
                [day * 10 + n],
            )


def lines(rows):
    """Rows as JSON lines."""
    names = ("id", "k", "at", "tags")
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def run_all(base):
    """Run to the end."""
    with closing(run(pipeline().plan(), RunOptions(base))) as events:
        list(events)


def contents(base):
    """How often each row stands in each table."""
    found = {}
    with closing(duckdb.connect()) as connection:
        for at, name in enumerate(FINAL):
            paths = sorted(str(path) for path in (base / f"out/{at}").rglob("*.parquet"))
            sql = "SELECT CAST(r AS VARCHAR) FROM read_parquet(?) AS r"
            rows = connection.execute(sql, [paths]).fetchall() if paths else []
            found[name] = Counter(text for (text,) in rows)
    return found


def test_two_runs_give_what_one_gives(tmp_path):
    """For each of them; and none is empty, which would prove nothing."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    arrive(one, 1)
    arrive(one, 2)
    run_all(one)
    arrive(two, 1)
    run_all(two)
    arrive(two, 2)
    run_all(two)

    assert contents(two) == contents(one)
    assert [name for name, rows in contents(one).items() if not rows] == []
