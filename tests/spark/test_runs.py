"""Whole pipelines whose steps run on Spark: sources, rules, sinks and failures are ours."""

import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

import mainstem as ms
from mainstem.engines.spark.session import opened
from mainstem.errors import DataError, UnsupportedError
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.start import run_pipeline

TYPES = (
    "b boolean, n bigint, d decimal(10,2), f double, s string, x bytes, day date, ts timestamp, "
    "l bigint[], m map(string, bigint), o struct(a bigint, c string)"
)
LINE = (
    '{"b":true,"n":-9223372036854775808,"d":"1.50","f":0.1,"s":"é\\\\\'\\n","x":"AP8=","day":"0001-01-01",'
    '"ts":"9999-12-31T23:59:59.999999Z","l":[1,null],"m":{"k":7},"o":{"a":1,"c":null}}\n'
)
VALUES = (
    True, -9223372036854775808, Decimal("1.50"), 0.1, "é\\'\n", b"\x00\xff", date(1, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), [1, None], {"k": 7}, {"a": 1, "c": None},
)  # fmt: skip


def rows(folder, table, name="p"):
    """The rows of a table of the state file."""
    return list(query(folder / ".mainstem" / name, f'SELECT * FROM "{table}" ORDER BY ALL').rows)


def test_each_type_goes_to_spark_and_comes_back(tmp_path):
    """The edges of each, NULL among them."""
    (tmp_path / "a.jsonl").write_text(LINE + "{}\n")
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema=TYPES)
    p.table("t", "SELECT * FROM s")
    p.table("u", "SELECT * FROM t")

    run_pipeline(p, base_dir=tmp_path, engine="spark")

    assert rows(tmp_path, "t") == rows(tmp_path, "u") == [VALUES, (None,) * len(VALUES)]


def test_bad_rows_and_rules_are_those_of_the_embedded_engine(tmp_path):
    """A rule may look into a view that Spark computes; what it keeps aside no step sees."""
    (tmp_path / "a.csv").write_text("k,n\na,1\nb,x\nc,3\nd,-4\n")
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.csv"), schema="k string, n bigint", on_bad="dead_letter")
    p.view("good", "SELECT k FROM s WHERE k <> 'c'")
    p.view("v", "SELECT k, n * 10 AS n FROM s")
    p.table("t", "SELECT k, n FROM v")
    p.expect("s", "n > 0", name="positive", on_fail="quarantine")
    p.expect("v", "k IN (SELECT k FROM good)", name="known", on_fail="drop")

    result = run_pipeline(p, base_dir=tmp_path, engine="spark")

    assert rows(tmp_path, "t") == [("a", 10)]
    assert result.ledger["sources"]["s"]["dead"] == 1
    assert [row[:2] for row in rows(tmp_path, "s__quarantine")]
    assert run_pipeline(p, base_dir=tmp_path).ledger["sources"] == result.ledger["sources"]


def test_sinks_are_written_whole_and_by_name(tmp_path):
    """Partitioned files with their manifest, another DuckDB file, values of parameters."""
    (tmp_path / "a.jsonl").write_text('{"k":"a","n":1}\n{"k":"b","n":2}\n')
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema="k string, n bigint")
    p.param("least", "bigint", default=0)
    p.table(
        "t",
        "SELECT k, n FROM s WHERE n > :least",
        sink=ms.files("out", format="parquet", partition_by="k"),
    )
    p.table("u", "SELECT sum(n) AS n FROM t", sink=ms.duckdb("x.duckdb", "u"))

    run_pipeline(p, base_dir=tmp_path, engine="spark", params={"least": 1})

    found = duckdb.sql(f"SELECT k, n FROM read_parquet('{tmp_path}/out/*/*.parquet')").fetchall()
    assert found == [("b", 2)]
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as connection:
        assert connection.execute("FROM u").fetchall() == [(2,)]


def test_an_expression_that_fails_says_which_and_leaves_the_old_output(tmp_path):
    """In a kernel and in Spark's own words."""
    (tmp_path / "a.jsonl").write_text('{"s":"7","n":1}\n')
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema="s string, n bigint")
    p.table("t", "SELECT CAST(s AS bigint) + n AS v FROM s")
    run_pipeline(p, base_dir=tmp_path, engine="spark")

    for line, words in (
        ('{"s":"zz","n":1}\n', "could not convert the text to INT64 (of 'zz')"),
        ('{"s":"9223372036854775807","n":1}\n', "overflow"),
    ):
        (tmp_path / "a.jsonl").write_text(line)
        with pytest.raises(DataError, match="step 't'") as caught:
            run_pipeline(p, base_dir=tmp_path, engine="spark")
        assert words in str(caught.value)
        assert caught.value.finding.code == "ExpressionFailed"
    assert rows(tmp_path, "t") == [(8,)]
    assert not (tmp_path / ".mainstem/p/tmp").exists()


def test_what_runs_elsewhere_only_is_refused_by_name(tmp_path):
    """Before anything is read."""
    (tmp_path / "a.jsonl").write_text('{"n":1}\n')
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema="n bigint")
    p.table("t", "SELECT sum(n) OVER (ORDER BY n GROUPS 1 PRECEDING) AS n FROM s")

    with pytest.raises(UnsupportedError, match="NotOnSpark: 't' uses a frame in GROUPS"):
        run_pipeline(p, base_dir=tmp_path, engine="spark")


def read_twice(folder, view):
    """A view that two tables read, of which none looks at the row with 0."""
    (folder / "a.jsonl").write_text("".join(f'{{"n":{n}}}\n' for n in range(5)))
    p = ms.Pipeline("p")
    p.source("s", ms.files("a.jsonl"), schema="n bigint")
    p.view("v", view)
    p.table("t", "SELECT n, x FROM v WHERE n > 0")
    p.table("u", "SELECT n, x FROM v WHERE n > 0")
    return p


def test_a_view_that_is_read_twice_is_computed_once(tmp_path):
    """The second table reads what the first one made Spark keep; the next run finds nothing of it."""
    p = read_twice(tmp_path, "SELECT n, n * 2 AS x FROM s")
    kept = {}
    for event in run(p.plan(), RunOptions(base_dir=tmp_path, engine="spark")):
        if event.kind in ("step_started", "step_finished"):
            stored = opened("").sparkContext._jsc.sc().getRDDStorageInfo()
            kept[event.kind, event.name] = sum(one.numCachedPartitions() for one in stored)

    assert kept["step_started", "t"] == 0 < kept["step_finished", "t"] == kept["step_started", "u"]
    assert rows(tmp_path, "t") == rows(tmp_path, "u") == [(n, 2 * n) for n in range(1, 5)]
    assert opened("")._jsparkSession.sharedState().cacheManager().isEmpty()


def test_a_view_that_is_read_twice_fails_only_where_somebody_reads(tmp_path):
    """Computed for both it would fail on a row that none of them asks for."""
    p = read_twice(tmp_path, "SELECT n, CAST(if(n = 0, 'zero', '7') AS bigint) AS x FROM s")
    run_pipeline(p, base_dir=tmp_path, engine="spark")

    assert rows(tmp_path, "t") == rows(tmp_path, "u") == [(n, 7) for n in range(1, 5)]


LONG = """
import mainstem as ms
p = ms.Pipeline("p")
p.table("t", "SELECT sum(a.x * b.x) AS s FROM UNNEST(range(0, 1000000)) AS a(x), UNNEST(range(0, 1000000)) AS b(x)")
"""


def test_ctrl_c_ends_a_job_of_spark(tmp_path):
    """It would go on for an hour; nothing is left, and the next run finds a free state directory."""
    (tmp_path / "p.py").write_text(LONG)
    command = [sys.executable, "-m", "mainstem", "run", "p.py", "--engine", "spark", "-o", "json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if '"progress"' in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert "stopped by Ctrl-C" in errors
    assert not (tmp_path / ".mainstem/p/tmp").exists()
