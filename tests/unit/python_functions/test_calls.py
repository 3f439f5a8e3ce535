"""Where a query may call a Python function, and what comes of it."""

import pytest

from mainstem.errors import CheckFailed
from tests.unit.python_functions.case import pipeline, rows


def with_functions(base, seen=None):
    """`twice` and `plus`, called in this process; `seen` gets the arguments of `twice`."""
    p = pipeline(base)

    @p.function(workers=0)
    def twice(x: float) -> float:
        if seen is not None:
            seen.append(x)
        return x * 2

    @p.function(workers=0)
    def plus(x: float, y: float) -> float:
        return x + y

    return p


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, twice(amount) AS v FROM payments WHERE id < 3", [(1, 3.0), (2, None)]),
        ("SELECT id FROM payments WHERE twice(amount) > 10 AND id < 6", [(5,)]),
        ("SELECT id, TWICE(amount) + 1 AS v FROM payments WHERE id = 3", [(3, 8.0)]),
        # Directly nested, and with an operator in between.
        ("SELECT plus(twice(amount), twice(amount)) AS v FROM payments WHERE id = 1", [(6.0,)]),
        ("SELECT twice(twice(amount) + 1) AS v FROM payments WHERE id = 1", [(8.0,)]),
        # Aggregates of calls, and calls of aggregates and keys.
        ("SELECT sum(twice(amount)) AS v FROM payments", [(43.0,)]),
        ("SELECT twice(sum(amount)) AS v FROM payments", [(43.0,)]),
        ("SELECT country, twice(max(amount)) AS v FROM payments WHERE id < 6 GROUP BY country "
         "HAVING twice(min(amount)) > 3", [("DE", 9.0), ("FR", 11.0)]),
        ("SELECT twice(amount) AS k, count(*) AS n FROM payments WHERE id < 4 GROUP BY ALL",
         [(3.0, 1), (7.0, 1), (None, 1)]),
        ("SELECT twice(amount) + 1 AS k FROM payments WHERE id < 2 GROUP BY twice(amount)", [(4.0,)]),
        ("SELECT count(*) FILTER (WHERE twice(amount) > 8) AS n FROM payments", [(3,)]),
        # A key seen from a subquery beside the groups.
        ("SELECT country, twice(count(*)::double) AS v, (SELECT max(q.id) FROM payments q WHERE "
         "q.country = p.country) AS m FROM payments p WHERE country = 'DE' GROUP BY country",
         [("DE", 4.0, 4)]),
        # Joins, subqueries, WITH, set operations.
        ("SELECT a.id, b.id AS other FROM payments a JOIN payments b ON a.country = b.country "
         "AND twice(a.amount) + 2 = twice(b.amount)", [(3, 4)]),
        ("SELECT a.id, b.id AS other FROM payments a JOIN payments b ON twice(a.amount) = b.amount - "
         "0.5 AND b.id = 3", [(1, 3)]),
        ("SELECT id FROM payments WHERE amount IN (SELECT twice(amount) + 0.5 FROM payments)", [(3,)]),
        ("SELECT id FROM payments p WHERE EXISTS (SELECT 1 FROM payments q WHERE q.amount = p.amount "
         "+ 1) AND twice(p.amount) = 7", [(3,)]),
        ("WITH d AS (SELECT id, twice(amount) AS v FROM payments), e AS (SELECT v FROM d WHERE id = 5)"
         " SELECT plus(v, 1) AS v FROM e", [(12.0,)]),
        ("SELECT twice(amount) AS v FROM payments WHERE id = 1 UNION ALL SELECT twice(1)", [(2.0,), (3.0,)]),
        ("SELECT DISTINCT twice(floor(amount / 10)) AS v FROM payments", [(0.0,), (None,)]),
        ("SELECT id, rank() OVER (ORDER BY twice(amount) DESC) AS r FROM payments WHERE id > 4 "
         "QUALIFY r = 1", [(6, 1)]),
        ("SELECT twice(1.25) AS v", [(2.5,)]),
        ("SELECT id FROM payments ORDER BY twice(amount) DESC NULLS LAST, id LIMIT 1", [(6,)]),
        ("SELECT id, x FROM payments CROSS JOIN LATERAL (SELECT amount + 1 AS x) l "
         "WHERE twice(x) = 5", [(1, 2.5)]),
    ],
)  # fmt: skip
def test_call_gives(tmp_path, sql, expected):
    """Call gives."""
    assert rows(with_functions(tmp_path), tmp_path, sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected", "calls"),
    [
        # A row that a condition without a call leaves out is never called for.
        ("SELECT twice(amount) AS v FROM payments WHERE id = 1 AND twice(amount) > 0", [(3.0,)], [1.5]),
        ("SELECT CASE WHEN id = 1 THEN twice(amount) END AS v FROM payments WHERE id IN (1, 3)",
         [(3.0,), (None,)], [1.5]),
        ("SELECT CASE WHEN id = 1 THEN 0.0 WHEN id = 3 THEN twice(amount) ELSE twice(100) END AS v "
         "FROM payments WHERE id IN (1, 3)", [(0.0,), (7.0,)], [3.5]),
        ("SELECT coalesce(amount, twice(50)) AS v FROM payments WHERE id < 3", [(1.5,), (100.0,)], [50.0]),
        ("SELECT if(id = 1, twice(amount), 0.0) AS v FROM payments WHERE id IN (1, 3)",
         [(0.0,), (3.0,)], [1.5]),
        ("SELECT id > 1 AND twice(amount) > 6 AS v FROM payments WHERE id IN (1, 3)",
         [(False,), (True,)], [3.5]),
        ("SELECT id = 1 OR twice(amount) > 6 AS v FROM payments WHERE id IN (1, 3)",
         [(True,), (True,)], [3.5]),
        ("SELECT sum(twice(amount)) FILTER (WHERE id = 1) AS v FROM payments", [(3.0,)], [1.5]),
        # An argument that would fail where the call is not reached.
        ("SELECT CASE WHEN amount > 2 THEN twice((3 // (id - 1))::double) END AS v FROM payments "
         "WHERE id IN (1, 3)", [(2.0,), (None,)], [1.0]),
        # The same call twice is one call.
        ("SELECT twice(amount) AS a, twice(amount) + 1 AS b FROM payments WHERE id = 1",
         [(3.0, 4.0)], [1.5]),
    ],
)  # fmt: skip
def test_call_is_made_where_it_is_reached(tmp_path, sql, expected, calls):
    """Call is made where it is reached."""
    seen = []

    assert rows(with_functions(tmp_path, seen), tmp_path, sql) == expected
    assert sorted(seen) == calls


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT a.id FROM payments a LEFT JOIN payments b ON twice(a.amount) = b.amount",
         "twice cannot be called in ON of LEFT JOIN"),
        ("SELECT list_transform([1.5e0], x -> twice(x)) AS v FROM payments",
         "twice cannot be called in a lambda"),
        ("SELECT id, (SELECT twice(p.amount)) AS v FROM payments p",
         "twice cannot be called in a subquery that looks at the row around it"),
        ("SELECT u.x FROM payments, UNNEST([twice(amount)]) AS u(x)",
         "twice cannot be called in a table function"),
        ("SELECT twice(sum(amount) OVER ()) AS v FROM payments",
         "twice cannot be called with a window function"),
        ("SELECT twice(country) AS v FROM payments",
         "twice(string) has no meaning; it is twice(double)"),
        ("SELECT twice(amount, 1) AS v FROM payments", "twice does not take 2 arguments"),
        ("SELECT twise(amount) AS v FROM payments", "no function 'twise'"),
        ("SELECT twice(amount) OVER () AS v FROM payments", "twice is no aggregate"),
    ],
)  # fmt: skip
def test_call_is_refused_by_place(tmp_path, sql, what):
    """Call is refused by place."""
    p = with_functions(tmp_path)
    p.table("answer", sql)

    with pytest.raises(CheckFailed) as caught:
        p.plan()

    (found,) = caught.value.findings
    assert what in found.what
    line, caret = found.snippet.splitlines()
    assert line[caret.index("^") :].startswith(("twice(", "twise("))
    assert found.fix


def test_nearest_name_is_one_of_the_pipeline(tmp_path):
    """Nearest name is one of the pipeline."""
    p = with_functions(tmp_path)
    p.table("answer", "SELECT twise(amount) AS v FROM payments")

    with pytest.raises(CheckFailed) as caught:
        p.plan()

    assert caught.value.findings[0].fix == "write twice"


def test_function_is_called_in_verbs(tmp_path):
    """A function of the pipeline stands in verbs, and is itself for values."""
    from mainstem import col

    p = pipeline(tmp_path)

    @p.function(workers=0)
    def twice(x: float) -> float:
        return x * 2

    p.view("doubled", p.ref("payments").filter(col("id") < 3).select("id", v=twice(col("amount"))))

    assert twice(4.0) == 8.0
    assert rows(p, tmp_path, "SELECT * FROM doubled") == [(1, 3.0), (2, None)]
