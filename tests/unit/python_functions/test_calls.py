"""Where a query may call a Python function, and what comes of it."""

import pytest

from mainstem.errors import CheckFailed
from tests.unit.python_functions.case import ANSWERS, pipeline, rows, with_functions


@pytest.mark.parametrize(("sql", "expected"), ANSWERS)
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
