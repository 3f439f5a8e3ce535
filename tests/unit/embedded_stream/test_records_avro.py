"""Avro messages, their schemas given by a small registry of the test's own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import fastavro
import pytest

from mainstem.engines.embedded.stream.records import Records, registry
from mainstem.engines.embedded.stream.records.registry import Registry
from mainstem.errors import DataError, OutsideError, SettingsError
from tests.unit.embedded_stream.messages import letters, load, new_session, rows, source

PAYMENT = {
    "type": "record", "name": "Payment", "fields": [
        {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["CARD", "CASH"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "ok", "type": "boolean"}, {"name": "rate", "type": "double"}, {"name": "raw", "type": "bytes"},
        {"name": "more", "type": "string"},
    ],
}  # fmt: skip
GIVEN = {
    "id": 7, "name": None, "amount": Decimal("12.50"), "at": datetime(2026, 1, 5, 10, tzinfo=UTC),
    "day": date(2026, 1, 5), "kind": "CASH", "tags": ["a", "b"], "ok": True, "rate": 1.5, "raw": b"\xff", "more": "x",
}  # fmt: skip
SCHEMA = (
    "id bigint not null, name string, amount decimal(12,2), at timestamp, day date, kind string, tags string[], "
    "ok boolean, rate double, raw bytes"
)
AT = 1_767_607_200_000_000


class Server:
    """Answers what a registry answers; counts the questions."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.broken = 0
        self.user = ""

    def add(self, number: int, schema: Any, **more: Any) -> None:
        self.answers[f"/schemas/ids/{number}"] = {"schema": json.dumps(schema), **more}


@contextmanager
def served() -> Iterator[tuple[Server, str]]:
    """Run the registry."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            found = server.answers.get(self.path)
            status = 200 if found else 404
            if server.broken:
                server.broken -= 1
                status = 503
            if server.user and self.headers.get("Authorization") != f"Basic {server.user}":
                status = 401
            body = json.dumps(found or {"error_code": 40403}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def written(schema: Any, value: Any, number: int = 1) -> bytes:
    """Write a message as producers do, number of the schema included."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return b"\x00" + number.to_bytes(4, "big") + stream.getvalue()


def record(**fields: Any) -> dict[str, Any]:
    """Give the schema of a record."""
    items = [{"name": name, "type": type_} for name, type_ in fields.items()]
    return {"type": "record", "name": "R", "fields": items}


def test_all_kinds_of_values() -> None:
    """All kinds of values."""
    with served() as (server, url):
        server.add(1, PAYMENT)
        records, session = Records(source(SCHEMA), "avro", registry=Registry(url)), new_session()

        loaded = load(
            session, records, [written(PAYMENT, GIVEN), written(PAYMENT, GIVEN | {"id": 8})]
        )

    row = (None, Decimal("12.50"), AT, date(2026, 1, 5), "CASH", ["a", "b"], True, 1.5, b"\xff", 0)
    assert rows(session) == [(7, *row), (8, *row)]
    assert (loaded.admitted, loaded.unknown_fields) == (2, 2)
    assert server.asked == ["/schemas/ids/1"]


def test_messages_that_are_not_of_their_schema() -> None:
    """Messages that are not of their schema."""
    good = written(PAYMENT, GIVEN)
    raw = [
        good[:20],
        good + b"x",
        b"{}",
        b"",
        b"\x00\x00\x00\x00\x09abc",
        b"\x01" + good[1:],
        good,
        None,
    ]
    with served() as (server, url):
        server.add(1, PAYMENT)
        records, session = Records(source(SCHEMA), "avro", registry=Registry(url)), new_session()

        loaded = load(session, records, raw)

    assert len(rows(session)) == 1
    assert [(row, reason) for row, _, _, reason in letters(session, loaded)] == [
        *((100 + i, "NotAvro") for i in range(6)), (107, "NullValue"),
    ]  # fmt: skip
    assert letters(session, loaded)[0][1] == good[:20]
    # A number that the registry does not know is asked for once.
    assert server.asked.count("/schemas/ids/9") == 1


@pytest.mark.parametrize(
    ("written_as", "value", "declared", "wanted"),
    [
        ("long", 100, "bigint", 100), ("int", 100, "double", 100.0), ("long", 3, "decimal(5,2)", Decimal("3.00")),
        ("long", 2**31, "integer", "OutOfRange"), ("long", 5, "string", "5"), ("long", 1, "boolean", "WrongValue"),
        ("double", 1.0, "bigint", "WrongValue"), ("double", 1.5, "decimal(5,2)", Decimal("1.50")),
        ("double", 1.555, "decimal(5,2)", "WrongValue"), ("boolean", True, "bigint", "WrongValue"),
        ("boolean", True, "string", "true"), ("string", "7", "bigint", 7), ("string", "7.5", "bigint", "WrongValue"),
        ("string", "2026-01-05T10:00:00Z", "timestamp", AT), ("bytes", b"x", "string", "WrongValue"),
        ("string", "x", "bytes", "WrongValue"), ("long", 1, "timestamp", "WrongValue"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, datetime(2026, 1, 5), "timestamp", "WrongValue"),  # noqa: DTZ001
        ({"type": "long", "logicalType": "timestamp-millis"}, datetime(2026, 1, 5, 10, tzinfo=UTC), "timestamp", AT),
        ({"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 3}, Decimal("1.234"), "decimal(9,2)",
         "WrongValue"),
        ({"type": "map", "values": "long"}, {"a": 1}, "map(string, bigint)", {"a": 1}),
        ({"type": "array", "items": "double"}, [1.5], "bigint[]", "WrongValue"),
        (record(a="long"), {"a": 1}, "struct(a bigint, b string)", {"a": 1, "b": None}),
        ("null", None, "bigint", None), ("null", None, "bigint not null", "NullValue"),
    ],
)  # fmt: skip
def test_values_fit_exactly_or_not_at_all(
    written_as: Any, value: Any, declared: str, wanted: Any
) -> None:
    """Values fit exactly or not at all."""
    schema = {"type": "record", "name": "One", "fields": [{"name": "v", "type": written_as}]}
    with served() as (server, url):
        server.add(1, schema)
        records, session = (
            Records(source(f"v {declared}"), "avro", registry=Registry(url)),
            new_session(),
        )
        loaded = load(session, records, [written(schema, {"v": value})])

    if isinstance(wanted, str) and wanted[0].isupper():
        assert [reason for *_, reason in letters(session, loaded)] == [wanted]
    else:
        assert rows(session) == [(wanted, 0)]


def test_a_schema_that_names_another() -> None:
    """A schema that names another."""
    inner = {
        "type": "record",
        "name": "Inner",
        "namespace": "n",
        "fields": [{"name": "a", "type": "long"}],
    }
    outer = {"type": "record", "name": "Outer", "fields": [{"name": "i", "type": "n.Inner"}]}
    whole = {"type": "record", "name": "Outer", "fields": [{"name": "i", "type": inner}]}
    with served() as (server, url):
        server.add(1, outer, references=[{"name": "n.Inner", "subject": "inner", "version": 2}])
        server.answers["/subjects/inner/versions/2"] = {"schema": json.dumps(inner)}
        records = Records(source("i struct(a bigint)"), "avro", registry=Registry(url))
        session = new_session()
        load(session, records, [written(whole, {"i": {"a": 5}})])

    assert rows(session) == [({"a": 5}, 0)]


def test_the_registry_asks_for_a_password() -> None:
    """The registry asks for a password."""
    with served() as (server, url):
        server.add(1, PAYMENT)
        server.user = base64.b64encode(b"me:secret").decode()
        assert Registry(url, username="me", password="secret").schema(1) is not None
        with pytest.raises(OutsideError, match="401") as caught:
            Registry(url, username="me", password="wrong").schema(1)

    assert "wrong" not in str(caught.value)
    assert "registry_password" in str(caught.value)


def test_a_registry_that_is_not_ready_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that is not ready is asked again."""
    waited: list[float] = []
    monkeypatch.setattr(registry.time, "sleep", waited.append)
    with served() as (server, url):
        server.add(1, PAYMENT)
        server.broken = 2
        assert Registry(url).schema(1) is not None
        server.broken = 99
        with pytest.raises(OutsideError, match="503"):
            Registry(url).schema(2)
    with pytest.raises(OutsideError):
        Registry(url).schema(1)

    assert len(waited) == 2 + 3 + 3


def test_a_schema_of_another_kind() -> None:
    """A schema of another kind."""
    with served() as (server, url):
        server.add(1, "syntax = 3", schemaType="PROTOBUF")
        server.add(2, {"type": "nonsense"})
        records = Records(source("v bigint"), "avro", registry=Registry(url))
        for number, words in ((1, "PROTOBUF"), (2, "cannot be read")):
            with pytest.raises(DataError, match=words):
                load(new_session(), records, [b"\x00" + number.to_bytes(4, "big") + b"x"])


def test_avro_needs_a_registry() -> None:
    """Avro needs a registry."""
    with pytest.raises(SettingsError, match="without a schema registry"):
        Records(source("v bigint"), "avro")
    with pytest.raises(SettingsError, match="no address"):
        Registry("localhost:8081")
