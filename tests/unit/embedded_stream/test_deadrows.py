"""Rows on which an expression fails go aside, with the expression; the rest of the epoch goes on (V10)."""

from __future__ import annotations

import duckdb
import pytest

from mainstem.engines.embedded.fetch import fetch
from mainstem.errors import DataError
from mainstem.testing.case import read_cases
from mainstem.testing.streamcase import _StreamRun

HEAD = "title: t\nrule: V10\n"


@pytest.fixture
def ran(tmp_path):
    """Give what runs the stream of a case, and then a query of its state file."""

    def run(text, sql):
        path = tmp_path / "x.case"
        path.write_text(HEAD + text, "utf-8")
        (case,) = read_cases(path)
        one = _StreamRun(case, tmp_path)
        one.run()
        with duckdb.connect(str(tmp_path / "state" / "state.duckdb"), read_only=True) as state:
            state.execute("SET TimeZone = 'UTC'")
            return fetch(state, sql)[2]

    return run


def test_many_rows_of_an_epoch_fail(ran):
    """Half of 600 rows: each is kept aside, with the expression, and none of the others is lost."""
    rows = "\n".join(f"  {i} | {'x' if i % 2 else i}" for i in range(600))
    query = "query: SELECT n, CAST(v AS bigint) + 1 AS m FROM t\n"
    stream = "stream:\n" + "\n".join(f"  {i} | {i + 1}" for i in range(0, 600, 2))
    found = ran(
        f"source: t(n bigint, v string)\nrows:\n{rows}\n{query}{stream}\n",
        "SELECT count(DISTINCT n), min(v), max(__expression), min(__epoch) FROM main.result__dead",
    )

    assert found == [(300, "x", 'CAST("t"."v" AS bigint)', 1)]


def test_a_row_fails_in_what_a_window_keeps(ran):
    """The dead row is in no window, and moves the watermark all the same (T1): the last row is late."""
    text = (
        "source: t(at timestamp, v string), event time at, watermark 0 seconds\nrows:\n"
        "  2024-01-01 10:00:00 | 1\n  2024-01-01 10:02:00 | x\n  2024-01-01 10:00:30 | 4\n"
        "  -- crash\n  2024-01-01 10:03:00 | y\n  2024-01-01 10:03:00 | 6\n"
        "query: SELECT window_end, sum(CAST(v AS bigint)) AS s FROM TUMBLE(t, at, INTERVAL '1 minute') "
        "GROUP BY window_end\nstream:\n  2024-01-01 10:01:00 | 1\n  2024-01-01 10:04:00 | 6\n"
        "late:\n  2024-01-01 10:00:30 | 4\n"
    )
    found = ran(text, "SELECT __epoch, v, __expression FROM main.result__dead ORDER BY 1")

    assert [(epoch, v) for epoch, v, _ in found] == [(1, "x"), (2, "y")]
    assert all("AS bigint" in expression for _, _, expression in found)


def test_a_row_of_complete_windows_fails(ran):
    """What a window gave is a row like others: it is found although it was undone with its epoch."""
    text = (
        "source: t(at timestamp, k string), event time at, watermark 0 seconds\nrows:\n"
        "  2024-01-01 10:00:00 | 1\n  2024-01-01 10:00:01 | x\n  2024-01-01 10:02:01 | 7\n"
        "view w: SELECT window_end, k, count(*) AS n FROM TUMBLE(t, at, INTERVAL '1 minute') "
        "GROUP BY window_end, k\nquery: SELECT CAST(k AS bigint) AS k, n FROM w\n"
        "stream:\n  1 | 1\n  7 | 1\n"
    )
    found = ran(text, "SELECT k, n, __message FROM main.result__dead")

    assert [(k, n) for k, n, _ in found] == [("x", 1)]
    assert "could not convert" in found[0][2]


def test_an_expression_that_is_not_reached_does_not_fail(ran):
    """A value is judged only where CASE reaches it."""
    text = (
        "source: t(v string)\nrows:\n  1\n  x\n  y\n"
        "query: SELECT CASE WHEN v = 'x' THEN 0 ELSE CAST(v AS bigint) END AS n FROM t\n"
        "stream:\n  1\n  0\n"
    )

    assert ran(text, "SELECT v FROM main.result__dead") == [("y",)]


def test_an_aggregate_that_overflows_stops_the_stream(ran):
    """No single row is to blame: the step is named, and what to do."""
    text = (
        "source: t(at timestamp, v bigint), event time at, watermark 0 seconds\nrows:\n"
        "  2024-01-01 10:00:00 | 9223372036854775807\n  2024-01-01 10:00:01 | 1\n"
        "query: SELECT window_end, sum(v) AS s FROM TUMBLE(t, at, INTERVAL '1 minute') "
        "GROUP BY window_end\nstream:\n  2024-01-01 10:01:00 | 1\n"
    )
    with pytest.raises(DataError, match="result") as raised:
        ran(text, "SELECT 1")

    assert "DECIMAL" in raised.value.finding.fix


def test_a_filter_fails_behind_a_session(ran):
    """By hand: the failing row is of its session, and lost behind it; 7 alone passes the filter."""
    text = (
        "source: t(at timestamp, v string), event time at, watermark 0 seconds\nrows:\n"
        "  2024-01-01 10:00:00 | 1\n  2024-01-01 10:00:01 | x\n  2024-01-01 10:00:02 | 7\n"
        "query: SELECT window_end, count(*) AS n FROM SESSION(t, at, INTERVAL '1 minute') "
        "WHERE CAST(v AS bigint) > 3 GROUP BY window_end\nstream:\n  2024-01-01 10:01:02 | 1\n"
    )

    assert ran(text, "SELECT v FROM main.result__dead") == [("x",)]
