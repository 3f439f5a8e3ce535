"""How rows become records of a topic, and lines of the console: expected values are worked out by hand."""

import json
from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.console import console
from mainstem.connectors.kafka import kafka
from mainstem.engines.embedded.stream.sinks.guarantees import GUARANTEES
from mainstem.errors import CheckFailed, UnsupportedError
from tests.unit.stream_sinks.epochs import made, write

ALL = (
    "id bigint, k string, t timestamp, d decimal(12, 2), x double, f boolean, l timestamp[], "
    "s struct(a timestamp, b string), day date"
)
ROW = (
    "SELECT 1::BIGINT AS id, 'é\"' AS k, TIMESTAMPTZ '2026-01-31 00:00:00.5+00' AS t, "
    "1234567890.12::DECIMAL(12, 2) AS d, 0.5::DOUBLE AS x, true AS f, "
    "[TIMESTAMPTZ '2026-01-31 01:00:00+01', NULL] AS l, NULL::STRUCT(a TIMESTAMPTZ, b VARCHAR) AS s, "
    "DATE '2026-01-31' AS day"
)


def records(tmp_path, select, *, schema="id bigint, k string", kind="append", key=(), **options):
    """The records of some rows, in the zone of every session."""
    sink = made(tmp_path, kafka("t", servers="h:1", **options), schema=schema, kind=kind, key=key)
    with closing(duckdb.connect()) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        return engine.execute(sink.wire(select)).fetchall()


def test_a_value_is_one_json_object_with_every_column(tmp_path):
    """Instants are spelled as in all our text formats, inside of lists and structs too."""
    ((key, value),) = records(tmp_path, ROW, schema=ALL)

    assert key is None
    assert value.decode() == (
        '{"id":1,"k":"é\\"","t":"2026-01-31T00:00:00.500000Z","d":1234567890.12,"x":0.5,"f":true,'
        '"l":["2026-01-31T00:00:00.000000Z",null],"s":null,"day":"2026-01-31"}'
    )


@pytest.mark.parametrize(("columns", "expected"), [
    ("id", b"1"), ("k", b"a"), (["k", "id"], b'{"k":"a","id":1}'),
])  # fmt: skip
def test_a_key_is_a_text_or_an_object(tmp_path, columns, expected):
    """Of one column its text, of several a JSON object; both stay in the value."""
    sink = made(tmp_path, kafka("t", servers="h:1", key=columns))
    with closing(duckdb.connect()) as engine:
        ((key, value),) = engine.execute(sink.wire("SELECT 1::BIGINT AS id, 'a' AS k")).fetchall()
    assert (key, json.loads(value)) == (expected, {"id": 1, "k": "a"})


def test_columns_that_are_no_part_of_the_value(tmp_path):
    """In the order headers, partition, timestamp, whatever the order of the option."""
    found = records(
        tmp_path, "SELECT 2::BIGINT AS id, 'a' AS k, TIMESTAMPTZ '1970-01-01 00:00:01+00' AS t, "
        "MAP {'h': 'v'} AS h, 7::BIGINT AS p",
        schema="id bigint, k string, t timestamp, h map(string, string), p bigint",
        metadata={"t": "timestamp", "k": "key", "p": "partition", "h": "headers"},
    )  # fmt: skip
    assert found == [(b"a", b'{"id":2}', {"h": "v"}, 7, 1000)]


@pytest.mark.parametrize(("k", "expected"), [
    ("'a'", "1,a"), ("NULL", "1,"), ("''", '1,""'), ("'a,b'", '1,"a,b"'), ("'\"'", '1,""""'),
    ("chr(10)", '1,"\n"'),
])  # fmt: skip
def test_csv(tmp_path, k, expected):
    """One line without an end; an empty text is apart from NULL."""
    ((_, value),) = records(tmp_path, f"SELECT 1::BIGINT AS id, {k}::VARCHAR AS k", format="csv")
    assert value.decode() == expected


def test_text_and_bytes_are_one_column(tmp_path):
    """As it is."""
    assert records(tmp_path, "SELECT 'é' AS k", schema="k string", format="text") == [
        (None, "é".encode())
    ]
    assert records(tmp_path, "SELECT '\\xFF'::BLOB AS k", schema="k bytes", format="bytes") == [
        (None, b"\xff")
    ]


def test_a_row_that_is_gone_has_no_value(tmp_path):
    """And the key of the table is taken when none is named."""
    found = records(
        tmp_path, "SELECT 1::BIGINT AS id, 'a' AS k, 'delete' AS __operation", kind="updating",
        key=("k",),
    )  # fmt: skip
    assert found == [(b"a", None)]


def test_what_has_no_place_in_a_record_is_refused(tmp_path):
    """A key that is NULL or another one, bytes in JSON, avro, NaN."""
    with pytest.raises(CheckFailed, match="TopicKey"):
        made(tmp_path, kafka("t", servers="h:1", key="id"), kind="updating", key=("k",))
    with pytest.raises(CheckFailed, match="TypeInFormat"):
        made(tmp_path, kafka("t", servers="h:1"), schema="b bytes")
    with pytest.raises(UnsupportedError, match="SinkFormatOfStream"):
        made(tmp_path, kafka("t", servers="h:1", format="avro", schema_registry="http://h"))
    null = "SELECT 1::BIGINT AS id, NULL::VARCHAR AS k, 'upsert' AS __operation"
    with pytest.raises(duckdb.Error, match="key of a record"):
        records(tmp_path, null, kind="updating", key=("k",))
    with pytest.raises(duckdb.Error, match="no JSON number"):
        records(tmp_path, "SELECT 'nan'::DOUBLE AS x", schema="x double")


def test_the_console_prints_the_first_rows(tmp_path, capsys):
    """And how many there are; it has no token, and says what it promises."""
    sink = made(tmp_path, console(limit=1))
    assert sink.open() is None
    assert write(sink, 1, [(1, "a"), (22, None)]) == {"rows": 2, "already_there": 0}

    assert capsys.readouterr().out.splitlines() == [
        "-- out: at-least-once: after a crash the last epochs may be printed again",
        "-- out, epoch 1: 2 rows, 1 more not shown", "id  k", "1   a",
    ]  # fmt: skip


def test_every_sink_says_what_it_promises_for_every_kind():
    """A sink without a line here would be refused."""
    assert [(g.sink, g.kind) for g in GUARANTEES] == [
        (sink, kind) for sink in ("state", "duckdb", "files", "kafka", "console")
        for kind in ("append", "updating")
    ]  # fmt: skip
