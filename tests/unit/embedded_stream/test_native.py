"""The compiled JSON reader: what it takes, when it is used, and that its test would find it wrong."""

import json
import re
from datetime import timedelta

import pytest

from mainstem.engines.embedded.native import build, columns
from mainstem.engines.embedded.stream.records import Records, loading
from mainstem.errors import OutsideError
from mainstem.plan.types import parse_schema
from tests.unit.embedded_stream.messages import (
    expected_json,
    letters,
    load,
    new_session,
    rows,
    source,
    use,
)


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """Have it."""
    use("compiled", monkeypatch)


@pytest.fixture
def counted(monkeypatch):
    """How many messages each call was given, and how many of them it left."""
    found = []
    read = columns.Columns.read

    def noted(self, raw):
        parsed = read(self, raw)
        found.append((parsed.table.rows, parsed.doubts))
        return parsed

    monkeypatch.setattr(columns.Columns, "read", noted)
    return found


def test_plain_messages_are_all_taken(counted):
    """Whatever their order, with fields that nobody asked for, and without some that may be missing."""
    about = source("id bigint not null, s string, at timestamp")
    raw = [b'{"id":%d,"s":"a\\n%d","at":"2026-01-05T10:00:00Z"}' % (i, i) for i in range(150)]
    raw += [b'{ "more": [1, {"x": {}}], "s": "\xc3\xa9", "id": %d }\n' % i for i in range(150)]
    session, records = new_session(), Records(about, "json")

    loaded = load(session, records, raw)

    good, bad, unknown = expected_json(about, raw)
    assert rows(session) == good
    assert (loaded.rows, loaded.dead, loaded.unknown_fields, bad) == (300, 0, unknown, [])
    assert counted == [(300, 0)]


def test_what_it_leaves_goes_the_other_way(counted):
    """Texts for numbers, an instant with an offset, and what is no message at all."""
    about = source("id bigint not null, at timestamp")
    raw = [b'{"id":%d,"at":"2026-01-05T10:00:00Z","x":1}' % i for i in range(297)]
    raw += [b'{"id":"7","at":"2026-01-05T10:00:00+02:00","x":1}', b'{"id":1.5}', b"no"]
    session, records = new_session(), Records(about, "json")

    loaded = load(session, records, raw)

    good, bad, unknown = expected_json(about, raw)
    assert rows(session) == good
    assert letters(session, loaded) == bad
    assert len(bad) == 2
    assert (loaded.dead, loaded.unknown_fields) == (2, unknown)
    assert counted == [(300, 3)]


def test_unknown_fields_of_a_message_that_comes_too_early_count_once():
    """Its time is judged later than its values, and by the reference too."""
    about = source(
        "id bigint, at timestamp", event_time="at", max_ahead=timedelta(minutes=1)
    )  # fmt: skip
    raw = [b'{"id":%d,"at":"2026-01-05T10:00:00Z","x":1,"y":2}' % i for i in range(200)]
    raw[7] = b'{"id":7,"at":"2099-01-05T10:00:00Z","x":1,"y":2}'
    session, records = new_session(), Records(about, "json")

    loaded = load(session, records, raw)

    assert (loaded.rows, loaded.dead, loaded.unknown_fields) == (200, 1, 2 * 199)


def test_a_source_that_it_does_not_understand_is_not_read_twice_each_time(counted):
    """Where most messages were in doubt they go the other way at once, for some epochs."""
    about = source("id bigint")
    raw = [b'{"id":"%d"}' % i for i in range(200)]
    session, records = new_session(), Records(about, "json")
    for _ in range(3):
        assert load(session, records, raw).dead == 0
        assert rows(session) == expected_json(about, raw)[0]
    assert counted == [(200, 200)]

    for _ in range(loading.PATIENCE):
        load(session, records, raw)
    assert len(counted) == 2


@pytest.mark.parametrize(
    ("schema", "is_read"),
    [
        ("a bigint, b decimal(18,4), c date", True),
        ("a decimal(19,4)", False),
        ("a bytes", False),
        ("a bigint, b string[]", False),
    ],
)
def test_kinds_that_it_reads(schema, is_read):
    """All other ones are read in SQL."""
    assert (columns.columns_of(parse_schema(schema)) is not None) == is_read


def test_without_it_messages_are_read_in_sql(monkeypatch, tmp_path):
    """Both where nobody wants it and where nobody has built it; a broken one is told."""
    schema = parse_schema("a bigint")
    monkeypatch.setenv(build.CHOICE, "no")
    assert columns.columns_of(schema) is None
    assert columns.state() == f"in SQL, as {build.CHOICE} says"
    monkeypatch.delenv(build.CHOICE)
    monkeypatch.setenv(build.FOLDER, str(tmp_path))
    assert columns.columns_of(schema) is None
    assert columns.state().startswith("in SQL; mainstem doctor --build makes it faster")
    build.built(columns.UNIT).write_bytes(b"no library")
    assert columns.columns_of(schema) is None


# Each reads something wrong that its self-test has to find.
WRONG = {
    "a sign": ("if (n->is_negative) found = -found;\n    into->whole", "into->whole"),
    "a limit": ("return found >= c->low && found <= c->high;", "return 1;"),
    "an escape": ("\\b\\f\\n\\r\\t", "\\b\\f\\r\\r\\t"),
    "UTF-8": ("first < 0xC2 ||", ""),
    "a surrogate": ("(code >= 0xDC00 && code <= 0xDFFF)", "0"),
    "a leap year": ("year % 100 != 0", "1"),
    "the digits of a second": ("unit /= 10;", "unit /= 100;"),
    "a second key": ("!is_new(f, at, name, p - name) ||", ""),
    "a missing column": ("&& !f->columns[i].is_nullable) return 0", "&& 0) return 0"),
    "an unknown field": ("*unknown = strange;", "*unknown = 0;"),
    "rounding": ("n->whole <= 1ull << 53", "n->whole <= 1ull << 62"),
    "what stands behind": ("if (spaces(p + 1, end) != end) return 0;", ""),
    "NULL": ("if (c && !c->is_nullable) return NULL;", ""),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_build_is_never_kept(monkeypatch, tmp_path, what):
    """Its values are compared with those of the reference before it is used."""
    text = columns.UNIT.source.read_text()
    right, wrong = WRONG[what]
    assert text.count(right) == 1
    file = tmp_path / "wrong.c"
    file.write_text(text.replace(right, wrong))
    unit = build.Unit("wrong", "a wrong one", file, "", columns.UNIT.selftest, "in SQL")
    monkeypatch.setenv(build.FOLDER, str(tmp_path))

    with pytest.raises(OutsideError) as refused:
        build.build(unit)

    assert refused.value.finding.code == "BuildFailed"
    assert re.search("was read as|Invalid unicode", str(refused.value))
    assert not build.built(unit).exists()


def test_values_of_every_row_are_there_when_others_have_none():
    """NULL, missing and doubtful rows between them leave each value in its place."""
    about = source("b boolean, d double, m decimal(12,2), s string, day date")
    one = {"b": True, "d": 1e-3, "m": -12.25, "s": "é\u0001", "day": "1969-12-31"}
    raw = []
    for i in range(300):
        kept = {
            k: (None if i % 7 == 0 else v) for at, (k, v) in enumerate(one.items()) if i % 5 != at
        }
        raw.append(json.dumps(kept).encode() if i % 11 else b'{"d": "0.5"}')
    session, records = new_session(), Records(about, "json")
    load(session, records, raw)
    good, bad, _ = expected_json(about, raw)
    assert rows(session) == good
    assert not bad
