"""`mainstem quarantine`: what is said, what is asked, and what is written."""

import json

import pytest

from mainstem.cli.kept import raw_text
from tests.unit.cli.program import call

PIPELINE = """
import mainstem as ms

p = ms.Pipeline("shop")
p.source("orders", ms.files("in/*.csv", incremental=True), schema="id bigint, amount bigint",
         on_bad="dead_letter")
p.expect("orders", "amount > 0", name="positive", on_fail="quarantine")
p.table("paid", "SELECT id, amount FROM orders",
        sink=ms.files("out/paid", format="parquet", mode="append"))
"""


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A project whose one run kept two rows and one record aside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_bytes(b"id,amount\n1,10\n2,-20\n3,-5\n\x1b[2Jx\xff,7\n")
    assert call(capsys, "run", "-o", "text").code == 0
    return tmp_path


def document(capsys, *words):
    """The JSON that a command gives."""
    said = call(capsys, "quarantine", *words, "-o", "json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_ls_counts_by_rule_and_reason(shop, capsys):
    """Open, replayed, dropped."""
    found = [
        (line["relation"], line["kind"], line["why"], line["open"], line["replayed"],
         line["dropped"])
        for line in document(capsys, "ls")
    ]  # fmt: skip
    assert found == [
        ("orders", "dead", "NotUtf8", 1, 0, 0), ("orders", "quarantine", "positive", 2, 0, 0),
    ]  # fmt: skip


def test_bytes_reach_the_screen_as_text(shop, capsys):
    """An escape sequence in the data must not act."""
    said = call(capsys, "quarantine", "show", "orders__dead")
    assert "\\x1b[2Jx\\xff,7" in said.out
    assert "\x1b" not in said.out
    assert "\x1b" not in call(capsys, "quarantine", "explain", "orders__dead", "1-1").out
    (row,) = document(capsys, "show", "orders__dead")
    assert row["__raw"] == "G1sySnj/LDc="


def test_long_bytes_are_cut():
    """At a length that a table bears."""
    assert raw_text(b"a" * 100, 10) == "aaaaaaaaa…"
    assert raw_text(b"a\\b\n\t\x00") == "a\\\\b\\n\\t\\x00"


def test_show_takes_filters(shop, capsys):
    """Rule, run, ids, status and a limit."""
    assert [r["__id"] for r in document(capsys, "show", "orders__quarantine")] == ["1-1", "1-2"]
    assert [
        r["__id"] for r in document(capsys, "show", "orders", "--rule", "positive", "-n", "1")
    ] == ["1-1"]
    assert document(capsys, "show", "orders", "--rule", "positive", "--run", "1999") == []
    assert document(capsys, "show", "orders__quarantine", "--status", "dropped") == []
    said = call(capsys, "quarantine", "show", "orders__quarantine", "-n", "1").out
    assert "1 of 2; --limit 0 shows all" in said


def test_a_relation_with_both_kinds_has_to_be_named_by_its_table(shop, capsys):
    """Or a filter says which."""
    said = call(capsys, "quarantine", "show", "orders")
    assert said.code == 2
    assert "write orders__quarantine or orders__dead" in said.err
    assert len(document(capsys, "show", "orders", "--reason", "NotUtf8")) == 1
    wrong = call(capsys, "quarantine", "show", "orders__dead", "--rule", "positive")
    assert wrong.code == 2


def test_explain_tells_the_rule_then_and_now(shop, capsys):
    """And what would happen."""
    (shop / "pipeline.py").write_text(PIPELINE.replace("amount > 0", "amount > -10"))
    found = document(capsys, "explain", "orders__quarantine", "1-2")
    assert (found["text_then"], found["text_now"]) == ("amount > 0", "amount > -10")
    assert (found["looks_at"], found["values"]) == (["amount"], {"id": 3, "amount": -5})
    assert found["where"].endswith("pipeline.py:7")
    assert (found["row"], found["now"]) == (2, "it would pass")
    said = call(capsys, "quarantine", "explain", "orders__quarantine", "1-1").out
    assert "it would fail again: positive" in said
    assert call(capsys, "quarantine", "explain", "orders__quarantine", "9-9").code == 7


def test_export_writes_rows_and_bytes(shop, capsys):
    """Every format; the bytes exactly."""
    for name in ("rows.csv", "rows.json", "rows.parquet"):
        found = document(capsys, "export", "orders__quarantine", name)
        assert found == {"file": name, "rows": 2}
    lines = [json.loads(line) for line in (shop / "rows.json").read_text().splitlines()]
    assert [line["amount"] for line in lines] == [-20, -5]
    assert call(capsys, "quarantine", "export", "orders__dead", "raw.csv", "--raw").code == 0
    assert (shop / "raw.csv").read_bytes() == b"id,amount\n\x1b[2Jx\xff,7\n"
    assert call(capsys, "quarantine", "export", "orders__quarantine", "x.csv", "--raw").code == 2
    assert call(capsys, "quarantine", "export", "orders__quarantine", "x.xls").code == 2


def test_nothing_is_replayed_or_dropped_that_nobody_agreed_to(shop, capsys):
    """Without a terminal --yes is needed."""
    for words in (["replay", "orders__quarantine"], ["drop", "orders__quarantine", "--all"]):
        for output in ("text", "json"):
            said = call(capsys, "quarantine", *words, "-o", output)
            assert said.code == 2
            assert "NotConfirmed" in said.err
    assert call(capsys, "quarantine", "drop", "orders__quarantine", "--yes").code == 2
    assert document(capsys, "ls")[1]["open"] == 2


def test_replay_and_what_is_said_of_it(shop, capsys):
    """A preview, the run, and its line among the runs."""
    shown = document(capsys, "replay", "orders__quarantine", "--dry-run", "--set", "amount=7")
    assert (shown["taken"], shown["passing"], shown["tables"]) == (2, 2, ["paid"])
    assert document(capsys, "ls")[1]["open"] == 2

    found = document(
        capsys, "replay", "orders__quarantine", "--yes", "--id", "1-1", "--set", "amount = 7"
    )
    assert found["ledger"]["sinks"]["paid"]["committed"] == 1
    assert "replay=orders__quarantine" in call(capsys, "runs").out
    status = call(capsys, "status").out
    assert "a replay of orders__quarantine" in status
    assert "1 of 1 row" in status


def test_settings_and_values_share_an_option(shop, capsys):
    """A setting has a dot, a column is one word."""
    found = document(
        capsys, "replay", "orders__quarantine", "--dry-run", "--set", "amount = 1.5 + 1.5",
        "--set", "sinks.paid.path=elsewhere",
    )  # fmt: skip
    assert found["set"] == ["amount = 1.5 + 1.5"]


def test_value_without_an_expression_is_told_as_one(shop, capsys):
    """Not as a setting of the pipeline, which this option is elsewhere."""
    found = call(capsys, "quarantine", "replay", "orders__quarantine", "--yes", "--set", "amount")

    assert "a --set has no '='" in found.err
    assert 'fix: write --set "column = expression"' in found.err


def test_dropped_rows_stay_and_are_counted(shop, capsys):
    """The journal has who did it, before and after."""
    assert document(capsys, "drop", "orders__quarantine", "--id", "1-2", "--yes") == {
        "relation": "orders__quarantine", "dropped": 1,
    }  # fmt: skip
    line = document(capsys, "ls")[1]
    assert (line["open"], line["dropped"]) == (1, 1)
    (row,) = document(capsys, "show", "orders__quarantine", "--status", "dropped")
    journal = (shop / ".mainstem/shop/journal.jsonl").read_text().splitlines()
    entries = [json.loads(one) for one in journal if '"drop_' in one]
    assert [e["kind"] for e in entries] == ["drop_started", "drop_ended"]
    assert {e["drop_id"] for e in entries} == {row["__closed_by"]}
    assert call(capsys, "run", "-o", "text").code == 0
