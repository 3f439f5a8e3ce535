"""Which tables a run commits: selection and run keys."""

from contextlib import closing

import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import SettingsError, StateError
from mainstem.plan.selection import chosen_tables, narrowed
from mainstem.runtime.query import query
from mainstem.runtime.run import RunOptions, run
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from tests.unit.incremental.reading import rows_of, table_rows


def pipeline(*, factor=1):
    """Orders → big → top, orders → small, prices → cheap."""
    p = Pipeline("shop")
    p.source("orders", files("orders.csv"), schema="id bigint, n bigint")
    p.source("prices", files("prices.csv"), schema="id bigint, n bigint")
    p.param("least", "bigint", default=0)
    p.view("some", "SELECT id, n FROM orders WHERE n >= :least")
    p.table("big", f"SELECT id, n * {factor} AS n FROM some", sink=files("big.csv"))
    p.table("top", "SELECT max(n) AS n FROM big")
    p.table("small", "SELECT id FROM some", sink=files("small.csv"))
    p.table("cheap", "SELECT id FROM prices", sink=files("cheap.csv"))
    return p


@pytest.fixture
def base(tmp_path):
    """Two sources with a row each."""
    (tmp_path / "orders.csv").write_text("id,n\n1,10\n")
    (tmp_path / "prices.csv").write_text("id,n\n2,20\n")
    return tmp_path


def run_all(base, p, **options):
    """Run to the end; give the events."""
    with closing(run(p.plan(), RunOptions(base, **options))) as events:
        return list(events)


ALL = {"big", "top", "small", "cheap"}


@pytest.mark.parametrize(
    ("words", "tables"),
    [
        ((), ALL),
        (("big",), {"big"}),
        (("big+",), {"big", "top"}),
        (("+top",), {"big", "top"}),
        (("top",), {"top"}),
        (("+top+",), {"big", "top"}),
        (("orders+",), {"big", "top", "small"}),
        (("some+",), {"big", "top", "small"}),
        (("+some+",), {"big", "top", "small"}),
        (("prices+ top",), {"cheap", "top"}),
        (("small,cheap",), {"small", "cheap"}),
        (("small", "CHEAP"), {"small", "cheap"}),
    ],
)
def test_words_mean_tables(words, tables):
    """With what they are made of, what is made of them, or neither."""
    assert chosen_tables(pipeline().plan(), words) == tables


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("bigg", "SelectNotFound"),
        ("some", "SelectEmpty"),
        ("+", "SelectNotFound"),
        # A variable of a script that is empty: it must not mean everything.
        ("", "SelectEmpty"),
        (" , ", "SelectEmpty"),
    ],
)
def test_words_that_mean_nothing_are_refused(word, code):
    """With a fix."""
    with pytest.raises(SettingsError) as failed:
        chosen_tables(pipeline().plan(), (word,))
    assert failed.value.finding.code == code
    assert failed.value.finding.fix


def test_what_is_not_needed_is_not_in_the_plan():
    """What is needed and not chosen is a view."""
    plan = narrowed(pipeline().plan(), {"top"})

    assert [s.name for s in plan.sources] == ["orders"]
    assert [(s.name, s.is_table) for s in plan.steps] == [
        ("some", False), ("big", False), ("top", True),
    ]  # fmt: skip


def test_selected_table_is_computed_from_what_it_reads_now(base):
    """Not from what an earlier run left in big.csv."""
    run_all(base, pipeline())
    (base / "orders.csv").write_text("id,n\n1,99\n")
    events = run_all(base, pipeline(), select=("top",))

    assert query(state_dir(base, "shop"), "SELECT n FROM top").rows == ((99,),)
    assert (base / "big.csv").read_text() == "id,n\n1,10\n"
    assert set(events[-1].facts["ledger"]["sinks"]) == {"top"}
    assert set(events[-1].facts["ledger"]["sources"]) == {"orders"}
    assert runs(state_dir(base, "shop"))[-1].tables == ("top",)


def test_selection_keeps_the_fingerprint_of_the_plan(base):
    """`mainstem plan` must not call the others removed."""
    run_all(base, pipeline())
    run_all(base, pipeline(), select=("top",))

    first, second = runs(state_dir(base, "shop"))
    assert first.plan == second.plan


def incremental():
    """One source for two tables."""
    p = Pipeline("two")
    p.source("new", files("in/*.csv", incremental=True), schema="id bigint")
    for name in ("one", "other"):
        p.table(name, "SELECT id FROM new", sink=files(f"{name}/", format="parquet", mode="append"))
    return p


def test_selection_must_not_lose_new_rows(tmp_path):
    """They would be marked as read for a table that never got them."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id\n1\n")

    with pytest.raises(SettingsError, match="would be lost for other") as failed:
        run_all(tmp_path, incremental(), select=("one",))
    assert failed.value.finding.code == "SelectLosesRows"
    assert failed.value.finding.what.endswith("lost for other, which is not selected")
    assert failed.value.finding.fix == "select it too: --select new+"
    assert not (tmp_path / ".mainstem").exists()
    run_all(tmp_path, incremental(), select=("new+",))
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "other") == [1]


def test_two_sources_may_read_the_same_files(tmp_path):
    """Each has a memory of its own, also while only one of them is read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id\n1\n")
    p = incremental()
    p.source("also", files("in/*.csv", incremental=True), schema="id bigint")
    p.table("third", "SELECT id FROM also", sink=files("third/", format="parquet", mode="append"))

    run_all(tmp_path, p, select=("new+",))
    run_all(tmp_path, p, select=("also+",))
    run_all(tmp_path, p)
    assert [rows_of(tmp_path / name) for name in ("one", "other", "third")] == [[1], [1], [1]]


def keyed(*, sql="SELECT id FROM orders WHERE n >= :least"):
    """Full rows, appended."""
    p = Pipeline("keyed")
    p.source("orders", files("orders.csv"), schema="id bigint, n bigint")
    p.param("least", "bigint", default=0)
    p.table("files", sql, sink=files("out/", format="parquet", mode="append"))
    p.table("rows", sql, sink=duckdb_table("out.duckdb", "rows", mode="append"))
    return p


def test_append_of_full_rows_needs_a_key(base):
    """A second run would double them."""
    with pytest.raises(SettingsError, match="would write them again") as failed:
        run_all(base, keyed())
    assert failed.value.finding.code == "AppendNeedsKey"
    assert failed.value.finding.where.file == __file__
    assert not (base / "out").exists()


def test_key_is_a_text(base):
    """A number would be looked for among texts in the state file, which then seems to be damaged."""
    with pytest.raises(SettingsError, match="run_key is 5, not a text") as failed:
        keyed().run(base_dir=base, run_key=5)
    assert failed.value.finding.fix == 'write run_key="5"'


def test_same_key_writes_nothing(base):
    """And says so in the ledger."""
    run_all(base, keyed(), run_key="monday")
    (base / "orders.csv").write_text("id,n\n1,10\n5,50\n")
    events = run_all(base, keyed(), run_key="monday")

    assert rows_of(base / "out") == table_rows(base / "out.duckdb", "rows") == [1]
    sinks = events[-1].facts["ledger"]["sinks"]
    assert {n: (s["offered"], s["committed"], s["already_there"]) for n, s in sinks.items()} == {
        "files": (1, 0, 1), "rows": (1, 0, 1),
    }  # fmt: skip
    first, second = runs(state_dir(base, "keyed"))
    assert (first.is_committed, first.run_key) == (True, "monday")
    assert (second.is_committed, second.status) == (False, "succeeded")


def test_other_key_writes_again(base):
    """That is what keys are for."""
    run_all(base, keyed(), run_key="monday")
    run_all(base, keyed(), run_key="tuesday")

    assert rows_of(base / "out") == table_rows(base / "out.duckdb", "rows") == [1, 1]


@pytest.mark.parametrize(
    ("p", "params"),
    [
        (keyed(sql="SELECT id + 0 AS id FROM orders WHERE n >= :least"), {}),
        (keyed(), {"least": 1}),
    ],
)
def test_key_of_another_definition_is_refused(base, p, params):
    """Also of other parameters: the same key would hide that nothing is written."""
    run_all(base, keyed(), run_key="monday")

    with pytest.raises(StateError, match="with the key 'monday', by another") as failed:
        run_all(base, p, run_key="monday", params=params)
    assert failed.value.finding.code == "RunKeyTaken"
    assert failed.value.finding.where.file == __file__
    assert rows_of(base / "out") == [1]


def test_key_covers_the_tables_that_it_wrote(base):
    """A selection under a key leaves the rest for later."""
    run_all(base, keyed(), run_key="k", select=("rows",))
    events = run_all(base, keyed(), run_key="k")

    sinks = events[-1].facts["ledger"]["sinks"]
    assert (sinks["files"]["committed"], sinks["rows"]["already_there"]) == (1, 1)
    assert rows_of(base / "out") == table_rows(base / "out.duckdb", "rows") == [1]


def test_key_of_a_failed_run_is_free(base):
    """It has written nothing."""
    (base / "orders.csv").write_text("id,n\nx,10\n")
    with pytest.raises(Exception, match="bad row"):
        run_all(base, keyed(), run_key="k")
    (base / "orders.csv").write_text("id,n\n1,10\n")
    run_all(base, keyed(), run_key="k")

    assert rows_of(base / "out") == [1]


def test_parameters_are_journaled_and_part_of_the_token(base):
    """A run with others is visible as such."""
    run_all(base, pipeline())
    run_all(base, pipeline(), params={"least": "5"})

    first, second = runs(state_dir(base, "shop"))
    assert (first.params, second.params) == ({"least": 0}, {"least": 5})
    assert '"params": {"least": "5"}' in second.tokens["big"]
