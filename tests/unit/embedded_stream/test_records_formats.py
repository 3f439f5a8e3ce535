"""CSV, text, bytes and what is no part of a message's value."""

from __future__ import annotations

import random

import pyarrow
import pytest

from mainstem.engines.embedded.native import arrow
from mainstem.engines.embedded.stream.records import Records, loading
from mainstem.engines.embedded.stream.records.arrow import Messages
from mainstem.engines.embedded.stream.spec import Part
from mainstem.errors import DefinitionError, SettingsError
from mainstem.formats.csv import CsvFormat, judge_csv
from mainstem.formats.lines import Line
from mainstem.formats.records import Row
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import READ_AT, letters, load, new_session, rows, source


@pytest.fixture(params=["small", "large"], autouse=True)
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load few messages in both ways: one by one, and as a large epoch."""
    if request.param == "large":
        monkeypatch.setattr(loading, "SMALL", 0)


JANUARY_9 = 1_767_916_800_000_000


@pytest.mark.parametrize("seed", range(4))
def test_random_lines_of_csv_are_read_as_the_reference_reads_them(seed: int) -> None:
    """Random lines of CSV are read as the reference reads them."""
    random_ = random.Random(seed)
    schema = parse_schema("a bigint, s string, d decimal(8,2) not null")
    spelling = CsvFormat(random_.choice(",;\t"), nulls=("NA",), header=False)
    pieces = ["1", "-7", "1.9", "true", "", "NA", '"q"', ' "q" ', '"a""b"', '"open', "x y", "\xe9", "12.50", "1e2",
              "99999999999999999999", "\r", "\n", '"1', "+5", "007"]  # fmt: skip
    raw = []
    for i in range(600):
        n = random_.choice([3, 3, 3, 3, 2, 4])
        fields = [random_.choice(pieces) for _ in range(n)]
        if i % 3:
            fields = [str(i), f"s{i}", f"{i}.5"]
        text = spelling.delimiter.join(fields) + random_.choice(
            ["", "", "\n", "\r\n", "\r", spelling.delimiter]
        )
        raw.append(text.encode() if random_.random() < 0.95 else b"\xff" + text.encode())
    records, session = Records(source(str(schema)), "csv", csv=spelling), new_session()

    loaded = load(session, records, raw)

    good, bad = [], []
    for offset, one in enumerate(raw, start=100):
        line = Line(1, 0, one.removesuffix(b"\n").removesuffix(b"\r"))
        found = judge_csv(line, schema, spelling, schema.names)
        if isinstance(found, Row):
            good.append((*found.values, 0))
        else:
            bad.append((offset, one, found.column, found.code))
    assert rows(session) == good
    assert letters(session, loaded) == bad
    assert (loaded.admitted, loaded.dead) == (len(good), len(bad))
    assert len(good) > 200
    assert len(bad) > 50


def test_text_and_bytes_are_messages_as_they_are() -> None:
    """Text and bytes are messages as they are."""
    raw = [b"a\n", b"\xff", "é".encode(), b"", None]
    session = new_session()

    loaded = load(session, Records(source("line string"), "text"), raw)
    assert rows(session) == [("a\n", 0), ("é", 0), ("", 0), (None, 0)]
    assert letters(session, loaded) == [(101, b"\xff", "", "NotUtf8")]

    loaded = load(session, Records(source("data bytes not null"), "bytes"), raw)
    assert rows(session) == [(b"a\n", 0), (b"\xff", 0), ("é".encode(), 0), (b"", 0)]
    assert letters(session, loaded) == [(104, None, "data", "NullValue")]


def test_metadata_columns() -> None:
    """Metadata columns."""
    about = source(
        "k string, n bigint, topic string, part integer, off bigint, at timestamp, h map(string, bytes)"
    )
    words = {
        "k": "key",
        "topic": "topic",
        "part": "partition",
        "off": "offset",
        "at": "timestamp",
        "h": "headers",
    }
    messages = Messages.of(
        [b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4,"k":"no"}', None],
        [7, 8, 3, 9, 10], [0, 0, 1, 0, 0],
        keys=[b"a", None, "é".encode(), b"\xff", b"gone"], times_us=[JANUARY_9, None, 1, 2, 3],
        headers=[[("x", b"1"), ("y", None), ("x", b"2")], [], None, None, None],
    )  # fmt: skip
    parts = (Part("pay/ments/3", 7, 11, 4), Part("b/12", 3, 4, 1))
    session = new_session()

    loaded = Records(about, "json", words).load(session, messages, parts, '"loaded"', READ_AT)

    assert rows(session) == [
        ("a", 1, "pay/ments", 3, 7, JANUARY_9, {"x": b"2", "y": None}, 0),
        (None, 2, "pay/ments", 3, 8, None, {}, 0),
        ("é", 3, "b", 12, 3, 1, None, 1),
        ("gone", None, "pay/ments", 3, 10, 3, None, 0),
    ]
    found = session.rows(f"SELECT path, row, raw, column_name, reason FROM {loaded.dead_letters}")
    assert found == [("pay/ments/3", 9, b'{"n":4,"k":"no"}', "k", "NotUtf8")]
    assert loaded.unknown_fields == 0


def test_a_whole_number_as_key() -> None:
    """A whole number as key."""
    about = source("k bigint not null, n bigint")
    session = new_session()

    keys = [b"1", b"1.5", b"+2", None, b" 3", b"9223372036854775808"]
    loaded = load(session, Records(about, "json", {"k": "key"}), [b'{"n":1}'] * 6, keys=keys)

    assert rows(session) == [(1, 1, 0), (2, 1, 0)]
    assert [(row, column, reason) for row, _, column, reason in letters(session, loaded)] == [
        (101, "k", "WrongValue"), (103, "k", "NullValue"), (104, "k", "WrongValue"), (105, "k", "OutOfRange"),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["form", "checks"])
def test_event_times_are_held_against_the_time_of_their_record(how: str) -> None:
    """At most a day later than the record, or than the reading of a record without a time (T2)."""
    about = source("n bigint, at timestamp", event_time="at")
    extra = "" if how == "form" else ',"o":{"x":[1]}'
    texts = [
        ("2026-01-10T00:00:00Z", JANUARY_9), ("2026-01-10T00:00:00.000001Z", JANUARY_9),
        ("2026-01-11T00:00:00Z", None), ("2026-01-11T00:00:00.000001Z", None), ("1970-01-01T00:00:00Z", JANUARY_9),
    ]  # fmt: skip
    raw = [f'{{"n":1,"at":"{text}"{extra}}}'.encode() for text, _ in texts] + [b'{"n":1}', None]
    times = [time for _, time in texts] + [JANUARY_9, JANUARY_9]
    session, records = new_session(), Records(about, "json")

    loaded = load(session, records, raw, times_us=times)

    assert [row for row, *_ in letters(session, loaded)] == [101, 103, 105, 106]
    assert {reason for *_, reason in letters(session, loaded)} == {"EventTime"}
    assert loaded.admitted == 3


def test_a_record_time_as_event_time() -> None:
    """A record time as event time."""
    about = source("n bigint, at timestamp", event_time="at")
    session = new_session()

    loaded = load(
        session,
        Records(about, "json", {"at": "timestamp"}),
        [b'{"n":1}', b'{"n":2}'],
        times_us=[JANUARY_9, None],
    )

    assert rows(session) == [(1, JANUARY_9, 0)]
    assert [(row, reason) for row, _, _, reason in letters(session, loaded)] == [(101, "EventTime")]


def test_columns_that_a_format_cannot_have() -> None:
    """Columns that a format cannot have."""
    with pytest.raises(DefinitionError, match="one string column"):
        Records(source("a string, b string"), "text")
    with pytest.raises(SettingsError, match="no format 'xml'"):
        Records(source("a string"), "xml")
    with pytest.raises(SettingsError, match="no metadata 'age'"):
        Records(source("a string"), "json", {"a": "age"})


def test_messages_are_given_as_often_as_they_are_asked_for() -> None:
    """Messages are given as often as they are asked for."""
    before = set(arrow._held)
    session = new_session()
    messages = Messages.of([b"a", None, b""], [1, 2, 3], [0, 1, 0], times_us=[None, 5, 6])
    session.connection.register("given", messages)
    for _ in range(3):
        found = session.rows("SELECT value, key, part, position, epoch_us(time) FROM given")
        assert found == [(b"a", None, 0, 1, None), (None, None, 1, 2, 5), (b"", None, 0, 3, 6)]
    session.connection.unregister("given")
    capsules = messages.__arrow_c_array__()
    del capsules, messages

    assert set(arrow._held) == before


def test_columns_of_nothing_have_no_type() -> None:
    """A slice without keys and headers gives columns of Arrow's type null."""
    about = source("k string, h map(string, bytes), n bigint")
    for wrong in (b'{"n":1.5}', b'{"n":7}'):
        values = [b'{"n":1}'] * 9 + [wrong]
        given = pyarrow.table(
            {
                "value": pyarrow.array(values, pyarrow.binary()), "key": pyarrow.nulls(10),
                "headers": pyarrow.nulls(10), "part": pyarrow.array([0] * 10, pyarrow.int32()),
                "position": range(10), "time": pyarrow.nulls(10, pyarrow.timestamp("ms", "UTC")),
            }
        )  # fmt: skip
        session, parts = new_session(), (Part("p/0", 0, 10, 10),)
        records = Records(about, "json", {"k": "key", "h": "headers"})
        loaded = records.load(session, given, parts, '"loaded"', READ_AT)

        assert loaded.dead == (1 if wrong == b'{"n":1.5}' else 0)
        assert rows(session)[0] == (None, None, 1, 0)


def test_headers_that_are_texts() -> None:
    """They are UTF-8, and a header that is not makes a dead letter."""
    records = Records(source("n bigint, h map(string, string)"), "json", {"h": "headers"})
    session = new_session()
    headers = [[("a", "é".encode()), ("b", None)], [("a", b"\xff")], None]

    loaded = load(session, records, [b'{"n":1}'] * 3, headers=headers)

    assert rows(session) == [(1, {"a": "é", "b": None}, 0), (1, None, 0)]
    assert letters(session, loaded) == [(101, b'{"n":1}', "h", "NotUtf8")]
