"""JSON messages: what is read in vectors is what the plain-Python reference reads one by one."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from mainstem.engines.embedded.stream.records import Records, loading
from mainstem.engines.embedded.stream.records.forms import form_of
from mainstem.errors import DataError
from mainstem.formats.jsontext import parse_json
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import (
    READ_AT,
    WAYS,
    expected_json,
    letters,
    load,
    new_session,
    rows,
    source,
    use,
)

SCHEMA = (
    "id bigint not null, n integer, s string, d double, m decimal(12,2), b boolean, "
    "at timestamp, day date"
)
PLAIN = {
    "id": "17", "n": "123", "s": '"web"', "x": '"other"', "d": "1.5", "m": "12.25", "b": "true",
    "at": '"2026-01-05T10:00:00.25Z"', "day": '"2026-01-05"', "y": "77",
}  # fmt: skip
# Values that lie near the limits of what is proved by lengths, and every kind of wrong one.
ODD = {
    "id": [
        "1.9", "1.0", "true", "false", '"7"', '"+7"', '" 7"', '"1_0"', '"0x10"', '"7.0"', "null", "100", "1e2",
        "1E2", "1200", "12e2", "-0", "0", "0e0", "-100", "-1e2", "1e5", "100000", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "999999999999999", "1000000000000000",
        "12345678901234567e2", "1234567890123456700", "[1]", "{}", '""', "NaN", "Infinity", "01", "+1",
        "1.5e1", "10e1", "1e02", "9007199254740993", "1e-2",
    ],
    "n": ["2147483647", "2147483648", "-2147483649", "1e2", "100", "1.5", '"5"', "null", "3000000000"],
    "s": [
        "12", "1.50", "1e5", "true", "null", '"12"', '"1.50"', '"true"', '"\\u0041"', '"a\\"b"', '"a\\\\"', '""',
        '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"a\tb"', "[1,2]", '{"a":1}', '{"a": 1}', '"[1]"',
        '"\\/"', '"\x7f"', "-5", '"-5"', "NaN", '"s\\":\\"x"',
    ],
    "d": [
        "1", "100", "-0", "-0.0", "0.0", "1e400", "1e5", "1E5", "1.0e2", "0.1", "1e-4", "0.0001", "5e-1", "NaN",
        "-Infinity", '"1.5"', '"nan"', '"1_0"', '"0x10"', "12345678901234567890", "true", "null", "1.50",
        "9007199254740993", "1.7976931348623157e308", "5e-324", "120.0", "12e1",
    ],
    "m": [
        "12.255", "1", "1e2", "100", "0.1", "9999999999.99", "99999999999.99", '"12.25"', '"1e1"', "null", "true",
        "12.250", "12345678901234567890", "-0.00",
    ],
    "b": ["false", "1", "0", '"true"', '"TRUE"', '"t"', '"yes"', '"1"', "null", "[]"],
    "at": [
        '"2026-01-05 10:00"', '"2026-13-05T10:00:00Z"', '"2026-02-30T10:00:00Z"', "1767225600000", "null", '"x"',
        '"2026-01-05T10:00:00+02:00"', '"2026-01-05T10:00:00+99:00"', '"2026-01-10T23:00:00Z"',
        '"2026-01-11T00:00:00Z"', '"2026-01-11T00:00:00.000001Z"', '"infinity"', '"2030-01-01T00:00:00Z"',
    ],
    "day": ['"2026-1-5"', '"2026-02-30"', '"infinity"', '"12026-01-01"', "null", "5", '"2026-01-05 "'],
    "x": ["1", "null", "[1]", '{"id":5}', '"id\\":5"', '"x,\\"id\\":9"', '{"s":"q"}', "1e5", "true"],
    "y": ["100", "1e2", "1.5", "NaN", "Infinity", "null", '"y"', "00", "true", "-77", "7e7", "1e300"],
}  # fmt: skip


def message(values: dict[str, str], colon: str = ":", comma: str = ",") -> bytes:
    """Write an object."""
    pairs = (f'"{key}"{colon}{value}' for key, value in values.items())
    return ("{" + comma.join(pairs) + "}").encode()


def usual(random_: random.Random) -> dict[str, str]:
    """Give values of the usual kinds."""
    return PLAIN | {
        "id": str(random_.randrange(1000)), "n": str(random_.randrange(-5, 100)),
        "s": f'"{random_.choice(["web", "app", "12", "x y", ""])}"', "y": str(random_.randrange(200)),
        "d": str(random_.randrange(1, 1000) / 8), "m": f"{random_.randrange(100)}.25",
        "b": random_.choice(["true", "false"]),
    }  # fmt: skip


def damaged(values: dict[str, str], random_: random.Random) -> bytes:
    """Give a message with one or two of the things that can be wrong, or only unusual."""
    keys = list(values)
    for _ in range(random_.choice([1, 1, 2])):
        key = random_.choice(list(ODD))
        values = values | {key: random_.choice(ODD[key])}
    kind = random_.randrange(16)
    if kind == 0:
        del values[random_.choice(keys)]
    if kind == 1:
        random_.shuffle(keys)
        values = {key: values[key] for key in keys}
    raw = message(values)
    if kind == 2:
        raw = message(values, ": ", ", ")
    if kind == 3:
        key = random_.choice(keys)
        raw = raw[:-1] + f',"{key}":{values[key]}}}'.encode()
    if kind == 4:
        raw = raw[:-1] + random_.choice([b',"z":1}', b',"":1}', b",}", b" }", b"}x", b""])
    if kind == 5:
        at = random_.randrange(len(raw))
        raw = (
            raw[:at] + random_.choice([b" ", b"\xff", b'"', b"\\", b",", b"\n", b"\x00"]) + raw[at:]
        )
    if kind == 6:
        at = random_.randrange(len(raw))
        raw = raw[:at] + raw[at + 1 :]
    if kind == 7:
        raw = raw.replace(b'"id"', random_.choice([b'"\\u0069d"', b'"ID"', b'"id" ', b'"idd"']))
    if kind == 8:
        raw = random_.choice(
            [b"", b" ", b"7", b"[]", b"null", b'"x"', b"{}", b"\xef\xbb\xbf" + raw]
        )
    return raw


def same(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> None:
    """Compare rows; doubles by their bits."""

    def exact(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            ("nan" if math.isnan(v) else v.hex()) if isinstance(v, float) else v for v in row
        )

    assert [exact(row) for row in found] == [exact(row) for row in wanted]


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have messages read in SQL, or by what was compiled for this machine."""
    use(request.param, monkeypatch)
    return str(request.param)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_random_messages_are_read_as_the_reference_reads_them(seed: int, share: float) -> None:
    """Random messages are read as the reference reads them."""
    random_ = random.Random(f"{seed} {share}")
    about = source(SCHEMA, event_time="at" if seed % 2 else "")
    records, session = Records(about, "json"), new_session()
    for _ in range(3):
        values = [usual(random_) for _ in range(500)]
        raw = [damaged(v, random_) if random_.random() < share else message(v) for v in values]

        loaded = load(session, records, raw)

        good, bad, unknown = expected_json(about, raw)
        same(rows(session), good)
        assert letters(session, loaded) == bad
        assert (loaded.rows, loaded.admitted, loaded.dead) == (500, len(good), len(bad))
        assert loaded.unknown_fields == unknown


@pytest.mark.parametrize("spaced", [False, True])
def test_every_odd_value_in_a_stream_of_usual_ones(spaced: bool, way: str) -> None:
    """Every odd value in a stream of usual ones."""
    style = (": ", ", ") if spaced else (":", ",")
    about = source(SCHEMA)
    random_ = random.Random(7)
    ordinary = [message(usual(random_), *style) for _ in range(200)]
    odd = [message(PLAIN | {key: value}, *style) for key in ODD for value in ODD[key]]
    # The same with bytes to spare or missing, so that lengths fit where values do not.
    odd += [one.replace(b'"y"', b" " * n + b'"y"') for one in odd for n in (1, 2, 3, 5)]
    odd += [one.replace(b",", b", ", 1) for one in odd[:200]] + [
        one.replace(b" ", b"", 1) for one in odd[:200]
    ]
    records, session = Records(about, "json"), new_session()
    load(session, records, ordinary)
    assert records.has_form or way == "compiled"

    loaded = load(session, records, ordinary + odd)

    good, bad, unknown = expected_json(about, ordinary + odd)
    same(rows(session), good)
    assert letters(session, loaded) == bad
    assert loaded.unknown_fields == unknown


def test_a_second_key_that_fills_up_what_an_exponent_saves(way: str) -> None:
    """1e18 is read as nineteen digits: fifteen bytes are left, and a second key has as many."""
    about = source("id bigint, price bigint")
    ordinary = [b'{"id":%d,"price":%d}' % (i, 10**14 + i) for i in range(150)]
    sly = [
        b'{"id":1,"price":1e14,"id":123456}', b'{"id":1,"price":1e14          }',
        b'{"id":1e14,"price":1,"id":12345678}', b'{"id":1e2,"price":1}', b'{"id":1,"price":1e2}',
    ]  # fmt: skip
    records, session = Records(about, "json"), new_session()
    load(session, records, ordinary)
    assert records.has_form or way == "compiled"

    loaded = load(session, records, ordinary + sly)

    assert [row for row, *_ in letters(session, loaded)] == [250, 251, 252, 253, 254]


def test_a_text_that_is_none_does_not_make_room_for_a_field(way: str) -> None:
    """A text that is none does not make room for a field."""
    about = source("a string, b string, c string")
    ordinary = [b'{"a":"%d","b":"x%d","c":"%d"}' % (i, i, i) for i in range(150)]
    sly = [
        b'{"a":12,"b":"x","c":34,"":1}',
        b'{"a":12,"b":"x","c":"34","a":1}',
        b'{"a":[1],"b":"x","c":"3"  }',
    ]
    records, session = Records(about, "json"), new_session()
    load(session, records, ordinary)
    assert records.has_form or way == "compiled"

    loaded = load(session, records, ordinary + sly)

    good, bad, unknown = expected_json(about, ordinary + sly)
    assert rows(session) == good
    assert (letters(session, loaded), loaded.unknown_fields) == (bad, unknown)
    assert unknown == 1


def test_bad_messages_stop_the_run_with_their_places() -> None:
    """Bad messages stop the run with their places."""
    records = Records(source("id bigint not null", on_bad="fail"), "json")
    raw = [b'{"id":1}'] * 10 + [b'{"id":1.9}', b"\xff", b"{}"] + [b'{"id":true}'] * 4

    with pytest.raises(DataError) as caught:
        load(new_session(), records, raw)

    assert caught.value.finding.code == "BadRow"
    text = str(caught.value)
    assert "7 bad rows in source 'payments'" in text
    assert "payments/3:110: column 'id': '1.9' not a whole number" in text
    assert "payments/3:114:" in text
    assert "payments/3:115:" not in text


@pytest.mark.parametrize("way", ["sql"], indirect=True)
def test_a_form_is_learned_again_when_messages_change() -> None:
    """A form is learned again when messages change."""
    about = source("id bigint, s string")
    records, session = Records(about, "json"), new_session()
    old = [b'{"id":%d,"s":"a"}' % i for i in range(300)]
    new = [b'{"s": "a", "id": %d, "more": true}' % i for i in range(300)]
    for raw in (old, new, new):
        loaded = load(session, records, raw)
        good, bad, unknown = expected_json(about, raw)
        assert rows(session) == good
        assert (loaded.dead, loaded.unknown_fields) == (0, unknown)
        assert not bad
    assert records.has_form


@pytest.mark.parametrize("way", ["sql"], indirect=True)
def test_the_usual_form_needs_no_second_look() -> None:
    """Python's own and JavaScript's way of writing are both proved without the slower checks."""
    schema = parse_schema("id bigint, s string")
    for style in ((":", ","), (": ", ", ")):
        texts = [json.dumps({"id": i, "s": "é" * i, "x": None if i % 2 else 1}, separators=style[::-1],
                            ensure_ascii=False) for i in range(9)]  # fmt: skip
        assert form_of([(text, parse_json(text)) for text in texts], schema) is not None


@pytest.mark.parametrize("small", [0, 50])
def test_nested_columns_and_an_empty_epoch(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested columns and an empty epoch."""
    monkeypatch.setattr(loading, "SMALL", small)
    about = source("id bigint, tags string[], o struct(a bigint, b string), p map(string, double)")
    records, session = Records(about, "json"), new_session()
    raw = [
        b'{"id":1,"tags":["a","b"],"o":{"a":1,"b":"x"},"p":{"k":1.5}}', b'{"id":2,"tags":[1],"o":{"a":"5"}}',
        b'{"id":3,"o":{"a":1.5}}', b'{"id":4,"tags":null}',
    ]  # fmt: skip
    loaded = load(session, records, raw)
    good, bad, _ = expected_json(about, raw)
    assert rows(session) == good
    assert letters(session, loaded) == bad

    assert load(session, records, []).rows == 0
    assert rows(session) == []
    assert records.load(session, None, (), '"loaded"', READ_AT).rows == 0
