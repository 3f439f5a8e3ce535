"""Grouping sets are spelled out, and every column of a grouped query is covered."""

import pytest

from mainstem.errors import CheckFailed
from mainstem.plan import tree as t
from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind

T = {"t": parse_schema("a bigint, b bigint, c bigint")}


def sets(group):
    """Sets."""
    grouping = bind(f"SELECT count(*) AS n FROM t GROUP BY {group}", T).query.body.group[0]
    assert isinstance(grouping, t.Grouping)
    assert grouping.kind == "sets"
    return ["".join(e.name for e in one) for one in grouping.sets]


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("ROLLUP (a, b)", ["ab", "a", ""]),
        ("ROLLUP ((a, b), c)", ["abc", "ab", ""]),
        ("CUBE (a, b)", ["ab", "a", "b", ""]),
        ("GROUPING SETS ((a, b), c, ())", ["ab", "c", ""]),
        ("a, ROLLUP (b)", ["ab", "a"]),
        ("ROLLUP (a), ROLLUP (b)", ["ab", "a", "b", ""]),
        ("a, GROUPING SETS ((a, b), (c))", ["ab", "ac"]),
    ],
)
def test_sets_are_spelled_out(group, found):
    """By the standard: the sets of several items multiply, a key stands once in a set."""
    assert sets(group) == found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a + b AS x FROM t GROUP BY a + b",
        "SELECT a + b + 1 AS x FROM t GROUP BY a + b",
        "SELECT a AS x, sum(b) + a AS y FROM t GROUP BY x",
        "SELECT max(a + b) AS x FROM t",
        "SELECT a FROM t GROUP BY a HAVING sum(b) > a",
        "SELECT a, sum(sum(b)) OVER (PARTITION BY a) AS x FROM t GROUP BY a",
        "SELECT a FROM t GROUP BY a ORDER BY max(b)",
    ],
)
def test_covered(text):
    """Covered."""
    assert bind(text, T)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("SELECT a, b FROM t GROUP BY a", 11),
        ("SELECT a + b AS x FROM t GROUP BY b + a", 8),
        ("SELECT a, count(*) AS n FROM t", 8),
        ("SELECT count(*) AS n FROM t HAVING a > 1", 36),
        ("SELECT a FROM t GROUP BY a ORDER BY b", 37),
        ("SELECT a, sum(b) OVER (ORDER BY c) AS x FROM t GROUP BY a", 15),
    ],
)
def test_uncovered_columns_are_told_at_their_place(text, column):
    """Uncovered columns are told at their place."""
    with pytest.raises(CheckFailed) as caught:
        bind(text, T)

    found = [f for f in caught.value.findings if f.code == "ColumnNotGrouped"]
    assert found[0].where.column == column


def test_too_many_sets_are_refused_before_they_are_built():
    """Too many sets are refused before they are built."""
    cube = ", ".join("a" for _ in range(60))
    with pytest.raises(CheckFailed, match="GroupingTooLarge"):
        bind(f"SELECT count(*) AS n FROM t GROUP BY CUBE ({cube})", T)
