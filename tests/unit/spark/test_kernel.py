"""Kernels: DuckDB over the Arrow batches of a worker."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from mainstem.engines.spark.kernel import evaluate


def test_values_come_in_their_type():
    """Instants keep their zone, decimals their digits."""
    times = pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC"))
    found = evaluate("a0", "TIMESTAMPTZ", False, times)
    assert found.type == pa.timestamp("us", "UTC")
    assert found.to_pylist() == [datetime(2024, 1, 1, tzinfo=UTC), None]

    found = evaluate("a0 * 2", "DECIMAL(20,2)", False, pa.array([Decimal("1.25")]))
    assert found.to_pylist() == [Decimal("2.50")]


def test_rows_that_fail_are_told_apart():
    """Each has its own error; the others have their values."""
    texts = pa.array(["1", "x", "3", "y", None])

    found = evaluate("CAST(a0 AS BIGINT)", "BIGINT", True, texts).to_pylist()

    assert [row["v"] for row in found] == [1, None, 3, None, None]
    assert [bool(row["e"]) for row in found] == [False, True, False, True, False]
    assert "'x'" in found[1]["e"]
    assert "'y'" in found[3]["e"]


def test_no_rows_are_no_rows():
    """An empty batch has a type all the same."""
    found = evaluate("CAST(a0 AS BIGINT)", "BIGINT", True, pa.array([], pa.string()))

    assert len(found) == 0
    assert found.type == pa.struct({"v": pa.int64(), "e": pa.string()})


def test_what_is_no_fault_of_the_data_is_raised():
    """It would be the same for each row."""
    import duckdb

    with pytest.raises(duckdb.Error):
        evaluate("no_such_function(a0)", "BIGINT", True, pa.array([1]))
