"""Plain lines of JSON: which ones the pattern of a file lets pass without the slower checks."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.shape import shape_of
from mainstem.errors import DataError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

SCHEMA = "n bigint not null, d decimal(5,2), x double, s string, day date"
FIRST = '{"n":1,"d":1.5,"x":2.5,"s":"a","day":"2024-01-31"}'


def shape(tmp_path: Path, text: str, schema: str = SCHEMA) -> str | None:
    """Give the pattern of a file with this content."""
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    found = shape_of(str(path), parse_schema(schema))
    return found.regex if found else None


@pytest.mark.parametrize(
    "line",
    [FIRST, '{"n":-7}', '{"n": 0, "s": "é\\"\\u0041"}', '{"n":1,"d":999.99}', '{"n":1,"x":null}',
     '{"n":1,"x":-0.0}', '{"n":1,"x":1e-5,"s":null}'],
)  # fmt: skip
def test_plain(tmp_path: Path, line: str) -> None:
    """Keys in the file's order, some absent, values as JSON writers write them."""
    assert re.fullmatch(shape(tmp_path, FIRST) or "", line)


@pytest.mark.parametrize(
    "line",
    ['{"n":1.9}', '{"n":true}', '{"n":"7"}', '{"n":null}', '{"d":1.5}', '{"n":1,"n":2}', '{"n":1,}',
     '{"n":1,"d":1.005}', '{"n":1,"d":1000}', '{"n":1,"x":-0}', '{"n":1,"x":NaN}', '{"n":1,"s":7}',
     '{"n":1,"day":"2024-1-31"}', '{"n":1,"day":"0000-01-01"}', '{"n":1,"other":1}', '{"n":1,"x":01.5}',
     '{"\\u006e":1}', '{"n":1e2}', "{}", '{"n":1,"d":1.5,"d":1.5}', '{"n":1234567890123456789}'],
)  # fmt: skip
def test_not_plain(tmp_path: Path, line: str) -> None:
    """Whatever DuckDB might misread, count wrongly or take though it is no JSON."""
    assert not re.fullmatch(shape(tmp_path, FIRST) or "", line)


def test_no_shape(tmp_path: Path) -> None:
    """There is none for nested columns, odd keys, or when a required key was not seen."""
    assert shape(tmp_path, '{"n":[1]}', "n bigint[]") is None
    assert shape(tmp_path, '{"n":1,"a\\"b":1}', "n bigint") is None
    assert shape(tmp_path, '{"m":1}', "n bigint not null") is None


def test_unknown_fields_are_counted(tmp_path: Path) -> None:
    """Those of plain lines, of other lines, and of lines without any."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n":1,"o":1,"p":"x"}\n{"n":2}\n{"p":{"q":1},"n":3}\n{"n":4,"o":5,"p":null}\n')
    connection = duckdb.connect()
    report = ingest(connection, Source("s", files(str(path)), parse_schema("n bigint not null")))
    assert connection.execute(report.select).fetchall() == [(1,), (2,), (3,), (4,)]
    assert report.unknown_fields == 2 + 0 + 1 + 2


def test_day_that_is_none(tmp_path: Path) -> None:
    """February 30 looks plain, and is a bad row."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"day":"2024-02-29"}\n{"day":"2024-02-30"}\n')
    with pytest.raises(DataError, match="no such day"):
        ingest(duckdb.connect(), Source("s", files(str(path)), parse_schema("day date")))


def test_negative_zero(tmp_path: Path) -> None:
    """-0 is a double with a sign, though JSON readers take it for a whole number."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"x":1.5}\n{"x":-0}\n{"x":-0.0}\n{"x":0}\n')
    connection = duckdb.connect()
    report = ingest(connection, Source("s", files(str(path)), parse_schema("x double")))
    found = [str(x) for (x,) in connection.execute(report.select).fetchall()]
    assert found == ["1.5", "-0.0", "-0.0", "0.0"]
