"""Constants that fail, in places that rows may never get to (V10), and what stays as it was."""

from __future__ import annotations

import duckdb
import pytest

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.failures import words
from mainstem.engines.embedded.session import plain_connection
from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind

TABLES = {"t": parse_schema("a bigint, s string, d date, z bigint")}
FAILING = "CAST('x' AS bigint)"


def sql(query: str) -> str:
    """Give the DuckDB text of a query over `t`."""
    return step_sql(bind(query, TABLES).query)


@pytest.fixture
def connection():
    """Give a DuckDB with `t` of three rows: a is 0, 1, 2, s the same as text, z NULL."""
    with plain_connection() as opened:
        opened.execute(
            "CREATE TABLE t AS SELECT i AS a, i::VARCHAR AS s, DATE '2024-01-01' AS d, "
            "NULL::BIGINT AS z FROM range(3) r(i)"
        )
        yield opened


def values(connection: duckdb.DuckDBPyConnection, expression: str) -> list[object]:
    """Give the values of an expression on the rows of `t`."""
    rows = connection.execute(sql(f"SELECT {expression} AS v FROM t ORDER BY a")).fetchall()
    return [v for (v,) in rows]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"CASE WHEN a > 9 THEN CASE WHEN {FAILING} = 1 THEN 1 END ELSE a END", [0, 1, 2]),
        (f"CASE WHEN a < 9 THEN a WHEN {FAILING} = 1 THEN 5 END", [0, 1, 2]),
        (f"CASE WHEN a > 9 THEN substring(s, {FAILING}) END", [None] * 3),
        (f"CASE WHEN a > 9 THEN -{FAILING} + a END", [None] * 3),
        (f"CASE WHEN a > 9 THEN s LIKE CAST({FAILING} AS string) END", [None] * 3),
        ("CASE WHEN a > 9 THEN -(9223372036854775807 + 1) ELSE a END", [0, 1, 2]),
        ("CASE WHEN a > 9 THEN 4611686018427387904 * 2 ELSE a END", [0, 1, 2]),
        ("CASE WHEN a < 9 THEN 9223372036854775806 + 1 END", [9223372036854775807] * 3),
        ("CASE WHEN a > 9 THEN DATE '9999-12-31' + INTERVAL '1 day' END", [None] * 3),
        (f"if(a > 9, -{FAILING}, a)", [0, 1, 2]),
        (f"coalesce(a, -{FAILING})", [0, 1, 2]),
        (f"{FAILING} = 1 AND a > 9", [False] * 3),
        (f"{FAILING} = 1 OR CAST(s AS bigint) >= 0 OR a < 9", [True] * 3),
        (f"list_transform([a], x -> CASE WHEN x > 9 THEN -{FAILING} ELSE x END)", [[0], [1], [2]]),
    ],
)
def test_constant_that_no_row_gets_to_does_not_fail(connection, expression, expected):
    """DuckDB would compute it while it plans, and fail."""
    assert values(connection, expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        f"CASE WHEN a > 1 THEN -{FAILING} ELSE a END",
        f"CASE WHEN {FAILING} = 1 THEN 1 END",
        f"{FAILING} = 1 AND a > 1",
        f"coalesce(nullif(a, 2), -{FAILING})",
    ],
)
def test_constant_that_a_row_gets_to_fails_in_duckdbs_words(connection, expression):
    """The row with a = 2 gets to it; the message is that of the constant."""
    with pytest.raises(duckdb.Error, match="Could not convert string"):
        values(connection, expression)


def test_constant_that_does_not_fail_is_printed_as_it_was():
    """Nothing may stand between it and DuckDB's planner."""
    text = sql("SELECT CASE WHEN a > 9 THEN 1 + 2 ELSE CAST('7' AS bigint) END AS v FROM t")

    assert "add(CAST(1 AS BIGINT), CAST(2 AS BIGINT))" in text
    assert "error(" not in text


def test_filter_is_no_choice():
    """WHERE goes from one operand of AND to the next, so their constants are not tried."""
    text = sql(f"SELECT a FROM t WHERE a > 9 AND a = {FAILING} AND (a = 1 OR a = {FAILING})")

    assert text.count("error(") == 1


def test_constant_without_a_choice_may_fail_though_nothing_gets_to_it(connection):
    """The documented limit of V10: it is computed while DuckDB plans, whatever the filter says."""
    with pytest.raises(duckdb.Error, match="Could not convert string"):
        connection.execute(sql(f"SELECT substring(s, {FAILING}) AS v FROM t WHERE a > 9"))


def test_parameter_in_a_branch_may_fail_though_nothing_gets_to_it(connection):
    """The documented limit of V10: a parameter's value is not known when the plan is compiled."""
    query = "SELECT CASE WHEN a > 9 THEN substring(s, CAST(:p AS bigint)) END AS v FROM t"
    bound = bind(query, TABLES, params={"p": parse_schema("p string").fields[0].type})
    connection.execute("SET VARIABLE p = 'x'")

    with pytest.raises(duckdb.Error, match="Could not convert string"):
        connection.execute(step_sql(bound.query))


def test_operand_beside_a_written_null_is_not_judged(connection):
    """The documented limit of V10: of a constant NULL DuckDB knows the result without the other."""
    assert values(connection, "NULL + CAST(s || 'x' AS bigint)") == [None] * 3
    with pytest.raises(duckdb.Error, match="Could not convert string"):
        values(connection, "z + CAST(s || 'x' AS bigint)")


def test_guard_of_the_calendar_says_what_is_wrong(connection):
    """It fails by a cast of its words; DuckDB's own words around them would speak of formats."""
    with pytest.raises(duckdb.Error) as caught:
        values(connection, "d + a * 4000000")

    assert words(caught.value) == "the result is outside of the years 1 to 9999"


def test_moved_dates_may_stand_beside_others_that_fail(connection):
    """One decides and saves the other; DuckDB's TRY, which asks them, takes no volatile function."""
    moved = "d + a * 4000000 < DATE '2024-01-02'"

    assert values(connection, f"{moved} OR CAST(s || s AS bigint) >= 0") == [True] * 3


def test_first_operand_that_fails_does_not_stop_the_one_that_decides(connection):
    """DuckDB computes what the first WHEN and the ELSE share before the CASE, and outside of TRY."""
    assert (
        values(connection, "CAST(s || 'x' AS bigint) > 5 OR CAST(s AS bigint) >= 0") == [True] * 3
    )
    assert (
        values(connection, "CAST(s || 'x' AS bigint) > 5 AND CAST(s AS bigint) > 9") == [False] * 3
    )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT s, CAST(max(s) || 'x' AS bigint) > 5 OR CAST(s AS bigint) >= 0 AS v FROM t "
        "GROUP BY s ORDER BY s",
        "SELECT s, CAST(max(s || 'x') OVER () AS bigint) > 5 OR CAST(s AS bigint) >= 0 AS v FROM t "
        "ORDER BY s",
    ],
)
def test_aggregates_and_windows_are_asked_last(connection, query):
    """DuckDB takes neither of them in TRY."""
    assert connection.execute(sql(query)).fetchall() == [("0", True), ("1", True), ("2", True)]


def test_moved_date_does_not_keep_the_planner_from_joining(connection):
    """Of a volatile guard DuckDB made the product of all tables for a correlated subquery (TPC-DS q32)."""
    near = "d <= DATE '2024-01-01' + INTERVAL '1 day'"
    inner = f"SELECT avg(i.a) FROM t AS i, t AS k WHERE i.a = k.a AND i.s = x.s AND i.{near}"
    query = f"SELECT x.a FROM t AS x, t AS y WHERE x.a = y.a AND y.{near} AND x.a >= ({inner}) ORDER BY a"

    plan = connection.execute(f"EXPLAIN {sql(query)}").fetchall()[0][1]

    assert "Hash Join" in plan
    assert "Cross Product" not in plan
    assert "Streaming Window" not in plan
    assert connection.execute(sql(query)).fetchall() == [(0,), (1,), (2,)]


def test_sums_of_whole_numbers_need_no_database(monkeypatch):
    """To open one takes longer than to plan the query."""

    def refuse(*_: object) -> None:
        pytest.fail("DuckDB was opened")

    monkeypatch.setattr("mainstem.engines.embedded.session.plain_connection", refuse)

    assert "error(" not in sql("SELECT a FROM t WHERE a = 5 OR a BETWEEN 1 AND 1 + 10 * 2 - 3")
