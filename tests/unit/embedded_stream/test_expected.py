"""Expectations about streams: what a batch would say, epoch by epoch, and each row kept once."""

import json
import random
from datetime import UTC, datetime

import pytest

import mainstem as ms
from mainstem.cli.streaming import Standing
from mainstem.engines.embedded.stream.records import Records
from mainstem.engines.spec import Event
from mainstem.errors import DataError, UnsupportedError
from mainstem.runtime.quality import quality
from mainstem.runtime.query import connect
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from tests.unit.embedded_stream import messages
from tests.unit.embedded_writing.test_expectations_random import (
    KEYS,
    PREDICATES,
    bag,
    reference,
    rows_of,
)

ACTIONS = ("warn", "drop", "quarantine")


def pipeline(*rules, schema="id bigint, v string", sql="SELECT id, v FROM t", **words):
    """A growing folder with rules (relation, rule, words), and a table of what passed."""
    p = ms.Pipeline("expected")
    p.source(
        "t", ms.files("in", format="json", stream=True, settle="0 seconds"), schema=schema, **words
    )
    p.table("result", sql)
    for on, rule, given in rules:
        p.expect(on, rule, **given)
    return p


def write(folder, name, *rows):
    """One file of JSON lines."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def ask(folder, sql):
    """The rows of a question to the tables of the state file."""
    with connect(state_dir(folder, "expected")) as tables:
        return list(tables.query(sql).rows)


POSITIVE = ("t", "id > 0", {"name": "positive", "on_fail": "quarantine"})


def test_a_quarantined_row_has_its_rule_place_run_and_epoch(tmp_path):
    """Two runs with an epoch each: the ids go on with the epochs, and no row is there twice."""
    p = pipeline(POSITIVE)
    write(tmp_path, "a.jsonl", {"id": 1, "v": "a"}, {"id": -1, "v": "b"}, {"id": -2, "v": "c"})
    first = p.run(base_dir=tmp_path, until_caught_up=True)
    write(tmp_path, "b.jsonl", {"id": 2, "v": "d"}, {"id": -3, "v": "e"})
    second = p.run(base_dir=tmp_path, until_caught_up=True)
    third = p.run(base_dir=tmp_path, until_caught_up=True)

    kept = ask(
        tmp_path,
        "SELECT __id, __run_id, __epoch, __rule, __path, __row, __status, id, v FROM t__quarantine "
        "ORDER BY __epoch, __row",
    )
    a, b = str(tmp_path / "in" / "a.jsonl"), str(tmp_path / "in" / "b.jsonl")
    assert kept == [
        ("1-1", first.run_id, 1, "positive", a, 1, "open", -1, "b"),
        ("1-2", first.run_id, 1, "positive", a, 2, "open", -2, "c"),
        ("2-1", second.run_id, 2, "positive", b, 1, "open", -3, "e"),
    ]
    assert ask(tmp_path, "SELECT id FROM result ORDER BY id") == [(1,), (2,)]
    tables = [run.ledger["kept"]["t__quarantine"] for run in (first, second, third)]
    assert [(one["rows"], one["open"]) for one in tables] == [(2, 2), (1, 3), (0, 3)]


def test_ledger_and_journal_of_each_run_balance(tmp_path):
    """Read = admitted + dead; admitted = what the first rule checks; passed is what the table got."""
    p = pipeline(
        POSITIVE,
        ("t", ms.not_null("v"), {"on_fail": "drop"}),
        ("t", "id < 3", {"name": "small", "on_fail": "warn"}),
    )
    good, last = {"id": 1, "v": "a"}, {"id": 9, "v": "b"}
    write(tmp_path, "a.jsonl", good, {"id": -1}, {"id": 2}, {"id": "x"}, last)
    result = p.run(base_dir=tmp_path, until_caught_up=True)

    source = result.ledger["sources"]["t"]
    assert (source["read"], source["admitted"], source["dead"], source["quarantined"]) == (
        5,
        4,
        1,
        1,
    )
    assert result.ledger["sinks"]["result"]["committed"] == 2
    (run,) = runs(state_dir(tmp_path, "expected"))
    assert run.ledger["expectations"] == result.ledger["expectations"]
    lines = [
        (one.rule, one.checked, one.passed, one.failed, one.is_met)
        for one in quality(state_dir(tmp_path, "expected"))
    ]
    assert lines == [
        ("positive", 4, 3, 1, False), ("not_null_v", 3, 2, 1, False), ("small", 2, 2, 1, False),
    ]  # fmt: skip
    sample = quality(state_dir(tmp_path, "expected"))[2].samples[0]
    assert (sample["__row"], sample["id"], sample["v"]) == ("4", "9", "b")


def test_a_run_keeps_the_first_five_rows_that_broke_a_rule(tmp_path):
    """Over several epochs of two rows each."""
    write(tmp_path, "a.jsonl", *({"id": -n, "v": "a"} for n in range(1, 9)))
    p = pipeline(("t", "id > 0", {"name": "positive", "on_fail": "warn"}))
    result = p.run(base_dir=tmp_path, until_caught_up=True, epoch_rows=2)

    line = result.ledger["expectations"]["t.positive"]
    assert result.ledger["epochs"] == 4
    assert (line["warned"], [one["id"] for one in line["samples"]]) == (8, ["-1", "-2", "-3", "-4", "-5"])  # fmt: skip


def test_fail_stops_before_anything_of_the_epoch_is_committed(tmp_path):
    """The rows of the epochs before stay, those of its own do not; the journal says what was found."""
    p = pipeline(POSITIVE, ("t", "v <> 'stop'", {"name": "going", "on_fail": "fail"}))
    write(tmp_path, "a.jsonl", {"id": 1, "v": "a"}, {"id": -1, "v": "b"})
    p.run(base_dir=tmp_path, until_caught_up=True)
    write(tmp_path, "b.jsonl", {"id": 2, "v": "c"}, {"id": -2, "v": "d"}, {"id": 3, "v": "stop"})

    with pytest.raises(DataError, match="1 of 2 rows breaks expectation 'going' of 't'") as caught:
        p.run(base_dir=tmp_path, until_caught_up=True)

    assert "b.jsonl row 2: id=3, v=stop" in str(caught.value)
    assert ask(tmp_path, "SELECT id FROM result") == [(1,)]
    assert ask(tmp_path, "SELECT id FROM t__quarantine") == [(-1,)]
    failed = [one for one in quality(state_dir(tmp_path, "expected")) if one.status == "failed"]
    assert [(one.rule, one.checked, one.failed, one.is_met) for one in failed] == [
        ("positive", 0, 0, True), ("going", 2, 1, False),
    ]  # fmt: skip

    again = pipeline(POSITIVE, ("t", "v <> 'stop'", {"name": "going", "on_fail": "drop"}))
    again.run(base_dir=tmp_path, until_caught_up=True)
    assert ask(tmp_path, "SELECT id FROM result ORDER BY id") == [(1,), (2,)]
    assert ask(tmp_path, "SELECT id FROM t__quarantine ORDER BY id") == [(-2,), (-1,)]


def test_max_bad_is_counted_over_the_epochs_of_a_run(tmp_path):
    """The third bad row is one too many; the next run begins to count anew."""
    rule = ("t", "id > 0", {"name": "positive", "on_fail": "drop", "max_bad": 2})
    write(tmp_path, "a.jsonl", *({"id": n, "v": ""} for n in (1, -1, -2, 2, -3, 3)))

    with pytest.raises(DataError, match="3 of 6 rows break expectation 'positive'"):
        pipeline(rule).run(base_dir=tmp_path, until_caught_up=True, epoch_rows=2)
    assert ask(tmp_path, "SELECT id FROM result ORDER BY id") == [(1,), (2,)]

    pipeline(rule).run(base_dir=tmp_path, until_caught_up=True, epoch_rows=2)
    assert ask(tmp_path, "SELECT id FROM result ORDER BY id") == [(1,), (2,), (3,)]


def test_a_condition_that_fails_on_a_row_makes_it_a_dead_letter(tmp_path):
    """Of a source beside its bad records, of a step with its columns (V10); the others are judged."""
    p = pipeline(
        ("t", "CAST(v AS bigint) > 0", {"name": "number", "on_fail": "quarantine"}),
        ("w", "100 // CAST(trim(v) || '0' AS smallint) < 50", {"name": "share", "on_fail": "warn"}),
        sql="SELECT id, v FROM w",
    )
    p.view("w", "SELECT id, v FROM t")
    write(
        tmp_path, "a.jsonl",
        {"id": 1, "v": "7"}, {"id": 2, "v": "x"}, {"id": 3, "v": "-1"}, {"id": 4, "v": "99999"},
        {"id": "?"},
    )  # fmt: skip
    ledger = p.run(base_dir=tmp_path, until_caught_up=True).ledger

    assert ask(tmp_path, "SELECT id FROM result") == [(1,)]
    assert ask(tmp_path, "SELECT id FROM t__quarantine") == [(3,)]
    assert ask(tmp_path, 'SELECT "row", reason, raw FROM t__dead ORDER BY "row"') == [
        (1, "ExpressionFailed", b'{"id":2,"v":"x"}'), (4, "WrongValue", b'{"id": "?"}'),
    ]  # fmt: skip
    found = ask(tmp_path, "SELECT __epoch, id, __message FROM w__dead")
    assert [(epoch, id_) for epoch, id_, _ in found] == [(1, 4)]
    assert "100 // CAST" in found[0][2]
    assert (ledger["sources"]["t"]["read"], ledger["sources"]["t"]["dead"]) == (5, 2)
    assert ledger["expectations"]["w.share"]["checked"] == 1


def test_what_a_rule_takes_out_is_not_a_dead_row_of_a_later_step(tmp_path):
    """The epoch is computed again without id 3, on which CAST fails; "x" must not come back with it."""
    p = pipeline(
        ("w", ms.matches("v", "[0-9]+"), {"name": "digits", "on_fail": "quarantine"}),
        sql="SELECT id, CAST(v AS bigint) AS v FROM w",
    )
    p.view("w", "SELECT id, v FROM t")
    big = "9" * 30
    write(tmp_path, "a.jsonl", {"id": 1, "v": "7"}, {"id": 2, "v": "x"}, {"id": 3, "v": big})
    write(tmp_path, "b.jsonl", {"id": 4, "v": "8"}, {"id": 5, "v": "y"})
    ledger = p.run(base_dir=tmp_path, until_caught_up=True, epoch_rows=3).ledger

    assert ask(tmp_path, "SELECT id, v FROM result ORDER BY id") == [(1, 7), (4, 8)]
    assert ask(tmp_path, "SELECT __epoch, id FROM w__quarantine ORDER BY id") == [(1, 2), (2, 5)]
    assert ask(tmp_path, "SELECT id FROM result__dead") == [(3,)]
    assert ledger["expectations"]["w.digits"]["quarantined"] == 2


def test_a_lookup_is_judged_each_time_that_it_is_loaded(tmp_path):
    """Its open rows are those of the newest version; a foreign key sees the rows that passed there."""
    p = pipeline(("t", ms.foreign_key("v", "names", "name"), {"name": "known", "on_fail": "drop"}))
    p.lookup("names", ms.files("names.csv"), schema="name string, age bigint", key="name")
    p.expect("names", "age > 0", name="aged", on_fail="quarantine")
    (tmp_path / "names.csv").write_text("name,age\na,1\nb,-1\nc,-1\n")
    write(tmp_path, "1.jsonl", {"id": 1, "v": "a"}, {"id": 2, "v": "b"})
    first = p.run(base_dir=tmp_path, until_caught_up=True)
    (tmp_path / "names.csv").write_text("name,age\na,1\nb,1\nc,-1\n")
    write(tmp_path, "2.jsonl", {"id": 3, "v": "b"}, {"id": 4, "v": "c"})
    p.run(base_dir=tmp_path, until_caught_up=True)

    assert ask(tmp_path, "SELECT id FROM result ORDER BY id") == [(1,), (3,)]
    assert ask(tmp_path, "SELECT name FROM names__quarantine WHERE __status = 'open'") == [("c",)]
    line = first.ledger["expectations"]["names.aged"]
    assert (line["checked"], line["quarantined"]) == (3, 2)
    assert first.ledger["sources"]["names"]["quarantined"] == 2


@pytest.mark.parametrize(
    ("on", "rule", "words", "said"),
    [
        ("t", ms.row_count(min=1), {}, "row_count is about all rows"),
        ("t", ms.completeness("v", at_least=0.5), {}, "completeness is about all rows"),
        ("t", ms.volume(within=0.5), {}, "volume is about all rows"),
        ("t", ms.freshness("at", within="1 day"), {}, "freshness is about all rows"),
        ("t", ms.unique("id"), {"on_fail": "drop"}, "keep every key for ever"),
        ("t", "at < now()", {"on_fail": "drop"}, "the time of the run"),
        ("result", "id IN (SELECT id FROM t)", {"on_fail": "drop"}, "whose rows never end"),
        ("t", "CAST(v AS bigint) IN (SELECT n FROM few)", {"on_fail": "drop"}, "may fail"),
        ("few", "n IN (SELECT id FROM t)", {"on_fail": "drop"}, "whose rows never end"),
        ("few", ms.volume(within=0.5), {}, "earlier runs"),
        ("last", "n > 1", {"on_fail": "drop"}, "rows of 'last' change"),
    ],
)
def test_what_a_stream_cannot_judge_is_refused_by_name(tmp_path, on, rule, words, said):
    """Before anything is opened, with the rule and what helps."""
    p = pipeline((on, rule, {"name": "mine", **words}), schema="id bigint, v string, at timestamp")
    p.source("few", ms.files("few.csv"), schema="n bigint")
    p.table("last", "SELECT v, count(*) AS n FROM t GROUP BY v", state="unbounded")
    with pytest.raises(UnsupportedError) as caught:
        p.run(base_dir=tmp_path, until_caught_up=True)

    assert caught.value.finding.code == "StreamExpectation"
    assert f"expectation 'mine' of {on!r}: " in caught.value.finding.what
    assert said in caught.value.finding.what
    assert caught.value.finding.fix


def test_rows_of_a_stream_are_shown_dropped_exported_and_not_replayed(tmp_path):
    """Dead letters, which have no status there, are listed beside them."""
    p = pipeline(POSITIVE)
    write(tmp_path, "a.jsonl", {"id": 1, "v": "a"}, {"id": -1, "v": "b"}, {"id": "x"}, {"id": -2})
    p.run(base_dir=tmp_path, until_caught_up=True)
    aside = p.quarantine(base_dir=tmp_path)

    assert [(c.relation, c.kind, c.why, c.open) for c in aside.ls()] == [
        ("t", "dead", "WrongValue", 1), ("t", "quarantine", "positive", 2),
    ]  # fmt: skip
    names, rows = aside.show("t__dead")
    assert dict(zip(names, rows[0], strict=True))["__id"] == "1-1"
    told = aside.explain("t__quarantine", "1-1")
    assert (told.row, told.text_then) == (1, "id > 0")
    assert told.now.startswith("nothing: rows of a stream are not replayed")
    with pytest.raises(UnsupportedError, match="are not replayed by this version"):
        aside.replay("t__quarantine")
    assert aside.export("t__quarantine", tmp_path / "out.csv") == 2
    assert aside.export("t__dead", tmp_path / "out.jsonl", raw=True) == 1
    assert (tmp_path / "out.jsonl").read_text() == '{"id": "x"}\n'
    assert aside.drop("t__quarantine", ids=("1-2",)) == 1
    with pytest.raises(UnsupportedError, match="dead letters of a stream"):
        aside.drop("t__dead", everything=True)
    write(tmp_path, "b.jsonl", {"id": -3, "v": "c"})
    p.run(base_dir=tmp_path, until_caught_up=True)
    assert ask(tmp_path, "SELECT id, __status FROM t__quarantine ORDER BY id DESC") == [
        (-1, "open"), (-2, "dropped"), (-3, "open"),
    ]  # fmt: skip


def test_ids_go_on_behind_those_of_earlier_runs_over_inputs_that_end(tmp_path):
    """The pipeline was a batch before: both kinds of rows are in one table, each with an id of its own."""
    write(tmp_path, "a.jsonl", {"id": -1, "v": "a"}, {"id": -2, "v": "b"})
    batch = ms.Pipeline("expected")
    batch.source("t", ms.files("in", format="json"), schema="id bigint, v string")
    batch.table("result", "SELECT id, v FROM t")
    batch.expect("t", "id > 0", name="positive", on_fail="quarantine")
    batch.run(base_dir=tmp_path)
    pipeline(POSITIVE).run(base_dir=tmp_path, until_caught_up=True)

    found = ask(tmp_path, "SELECT __id, __epoch, id FROM t__quarantine ORDER BY __id")
    assert found == [("1-1", None, -1), ("1-2", None, -2), ("1-3", 1, -1), ("1-4", 1, -2)]


@pytest.mark.parametrize("format_", ["jsonl", "parquet", "jsonl.gz"])
def test_a_row_is_told_by_its_file_whatever_the_epochs(tmp_path, format_):
    """Files cut into pieces, several in an epoch, packed: the number is that in the file."""
    import duckdb

    (tmp_path / "in").mkdir()
    files = (("a", 0, 10), ("b", 10, 13), ("c", 13, 40))
    for name, first, last in files:
        path = tmp_path / "in" / f"{name}.{format_}"
        options = "FORMAT parquet" if format_ == "parquet" else "FORMAT json"
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT i AS id, 'x' AS v FROM range({first}, {last}) AS r(i)) TO '{path}' ({options})"
            )
    p = ms.Pipeline("expected")
    p.source("t", ms.files("in", stream=True, settle="0 seconds"), schema="id bigint, v string")
    p.table("result", "SELECT id, v FROM t")
    p.expect("t", "id % 7 <> 0", name="seven", on_fail="quarantine")
    p.run(base_dir=tmp_path, until_caught_up=True, epoch_rows=15)

    found = ask(tmp_path, "SELECT id, parse_filename(__path), __row FROM t__quarantine ORDER BY id")
    places = {
        i: (f"{name}.{format_}", i - first)
        for name, first, last in files
        for i in range(first, last)
    }
    assert found == [(i, *places[i]) for i in range(0, 40, 7)]


def test_a_row_of_messages_is_told_by_its_partition_and_number(tmp_path):
    """The generator: partitions take turns, so record i is number i // 3 of partition i % 3."""
    p = ms.Pipeline("expected")
    p.source(
        "g", ms.generator(columns={"n": {"sequence": 0}}, start="2026-01-01T00:00:00Z", partitions=3, rate=None),
        schema="n bigint, ts timestamp", event_time="ts",
    )  # fmt: skip
    p.table("result", "SELECT n FROM g")
    p.expect("g", "n % 100 <> 0", name="hundred", on_fail="quarantine")
    p.run(base_dir=tmp_path, until="2026-01-01T00:00:00.5Z", epoch_rows=300)

    found = ask(tmp_path, "SELECT n, __path, __row FROM g__quarantine ORDER BY n LIMIT 4")
    assert [row for _, _, row in found] == [n // 3 for n, _, _ in found]
    assert len({path for _, path, _ in found}) > 1


@pytest.mark.parametrize("on", ["t", "w"])
@pytest.mark.parametrize("seed", range(6))
def test_random_rules_over_random_cuts_are_those_of_the_reference(tmp_path, seed, on):
    """Rows in files of any size, epochs of any size, runs in between: the books and the rows agree."""
    rng = random.Random(f"stream-{seed}-{on}")
    rows = [row for _ in range(3) for row in rows_of(rng)]
    rules = [
        (f"r{n}", *rng.choice(PREDICATES), rng.choice(ACTIONS)) for n in range(rng.randrange(1, 6))
    ]
    p = pipeline(
        *((on, rule, {"name": name, "on_fail": action}) for name, rule, _, action in rules),
        schema="k bigint, n bigint, w string", sql=f"SELECT k, n, w FROM {on}",
    )  # fmt: skip
    p.view("w", "SELECT k, n, w FROM t")
    p.source("known", ms.files("known.jsonl"), schema="w string")
    (tmp_path / "known.jsonl").write_text("".join(f'{{"w": {json.dumps(w)}}}\n' for w in KEYS))
    totals: dict[str, list[int]] = {name: [0, 0, 0] for name, *_ in rules}
    at = number = 0
    while at < len(rows) or not number:
        size = rng.randrange(1, 40)
        some = [dict(zip("knw", row, strict=True)) for row in rows[at : at + size]]
        write(tmp_path, f"{number:03}.jsonl", *some)
        at, number = at + size, number + 1
        if rng.random() < 0.5 or at >= len(rows):
            cut = rng.choice((1, 7, 1000))
            ledger = p.run(base_dir=tmp_path, until_caught_up=True, epoch_rows=cut).ledger
            for line in ledger["expectations"].values():
                for i, word in enumerate(("checked", "passed", "failed")):
                    totals[line["rule"]][i] += line[word]

    passed, aside, lines = reference(rows, rules, by_value=False)
    assert [(name, *counts) for name, counts in totals.items()] == lines
    assert bag(ask(tmp_path, "SELECT k, n, w FROM result")) == bag(passed)
    if any(rule[3] == "quarantine" for rule in rules):
        kept = ask(tmp_path, f"SELECT __rule, k, n, w FROM {on}__quarantine")
        assert bag(kept) == bag(aside)
        ids = ask(tmp_path, f"SELECT count(*) - count(DISTINCT __id) FROM {on}__quarantine")
        assert ids == [(0,)]


@pytest.mark.parametrize("later", [-1, 2, 3])
def test_a_stopped_row_of_a_source_has_moved_its_watermark(tmp_path, later):
    """One in quarantine, one that is dropped, and one on which a rule's condition fails (T1)."""
    hours = {one: 8 + 2 * (one == later) for one in (-1, 2, 3)}
    write(
        tmp_path, "a.jsonl",
        {"id": 1, "v": "1", "at": "2026-01-01T00:00:10Z"},
        {"id": -1, "v": "1", "at": f"2026-01-01T{hours[-1]:02}:00:00Z"},
        {"id": 2, "v": "0", "at": f"2026-01-01T{hours[2]:02}:00:00Z"},
        {"id": 3, "v": "x", "at": f"2026-01-01T{hours[3]:02}:00:00Z"},
        {"id": 4, "v": "200", "at": "2026-01-01T00:00:40Z"},
    )  # fmt: skip
    p = pipeline(
        POSITIVE, ("t", "CAST(v AS bigint) <> 0", {"name": "some", "on_fail": "drop"}),
        ("t", "v <> '200'", {"name": "usual", "on_fail": "warn"}),
        schema="id bigint, v string, at timestamp", event_time="at", watermark="0 seconds",
    )  # fmt: skip
    result = p.run(base_dir=tmp_path, until_caught_up=True)

    assert result.ledger["sources"]["t"]["watermark"] == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("n", [9, 600])
def test_a_message_keeps_its_offset_beside_bad_ones(n):
    """Few messages are judged one by one, many in vectors; both leave the bad ones out."""
    session = messages.new_session()
    session.placed = frozenset({"payments"})
    values = [b"?" if i % 3 == 1 else b'{"n": %d}' % i for i in range(n)]
    records = Records(messages.source("n bigint"), "json")
    for _ in range(2):
        loaded = messages.load(session, records, values)

        assert loaded.admitted == sum(i % 3 != 1 for i in range(n))
        found = session.rows('SELECT n, __row, __part FROM "loaded"')
        assert found == [(i, 100 + i, 0) for i in range(n) if i % 3 != 1]


def test_live_line_shows_rows_in_quarantine_where_there_are_rules():
    """Elsewhere the line stays short."""
    facts = {
        "epoch": 3, "lag": {}, "watermarks": {}, "sources": {}, "steps": {}, "sinks": {},
    }  # fmt: skip
    rules = {"expectations": {"t.positive": {"quarantined": 2}, "t.small": {"quarantined": 5}}}
    for p, more, shown in ((pipeline(POSITIVE), rules, "quarantined 7"), (pipeline(), {}, "")):
        standing = Standing(p.plan())
        standing.take(Event("epoch_committed", "expected", facts | more), standing.began + 1)
        line = standing.line(standing.began + 1)
        assert line.endswith(shown)
        assert ("quarantined" in line) == bool(shown)
