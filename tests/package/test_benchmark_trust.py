"""The rules that `make bench-trust` times bite: rows made to break them do, one rule after the other."""

import json

import duckdb
import pytest

from benchmarks import process
from benchmarks.process import Sample
from benchmarks.report import Report
from benchmarks.trust import _judged
from benchmarks.trust.pipeline import pipeline

# A line that every rule passes.
LINE = {
    "l_orderkey": "1::BIGINT", "l_partkey": "1::BIGINT", "l_suppkey": "1::BIGINT",
    "l_linenumber": "1", "l_quantity": "17.00::DECIMAL(15,2)",
    "l_extendedprice": "21168.23::DECIMAL(15,2)", "l_discount": "0.04::DECIMAL(15,2)",
    "l_tax": "0.02::DECIMAL(15,2)", "l_returnflag": "'N'", "l_linestatus": "'O'",
    "l_shipdate": "DATE '1996-03-13'", "l_commitdate": "DATE '1996-02-12'",
    "l_receiptdate": "DATE '1996-03-22'", "l_shipinstruct": "'NONE'", "l_shipmode": "'TRUCK'",
    "l_comment": "'egular'",
}  # fmt: skip
BROKEN = {
    "not_null": ("l_comment", "NULL::VARCHAR"),
    "between_l_quantity": ("l_quantity", "51.00::DECIMAL(15,2)"),
    "between_l_discount": ("l_discount", "0.11::DECIMAL(15,2)"),
    "between_l_tax": ("l_tax", "-0.01::DECIMAL(15,2)"),
    "between_l_linenumber": ("l_linenumber", "8"),
    "accepted_l_returnflag": ("l_returnflag", "'X'"),
    "accepted_l_linestatus": ("l_linestatus", "'X'"),
    "accepted_l_shipmode": ("l_shipmode", "'CART'"),
    "accepted_l_shipinstruct": ("l_shipinstruct", "'KEEP'"),
    "l_extendedprice > 0": ("l_extendedprice", "0.00::DECIMAL(15,2)"),
    "l_shipdate < l_receiptdate": ("l_receiptdate", "DATE '1996-03-13'"),
    "foreign_key": ("l_orderkey", "99::BIGINT"),
}


@pytest.fixture
def data(tmp_path):
    """Lines that break one rule each, a sound one twice, and its order."""
    lines = [LINE, LINE]
    for number, (column, value) in enumerate(BROKEN.values(), 2):
        lines.append(LINE | {"l_orderkey": f"{number}::BIGINT"} | {column: value})
    rows = " UNION ALL ".join(
        "SELECT " + ", ".join(f"{value} AS {name}" for name, value in line.items())
        for line in lines
    )
    duckdb.sql(rows).write_parquet(str(tmp_path / "lineitem.parquet"))
    duckdb.sql(
        "SELECT range AS o_orderkey, 1::BIGINT AS o_custkey, 'O' AS o_orderstatus, "
        "1.00::DECIMAL(15,2) AS o_totalprice, DATE '1996-01-02' AS o_orderdate, 'LOW' AS "
        "o_orderpriority, 'c' AS o_clerk, 0 AS o_shippriority, 'x' AS o_comment FROM range(1, 20)"
    ).write_parquet(str(tmp_path / "orders.parquet"))
    return tmp_path


def test_every_rule_finds_the_row_that_breaks_it(data, tmp_path):
    """One row each; the pattern gets none that the list of modes let through."""
    p = pipeline(data, tmp_path / "out.parquet", "copy", "all")

    lines = p.run(state_dir=tmp_path / "state").ledger["expectations"].values()

    failed = {line["rule"]: line["failed"] for line in lines}
    assert [n for name, n in failed.items() if name.startswith("matches")] == [0]
    for rule in (*BROKEN, "unique"):
        assert [n for name, n in failed.items() if name.startswith(rule)] == [1], rule
    assert sum(failed.values()) == len(BROKEN) + 1
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path / 'out.parquet'}'").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("checked", "failed", "is_wrong"), [(10, 0, False), (9, 0, True), (10, 1, True)]
)
def test_a_run_that_did_not_judge_every_row_is_wrong(checked, failed, is_wrong):
    """Its time would be that of something else."""
    report = Report("any")
    out = json.dumps([{"rule": "a", "checked": checked, "failed": failed}])

    _judged(report, "all", Sample(1, 1, 1, 0, out), n_rows=10)

    assert bool(report.wrong) == is_wrong


def test_a_run_without_rules_is_wrong():
    """Nothing judged takes no time."""
    report = Report("any")

    _judged(report, "all", process.Sample(1, 1, 1, 0, "[]"), n_rows=10)

    assert report.wrong == ["rules of all: no rule was judged"]
