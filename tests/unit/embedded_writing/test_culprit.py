"""A failing expression is named with its row (contract V10)."""

from __future__ import annotations

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.failures import explained
from mainstem.errors import DataError


def pipeline(tmp_path, rows: str) -> Pipeline:
    """Give a pipeline over a small CSV file."""
    (tmp_path / "in.csv").write_text("id,amount\n" + rows)
    p = Pipeline("p")
    p.source("orders", files(str(tmp_path / "in.csv")), schema="id bigint, amount string")
    return p


def message(p: Pipeline, tmp_path) -> str:
    """Run, and give the message of the failure."""
    with pytest.raises(DataError) as caught:
        p.run(base_dir=tmp_path)
    return str(caught.value)


def test_failure_of_another_thread_is_told_in_its_own_words():
    """As DuckDB 2.0 reports a full disk, met by a thread that writes while others compute."""
    error = duckdb.IOException(
        "IO Error: Async write failed for range [offset=1439373, size=1184736]: "
        '{"exception_type":"IO","exception_message":"Could not write file \\"/out/a.parquet\\": '
        'No space left on device","errno":"28"}'
    )
    found = explained(error, None).finding

    assert found.code == "DiskFull"
    assert found.what == 'Could not write file "/out/a.parquet": No space left on device'


def test_failing_cast_names_expression_and_row(tmp_path):
    """The row that fails is shown, not the NULL before it, whose result is rightly NULL."""
    p = pipeline(tmp_path, "1,\n2,7\n3,abc\n")
    p.table("t", "SELECT id, CAST(amount AS bigint) AS a FROM orders")

    assert 'CAST("orders"."amount" AS bigint) on the row (amount=abc, id=3)' in message(p, tmp_path)


def test_failure_in_a_view_names_the_view(tmp_path):
    """The table that reads the view fails; the message says where the expression stands."""
    p = pipeline(tmp_path, "1,7\n3,abc\n")
    p.view("v", "SELECT id, CAST(amount AS bigint) AS a FROM orders")
    p.table("first", "SELECT 1 AS x")
    p.table("t", "SELECT sum(a) AS a FROM v")

    text = message(p, tmp_path)

    assert "on the row (amount=abc, id=3) in view 'v'" in text


def test_overflow_names_its_row(tmp_path):
    """Arithmetic that fails is found like a cast."""
    p = pipeline(tmp_path, "1,x\n4,y\n")
    p.table("t", "SELECT id * 4611686018427387904 AS a FROM orders")

    assert "on the row (id=4, amount=y)" in message(p, tmp_path)


def test_failing_aggregate_keeps_the_words_of_duckdb(tmp_path):
    """An aggregate belongs to no row; the message says what DuckDB said."""
    p = pipeline(tmp_path, "9223372036854775807,x\n1,y\n")
    p.table("t", "SELECT sum(id) AS a FROM orders")

    text = message(p, tmp_path)

    assert "an expression on a row failed" in text
    assert "9223372036854775808" in text


def test_negative_limit_is_the_parameter_s_fault(tmp_path):
    """The value comes at run time, so no check can see it."""
    p = pipeline(tmp_path, "1,x\n")
    p.param("n", "bigint")
    p.table("t", "SELECT id FROM orders ORDER BY id, amount LIMIT :n")

    with pytest.raises(DataError, match="negative") as caught:
        p.run(base_dir=tmp_path, params={"n": "-1"})
    assert caught.value.finding.code == "ParameterValue"
