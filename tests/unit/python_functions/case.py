"""Small pipelines that call Python functions, and what their tables then hold."""

from mainstem import Pipeline
from mainstem.connectors.files import files
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run

# Amounts without one, a country without one: NULL on both kinds of argument.
PAYMENTS = "id,amount,country\n1,1.5,IT\n2,,IT\n3,3.5,DE\n4,4.5,DE\n5,5.5,FR\n6,6.5,\n"
SCHEMA = "id bigint, amount double, country string"


def pipeline(base, text=PAYMENTS, schema=SCHEMA):
    """A pipeline with one source, `payments`."""
    (base / "payments.csv").write_text(text)
    p = Pipeline("calls")
    p.source("payments", files("payments.csv"), schema=schema)
    return p


def rows(p, base, sql, *, table="answer"):
    """Run with one table more, and give its rows, sorted."""
    p.table(table, sql)
    return ran(p, base, f"SELECT * FROM {table} ORDER BY ALL")


def ran(p, base, question):
    """Run, and give the answer to a question."""
    for _ in run(p.plan(), RunOptions(base)):
        pass
    return list(query(base / ".mainstem" / "calls", question).rows)


def events(p, base):
    """Run, and give what was told."""
    return list(run(p.plan(), RunOptions(base)))


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


# Queries that call them, and their rows, sorted.
ANSWERS = [
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
]  # fmt: skip
