"""Spark's words as ours; the texts are those that Spark 4.2 was seen to give."""

import pytest

from mainstem.engines.spark.failures import explained
from mainstem.errors import NOWHERE, DataError, EngineError, OutsideError
from mainstem.plan.nodes import Step
from mainstem.plan.types import parse_schema

STEP = Step("t", None, parse_schema("a bigint"), (), where=NOWHERE)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "[USER_RAISED_EXCEPTION] Conversion Error: could not convert the text to INT64 (of 'zz') "
            "SQLSTATE: P0001",
            "could not convert the text to INT64 (of 'zz')",
        ),
        (
            "[ARITHMETIC_OVERFLOW] long overflow. Use 'try_add' to tolerate overflow and return NULL "
            'instead. If necessary set "spark.sql.ansi.enabled" to "false" to bypass this error. '
            "SQLSTATE: 22003\n== SQL (line 1, position 8) ==\nSELECT 1",
            "long overflow",
        ),
        (
            "[SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as an "
            "expression. SQLSTATE: 21000",
            "More than one row returned",
        ),
    ],
)
def test_a_value_is_at_fault(said, words):
    """The user can filter it; what Spark advises would change the meaning."""
    error = explained(RuntimeError(said), STEP)

    assert isinstance(error, DataError)
    assert (error.finding.code, error.finding.step) == ("ExpressionFailed", "t")
    assert words in error.finding.what
    assert "ansi" not in error.finding.what
    assert "SELECT 1" not in error.finding.what


def test_our_sql_is_at_fault():
    """A bug of ours, or what `gaps` should have refused."""
    error = explained(RuntimeError("[UNRESOLVED_COLUMN] no such column. SQLSTATE: 42703"), STEP)

    assert isinstance(error, EngineError)
    assert not isinstance(error, DataError)
    assert error.finding.what == "Spark: [UNRESOLVED_COLUMN] no such column."


def test_the_disk_is_full():
    """Whoever writes: Spark here, DuckDB elsewhere."""
    error = explained(RuntimeError("java.io.IOException: No space left on device"), STEP)

    assert isinstance(error, OutsideError)
    assert error.finding.code == "DiskFull"
