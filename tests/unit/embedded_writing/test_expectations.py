"""Expectations over several runs: what is kept aside, what tables are compared with, what is told."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

import mainstem as ms
from mainstem.errors import DataError
from mainstem.runtime.journal import read, records
from mainstem.runtime.quality import quality
from mainstem.runtime.query import connect
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir


def rows(folder, *values, columns="id"):
    """Write the source."""
    (folder / "t.csv").write_text("\n".join([columns, *map(str, values)]) + "\n")


def pipeline(*rules, schema="id bigint", sql="SELECT * FROM t"):
    """A source with rules, and a table of what passes."""
    p = ms.Pipeline("p")
    p.source("t", ms.files("t.csv"), schema=schema)
    p.table("kept", sql)
    for rule, words in rules:
        p.expect("t", rule, **words)
    return p


def run_in(folder, p):
    """Run to the end and give the ledger."""
    with closing(run(p.plan(), RunOptions(folder))) as events:
        return list(events)[-1].facts["ledger"]


def ask(folder, sql):
    """Rows of the state file."""
    with connect(state_dir(folder, "p")) as tables:
        return list(tables.query(sql).rows)


POSITIVE = ("id > 0", {"name": "positive", "on_fail": "quarantine"})


def test_corrected_rows_leave_the_quarantine(tmp_path):
    """A source that is read whole is judged whole each time."""
    p = pipeline(POSITIVE)
    rows(tmp_path, 1, -2, -3)
    run_in(tmp_path, p)
    assert ask(tmp_path, "SELECT __id, id FROM t__quarantine ORDER BY __row") == [
        ("1-1", -2), ("1-2", -3),
    ]  # fmt: skip

    rows(tmp_path, 1, 2, -3)
    run_in(tmp_path, p)
    assert ask(tmp_path, "SELECT __id, id FROM t__quarantine") == [("2-1", -3)]

    rows(tmp_path, 1, 2, 3)
    ledger = run_in(tmp_path, p)
    assert ask(tmp_path, "SELECT id FROM t__quarantine") == []
    assert ledger["kept"]["t__quarantine"]["open"] == 0


def test_a_failed_run_keeps_nothing_aside(tmp_path):
    """What was kept is as it was before, as the tables are."""
    rows(tmp_path, 1, -2)
    run_in(tmp_path, pipeline(POSITIVE))
    rows(tmp_path, 1, -5, 100)

    with pytest.raises(DataError, match="1 of 2 rows breaks expectation 'small'"):
        run_in(tmp_path, pipeline(POSITIVE, ("id < 10", {"name": "small"})))

    assert ask(tmp_path, "SELECT id FROM t__quarantine") == [(-2,)]
    assert ask(tmp_path, "SELECT id FROM kept") == [(1,)]


def test_new_columns_extend_the_quarantine(tmp_path):
    """And a column that went away stays, without values."""
    rows(tmp_path, "1,a", "-2,b", columns="id,v")
    run_in(tmp_path, pipeline(POSITIVE, schema="id bigint, v string"))
    rows(tmp_path, "-3,c", columns="id,w")
    run_in(tmp_path, pipeline(POSITIVE, schema="id bigint, w string"))

    assert ask(tmp_path, "SELECT id, v, w FROM t__quarantine") == [(-3, None, "c")]


def test_a_column_of_another_type_replaces_what_is_judged_again(tmp_path):
    """The open rows of a source that is read whole are in it again."""
    rows(tmp_path, "-2,7", columns="id,v")
    run_in(tmp_path, pipeline(POSITIVE, schema="id bigint, v string"))
    run_in(tmp_path, pipeline(POSITIVE, schema="id bigint, v bigint"))

    assert ask(tmp_path, "SELECT id, v FROM t__quarantine") == [(-2, 7)]


def test_open_rows_of_new_files_are_not_lost_to_another_type(tmp_path):
    """They come only once: the run is refused, and says what to do."""

    def over(schema):
        p = ms.Pipeline("p")
        p.source("t", ms.files("in/*.csv", incremental=True), schema=schema)
        p.view("seen", "SELECT id FROM t")
        p.table("kept", "SELECT id FROM seen", sink=ms.files("out", format="csv", mode="append"))
        p.expect("t", "id > 0", name="positive", on_fail="quarantine")
        return p

    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.csv").write_text("id,v\n1,1\n-2,2\n")
    run_in(tmp_path, over("id bigint, v bigint"))
    (tmp_path / "in/2.csv").write_text("id,v\n-3,3\n")

    with pytest.raises(ms.errors.StateError, match="t__quarantine has 1 open rows"):
        run_in(tmp_path, over("id bigint, v string"))
    run_in(tmp_path, over("id bigint, v bigint"))
    assert ask(tmp_path, "SELECT id FROM t__quarantine ORDER BY __id") == [(-2,), (-3,)]


def test_volume_is_compared_with_the_median_of_committed_runs(tmp_path):
    """4, 6 and 20 rows have the median 6; 9 is within a half of it, 10 is not."""
    p = pipeline((ms.volume(within=0.5, of=3), {"name": "usual", "on_fail": "warn"}))
    found = []
    for number in (100, 4, 6, 20, 9):
        rows(tmp_path, *range(number))
        found.append(run_in(tmp_path, p)["expectations"]["t.usual"]["is_met"])
    # 100 is the first; 4 against 100; 6 against 52; 20 against 6 (100, 4, 6); 9 against 6 (4, 6, 20).
    assert found == [True, False, False, False, True]
    rows(tmp_path, *range(15))
    strict = pipeline((ms.volume(within=0.5, of=3), {"name": "usual"}))
    # Of 6, 20 and 9 the median is 9, and 15 lies further than a half of it away.
    with pytest.raises(DataError, match="15 rows, the median of 3 runs is 9"):
        run_in(tmp_path, strict)


@pytest.mark.parametrize(("age", "is_met"), [(0.5, True), (1.5, False), (-1, True)])
def test_freshness_is_measured_from_the_start_of_the_run(tmp_path, age, is_met):
    """Half a day, a day and a half, and tomorrow."""
    then = datetime.now(UTC) - timedelta(days=age)
    rows(tmp_path, "2001-01-01T00:00:00Z", then.isoformat(timespec="seconds"), columns="at")
    rule = (ms.freshness("at", within="1 day"), {"name": "fresh", "on_fail": "warn"})

    ledger = run_in(tmp_path, pipeline(rule, schema="at timestamp"))

    assert ledger["expectations"]["t.fresh"]["is_met"] is is_met


def test_an_empty_table_is_not_fresh_and_is_complete(tmp_path):
    """There is no latest value, and nothing is missing."""
    rows(tmp_path, columns="at")
    ledger = run_in(tmp_path, pipeline(
        (ms.freshness("at", within="1 day"), {"name": "fresh", "on_fail": "warn"}),
        (ms.completeness("at", at_least=1), {"name": "complete", "on_fail": "warn"}),
        schema="at timestamp",
    ))  # fmt: skip

    found = {name: line["is_met"] for name, line in ledger["expectations"].items()}
    assert found == {"t.fresh": False, "t.complete": True}


def test_samples_are_few_and_short(tmp_path):
    """Five rows, and 200 characters of a value: a journal is read as a whole."""
    rows(tmp_path, *(f"{-n},{'x' * 500}" for n in range(1, 9)), columns="id,v")
    run_in(tmp_path, pipeline(("id > 0", {"on_fail": "warn"}), schema="id bigint, v string"))

    (line,) = quality(state_dir(tmp_path, "p"))
    assert (line.checked, line.failed) == (8, 8)
    assert [sample["id"] for sample in line.samples] == ["-1", "-2", "-3", "-4", "-5"]
    assert {len(sample["v"]) for sample in line.samples} == {200}


def test_a_run_that_a_rule_stopped_tells_what_it_found(tmp_path):
    """Its counts and samples are in the journal, though nothing was written."""
    rows(tmp_path, 1, -2)
    with pytest.raises(DataError):
        run_in(tmp_path, pipeline(("id > 0", {"name": "positive"})))

    (line,) = quality(state_dir(tmp_path, "p"))
    assert (line.status, line.checked, line.failed, line.is_met) == ("failed", 2, 1, False)
    (last,) = records(read(state_dir(tmp_path, "p")).entries)
    assert last.error["code"] == "ExpectationFailed"


def test_a_sorted_table_stays_sorted_without_the_rows_taken_out(tmp_path):
    """Rules stand between the query and its sink."""
    rows(tmp_path, *range(5000))
    p = ms.Pipeline("p")
    p.source("t", ms.files("t.csv"), schema="id bigint")
    p.table("out", "SELECT id FROM t ORDER BY id DESC", sink=ms.files("out.csv"))
    p.expect("out", "id // 2 <> 7", on_fail="drop")

    run_in(tmp_path, p)

    found = [int(line) for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert found == [n for n in range(4999, -1, -1) if n not in (14, 15)]


@pytest.mark.parametrize("twice", [None, 5, 150_000])
def test_one_key_twice_is_found_in_a_sorted_table(tmp_path, twice):
    """A table in the order of its key is looked through, not grouped: that must not miss a key."""
    import duckdb

    last = "" if twice is None else f" UNION ALL SELECT {twice}, 'again'"
    with closing(duckdb.connect()) as connection:
        connection.execute(
            f"COPY (FROM (SELECT range AS id, 'x' AS v FROM range(200000){last}) ORDER BY id) "
            f"TO '{tmp_path / 't.parquet'}' (FORMAT parquet)"
        )
    p = ms.Pipeline("p")
    p.source("t", ms.files("t.parquet"), schema="id bigint, v string")
    p.table("kept", "SELECT count(*) AS n FROM t")
    p.expect("t", ms.unique("id"), name="once", on_fail="quarantine")

    line = run_in(tmp_path, p)["expectations"]["t.once"]

    assert (line["checked"], line["failed"]) == ((200_000, 0) if twice is None else (200_001, 1))
    assert ask(tmp_path, "SELECT n FROM kept") == [(200_000,)]


def test_a_condition_that_fails_on_a_row_stops_the_run(tmp_path):
    """Nothing says whether such a row passes."""
    rows(tmp_path, "1", "x", columns="v")

    with pytest.raises(DataError, match="judging 't' by expectation 'positive':") as failed:
        run_in(
            tmp_path,
            pipeline(
                ("v <> 'y'", {}), ("CAST(v AS bigint) > 0", {"name": "positive"}), schema="v string"
            ),
        )
    assert failed.value.finding.code == "ExpressionFailed"
    assert failed.value.finding.where.file.endswith(".py")
    assert 'CAST("t"."v" AS bigint) on the row (v=x) failed' in str(failed.value)
