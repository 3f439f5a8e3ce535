"""Functions that raise in a stream: rows go aside, or the run ends, by name."""

import pytest

from mainstem.errors import DataError
from tests.unit.stream_functions.case import asked, payments, pipeline, streamed, write

DEAD = "SELECT * EXCLUDE (__epoch) FROM answer__dead ORDER BY ALL"


def with_score(p, **words):
    """`score`, which raises on amounts below zero: of the first 50 payments those of -1, -2 and -3."""

    @p.function(workers=0, **words)
    def score(amount: float) -> float:
        if amount < 0:
            raise ValueError(f"{amount} is too little")
        return amount * 2

    return p


def test_a_row_that_it_raises_on_goes_aside(tmp_path):
    """Unless it is told otherwise, a stream goes on (V10); the row's columns and the exception are kept."""
    p = with_score(pipeline(tmp_path))
    p.table("answer", "SELECT id, score(amount) AS s FROM pay")
    write(tmp_path, payments(50))
    events = streamed(p, tmp_path, epoch_rows=20)

    # By hand: (7 * i) % 50 is 0, 1 and 2 for i = 0, 43 and 36.
    said = [
        (i, f"[{x}]", f"ValueError: {x} is too little")
        for i, x in ((0, -3.0), (36, -1.0), (43, -2.0))
    ]
    assert asked(tmp_path, DEAD) == [
        (i, "score", 'score("pay"."amount")', given, "exception", text) for i, given, text in said
    ]
    assert asked(tmp_path, "SELECT __epoch FROM answer__dead WHERE id = 43") == [(3,)]
    assert asked(tmp_path, "SELECT count(*), sum(s) FROM answer") == [(47, sum(range(47)) * 2.0)]
    counted = [e.facts["steps"]["answer"]["dead"] for e in events if e.kind == "epoch_committed"]
    assert counted == [1, 1, 1]


def test_told_to_fail_it_ends_the_stream(tmp_path):
    """The epoch is not committed, those before are; function, row, arguments and line are named."""
    p = with_score(pipeline(tmp_path), on_error="fail")
    p.table("answer", "SELECT id, score(amount) AS s FROM pay WHERE id > 0")
    write(tmp_path, payments(50))

    with pytest.raises(DataError) as raised:
        streamed(p, tmp_path, epoch_rows=20)

    finding = raised.value.finding
    assert (finding.code, finding.step) == ("PythonFunctionFailed", "answer")
    assert "score on row 16, called with (-1.0): ValueError: -1.0 is too little" in finding.what
    assert "test_failures.py" in str(finding.where)
    assert asked(tmp_path, "SELECT count(*) FROM answer") == [(19,)]


def test_a_result_of_another_type_goes_aside(tmp_path):
    """The declared type is checked for each row."""
    p = pipeline(tmp_path)

    @p.function(workers=0, takes="bigint", returns="bigint")
    def odd(n):
        return "many" if n == 2 else n

    p.table("answer", "SELECT odd(id) AS n FROM pay")
    write(tmp_path, payments(4))
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT n FROM answer ORDER BY n") == [(0,), (1,), (3,)]
    assert asked(tmp_path, "SELECT __arguments, __reason FROM answer__dead") == [("[2]", "result")]


def test_a_batch_function_fails_for_single_rows(tmp_path):
    """The batch is cut in halves until the rows that fail are found."""
    p = pipeline(tmp_path)

    @p.function(workers=0, batch=True, takes="double", returns="double")
    def score(amounts):
        if any(x.as_py() == 11.0 for x in amounts):
            raise RuntimeError("eleven")
        return amounts

    p.table("answer", "SELECT id, score(amount) AS s FROM pay")
    write(tmp_path, payments(20))
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT id, __message FROM answer__dead") == [
        (2, "RuntimeError: eleven")
    ]
    assert asked(tmp_path, "SELECT count(*) FROM answer") == [(19,)]


def test_a_dead_row_is_in_no_window(tmp_path):
    """Nor is it late; and SQL that fails on the result is found behind the function, which is not called again."""
    p = pipeline(tmp_path)
    seen = []

    @p.function(workers=0)
    def label(amount: float) -> str:
        seen.append(amount)
        if amount == 4.0:
            raise ValueError("four")
        return "many" if amount == 11.0 else str(int(amount))

    p.table(
        "answer", "SELECT window_start, count(*) AS n, sum(CAST(label(amount) AS bigint)) AS s FROM "
        "TUMBLE(pay, ts, INTERVAL '5 seconds') GROUP BY window_start",
    )  # fmt: skip
    rows = [*payments(10), {**payments(1)[0], "id": 99, "ts": "2026-01-01T00:01:00Z"}]
    write(tmp_path, rows)
    streamed(p, tmp_path)

    # By hand: amounts -3, 4, 11, 18, 25 | 32, 39, 46, 3, 10; without 4, and without 11.
    found = asked(tmp_path, "SELECT n, s FROM answer ORDER BY window_start")
    assert found == [(3, 40), (5, 130)]
    assert sorted(seen) == sorted(row["amount"] for row in rows)
    dead = asked(tmp_path, "SELECT amount, __function, __message FROM answer__dead ORDER BY amount")
    assert dead[0] == (4.0, "label", "ValueError: four")
    assert dead[1][:2] == (11.0, None)
    assert asked(tmp_path, "SELECT label FROM answer__dead WHERE label IS NOT NULL") == [("many",)]


def test_sql_fails_before_the_function(tmp_path):
    """A row whose argument cannot be computed is dead, and the function is called for the others."""
    p = pipeline(tmp_path)

    @p.function(workers=0)
    def twice(n: int) -> int:
        return n * 2

    p.table("answer", "SELECT id, twice(CAST(country AS bigint)) AS n FROM pay WHERE id < 5")
    write(
        tmp_path,
        [{**row, "country": str(row["id"]) if row["id"] != 3 else "x"} for row in payments(6)],
    )
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT id, n FROM answer ORDER BY id") == [
        (0, 0),
        (1, 2),
        (2, 4),
        (4, 8),
    ]
    assert asked(tmp_path, "SELECT id, country FROM answer__dead") == [(3, "x")]


def test_a_key_whose_result_fails_is_deleted(tmp_path):
    """An updating table holds what the last epoch says: no result is no row, and not an old one."""
    p = pipeline(tmp_path)

    @p.function(workers=0)
    def grade(n: int) -> str:
        if n > 2:
            raise ValueError("too many")
        return "few"

    p.table(
        "answer", "SELECT country, grade(count(*)) AS g FROM pay WHERE country IS NOT NULL "
        "GROUP BY country", state="unbounded",
    )  # fmt: skip
    write(tmp_path, payments(6))
    streamed(p, tmp_path)
    assert asked(tmp_path, "SELECT * FROM answer ORDER BY country") == [
        ("DE", "few"),
        ("IT", "few"),
    ]

    write(tmp_path, [{**payments(1)[0], "id": 7}], "b")
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT * FROM answer") == [("DE", "few")]
    assert asked(tmp_path, "SELECT country, __arguments FROM answer__dead") == [("IT", "[3]")]


def test_rows_that_are_gone_are_not_called_for(tmp_path):
    """HAVING lets two keys pass: the function is called for them alone, and its own filter deletes one."""
    p = pipeline(tmp_path)
    seen = []

    @p.function(workers=0)
    def size(n: int) -> int:
        seen.append(n)
        return n

    p.view(
        "counted", "SELECT country, count(*) AS n, size(sum(id)) AS s FROM pay GROUP BY country "
        "HAVING count(*) > 2",
    )  # fmt: skip
    p.table("answer", "SELECT country, s FROM counted WHERE size(n) = 3", state="unbounded")
    write(tmp_path, payments(11))
    streamed(p, tmp_path)

    # By hand: IT 0 3 6 9, DE 1 4 7 10, none 2 5 8.
    assert asked(tmp_path, "SELECT * FROM answer") == [(None, 15)]
    assert sorted(seen) == [3, 4, 4, 15, 18, 22]


def test_rows_of_a_bounded_input_are_dead_once(tmp_path):
    """They are read anew by each run."""
    p = pipeline(tmp_path)

    @p.function(workers=0)
    def root(x: float) -> float:
        return float(x**0.5)

    p.view("rooted", "SELECT code, root(rate) AS r FROM rates")
    p.table("answer", "SELECT p.id, r.r FROM pay p JOIN rooted r ON r.code = p.country")
    write(tmp_path, payments(3))
    streamed(p, tmp_path)
    write(tmp_path, payments(6)[3:], "b")
    streamed(p, tmp_path)

    assert asked(tmp_path, "SELECT code, __reason FROM rooted__dead") == [("FR", "exception")]
    assert asked(tmp_path, "SELECT count(*) FROM answer") == [(4,)]


def test_what_cannot_be_opened_ends_the_run_at_its_start(tmp_path):
    """Before a row is read: nothing would go right."""
    p = pipeline(tmp_path)

    def load():
        raise FileNotFoundError("model.bin")

    @p.function(workers=0, open=load)
    def score(model, amount: float) -> float:
        return amount

    p.table("answer", "SELECT id, score(amount) AS s FROM pay")
    write(tmp_path, payments(3))

    with pytest.raises(
        DataError, match=r"open of the function score: FileNotFoundError: model.bin"
    ):
        streamed(p, tmp_path)


def test_letters_of_many_shapes_share_a_table(tmp_path):
    """Two calls of a step over other columns, in turns: no table is moved aside."""
    p = pipeline(tmp_path)

    @p.function(workers=0)
    def even(n: int) -> int:
        if n % 2:
            raise ValueError("odd")
        return n

    @p.function(workers=0)
    def never(x: float) -> float:
        raise ValueError("never")

    p.table(
        "answer", "SELECT even(id) AS x, country FROM pay WHERE id < 4 UNION ALL "
        "SELECT id, country FROM pay WHERE id >= 4 AND never(amount) > 0",
    )  # fmt: skip
    write(tmp_path, payments(6))
    streamed(p, tmp_path, epoch_rows=2)

    found = asked(
        tmp_path, "SELECT __function, count(*) FROM answer__dead GROUP BY ALL ORDER BY ALL"
    )
    assert found == [("even", 2), ("never", 2)]
    assert not asked(
        tmp_path, "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%dead_1'"
    )
