"""What depends on order is completed, once, by the other columns of the row (V6, T11)."""

import pytest

from mainstem.errors import CheckFailed
from mainstem.plan import tree as t
from mainstem.plan.types import parse_schema, parse_type
from mainstem.sql.bind import bind
from mainstem.sql.order import has_map, has_order
from mainstem.sql.text import to_text

T = {
    "l": parse_schema("k string, at timestamp, n bigint"),
    "r": parse_schema("k string, at timestamp, v bigint, w string"),
    "m": parse_schema("at timestamp, m map(string, bigint)"),
}


def keys_of_window(text):
    """The sort keys of the only window, as text."""
    query = bind(text, T).query
    window = next(n.window for n in t.walk(query) if isinstance(n, t.Call) and n.window)
    return [
        (key.expr.name, key.descending, key.nulls_first) for key in window.order
    ]  # fmt: skip


def test_row_number_is_completed_by_the_columns_that_are_not_keys_yet():
    """Row number is completed by the columns that are not keys yet."""
    text = "SELECT row_number() OVER (PARTITION BY k ORDER BY n DESC) AS x FROM l"

    assert keys_of_window(text) == [
        ("n", True, False), ("at", False, False),
    ]  # fmt: skip


@pytest.mark.parametrize("call", ["rank()", "sum(n)", "dense_rank()"])
def test_what_treats_ties_alike_is_left_alone(call):
    """What treats ties alike is left alone."""
    assert keys_of_window(f"SELECT {call} OVER (ORDER BY k) AS x FROM l") == [("k", False, False)]


def test_a_rows_frame_is_completed():
    """A rows frame is completed."""
    text = "SELECT sum(n) OVER (ORDER BY k ROWS 1 PRECEDING) AS x FROM l"

    assert [name for name, _, _ in keys_of_window(text)] == ["k", "at", "n"]


def test_after_group_by_the_keys_complete():
    """After group by the keys complete."""
    text = "SELECT k, row_number() OVER (ORDER BY sum(n)) AS x FROM l GROUP BY k, at"
    query = bind(text, T).query
    window = next(n.window for n in t.walk(query) if isinstance(n, t.Call) and n.window)

    assert [k.expr.name for k in window.order] == ["sum", "k", "at"]


def asof(condition, table="r"):
    """The query that makes the right side of an ASOF join unique."""
    found = bind(f"SELECT l.n FROM l ASOF JOIN {table} ON {condition}", T).query.body.source.right
    call = found.query.body.qualify.args[0]
    order = [(k.expr.name, k.descending, k.nulls_first) for k in call.window.order]
    return [e.name for e in call.window.partition], order


@pytest.mark.parametrize(
    "condition", ["l.at >= r.at", "l.at > r.at", "r.at <= l.at", "r.at < l.at"]
)
def test_asof_looking_back_keeps_the_last_of_a_tie(condition):
    """Descending with NULLs first is the reverse of the one order."""
    partition, order = asof(f"l.k = r.k AND {condition}")

    assert partition == ["k", "at"]
    assert order == [("v", True, True), ("w", True, True)]


@pytest.mark.parametrize(
    "condition", ["l.at <= r.at", "l.at < r.at", "r.at >= l.at", "r.at > l.at"]
)
def test_asof_looking_ahead_keeps_the_first_of_a_tie(condition):
    """Asof looking ahead keeps the first of a tie."""
    partition, order = asof(condition)

    assert partition == ["at"]
    assert order == [("k", False, False), ("v", False, False), ("w", False, False)]


def test_asof_is_made_unique_once():
    """A plan is compared by its text, which is bound again."""
    once = to_text(bind("SELECT l.n, v FROM l ASOF LEFT JOIN r USING (k, at)", T).query)

    assert to_text(bind(once, T).query) == once
    assert once.count("row_number") == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT l.n FROM l ASOF JOIN m ON l.at >= m.at", "OrderNotTotal"),
        ("SELECT row_number() OVER (ORDER BY at) AS x FROM m", "OrderNotTotal"),
        ("SELECT m FROM (SELECT m, at FROM m ORDER BY at LIMIT 1) AS x", "OrderNotTotal"),
        ("SELECT l.n FROM l ASOF JOIN (r JOIN m ON r.at = m.at) ON l.at >= r.at", "AsofCondition"),
        ("SELECT l.n FROM l ASOF JOIN r ON l.at >= DATE '2024-01-01'", "AsofCondition"),
        ("SELECT l.n FROM l ASOF JOIN r ON l.at >= r.at AND l.n >= r.v", "AsofCondition"),
        (
            "SELECT first_value(n) OVER (ORDER BY n RANGE 1 PRECEDING) AS x FROM l",
            "OrderNotTotal",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused(text, code):
    """What cannot be decided is refused."""
    with pytest.raises(CheckFailed) as caught:
        bind(text, T)

    assert code in {f.code for f in caught.value.findings if f.severity == "error"}


def test_final_order_is_total_when_all_columns_or_all_keys_are_in_it():
    """Final order is total when all columns or all keys are in it."""
    assert bind("SELECT k, n FROM l ORDER BY n, k", T).is_total_order
    assert bind("SELECT k, count(*) AS c FROM l GROUP BY k ORDER BY k", T).is_total_order
    assert not bind("SELECT k, n FROM l ORDER BY n", T).is_total_order


@pytest.mark.parametrize(
    "text", ["map(string, bigint)", "map(string, bigint)[]", "struct(a map(string, date))"]
)
def test_maps_have_no_order(text):
    """Maps have no order."""
    assert has_map(parse_type(text))
    assert not has_order(parse_type(text))


@pytest.mark.parametrize("text", ["bigint", "string[]", "struct(a date, b bytes)"])
def test_other_values_have_an_order(text):
    """Other values have an order."""
    assert has_order(parse_type(text))
    assert not has_map(parse_type(text))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT m FROM m GROUP BY m",
        "SELECT DISTINCT m FROM m",
        "SELECT m = m AS x FROM m",
        "SELECT m FROM m EXCEPT ALL SELECT m FROM m",
        "SELECT count(DISTINCT m) AS x FROM m",
        "SELECT count(*) OVER (PARTITION BY m) AS x FROM m",
        "SELECT m IN (SELECT m FROM m) AS x FROM m",
        "SELECT m FROM m GROUP BY ALL",
        "SELECT nullif(m, m) AS x FROM m",
        "SELECT max(m) AS x FROM m",
        "SELECT a.at FROM m AS a JOIN m AS b USING (m)",
        "SELECT CASE m WHEN m THEN 1 END AS x FROM m",
        "SELECT list_contains([m], m) AS x FROM m",
        "SELECT m IS DISTINCT FROM m AS x FROM m",
        "SELECT list_union([m], [m]) AS x FROM m",
        "SELECT list_except([m], [m]) AS x FROM m",
        "SELECT arg_min(at, m) AS x FROM m",
        "WITH RECURSIVE q(m) AS (SELECT m FROM m UNION SELECT m FROM q) SELECT m FROM q",
    ],
)  # fmt: skip
def test_maps_are_compared_nowhere(text):
    """Maps are compared nowhere."""
    with pytest.raises(CheckFailed) as caught:
        bind(text, T)

    assert "MapCompared" in {finding.code for finding in caught.value.findings}


def test_maps_are_kept_and_read():
    """Maps are kept and read."""
    assert bind("SELECT m, m['a'] AS a FROM m UNION ALL SELECT m, 1 FROM m", T)
