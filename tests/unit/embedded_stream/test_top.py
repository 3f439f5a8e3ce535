"""The first rows of each key over a stream: with a TTL, and in the two spellings."""

import json

import duckdb
import pytest

import mainstem as ms
from mainstem.errors import UnsupportedError

RANK = "row_number() OVER (PARTITION BY who ORDER BY v DESC)"


def pipeline():
    """A pipeline over a growing folder."""
    p = ms.Pipeline("tops")
    p.source(
        "t", ms.files("in/*.jsonl", stream=True, settle="0 seconds"),
        schema="at timestamp, who string, v bigint", event_time="at", watermark="0 seconds",
    )  # fmt: skip
    return p


def arrive(folder, name, *rows):
    """Let a file of rows appear: (time of day, who, v)."""
    (folder / "in").mkdir(exist_ok=True)
    lines = [json.dumps({"at": f"2024-01-01T{at}Z", "who": who, "v": v}) for at, who, v in rows]
    hidden = folder / "in" / f"{name}.tmp"
    hidden.write_text("\n".join(lines) + "\n", "utf-8")
    hidden.rename(folder / "in" / f"{name}.jsonl")


def test_places_of_an_earlier_session_are_deleted(tmp_path):
    """In the state file and in a sink outside, behind a filter, over restarts.

    By hand: at 12:00 a new session of ann begins with one row, so her places 2 and 3 are gone; 12:30
    belongs to it. bob is not touched. The filter leaves out 8, which was the second place.
    """

    def run():
        p = pipeline()
        p.view("best", f"SELECT who, v, {RANK} AS n FROM t QUALIFY n <= 3", ttl="1 hour")
        p.table("kept", "SELECT * FROM best")
        p.table(
            "sunk",
            "SELECT n, who, v * 10 AS v FROM best WHERE v <> 8",
            sink=ms.duckdb("out.duckdb", "s"),
        )
        p.run(base_dir=tmp_path, until_caught_up=True)
        with p.connect(base_dir=tmp_path) as tables:
            kept = sorted(tables.query("SELECT who, n, v FROM kept").rows)
        with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as connection:
            return kept, connection.execute("SELECT who, n, v FROM s ORDER BY ALL").fetchall()

    arrive(tmp_path, "a", ("10:00:00", "ann", 9), ("10:01:00", "ann", 8), ("10:02:00", "ann", 7),
           ("10:02:00", "bob", 1))  # fmt: skip
    assert run() == (
        [("ann", 1, 9), ("ann", 2, 8), ("ann", 3, 7), ("bob", 1, 1)],
        [("ann", 1, 90), ("ann", 3, 70), ("bob", 1, 10)],
    )
    arrive(tmp_path, "b", ("12:00:00", "ann", 3))
    assert run() == ([("ann", 1, 3), ("bob", 1, 1)], [("ann", 1, 30), ("bob", 1, 10)])
    arrive(tmp_path, "c", ("12:30:00", "ann", 4))
    assert run() == (
        [("ann", 1, 4), ("ann", 2, 3), ("bob", 1, 1)],
        [("ann", 1, 40), ("ann", 2, 30), ("bob", 1, 10)],
    )


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT who, v, n FROM (SELECT *, {RANK} AS n FROM t) WHERE n <= 2",
        f"SELECT x.who, x.n FROM (SELECT who, {RANK} AS n FROM t) AS x WHERE x.who <> 'bob' AND x.n < 3",
        f"SELECT who, v FROM (SELECT *, {RANK} AS n FROM t) WHERE n = 1",
    ],
)
def test_top_by_a_number_in_a_subquery_is_known(sql):
    """The spelling that Flink's SQL has is a top-N too."""
    p = pipeline()
    p.table("best", sql, ttl="1 hour", mode="updating")

    assert p.check() == ()


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT who, n FROM (SELECT *, {RANK} AS n FROM t) WHERE n <= 2 OR v = 1",
        f"SELECT who, n FROM (SELECT *, {RANK} AS n FROM t) WHERE n >= 2",
        f"SELECT who, n FROM (SELECT *, {RANK.replace('row_number', 'rank')} AS n FROM t) WHERE n <= 2",
        f"SELECT who, v FROM (SELECT *, {RANK} AS n, sum(v) OVER (PARTITION BY who) AS s FROM t) WHERE n = 1",
        f"SELECT who, n FROM (SELECT DISTINCT who, {RANK} AS n FROM t) WHERE n <= 2",
    ],
)
def test_other_tests_of_a_number_are_no_top(sql):
    """What does not bound what is kept of each key stays refused."""
    p = pipeline()
    p.table("best", sql, ttl="1 hour")

    with pytest.raises(UnsupportedError, match="OVER over a"):
        p.check()
