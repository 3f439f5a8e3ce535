"""`verify` finds the step in which engines differ, and writes nothing of the user's."""

import json
import os
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.definition.resolve import resolve
from mainstem.errors import DataError, EngineError, SettingsError, Terminated, UnsupportedError
from mainstem.runtime import verify_rows
from mainstem.runtime.verify import verify_resolved
from mainstem.runtime.verify_plan import whole
from tests.unit.runtime.standin import install

PAIR = ("embedded", "other")
ROWS = "id,shop,amount,rate\n" + "".join(
    f"{i},{'Oslo' if i % 3 else 'Rome'},{i}.50,{i / 7}\n" for i in range(1, 41)
)


@pytest.fixture
def pipeline(tmp_path):
    """Orders → a view → a table of it, and a table that reads the source alone."""
    (tmp_path / "orders.csv").write_text(ROWS)
    p = ms.Pipeline("shop")
    p.source("orders", ms.files(str(tmp_path / "orders.csv")),
             schema="id bigint not null, shop string, amount decimal(10,2), rate double")  # fmt: skip
    p.view("big", "SELECT * FROM orders WHERE amount > 10")
    p.table("totals", "SELECT shop, count(*) AS n, sum(rate) AS rate FROM big GROUP BY shop",
            sink=ms.files(str(tmp_path / "totals.csv")))  # fmt: skip
    p.table("ids", "SELECT id FROM orders")
    return p


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def verdicts(found) -> dict[str, bool]:
    """Which parts are equal."""
    return {part.name: part.is_equal for part in found.parts}


def test_an_engine_agrees_with_itself_and_nothing_is_written(pipeline, tmp_path):
    """Not its sinks, no state directory, no temporary folder that stays."""
    before = everything(tmp_path)
    found = pipeline.verify(engines=("embedded", "embedded"), base_dir=tmp_path)

    assert found.is_equal
    assert found.exit_code == 0
    assert found.names == ("embedded", "embedded#2")
    assert [(p.kind, p.name) for p in found.parts] == [
        ("source", "orders"), ("view", "big"), ("table", "totals"), ("table", "ids")
    ]  # fmt: skip
    assert found.parts[1].rows == {"embedded": 31, "embedded#2": 31}
    assert set(found.parts[1].seconds) == {"embedded", "embedded#2"}
    assert everything(tmp_path) == before
    found.raise_difference()


CHANGES = {
    "one row is another": "SELECT * REPLACE (if(id = 12, 'Bonn', shop) AS shop) FROM {} AS q",
    "one row is missing": "SELECT * FROM {} AS q WHERE id <> 12",
    "one row is twice there": "SELECT * FROM {0} AS q UNION ALL SELECT * FROM {0} AS r WHERE id = 12",
    "the 6th digit of a float": "SELECT * REPLACE (if(id = 12, rate * 1.000001, rate) AS rate) FROM {} AS q",
}  # fmt: skip
COUNTS = {"one row is another": (1, 1), "one row is missing": (1, 0),
          "one row is twice there": (0, 1), "the 6th digit of a float": (1, 1)}  # fmt: skip


@pytest.mark.parametrize("at_once", [200_000, 4])
@pytest.mark.parametrize("what", CHANGES)
def test_the_first_step_that_differs_is_told(pipeline, monkeypatch, what, at_once):
    """A view here; the table made of it only inherits it, and what is not made of it is equal."""
    monkeypatch.setattr(verify_rows, "AT_ONCE", at_once)
    install(monkeypatch, sql={"big": CHANGES[what]})
    found = pipeline.verify(engines=PAIR)

    assert found.first.name == "big"
    assert found.first.differences[0].counts == COUNTS[what]
    assert [len(rows) for rows in found.first.differences[0].only] == list(COUNTS[what])
    assert all(row[0] == 12 for rows in found.first.differences[0].only for row in rows)
    assert verdicts(found) == {"orders": True, "big": False, "totals": False, "ids": True}
    assert found.parts[2].follows == ("big",)
    assert found.exit_code == 6
    with pytest.raises(DataError, match="do not agree in view 'big', and 1 more") as raised:
        found.raise_difference()
    assert raised.value.finding.code == "EnginesDiffer"


@pytest.mark.parametrize("at_once", [200_000, 4])
def test_the_15th_digit_of_a_float_is_equal(pipeline, monkeypatch, at_once):
    """Another order of adding gives it (V5)."""
    monkeypatch.setattr(verify_rows, "AT_ONCE", at_once)
    sql = "SELECT * REPLACE (rate * (1 + 3e-15) AS rate) FROM {} AS q"
    install(monkeypatch, sql={"big": sql, "totals": sql})

    assert pipeline.verify(engines=PAIR).is_equal


def test_two_steps_that_differ_by_themselves_are_both_told(pipeline, monkeypatch):
    """The first in the order of the plan, and the other that does not follow from it."""
    install(monkeypatch, sql={"totals": "SELECT * FROM {} AS q LIMIT 1",
                              "ids": "SELECT id + 1 AS id FROM {} AS q"})  # fmt: skip
    found = pipeline.verify(engines=PAIR)

    assert [(p.name, p.follows) for p in found.parts if not p.is_equal] == [
        ("totals", ()), ("ids", ())
    ]  # fmt: skip


def test_of_many_rows_the_first_five_are_shown_and_all_are_counted(pipeline, monkeypatch):
    """Both sides in one order."""
    install(monkeypatch, sql={"ids": "SELECT id + 1000 AS id FROM {} AS q"})
    (rows,) = pipeline.verify(engines=PAIR).first.differences

    assert rows.counts == (40, 40)
    assert [len(one) for one in rows.only] == [5, 5]


ANYTHING = """
SELECT * FROM (VALUES
    (1, 'NULL', [1, NULL], CAST('NaN' AS double), DATE '2025-03-01', 1.10),
    (1, 'NULL', [1, NULL], CAST('NaN' AS double), DATE '2025-03-01', 1.10),
    (2, NULL, [2], 0.1, DATE '2025-03-02', 2.20), (3, '"', [3], NULL, NULL, NULL)
) AS v(a, t, l, f, d, m)"""


@pytest.mark.parametrize(
    ("sql", "counts"),
    [
        ("SELECT * FROM {} AS q", None),
        ("SELECT * REPLACE (coalesce(t, 'NULL') AS t) FROM {} AS q", (1, 1)),
        ("SELECT * FROM {0} AS q WHERE a <> 1 UNION ALL SELECT * FROM {0} AS r WHERE a = 2 "
         "UNION ALL SELECT * FROM {0} AS s WHERE a = 2", (2, 2)),
        ("SELECT * REPLACE (if(a = 2, -f, f) AS f) FROM {} AS q", (1, 1)),
        ("SELECT * REPLACE (if(a = 2, f + 1e-16, f) AS f) FROM {} AS q", None),
        ("SELECT * REPLACE (if(a = 2, [3 - 1, NULL], l) AS l) FROM {} AS q", (1, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [200_000, 1])
def test_no_value_hides_in_a_digest(pipeline, monkeypatch, sql, counts, at_once):
    """NULL is not the text, two equal rows are not nothing; large tables are judged as small ones."""
    monkeypatch.setattr(verify_rows, "AT_ONCE", at_once)
    pipeline.table("anything", ANYTHING)
    install(monkeypatch, sql={"anything": sql})
    first = pipeline.verify(engines=PAIR).first

    assert (first and first.differences[0].counts) == counts


def test_other_columns_are_a_difference(pipeline, monkeypatch):
    """They are told in place of rows, which could not be compared."""
    install(monkeypatch)
    columns = iter([[("id", "BIGINT")], [("id", "INTEGER")]] * 9)
    monkeypatch.setattr(verify_rows, "_columns", lambda *_: next(columns))
    first = pipeline.verify(engines=PAIR).first

    assert first.differences[0].said == (
        "the columns differ: embedded has id BIGINT; other has id INTEGER"
    )


def test_three_engines_are_compared_with_the_first(pipeline, monkeypatch):
    """And the one that differs is named."""
    install(monkeypatch, "same")
    install(monkeypatch, "other", sql={"ids": "SELECT * FROM {} AS q LIMIT 39"})
    found = pipeline.verify(engines=("embedded", "same", "other"))

    assert [rows.engines for rows in found.first.differences] == [PAIR]
    assert found.first.rows == {"embedded": 40, "same": 40, "other": 39}


def test_an_engine_that_fails_is_a_difference(pipeline, monkeypatch):
    """With its own words and code; the others are compared among themselves."""
    install(monkeypatch, fails="the cluster went away")
    found = pipeline.verify(engines=PAIR)

    assert (found.is_equal, found.parts, found.exit_code) == (False, (), 5)
    assert found.to_dict()["engines"][1]["status"] == "failed"
    with pytest.raises(EngineError, match="the cluster went away"):
        found.raise_difference()
    three = pipeline.verify(engines=("embedded", "other", "embedded"))
    assert (len(three.parts), three.first, three.exit_code) == (4, None, 5)


def test_an_engine_that_crashes_is_named_and_the_others_are_compared(pipeline, monkeypatch):
    """By what nobody thought of, too."""
    engine = type(install(monkeypatch))
    crash = AttributeError("no such thing")
    monkeypatch.setattr(engine, "run", lambda *_: (_ for _ in ()).throw(crash))
    found = pipeline.verify(engines=("embedded", "other", "embedded"))

    (one,) = found.failed
    assert (one.name, one.error.finding.code, found.exit_code) == ("other", "EngineCrashed", 70)
    assert str(one.error).startswith("EngineCrashed: engine other: AttributeError: no such thing")
    assert (len(found.parts), found.first) == (4, None)


def test_sigterm_between_two_engines_leaves_nothing(pipeline, tmp_path, monkeypatch):
    """Inside of a run it is the run that ends; here Python would die where it stands."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))

    @contextmanager
    def killed(name, _plan):
        if name == "embedded#2":
            os.kill(os.getpid(), signal.SIGTERM)
        yield lambda _event: None

    with pytest.raises(Terminated):
        verify_resolved(
            resolve(pipeline), ("embedded", "embedded"), params={}, base_dir=tmp_path, watch=killed
        )

    assert sorted(tmp_path.rglob("*")) == before


def test_a_pipeline_that_fails_everywhere_is_its_own_error(pipeline, tmp_path):
    """No difference between engines."""
    (tmp_path / "orders.csv").write_text("id,shop,amount,rate\nx,Oslo,1.00,1\n")

    with pytest.raises(DataError, match="1 bad row in source 'orders'"):
        pipeline.verify(engines=("embedded", "embedded"))


def test_gaps_of_any_engine_are_named_before_anything_runs(pipeline, monkeypatch, tmp_path):
    """Each with its engine."""
    install(monkeypatch, lacks=("no Python function 'score'", "no lookup"), fails="never run")
    with pytest.raises(UnsupportedError) as raised:
        pipeline.verify(engines=PAIR)

    assert "engine other: no Python function 'score'\n  also: engine other: no lookup" in str(
        raised.value
    )
    assert raised.value.exit_code == 3
    assert raised.value.finding.code == "NotHere"


def test_sources_that_never_end_are_refused_by_name(tmp_path):
    """All of them."""
    p = ms.Pipeline("s")
    for name in ("clicks", "views"):
        p.source(name, ms.files(str(tmp_path), format="json", stream=True), schema="a bigint")
        p.table(f"{name}_kept", f"SELECT a FROM {name}")
    with pytest.raises(
        UnsupportedError, match=r"(?s)source 'clicks' never ends.*'views'"
    ) as raised:
        p.verify(engines=("embedded", "embedded"))

    assert raised.value.finding.code == "StreamNotYet"


@pytest.mark.parametrize("engines", [(), ("embedded",), ("embedded", ""), ("embedded", "none")])
def test_two_engines_that_there_are_have_to_be_named(pipeline, engines):
    """One has nothing to be compared with."""
    with pytest.raises(SettingsError) as raised:
        pipeline.verify(engines=engines)

    assert raised.value.finding.code == ("EngineNotFound" if "none" in engines else "Usage")


def test_counts_of_the_ledgers_are_compared(tmp_path, monkeypatch):
    """Dead letters and what expectations found, even where the rows agree."""
    (tmp_path / "a.csv").write_text("a\n1\nx\n-3\n")
    p = ms.Pipeline("p")
    p.source("a", ms.files(str(tmp_path / "a.csv")), schema="a bigint", on_bad="dead_letter")
    p.expect("a", "a > 0", name="positive", on_fail="warn")
    p.table("b", "SELECT a FROM a")
    assert p.verify(engines=("embedded", "embedded")).is_equal

    def told(event):
        if event.kind == "expectation_checked":
            return replace(event, facts={**event.facts, "failed": 7, "warned": 7})
        if event.kind == "source_read":
            return replace(event, facts={**event.facts, "rows": 4, "skipped": 1})
        return event

    install(monkeypatch, told=told)
    found = p.verify(engines=PAIR)
    assert found.failed == ()
    assert [count.text() for count in found.first.counts] == [
        "a: read 3 on embedded, 4 on other", "a: skipped 0 on embedded, 1 on other",
        "a.positive: failed 1 on embedded, 7 on other", "a.positive: warned 1 on embedded, 7 on other",
    ]  # fmt: skip
    assert verdicts(found) == {"a": False, "b": True}


def test_rows_kept_aside_on_one_engine_only_are_told(tmp_path, monkeypatch):
    """Dead letters of a source: how many each engine has."""
    (tmp_path / "a.csv").write_text("a\n1\nx\n")
    p = ms.Pipeline("p")
    p.source("a", ms.files(str(tmp_path / "a.csv")), schema="a bigint", on_bad="dead_letter")
    p.table("b", "SELECT a FROM a")

    def told(event):
        if event.kind == "source_read":
            return replace(event, facts={**event.facts, "dead": 0, "skipped": 1})
        return replace(event, kind="unknown") if event.kind == "rows_kept" else event

    install(monkeypatch, told=told)
    texts = [count.text() for count in p.verify(engines=PAIR).first.counts]
    assert "a: dead 1 on embedded, 0 on other" in texts
    assert "a__dead: rows 1 on embedded, 0 on other" in texts


def test_a_limit_that_leaves_ties_is_left_out(pipeline, monkeypatch):
    """Which of the tied rows come through is no difference; a total order keeps its LIMIT (V6)."""
    pipeline.table("some", "SELECT id, shop FROM orders ORDER BY shop LIMIT 3")
    pipeline.table("top", "SELECT id FROM orders ORDER BY id LIMIT 3")
    pipeline.expect("some", ms.row_count(max=3))
    # Other rows of a tie, as another engine may choose them.
    install(monkeypatch, sql={"some": "SELECT * FROM {} AS q ORDER BY shop, id DESC"})
    found = pipeline.verify(engines=PAIR)

    rows = {part.name: part.rows["embedded"] for part in found.parts}
    assert found.is_equal
    assert (rows["some"], rows["top"]) == (40, 3)
    assert found.notes == ("some: compared without its LIMIT, as its ORDER BY leaves ties (V6)",)


def test_growing_tables_and_incremental_sources_are_whole(tmp_path):
    """Append, merge and history are how a sink grows: verify compares what it would be offered."""
    for i in (1, 2):
        (tmp_path / f"{i}.csv").write_text(f"id,at\n{i},{i}\n")
    database = str(tmp_path / "out.duckdb")
    p = ms.Pipeline("p")
    p.source(
        "a", ms.files(str(tmp_path / "*.csv"), incremental=True), schema="id bigint, at bigint"
    )
    p.table("more", "SELECT id FROM a", sink=ms.duckdb(database, table="more", mode="append"))
    p.table("latest", "SELECT id, at FROM a", sink=ms.duckdb(
        database, table="latest", mode=ms.merge(key="id", sequence_by="at")))  # fmt: skip
    found = p.verify(engines=("embedded", "embedded"), base_dir=tmp_path)

    assert found.is_equal
    assert [part.rows["embedded"] for part in found.parts[1:]] == [2, 2]
    assert not Path(database).exists()
    assert not (tmp_path / ".mainstem").exists()
    plan = whole(p.plan()).plan
    assert [step.sink.as_dict() for step in plan.steps] == [{}, {}]
    assert "incremental" not in plan.sources[0].binding.as_dict()


def test_without_views_only_tables_are_compared(pipeline, monkeypatch):
    """Then the table is the first that differs."""
    install(monkeypatch, sql={"big": CHANGES["one row is missing"]})
    found = pipeline.verify(engines=PAIR, views=False)

    assert found.first.name == "totals"
    assert found.parts[1].differences == ()


def test_every_engine_has_the_same_start(pipeline, monkeypatch):
    """So that now() is the same in both."""
    seen = []
    engine = type(install(monkeypatch))
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda self, program, settings: (
        seen.append(settings.started_at) or run(self, program, settings)
    ))  # fmt: skip
    pipeline.table("clock", "SELECT now() AS at")
    found = pipeline.verify(engines=("other", "other", "embedded"))

    assert found.is_equal
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_what_may_differ_between_any_two_runs_is_said(pipeline):
    """Approximate aggregates and functions that say so themselves."""
    pipeline.table("about", "SELECT approx_count_distinct(shop) AS n FROM orders")

    @pipeline.function(deterministic=False, workers=0)
    def dice(x: int) -> int:
        return x

    pipeline.table("rolled", "SELECT dice(id) AS n FROM orders")
    assert pipeline.verify(engines=("embedded", "embedded")).notes == (
        "about: approx_count_distinct may differ between engines (X1)",
        "function 'dice' is declared as not deterministic: two runs may differ",
    )


def test_a_view_that_fails_on_a_row_that_nobody_asks_for(pipeline):
    """Is computed when views are compared, and left alone when only tables are (X1)."""
    pipeline.view(
        "quotients", "SELECT id, 1 % (id - 1) AS q FROM orders WHERE CAST(shop AS bigint) > 0"
    )
    pipeline.table("none", "SELECT id FROM orders WHERE id < 0")

    with pytest.raises(DataError):
        pipeline.verify(engines=("embedded", "embedded"))
    assert pipeline.verify(engines=("embedded", "embedded"), views=False).is_equal


def test_lists_maps_and_nan_are_compared(tmp_path):
    """What has no hash, and a float that is not even equal to itself."""
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    p = ms.Pipeline("p")
    p.source("a", ms.files(str(tmp_path / "a.csv")), schema="a bigint")
    p.table(
        "b", "SELECT a, [a, a + 1] AS l, CAST('NaN' AS double) AS f, CAST(a AS double) AS g FROM a"
    )

    assert p.verify(engines=("embedded", "embedded")).is_equal


def test_the_page_loads_nothing_and_escapes_values(tmp_path, monkeypatch):
    """Values are anybody's text."""
    (tmp_path / "a.csv").write_text("a\n<script>alert(1)</script>\nok\n")
    p = ms.Pipeline("p")
    p.source("a", ms.files(str(tmp_path / "a.csv")), schema="a string")
    p.table("b", "SELECT a FROM a")
    install(monkeypatch, sql={"b": "SELECT * FROM {} AS q WHERE a = 'ok'"})
    found = p.verify(engines=PAIR)
    page = found.to_html()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "1 only on embedded and 0 only on other" in page
    assert found._repr_html_() in page
    assert json.loads(json.dumps(found.to_dict(), default=str))["first"] == "b"
