"""The generator: the same records at every cut, worked out again in plain Python."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.engines.embedded.reading.madeup import key_of, mixed
from mainstem.engines.embedded.stream.readers.generator import generator_reader
from mainstem.engines.spec import RunSettings
from mainstem.errors import StateError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import new_session

SETTINGS = RunSettings("r", Path(), Path())
SCHEMA = "id bigint not null, at timestamp not null, page string not null, code string, n integer"
COLUMNS = {
    "id": {"sequence": 5, "step": 2}, "page": {"choice": ["a", "b", "c"]}, "code": {"letters": 7},
    "n": {"range": [-10, 10], "nulls": 0.25},
}  # fmt: skip
START = datetime(2024, 1, 1, tzinfo=UTC)


def source(on_bad="dead_letter", **options):
    """A source of made-up records."""
    binding = ms.generator(columns=COLUMNS, **options)
    schema = parse_schema(SCHEMA)
    return Source("g", binding, schema, event_time="at", bounded=False, on_bad=on_bad)


def drained(found, most_rows=1000, cuts=None, session=None):
    """Read to the end, a new reader after each slice; give rows, dead letters and slices."""
    session = session or new_session()
    rows, letters, slices, positions = [], [], [], {}
    while True:
        reader = generator_reader(found, SETTINGS)
        reader.open(json.loads(json.dumps(positions)))
        taken = reader.read(cuts.pop(0) if cuts else most_rows, 0)
        reader.close()
        assert taken is not None
        slices.append(taken)
        loaded = reader.load(session, taken, '"loaded"')
        assert loaded.rows == taken.rows == loaded.admitted + loaded.dead
        names = 'id, epoch_us("at"), page, code, n, __part'
        for *values, part in session.rows(f'SELECT {names} FROM "loaded"'):
            rows.append((taken.parts[part].partition, *values))
        if loaded.dead:
            letters += session.rows(
                f"SELECT path, row, raw, reason FROM {loaded.dead_letters} ORDER BY path, row"
            )
        positions |= {part.partition: part.end for part in taken.parts}
        if taken.is_end:
            return rows, letters, slices


def record(i, seed=0):
    """Give record `i` as the definition says, without disorder."""
    number = lambda name: mixed(i, key_of(seed, name))  # noqa: E731
    code, letters = "", "abcdefghijklmnopqrstuvwxyz"
    for at in range(2):
        left, word = number(f"__l3_{at}") % 26**6, ""
        for _ in range(6):
            left, digit = divmod(left, 26)
            word = letters[digit] + word
        code += word
    n = None if number("__null4") < 2**30 else -10 + (number("__a4") * 21 >> 32)
    at = START + timedelta(milliseconds=i)
    us = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return ("", 5 + 2 * i, us, "abc"[number("__slot2") * 3 >> 32], code[:7], n)


def test_records_are_those_of_the_definition():
    """Every value against the same mixing of numbers in plain Python."""
    rows, letters, slices = drained(source(count=500))

    assert rows == [record(i) for i in range(500)]
    assert not letters
    assert [taken.is_end for taken in slices] == [True]


@pytest.mark.parametrize("options", [
    {}, {"partitions": 3}, {"duplicates": 0.2, "disorder": "2 seconds"},
    {"bad": 0.2, "duplicates": 0.1, "partitions": 2},
])  # fmt: skip
def test_a_restart_at_any_position_gives_the_same_records(options):
    """Cuts of one, of few and of all records: rows and dead letters are the same."""
    session = new_session()
    found = source(count=120, seed=3, **options)
    whole = drained(found, session=session)[:2]

    assert len(whole[0]) + len(whole[1]) == 120
    for cuts in ([1] * 30, [7, 1, 50, 2], [119]):
        rows, letters, _ = drained(found, cuts=cuts, session=session)
        assert rows == whole[0]
        assert sorted(letters) == sorted(whole[1])


def test_records_go_around_the_partitions():
    """Record i is row i // 3 of partition i % 3; positions are rows of the partition."""
    rows, _, slices = drained(source(count=10, partitions=3))

    by_partition = Counter(row[0] for row in rows)
    assert by_partition == {"0": 4, "1": 3, "2": 3}
    assert [row[1] for row in rows if row[0] == "1"] == [5 + 2 * i for i in (1, 4, 7)]
    assert {p.partition: p.end["row"] for p in slices[0].parts} == {"0": 4, "1": 3, "2": 3}


def test_disorder_stays_within_its_bound():
    """An event time lies before its place by less than the span, and not always by the same."""
    rows, _, _ = drained(source(count=2000, disorder="3 seconds"))
    late = [record(i)[2] - row[2] for i, row in enumerate(rows)]

    assert min(late) >= 0
    assert max(late) <= 3_000_000
    assert len(set(late)) > 1500


def test_duplicates_repeat_whole_records_not_far_back():
    """About the share that was asked for; each is equal to one of the 1,000 records before it."""
    rows, _, _ = drained(source(count=4000, duplicates=0.1))
    seen: dict[int, tuple] = {}
    again = 0
    for i, row in enumerate(rows):
        original = (row[1] - 5) // 2
        assert row == record(original)
        assert i - 1000 < original <= i
        again += original in seen
        seen[original] = row
    assert 300 < again < 500


def test_bad_records_are_dead_letters_at_their_positions():
    """What is good and what is bad together are all positions, once each."""
    rows, letters, _ = drained(source(count=600, bad=0.1))
    good = {(row[1] - 5) // 2 for row in rows}
    bad = [row for _, row, _, _ in letters]

    assert 30 < len(bad) < 95
    assert len(bad) == len(set(bad))
    assert good | set(bad) == set(range(600))
    assert not good & set(bad)
    assert {reason for *_, reason in letters} == {"NotJson", "WrongValue"}
    assert all(raw for _, _, raw, _ in letters)


def test_bad_records_stop_a_source_that_keeps_none():
    """The run ends with the first of them."""
    with pytest.raises(ms.errors.DataError, match="bad row"):
        drained(source(count=600, bad=0.1, on_bad="fail"))


def test_positions_of_other_partitions_are_refused():
    """With another number of partitions the same positions are other records."""
    reader = generator_reader(source(partitions=2), SETTINGS)
    with pytest.raises(StateError, match="partitions"):
        reader.open({"0": {"row": 9, "start_us": 0}, "1": {"row": 2, "start_us": 0}})


def test_it_reads_up_to_given_positions():
    """As it is needed to catch up with a sink."""
    reader = generator_reader(source(partitions=2), SETTINGS)
    reader.open({}, {"0": {"row": 4, "start_us": 0}, "1": {"row": 3, "start_us": 0}})
    taken = reader.read(1000, 0)

    assert taken.rows == 7
    assert taken.is_end
    assert reader.read(1000, 0) is None


def test_a_rate_gives_what_is_due_and_no_more():
    """At a record an hour nothing is due yet; an endless one without a rate has always enough."""
    slow = generator_reader(source(rate=1 / 3600), SETTINGS)
    slow.open({})
    fast = generator_reader(source(), SETTINGS)
    fast.open({})

    assert slow.read(1000, 0.01) is None
    assert slow.lag() == {"": 0}
    assert fast.read(1000, 0).rows == 1000
    assert fast.silences() == {"": 0.0}


def test_weights_and_zipf_have_their_shares():
    """Key k of a zipf as often as 1 / k; the tail behind the first keys too."""
    schema = parse_schema("k bigint not null, c string not null")
    binding = ms.generator(
        count=20_000, columns={
            "k": {"zipf": 5000}, "c": {"choice": ["x", "y"], "weights": [3, 1]},
        },
    )  # fmt: skip
    session = new_session()
    reader = generator_reader(Source("g", binding, schema, bounded=False), SETTINGS)
    reader.open({})
    reader.load(session, reader.read(100_000, 0), '"loaded"')
    found = session.rows('SELECT k, c FROM "loaded"')
    keys, letters = Counter(k for k, _ in found), Counter(c for _, c in found)
    harmonic = sum(1 / k for k in range(1, 5001))

    assert set(keys) <= set(range(1, 5001))
    for key in (1, 2, 10):
        assert keys[key] == pytest.approx(20_000 / key / harmonic, rel=0.25)
    tail = sum(n for key, n in keys.items() if key > 1024)
    assert tail == pytest.approx(20_000 * sum(1 / k for k in range(1025, 5001)) / harmonic, rel=0.1)
    assert letters["x"] == pytest.approx(15_000, rel=0.05)


def test_a_batch_of_it_has_the_records_of_the_stream(tmp_path):
    """With a count it ends, and is read as any source of a batch."""
    p = ms.Pipeline("made")
    p.source("g", ms.generator(count=300, bad=0.1, columns=COLUMNS), schema=SCHEMA,
             event_time="at", on_bad="dead_letter")  # fmt: skip
    p.table("t", "SELECT id, page FROM g")
    result = p.run(base_dir=tmp_path)
    rows, letters, _ = drained(source(count=300, bad=0.1))

    line = result.ledger["sources"]["g"]
    assert (line["read"], line["admitted"], line["dead"]) == (300, len(rows), len(letters))
    with p.connect(base_dir=tmp_path) as tables:
        assert sorted(tables.query("SELECT id, page FROM t").rows) == sorted(
            (row[1], row[3]) for row in rows
        )
