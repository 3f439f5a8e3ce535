"""Messages loaded by the engine, and by a loop over the plain-Python readers of the formats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from mainstem.engines.embedded.native import build, columns
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.records import Records
from mainstem.engines.embedded.stream.records.arrow import Messages
from mainstem.engines.embedded.stream.spec import Loaded, Part
from mainstem.formats.jsonlines import json_values
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Binding, Source
from mainstem.plan.types import parse_schema

# Where there is no compiler nothing was compiled.
WAYS = ("sql", "compiled") if build.compiler() else ("sql",)
READ_AT = datetime(2026, 1, 10, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have messages of JSON read in one of the two ways."""
    if way == "sql":
        monkeypatch.setenv(build.CHOICE, "no")
    else:
        monkeypatch.delenv(build.CHOICE, raising=False)
        if columns.library() is None:
            build.build(columns.UNIT)


def new_session() -> Session:
    """Open an empty DuckDB as a run does."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    return Session(connection)


def source(schema: str, on_bad: str = "dead_letter", **given: Any) -> Source:
    """Give a source that keeps dead letters."""
    binding = Binding.of("kafka")
    return Source("payments", binding, parse_schema(schema), bounded=False, on_bad=on_bad, **given)


def load(
    session: Session, records: Records, values: Sequence[bytes | None], **given: Any
) -> Loaded:
    """Load messages into the table "loaded": offsets from 100, all of partition payments/3."""
    messages = Messages.of(values, range(100, 100 + len(values)), [0] * len(values), **given)
    part = Part("payments/3", 100, 100 + len(values), len(values))
    return records.load(session, messages, (part,), '"loaded"', READ_AT)


def rows(session: Session) -> list[tuple[Any, ...]]:
    """Give the loaded rows, in order; instants as microseconds, that need no zones of Python's."""
    described = session.rows('DESCRIBE "loaded"')
    outputs = [
        f'epoch_us("{name}")' if kind == "TIMESTAMP WITH TIME ZONE" else f'"{name}"'
        for name, kind, *_ in described
    ]
    return session.rows(f'SELECT {", ".join(outputs)} FROM "loaded"')


def letters(session: Session, loaded: Loaded) -> list[tuple[Any, ...]]:
    """Give offset, raw bytes, column and reason of the dead letters."""
    if not loaded.dead_letters:
        return []
    return session.rows(
        f"SELECT row, raw, column_name, reason FROM {loaded.dead_letters} "
        "WHERE source = 'payments' AND path = 'payments/3'"
    )


def expected_json(
    source: Source, values: Sequence[bytes]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], int]:
    """Give rows, dead letters and unknown fields of JSON messages without times of their own."""
    good, bad, unknown = [], [], 0
    latest = READ_AT + timedelta(days=1)
    time = source.schema.names.index(source.event_time) if source.event_time else -1
    for offset, raw in enumerate(values, start=100):
        try:
            found, extra = json_values(raw.decode(), source.schema)
        except UnicodeDecodeError:
            bad.append((offset, raw, "", "NotUtf8"))
            continue
        except Misfit as misfit:
            bad.append((offset, raw, misfit.column, misfit.code))
            continue
        if time >= 0 and (found[time] is None or found[time] > latest):
            bad.append((offset, raw, source.event_time, "EventTime"))
            continue
        unknown += extra
        good.append((*map(_plain, found), 0))
    return good, bad, unknown


def _plain(value: Any) -> Any:
    """Plain."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value
