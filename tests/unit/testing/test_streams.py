"""Streams in tests of pipelines: marks among rows, a clock that they move, crashes, what came too late."""

import re
from datetime import UTC, datetime

import pytest

import mainstem as ms
from mainstem.errors import MainstemError, SettingsError
from mainstem.runtime.journal import read, records
from mainstem.storage.local import points
from mainstem.testing.bench import Bench
from mainstem.testing.case import read_cases
from mainstem.testing.run import run_case

TUMBLED = """
    SELECT page, window_end, count(*) AS views FROM TUMBLE(views, ts, INTERVAL '1 minute')
    GROUP BY page, window_end"""


def instant(text):
    """An instant of the day of the tests."""
    return datetime.fromisoformat(f"2025-03-01T{text}+00:00")


def views(**words):
    """A pipeline that counts views of pages by minute, from a topic to a topic."""
    p = ms.Pipeline("views")
    p.source(
        "views", ms.kafka("views", servers="nowhere:9092"), schema="page string not null, ts timestamp",
        event_time="ts", watermark="5 seconds", idle="30 seconds", on_bad="dead_letter", **words,
    )  # fmt: skip
    p.table("per_minute", TUMBLED, sink=ms.kafka("per_minute", servers="nowhere:9092"))
    return p


@pytest.fixture
def bench(tmp_path):
    """Gives a bench for a pipeline, in a folder of its own."""

    def make(pipeline=None):
        folder = tmp_path / "bench"
        folder.mkdir()
        return Bench(pipeline or views(), folder, tmp_path)

    return make


CRASHES = """
    page | ts
    ---- | -------------------
    /    | 2025-03-01 10:00:05
    -- crash
    /    | 2025-03-01 10:00:40
    /a   | 2025-03-01 10:01:10
    -- watermark 2025-03-01 10:01:05
    -- crash
    /    | 2025-03-01 10:00:59
    x    | yesterday
    """


def test_rows_around_crashes_count_once(bench):
    """By hand: two of / before 10:01, one of /a after it; the view of 10:00:59 missed its minute."""
    made = bench()
    ran = made.run({"views": CRASHES})

    ran.assert_rows("per_minute", """
        /  | 2025-03-01 10:01:00 | 2
        /a | 2025-03-01 10:02:00 | 1
        """)  # fmt: skip
    assert ran.late("per_minute") == [{
        "page": "/", "ts": instant("10:00:59"), "__watermark": instant("10:01:05"),
        "__missed_windows": [instant("10:01:00")],
    }]  # fmt: skip
    # The fifth record of its partition, whichever run and epoch it came in.
    assert [(row["__row"], row["__column"]) for row in ran.dead("views")] == [(4, "ts")]
    line = ran.ledger["sources"]["views"]
    assert (line["read"], line["admitted"], line["dead"]) == (5, 4, 1)
    step = ran.ledger["steps"]["per_minute"]
    assert (step["rows_in"], step["used"], step["late"]) == (4, 3, 1)
    assert ran.ledger["sinks"]["per_minute"]["committed"] == 2


def test_a_crash_breaks_a_run_off_inside_an_epoch(bench, monkeypatch):
    """The run before it has no good end, and what it was computing was not committed."""
    computed, committed = [], []
    monkeypatch.setattr(points, "listeners", [
        lambda point: computed.append(1) if point == points.EPOCH_COMPUTED else None,
        lambda point: committed.append(1) if point == points.EPOCH_COMMITTED else None,
    ])  # fmt: skip
    made = bench()
    made.run({"views": CRASHES})

    found = records(read(made.state_dir).entries)
    assert [one.status for one in found] == ["failed", "failed", "succeeded"]
    # Three with rows, each after a crash computed twice, and the end of the source.
    assert (len(computed), len(committed)) == (6, 4)
    assert len(points.listeners) == 2


@pytest.mark.parametrize(
    ("span", "watermark"),
    [
        ("29 seconds", "10:00:00"),
        ("30 seconds", "10:04:55"),
        ("", "10:00:00"),
        ("1 day", "10:04:55"),
    ],
)
def test_a_pause_moves_the_clock(bench, span, watermark):
    """By hand: y holds 10:00:05 - 5 s until it was silent for 30 s; x alone says 10:05 - 5 s."""
    ran = bench().run({"views": f"""
        -- partition x
        a | 2025-03-01 10:05:00
        -- partition y
        b | 2025-03-01 10:00:05
        -- pause {span}
        -- partition x
        a | 2025-03-01 10:05:00
        -- watermark 2025-03-01 {watermark}
        -- stop
        """})  # fmt: skip

    assert ran.watermarks == {"views": instant(watermark)}


def test_the_clock_goes_on_from_where_it_began(bench):
    """Where it begins is said by now; each pause adds to it, in the next run too."""
    made = bench()
    first = made.run(
        {"views": ["-- pause 10 seconds", "-- pause 1 minute", "-- stop"]},
        now="2025-03-01T10:00:00Z",
    )
    second = first.again({"views": ["-- pause 50 seconds"]})

    assert first.clock == instant("10:01:10")
    assert second.clock == instant("10:02:00")


def test_records_are_written_when_the_clock_says(bench):
    """By hand: max_ahead is an hour; at 10:00 the row of 11:30 is from the future, at 10:30 it is not."""
    made = bench(views(max_ahead="1 hour"))
    row = ("/", "2025-03-01T11:30:00Z")
    ran = made.run({"views": [row, "-- pause 30 minutes", row]}, now="2025-03-01T10:00:00Z")

    assert [letter["__row"] for letter in ran.dead("views")] == [0]
    ran.assert_rows("per_minute", [("/", "2025-03-01T11:31:00Z", 1)])


def test_a_stopped_stream_goes_on(bench):
    """A window that was open takes rows of the next run; closed ones are not given again."""
    first = bench().run({"views": [("/", "2025-03-01T10:00:01Z"), "-- stop"]})
    assert first.rows("per_minute") == []

    second = first.again({"views": [
        ("/", "2025-03-01T10:00:02Z"), ("/", "2025-03-01T10:01:30Z"), "-- stop",
    ]})  # fmt: skip
    second.assert_rows("per_minute", [("/", "2025-03-01T10:01:00Z", 2)])
    assert second.ledger["sources"]["views"]["read"] == 2

    third = second.again({"views": []})
    third.assert_rows("per_minute", [
        ("/", "2025-03-01T10:01:00Z", 2), ("/", "2025-03-01T10:02:00Z", 1),
    ])  # fmt: skip
    with pytest.raises(SettingsError, match="closed every window"):
        third.again({"views": []})


def test_records_may_be_given_as_they_are(bench):
    """Dicts, marks as texts, and bytes that are no record."""
    ran = bench().run({"views": [
        {"page": "/", "ts": "2025-03-01T10:00:01Z"}, b'{"page": "/', "-- crash",
        {"page": "/", "ts": instant("10:00:02")},
    ]})  # fmt: skip

    ran.assert_rows("per_minute", [{"page": "/", "views": 2}])
    assert [letter["__raw"] for letter in ran.dead("views")] == [b'{"page": "/']


def joined_pipeline():
    """Orders with the price that was known when they came."""
    p = ms.Pipeline("priced")
    p.source("orders", ms.kafka("orders", servers="nowhere:9092"), schema="id bigint, what string")
    p.lookup("prices", ms.files("prices.csv"), schema="what string, price bigint", key="what")
    p.table("priced", "SELECT o.id, p.price FROM orders o JOIN prices p ON p.what = o.what")
    return p


def test_a_lookup_changes_between_epochs(bench):
    """In the order of arrival: 1 and 2 meet the first price, 3 the second, over a crash as well."""
    ran = bench(joined_pipeline()).run([
        ("prices", [("tea", 10)]),
        ("orders", [(1, "tea"), "-- crash", (2, "tea"), "-- pause"]),
        ("prices", "tea | 12"),
        ("orders", [(3, "tea")]),
    ])  # fmt: skip

    ran.assert_rows("priced", [(1, 10), (2, 10), (3, 12)])


def test_an_updating_table_is_compared_folded(bench):
    """Of a sink that gets changes by key: the latest row of each."""
    p = ms.Pipeline("totals")
    p.source("orders", ms.kafka("orders", servers="nowhere:9092"), schema="who string, n bigint")
    p.table(
        "totals", "SELECT who, sum(n) AS n FROM orders GROUP BY who", state="unbounded",
        sink=ms.kafka("totals", servers="nowhere:9092"),
    )  # fmt: skip
    ran = bench(p).run({"orders": [("ann", 1), ("bob", 5), "-- crash", ("ann", 2)]})

    ran.assert_rows("totals", [("ann", 3), ("bob", 5)])


def test_a_sink_of_files_has_each_row_once(bench):
    """A folder that grows is written as outside of tests, in a folder of the test."""
    p = ms.Pipeline("log")
    p.source("events", ms.kafka("events", servers="nowhere:9092"), schema="id bigint")
    p.table("log", "SELECT id FROM events", sink=ms.files("log", format="parquet", mode="append"))
    made = bench(p)
    ran = made.run({"events": [(1,), "-- crash", (2,), "-- crash", (3,)]})

    ran.assert_rows("log", [(1,), (2,), (3,)])
    assert list((made.folder / "sinks").rglob("part-*.parquet"))


def test_a_row_on_which_an_expression_fails(bench):
    """It is kept aside by the step, with the expression."""
    p = ms.Pipeline("numbers")
    p.source("texts", ms.kafka("texts", servers="nowhere:9092"), schema="v string")
    p.table("numbers", "SELECT CAST(v AS bigint) AS n FROM texts")
    ran = bench(p).run({"texts": [("1",), ("x",)]})

    ran.assert_rows("numbers", [(1,)])
    assert [(row["v"], row["__expression"]) for row in ran.dead("numbers")] == [
        ("x", 'CAST("texts"."v" AS bigint)')
    ]


def test_rules_are_judged_over_a_crash(bench):
    """By hand: two views have long names; each is taken out once, under its number in the partition."""
    p = views()
    p.expect("views", "length(page) < 5", name="short", on_fail="quarantine")
    row = "2025-03-01T10:00:01Z"
    ran = bench(p).run({"views": [("/", row), ("/long", row), "-- crash", ("/longer", row)]})

    ran.assert_rows("per_minute", [{"page": "/", "views": 1}])
    assert [(one["__row"], one["page"]) for one in ran.quarantine("views")] == [
        (1, "/long"), (2, "/longer"),
    ]  # fmt: skip
    rule = ran.expectations["views.short"]
    assert (rule["checked"], rule["passed"], rule["quarantined"]) == (3, 1, 2)
    assert ran.kept_aside() == ["views__quarantine"]


def test_a_wrong_watermark_is_told(bench):
    """A mark is a claim."""
    with pytest.raises(
        AssertionError, match=r"watermark of views is 2025-03-01 10:00:00\+00:00, not"
    ):
        bench().run({"views": "a | 2025-03-01 10:00:05\n-- watermark 2025-03-01 10:00:05"})


WRONG = {
    "a mark that there is not": ({"views": ["-- crush"]}, "write -- crash"),
    "a text that is no mark": ({"views": ["crash"]}, "'crash' among"),
    "a span that is none": ({"views": ["-- pause soon"]}, "soon"),
    "something behind the stop": ({"views": ["-- stop", ("/", None)]}, "behind -- stop"),
    "a file": ({"views": b"{}"}, "a stream has no end"),
    "two records in one": ({"views": [b"{}\n{}"]}, "not one line"),
    "another column": ({"views": [{"pag": "/"}]}, "write page"),
    "no rows": ({}, "GivenMissing"),
    "no pairs": ([("views",)], "by source"),
}


@pytest.mark.parametrize(("given", "says"), WRONG.values(), ids=list(WRONG))
def test_what_a_stream_cannot_be_given(bench, given, says):
    """Told before anything runs."""
    made = bench()
    with pytest.raises(MainstemError, match=re.escape(says)):
        made.run(given)

    assert not (made.state_dir / "journal.jsonl").exists()


def test_a_real_stream_is_no_test(bench):
    """All of a source that never ends cannot be read."""
    with pytest.raises(SettingsError, match="never ends"):
        bench().run({}, real=["views"])


def test_rows_of_a_source_that_ends_are_given_once(bench):
    """Only what arrives may come in parts."""
    p = ms.Pipeline("batch")
    p.source("t", ms.files("t.csv"), schema="a bigint")
    p.table("same", "SELECT a FROM t")
    with pytest.raises(SettingsError, match="given twice"):
        bench(p).run([("t", [(1,)]), ("t", [(2,)])])


PIPELINE = """
CREATE SOURCE views (page STRING NOT NULL, ts TIMESTAMP)
  FROM kafka('views', servers => 'nowhere:9092')
  WITH (event_time = 'ts', watermark = '5 seconds', on_bad = 'dead_letter');
CREATE VIEW short AS SELECT * FROM views WHERE length(page) < 10;
CREATE TABLE per_minute AS SELECT page, window_end, count(*) AS views
  FROM TUMBLE(short, ts, INTERVAL '1 minute') GROUP BY page, window_end;
"""
CASE = """title: t
pipeline: views.sql
rows views:
  page | ts
  ==== | ===================
  /    | 2025-03-01 10:00:05
  -- crash
  /    | 2025-03-01 10:01:10
  -- watermark 2025-03-01 10:01:05
  /    | 2025-03-01 10:00:59
  x    | yesterday
"""
RIGHT = {
    "a result": "result per_minute:\n  / | 2025-03-01 10:01:00 | 1\n  / | 2025-03-01 10:02:00 | 1\n",
    "a late row": "late per_minute:\n  / | 2025-03-01 10:00:59\n",
    "a late row and what it missed": (
        "late per_minute:\n  / | 2025-03-01 10:00:59 | 2025-03-01 10:01:05 | "
        '["2025-03-01 10:01:00"]\n'
    ),
    "a late row by a head": "late per_minute:\n  ts\n  ==\n  2025-03-01 10:00:59\n",
    "a dead letter": "dead views:\n  3 | ts | timestamp\n",
    "counts": "ledger: source views: read 4, dead 1\n",
}  # fmt: skip
FALSE = {
    "another row": ("result per_minute:\n  / | 2025-03-01 10:01:00 | 1\n", "1 row not expected"),
    "another late row": ("late per_minute:\n  / | 2025-03-01 10:00:58\n", "10:00:59 → 2025-03-01 10:00:58"),
    "no late row": ("late per_minute:\n", "1 row not expected"),
    "late of no step": ("late per_hour:\n", "has no 'per_hour'"),
    "another dead letter": ("dead views:\n  2 | ts | timestamp\n", "3"),
    "another count": ("ledger: source views: read 5\n", "read is 4, not 5"),
}  # fmt: skip


@pytest.fixture
def case_of(tmp_path):
    """Gives the case of a text, beside its pipeline."""
    (tmp_path / "views.sql").write_text(PIPELINE, "utf-8")

    def case(text):
        file = tmp_path / "views.case"
        file.write_text(CASE + text, "utf-8")
        (found,) = read_cases(file)
        return found

    return case


@pytest.mark.parametrize("text", RIGHT.values(), ids=list(RIGHT))
def test_right_case_passes(case_of, text):
    """Whatever a case can say of a stream, said rightly."""
    run_case(case_of(text))


@pytest.mark.parametrize(("text", "says"), FALSE.values(), ids=list(FALSE))
def test_wrong_case_fails(case_of, text, says):
    """Each has one mistake in it, which is told."""
    with pytest.raises((AssertionError, MainstemError), match=re.escape(says)):
        run_case(case_of(text))


def test_a_false_watermark_of_a_case_fails(case_of, tmp_path):
    """It is a claim there too."""
    case_of("late per_minute:\n")
    file = tmp_path / "views.case"
    file.write_text(file.read_text("utf-8").replace("10:01:05", "10:01:06"), "utf-8")
    (case,) = read_cases(file)

    with pytest.raises(AssertionError, match="watermark of views"):
        run_case(case)


def test_the_day_of_the_tests_is_utc():
    """What instants above are compared with."""
    assert instant("10:00:00") == datetime(2025, 3, 1, 10, tzinfo=UTC)
