"""A stream that calls Python functions gives what the batch gives, however its rows come."""

import pytest

from tests.unit.stream_functions.case import (
    asked,
    batched,
    payments,
    pipeline,
    streamed,
    write,
)


def with_functions(p, seen=None):
    """A function of each kind: by row, by Arrow batch, with a model, and of results."""

    @p.function(workers=0)
    def score(amount: float, country: str) -> float:
        if seen is not None:
            seen.append((amount, country))
        return amount * (2 if country == "IT" else 3)

    @p.function(workers=0, batch=True, null="call")
    def plus(x: float) -> float:
        import pyarrow.compute as pc

        return pc.add(pc.fill_null(x, 0.0), 1.0)

    @p.function(workers=0, open=lambda: {"IT": "south", "DE": "north"})
    def region(model, country: str) -> str:
        return model[country]

    @p.function(workers=0)
    def twice(n: int) -> int:
        return n * 2

    return p


# Each with the words of its table; all of these mean the same over rows that end.
QUERIES = {
    "outputs": ("SELECT id, score(amount, country) AS s, plus(amount) AS p FROM pay", {}),
    "where": ("SELECT id FROM pay WHERE amount > 3 AND score(amount, country) > 50", {}),
    "nested": ("SELECT id, plus(score(amount, country) + 1) AS s FROM pay", {}),
    "reached": ("SELECT id, CASE WHEN amount > 9 THEN region(country) END AS r FROM pay", {}),
    "arguments": (
        "SELECT window_start, country, sum(score(amount, country)) AS s, count(*) AS n FROM "
        "TUMBLE(pay, ts, INTERVAL '1 minute') GROUP BY window_start, country", {},
    ),
    "keys": (
        "SELECT window_end, region(country) AS r, count(*) AS n FROM "
        "HOP(pay, ts, INTERVAL '10 seconds', INTERVAL '1 minute') GROUP BY window_end, region(country)",
        {},
    ),
    "results": (
        "SELECT window_end, twice(count(*)) AS n FROM TUMBLE(pay, ts, INTERVAL '1 minute') "
        "WHERE score(amount, country) > 20 GROUP BY window_end HAVING twice(count(*)) > 2", {},
    ),
    "sessions": (
        "SELECT window_start, window_end, twice(count(*)) AS n, max(plus(amount)) AS m FROM "
        "SESSION(pay, ts, INTERVAL '3 seconds') WHERE plus(amount) > 20 GROUP BY window_start, window_end",
        {},
    ),
    "ranked": (
        "SELECT window_end, id, plus(amount) AS p FROM TUMBLE(pay, ts, INTERVAL '1 minute') QUALIFY "
        "row_number() OVER (PARTITION BY window_end ORDER BY plus(amount) DESC, id) <= 3", {},
    ),
    "running": (
        "SELECT country, twice(count(*)) AS n, sum(plus(amount)) AS s FROM pay GROUP BY country",
        {"state": "unbounded"},
    ),
    "top": (
        "SELECT country, id, plus(amount) AS p FROM pay QUALIFY "
        "row_number() OVER (PARTITION BY country ORDER BY plus(amount) DESC, id) <= 1",
        {"state": "unbounded"},
    ),
    "joined": (
        "SELECT p.id, score(p.amount + r.rate, r.code) AS s FROM pay p JOIN rates r ON r.code = p.country",
        {},
    ),
    "bounded": (
        "SELECT p.id, r.x FROM pay p JOIN (SELECT code, plus(rate) AS x FROM rates) r "
        "ON r.code = p.country", {},
    ),
    "union": (
        "SELECT id, plus(amount) AS s FROM pay UNION ALL SELECT twice(7), plus(rate) FROM rates", {},
    ),
    "asked": ("SELECT id FROM pay WHERE amount > (SELECT max(plus(rate)) * 2 FROM rates)", {}),
    "twofold": (
        "WITH scored AS (SELECT *, plus(amount) AS x FROM pay) SELECT window_end, sum(x) AS s FROM "
        "TUMBLE(scored, ts, INTERVAL '1 minute') WHERE x > 10 GROUP BY window_end", {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", QUERIES)
def test_the_answer_is_that_of_the_batch(name, tmp_path):
    """Whole, and cut into epochs with a stop in between."""
    sql, words = QUERIES[name]
    rows = payments(200)
    for part in ("batch", "stream"):
        (tmp_path / part).mkdir()
    base = tmp_path / "batch"
    write(base, rows)
    p = with_functions(pipeline(base, is_stream=False))
    p.table("answer", sql)
    batched(p, base)
    expected = asked(base, "SELECT * FROM answer ORDER BY ALL")
    assert expected

    base = tmp_path / "stream"
    write(base, rows[:90])
    p = with_functions(pipeline(base))
    p.table("answer", sql, **words)
    streamed(p, base, epoch_rows=40)
    # Far behind all others: what closes every window, and counts in none that is compared.
    last = {"id": -1, "amount": 0.0, "country": "IT", "ts": "2026-02-01T00:00:00Z"}
    write(base, rows[90:], "b")
    streamed(p, base, epoch_rows=60)
    write(base, [last] if words == {} and "window" in sql else [], "c")
    streamed(p, base)

    assert asked(base, "SELECT * FROM answer ORDER BY ALL") == expected


def test_a_row_of_overlapping_windows_is_scored_once(tmp_path):
    """Six windows hold each row; a step that keeps it calls for it once, and not for late rows again."""
    seen = []
    p = with_functions(pipeline(tmp_path), seen)
    p.table(
        "answer", "SELECT window_end, sum(score(amount, country)) AS s FROM "
        "HOP(pay, ts, INTERVAL '10 seconds', INTERVAL '1 minute') GROUP BY window_end",
    )  # fmt: skip
    write(tmp_path, payments(60))
    streamed(p, tmp_path)

    # Of 60 rows, 40 have a country.
    assert len(seen) == 40


def test_late_rows_have_the_columns_of_the_input(tmp_path):
    """The late row is told with its own columns, not with those that the function needs."""
    p = with_functions(pipeline(tmp_path))
    p.table(
        "answer", "SELECT window_end, sum(plus(amount)) AS s FROM "
        "TUMBLE(pay, ts, INTERVAL '1 minute') WHERE plus(amount) > 0 GROUP BY window_end",
    )  # fmt: skip
    late = {"id": 999, "amount": 4.0, "country": "IT", "ts": "2026-01-01T00:00:01Z"}
    write(tmp_path, payments(120))
    write(tmp_path, [late], "b")
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT id, amount, country FROM answer__late") == [(999, 4.0, "IT")]


def test_what_is_not_deterministic_is_called_once_for_a_row(tmp_path):
    """V9: two tables that read a view see the same result, and what was committed stays."""
    p = pipeline(tmp_path)
    given = iter(range(10**6))

    @p.function(workers=0, deterministic=False, null="call")
    def ticket(id: int) -> int:
        return next(given)

    p.view("numbered", "SELECT id, ticket(id) AS n FROM pay")
    p.table("one", "SELECT id, n FROM numbered")
    p.table("two", "SELECT id, n FROM numbered WHERE n >= 0")
    write(tmp_path, payments(30))
    streamed(p, tmp_path, epoch_rows=7)
    write(tmp_path, payments(40)[30:], "b")
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT count(*), count(DISTINCT n), max(n) FROM one") == [(40, 40, 39)]
    assert not asked(tmp_path, "SELECT * FROM one EXCEPT SELECT * FROM two")


def test_a_model_is_opened_once_a_run(tmp_path):
    """Before the first row, and not again in later epochs."""
    p = pipeline(tmp_path)
    opened = []

    def load():
        opened.append(1)
        return 10.0

    @p.function(workers=0, open=load)
    def scaled(model, amount: float) -> float:
        return amount * model

    p.table("answer", "SELECT id, scaled(amount) AS s FROM pay")
    write(tmp_path, payments(100))
    events = streamed(p, tmp_path, epoch_rows=10)

    assert len([e for e in events if e.kind == "epoch_committed"]) > 5
    assert opened == [1]


def test_a_step_over_a_bounded_input_calls_its_function(tmp_path):
    """It is called when that is read, before the first row of the stream."""
    p = pipeline(tmp_path)

    @p.function(workers=0)
    def plus(x: float) -> float:
        return x + 1

    p.view("raised", "SELECT code, plus(rate) AS rate FROM rates")
    p.table("answer", "SELECT p.id, r.rate FROM pay p JOIN raised r ON r.code = p.country")
    write(tmp_path, payments(4))
    streamed(p, tmp_path)

    # By hand: ids 0 and 3 are Italian, 1 is German.
    assert asked(tmp_path, "SELECT * FROM answer ORDER BY id") == [(0, 3.0), (1, 4.0), (3, 3.0)]


def test_rows_are_judged_by_their_result(tmp_path):
    """An expectation about what a function gave: who breaks it is in no window behind it."""
    p = with_functions(pipeline(tmp_path))
    p.view("scored", "SELECT id, ts, plus(amount) AS x FROM pay")
    p.expect("scored", "x < 40", name="known", on_fail="quarantine")
    p.table(
        "answer", "SELECT window_end, count(*) AS n, max(x) AS x FROM "
        "TUMBLE(scored, ts, INTERVAL '1 minute') GROUP BY window_end",
    )  # fmt: skip
    write(tmp_path, payments(70))
    streamed(p, tmp_path, epoch_rows=30)

    # The 50 rows of a round have the results -2 to 47: of the first 60 rows those with 40 and more go.
    results = [row["amount"] + 1 for row in payments(60)]
    kept = [x for x in results if x < 40]
    assert asked(tmp_path, "SELECT n, x FROM answer") == [(len(kept), max(kept))]
    gone = sorted(row["id"] for row in payments(70) if row["amount"] + 1 >= 40)
    assert asked(tmp_path, "SELECT id FROM scored__quarantine ORDER BY id") == [(i,) for i in gone]
