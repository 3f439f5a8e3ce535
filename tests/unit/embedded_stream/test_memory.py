"""Messages of small epochs are read from memory: the same ones that DuckDB reads."""

import random
from array import array

import pytest

from mainstem.engines.embedded.native.arrow import Table, Texts, integers, times
from mainstem.engines.embedded.native.memory import messages
from mainstem.engines.embedded.stream.readers.kafka.poll import no_key
from mainstem.engines.embedded.stream.records import Records
from mainstem.engines.embedded.stream.records.arrow import Messages
from mainstem.engines.embedded.stream.spec import Part
from tests.unit.embedded_stream.messages import READ_AT, new_session, source

NAMES = "part, position, value, CAST(key AS BLOB), epoch_us(time)"


def by_duckdb(raw):
    """Give messages as a statement reads them."""
    session = new_session()
    session.connection.register("raw", raw)
    return session.rows(f"SELECT {NAMES} FROM raw")


def drawn(rng, rows):
    """Give some values, any of which may be missing or empty."""
    return [rng.choice([None, b"", b"x", bytes(range(rng.randint(1, 40)))]) for _ in range(rows)]


@pytest.mark.parametrize("seed", range(8))
def test_lists_are_read_as_they_were(seed):
    """Of any length, with and without keys and times."""
    rng = random.Random(seed)
    rows = rng.choice([1, 7, 8, 9, 40])
    parts = [rng.randrange(3) for _ in range(rows)]
    stamps = [rng.choice([None, -1, 0, 2**40 + 1]) for _ in range(rows)]
    values, keys = drawn(rng, rows), drawn(rng, rows)
    raw = Messages.of(
        values,
        range(rows),
        parts,
        times_us=rng.choice([None, stamps]),
        keys=rng.choice([None, keys]),
    )

    found = messages(raw)

    assert found == by_duckdb(raw)
    assert [row[:3] for row in found] == list(zip(parts, range(rows), values, strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_records_of_kafka_are_read_as_they_were(seed):
    """Out of addresses; times are milliseconds there."""
    rng = random.Random(seed)
    rows, kept = rng.choice([1, 8, 17]), []
    values, keys = Texts(), Texts()
    values.add(drawn(rng, rows))
    keys.add(drawn(rng, rows))
    offsets, parts = array("q", range(rows)), array("i", [rng.randrange(3) for _ in range(rows)])
    stamps = array("q", [rng.choice([-1, 0, 1_768_000_000_123]) for _ in range(rows)])
    kept += [offsets, parts, stamps]
    key = no_key(rows) if rng.random() < 0.3 else keys.column("key", kept)
    columns = [
        values.column("value", kept), integers("position", offsets), times("time", stamps, kept),
        integers("part", parts), key,
    ]  # fmt: skip
    raw = Table(columns, rows, kept)

    assert messages(raw) == by_duckdb(raw)


def test_a_small_epoch_tells_the_largest_event_time_of_each_part():
    """By hand; of good messages only, and none of a part without them."""
    records = Records(source("id bigint, at timestamp", event_time="at"), "json")
    values = [
        b'{"id":1,"at":"2026-01-01T00:00:05Z"}', b'{"id":2,"at":"2026-01-01T00:00:03Z"}',
        b'{"id":"x","at":"2026-01-01T00:00:09Z"}', b"broken",
    ]  # fmt: skip
    raw = Messages.of(values, range(4), [0, 0, 0, 1])
    session = new_session()
    parts = (Part("p/0", 0, 3, 3), Part("p/1", 3, 4, 1))

    loaded = records.load(session, raw, parts, '"t"', READ_AT)

    assert [t and t.isoformat() for t in loaded.latest] == ["2026-01-01T00:00:05+00:00", None]
    assert (loaded.rows, loaded.dead) == (4, 2)
    # Those of a source that has expectations are told when its rows were judged.
    session.placed = frozenset({"payments"})
    assert records.load(session, raw, parts, '"t"', READ_AT).latest is None
