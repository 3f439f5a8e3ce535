"""Rows kept aside go through again: judged by the present rules, and at each sink exactly once."""

from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.connectors.keyed import history, merge
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.rule import foreign_key, not_null, row_count, unique, volume
from mainstem.errors import CheckFailed, DataError, SettingsError, StateError
from mainstem.runtime.journal import read, records
from mainstem.runtime.state import locked, state_dir
from tests.unit.incremental.reading import rows_of, table_rows
from tests.unit.quarantine.kept import (
    FIRST,
    NAME,
    SCHEMA,
    paid,
    pipeline,
    quarantine,
    statuses,
    write,
)


@pytest.fixture
def base(tmp_path):
    """One run: of five records two are good, two break the rule, one is none."""
    write(tmp_path, "a.csv", FIRST)
    pipeline().run(base_dir=tmp_path)
    assert paid(tmp_path) == [(1, 10), (4, 40)]
    return tmp_path


def test_rows_that_pass_now_are_replayed_and_the_others_stay_open(base):
    """By a rule that is milder than before."""
    p = pipeline("amount > -10")
    shown = quarantine(base, p).preview("orders__quarantine")
    assert (shown.taken, shown.passing, shown.failing, shown.late) == (2, 1, {"positive": 1}, 0)
    assert shown.tables == ("paid",)
    assert paid(base) == [(1, 10), (4, 40)]

    found = quarantine(base, p).replay(preview=shown)

    assert paid(base) == [(1, 10), (3, -5), (4, 40)]
    assert statuses(base, "orders__quarantine") == {"1-1": ("open", 1), "1-2": ("replayed", 0)}
    assert found.ledger["sources"]["orders"]["read"] == 2
    line = {n: found.ledger["replay"][n] for n in ("taken", "replayed", "again", "dropped")}
    assert line == {"taken": 2, "replayed": 1, "again": 1, "dropped": 0}
    assert found.ledger["kept"]["orders__quarantine"]["open"] == 1

    again = quarantine(base, p).replay("orders__quarantine")
    assert (again.ledger["replay"]["replayed"], again.ledger["replay"]["again"]) == (0, 1)
    assert statuses(base, "orders__quarantine")["1-1"] == ("open", 2)
    assert paid(base) == [(1, 10), (3, -5), (4, 40)]


def test_a_replay_reads_nothing_new(base):
    """What has come meanwhile is for the next run, which finds it."""
    write(base, "b.csv", "id,amount\n9,90\n")
    p = pipeline("amount > -10")
    quarantine(base, p).replay("orders__quarantine")
    assert paid(base) == [(1, 10), (3, -5), (4, 40)]

    assert p.run(base_dir=base).rows("paid") == 1
    assert paid(base) == [(1, 10), (3, -5), (4, 40), (9, 90)]


def test_new_values_are_judged_and_the_kept_row_stays_as_it_was(base):
    """In the column's type."""
    kept = quarantine(base)
    kept.replay("orders__quarantine", set="amount = abs(amount) + 0.0", ids="1-1")

    assert paid(base) == [(1, 10), (2, 20), (4, 40)]
    names, rows = kept.show("orders__quarantine", status="replayed")
    assert [row[names.index("amount")] for row in rows] == [-20]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amount", "is no assignment"),
        ("amounts = 1", "which 'orders' does not have"),
        ("amount = sum(amount)", "looks at other rows"),
        ("amount = row_number() OVER ()", "looks at other rows"),
    ],
)
def test_wrong_new_values_are_refused(base, text, said):
    """Before anything is read."""
    with pytest.raises((SettingsError, CheckFailed), match=said):
        quarantine(base).preview("orders__quarantine", set=text)


def test_a_value_that_the_schema_refuses_is_refused(tmp_path):
    """A column that is not null stays so."""
    write(tmp_path, "a.csv", FIRST)
    p = pipeline(schema="id bigint not null, amount smallint")
    p.run(base_dir=tmp_path)
    for text in ("id = NULL", "amount = 40000"):
        with pytest.raises(StateError, match="2 of the rows of orders__quarantine would not fit"):
            quarantine(tmp_path, p).preview("orders__quarantine", set=text)


def test_a_rule_that_drops_closes_the_row(base):
    """And counts it."""
    p = pipeline("amount > -10", on_fail="drop")
    shown = quarantine(base, p).preview("orders__quarantine")
    assert (shown.passing, shown.dropped, shown.failing) == (1, 1, {})
    quarantine(base, p).replay(preview=shown)

    assert statuses(base, "orders__quarantine") == {"1-1": ("dropped", 0), "1-2": ("replayed", 0)}
    assert paid(base) == [(1, 10), (3, -5), (4, 40)]


def test_a_rule_that_fails_stops_the_replay(base):
    """The rows are open as before."""
    p = pipeline("amount > -10", on_fail="fail")
    with pytest.raises(DataError, match="1 of 2 rows breaks expectation 'positive'"):
        quarantine(base, p).replay("orders__quarantine")
    assert statuses(base, "orders__quarantine") == {"1-1": ("open", 0), "1-2": ("open", 0)}


def test_without_any_rule_all_rows_pass(base):
    """The rule was wrong, and is gone."""
    quarantine(base, pipeline("")).replay("orders__quarantine")
    assert paid(base) == [(1, 10), (2, -20), (3, -5), (4, 40)]


def test_a_key_that_has_passed_keeps_its_double_out(tmp_path):
    """The row that passed is not among those taken: judged alone, the double would pass."""
    write(tmp_path, "a.csv", "id,amount\n1,10\n1,11\n2,20\n")
    p = pipeline("")
    p.expect("orders", unique("id"), on_fail="quarantine")
    p.run(base_dir=tmp_path)
    kept = quarantine(tmp_path, p)

    with pytest.raises(StateError, match="1 open: breaks unique_id: its key has passed"):
        kept.preview("orders")
    kept.replay("orders", set="id = 5")
    assert paid(tmp_path) == [(1, 10), (2, 20), (5, 11)]


def test_rules_about_a_whole_and_bounds_are_not_asked(tmp_path):
    """They are about the rows of a run; nor does a replay count among the runs of a volume rule."""

    def strict(bound):
        p = Pipeline(NAME)
        p.source("orders", files("in/*.csv", incremental=True), schema=SCHEMA)
        p.expect("orders", f"amount > {bound}", name="positive", on_fail="quarantine", max_bad=0.5)
        p.expect("orders", row_count(min=2))
        p.expect("orders", volume(within=0.5, of=3), name="usual")
        p.table("paid", "SELECT id, amount FROM orders", sink=files(
            "out/paid", format="parquet", mode="append"))  # fmt: skip
        return p

    write(tmp_path, "a.csv", "id,amount\n1,10\n2,-20\n3,30\n4,-5\n")
    strict(0).run(base_dir=tmp_path)
    found = quarantine(tmp_path, strict(-10)).replay("orders")
    assert found.ledger["replay"]["again"] == 1
    assert set(found.ledger["expectations"]) == {"orders.positive"}

    write(tmp_path, "b.csv", "id,amount\n5,10\n6,20\n")
    ledger = strict(-10).run(base_dir=tmp_path).ledger
    assert "the median of 1 run is 2" in ledger["expectations"]["orders.usual"]["found"]


def test_rows_of_a_view_and_of_a_table_are_replayed_without_computing_them(tmp_path):
    """From the relation on, whose own query is not run."""

    def two(bound):
        p = Pipeline(NAME)
        p.source("orders", files("in/*.csv", incremental=True), schema=SCHEMA)
        p.view("doubled", "SELECT id, amount * 2 AS amount FROM orders")
        p.expect("doubled", f"amount > {bound}", name="view_rule", on_fail="quarantine")
        p.table("paid", "SELECT id, amount FROM doubled", sink=files(
            "out/paid", format="parquet", mode="append"))  # fmt: skip
        p.expect("paid", f"amount < {100 - bound}", name="table_rule", on_fail="quarantine")
        p.table("ids", "SELECT id FROM paid", sink=files(
            "out/ids", format="parquet", mode="append"))  # fmt: skip
        return p

    write(tmp_path, "a.csv", "id,amount\n1,10\n2,-4\n3,52\n4,-90\n")
    two(0).run(base_dir=tmp_path)
    assert paid(tmp_path) == [(1, 20)]
    p = two(-10)
    assert quarantine(tmp_path, p).preview("doubled").tables == ("ids", "paid")

    found = quarantine(tmp_path, p).replay("doubled")
    assert found.ledger["sources"] == {}
    assert paid(tmp_path) == [(1, 20), (2, -8)]
    quarantine(tmp_path, p).replay("paid")
    assert paid(tmp_path) == [(1, 20), (2, -8), (3, 104)]
    assert rows_of(tmp_path / "out/ids") == [1, 2, 3]
    assert statuses(tmp_path, "doubled__quarantine") == {"1-1": ("replayed", 0), "1-2": ("open", 1)}


def test_what_breaks_a_rule_further_down_is_kept_there(tmp_path):
    """A replayed row may be quarantined by a later relation: it is open once."""

    def two(bound):
        p = pipeline(f"amount > {bound}")
        p.expect("paid", "amount <> -5", name="no_five", on_fail="quarantine")
        return p

    write(tmp_path, "a.csv", FIRST)
    two(0).run(base_dir=tmp_path)
    quarantine(tmp_path, two(-100)).replay("orders__quarantine")

    assert paid(tmp_path) == [(1, 10), (2, -20), (4, 40)]
    assert statuses(tmp_path, "paid__quarantine") == {"2-1": ("open", 0)}
    assert statuses(tmp_path, "orders__quarantine") == {
        "1-1": ("replayed", 0), "1-2": ("replayed", 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        ("append", [1, 2, 3, 4]),
        (merge(key="id"), [1, 2, 3, 4]),
        (history(key="id", sequence_by="amount"), [1, 2, 3, 4]),
    ],
    ids=["append", "merge", "history"],
)
@pytest.mark.parametrize("kind", ["files", "duckdb"])
def test_every_mode_that_adds_takes_a_replay(tmp_path, mode, rows, kind):
    """In folders and in tables."""

    def into(bound):
        sink = duckdb_table("ext.duckdb", "paid", mode=mode)
        if kind == "files":
            sink = files("out/paid", format="parquet", mode=mode)
        return pipeline(f"amount > {bound}", sink=sink)

    write(tmp_path, "a.csv", FIRST)
    into(0).run(base_dir=tmp_path)
    quarantine(tmp_path, into(-100)).replay("orders__quarantine")

    found = rows_of(tmp_path / "out/paid") if kind == "files" else table_rows(
        tmp_path / "ext.duckdb", "paid")  # fmt: skip
    assert found == rows


def wrong(kind):
    """A pipeline with an open row of which no replay would be right."""
    p = Pipeline(NAME)
    is_whole = kind == "whole"
    p.source("orders", files("in/*.csv", incremental=None if is_whole else True), schema=SCHEMA)
    p.expect("orders", "amount > 0", name="positive", on_fail="quarantine")
    sink = files("out/paid", format="parquet", mode=merge(key="id"))
    if kind in ("overwrite", "whole"):
        sink = files("out/paid", format="parquet")
    if kind == "state":
        sink = None
    sql = "SELECT id, amount FROM orders"
    if kind == "group":
        sql = "SELECT id, sum(amount) AS amount FROM orders GROUP BY id"
    p.table("paid", sql, sink=sink)
    return p


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("whole", "ReplayWhole", "'orders' is read whole in each run"),
        ("overwrite", "ReplayReplaces", "table 'paid' is replaced by the rows of one run"),
        ("state", "ReplayReplaces", "table 'paid' is replaced by the rows of one run"),
        ("group", "ReplayUnsafe", "table 'paid' cannot be replayed: GROUP BY"),
    ],
)
def test_a_replay_that_would_be_wrong_is_refused_by_name(tmp_path, kind, code, said):
    """Where rows of one run stand for all, or for a group."""
    write(tmp_path, "a.csv", FIRST.replace("x,7\n", ""))
    wrong(kind).run(base_dir=tmp_path)

    with pytest.raises(CheckFailed, match=said) as caught:
        quarantine(tmp_path, wrong(kind)).replay("orders")
    assert caught.value.findings[0].code == code


def test_other_rows_than_those_of_the_preview_are_refused(base):
    """A run in between has kept another row."""
    p = pipeline("amount > -10")
    shown = quarantine(base, p).preview("orders__quarantine")
    write(base, "b.csv", "id,amount\n9,-90\n")
    p.run(base_dir=base)

    with pytest.raises(StateError) as caught:
        quarantine(base, p).replay(preview=shown)
    assert caught.value.finding.code == "ReplayChanged"
    assert paid(base) == [(1, 10), (4, 40)]


def test_a_column_of_another_type_is_refused(base):
    """The kept value has no meaning in it."""
    with pytest.raises(StateError, match="column 'amount' of orders__quarantine is BIGINT"):
        quarantine(base, pipeline("id > 0", schema="id bigint, amount decimal(9,2)")).preview(
            "orders__quarantine"
        )


def test_a_column_that_has_come_since_is_null(base):
    """And judged so."""
    p = pipeline("amount > -10", schema=f"{SCHEMA}, note string")
    assert quarantine(base, p).preview("orders__quarantine").passing == 1
    p.expect("orders", not_null("note"), on_fail="quarantine")
    shown = quarantine(base, p).preview("orders__quarantine")
    assert shown.failing == {"not_null_note": 1, "positive": 1}


def test_a_replay_waits_for_nobody(base):
    """While a run goes on it is refused, as a second run is."""
    folder = state_dir(base, NAME)
    shown = quarantine(base, pipeline("amount > -10")).preview("orders__quarantine")
    with locked(folder, "another"):
        with pytest.raises(StateError) as caught:
            quarantine(base, pipeline("amount > -10")).replay(preview=shown)
        assert caught.value.finding.code == "StateLocked"


def test_the_journal_says_that_a_run_was_a_replay(base):
    """With what it was asked for."""
    found = quarantine(base, pipeline("amount > -10")).replay(
        "orders__quarantine", rule="positive", set=["id = id"]
    )
    last = records(read(state_dir(base, NAME)).entries)[-1]
    assert last.run_id == found.run_id
    assert last.replay == {
        "relation": "orders", "kind": "quarantine", "rule": "positive", "reason": "",
        "from_run": "", "ids": [], "set": ["id = id"],
    }  # fmt: skip
    assert last.epoch == 2


def test_a_customer_that_has_come_late(tmp_path):
    """Of a table above a cursor: what a full source says now is what the rule looks at."""
    with closing(duckdb.connect(str(tmp_path / "in.duckdb"))) as file:
        file.execute(
            "CREATE TABLE sales AS SELECT * FROM (VALUES (1, 'ada'), (2, 'eve')) AS x(id, who)"
        )
    write(tmp_path, "people.csv", "name,city\nada,Rome\n")
    p = Pipeline(NAME)
    p.source("sales", duckdb_table("in.duckdb", "sales", cursor="id"), schema="id bigint, who string",
             on_bad="dead_letter")  # fmt: skip
    p.source("other", duckdb_table("in.duckdb", "sales", cursor="id"), schema="id bigint",
             on_bad="dead_letter")  # fmt: skip
    p.source("people", files("in/people.csv"), schema="name string, city string")
    p.expect("sales", foreign_key("who", "people", "name"), on_fail="quarantine")
    sql = "SELECT s.id, p.city FROM sales AS s JOIN people AS p ON s.who = p.name"
    p.table("paid", f"{sql} UNION ALL SELECT id, 'other' AS city FROM other", sink=files(
        "out/paid", format="parquet", mode="append"))  # fmt: skip
    p.run(base_dir=tmp_path)
    assert rows_of(tmp_path / "out/paid", "city") == ["Rome", "other", "other"]

    with closing(duckdb.connect(str(tmp_path / "in.duckdb"))) as file:
        file.execute("INSERT INTO sales VALUES (3, 'ada')")
    write(tmp_path, "people.csv", "name,city\nada,Rome\neve,Oslo\n")
    found = quarantine(tmp_path, p).replay("sales")
    assert found.ledger["sources"]["other"]["read"] == 0
    assert rows_of(tmp_path / "out/paid", "city") == ["Oslo", "Rome", "other", "other"]

    p.run(base_dir=tmp_path)
    assert rows_of(tmp_path / "out/paid", "city") == [
        "Oslo",
        "Rome",
        "Rome",
        "other",
        "other",
        "other",
    ]
    assert statuses(tmp_path, "sales__quarantine", p) == {"1-1": ("replayed", 0)}
