"""Bad records that are kept: how many may be, in which files, and what stands in the table."""

from __future__ import annotations

import dataclasses
import gzip
import importlib
import os
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.engines.embedded.reading.deadletters import fix_of
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.ingested import IngestOptions, IngestReport
from mainstem.errors import DataError, Place
from mainstem.formats import lines
from mainstem.formats.records import REASONS
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

SCHEMA = "n bigint not null, s string"


def source(path: Path | str, schema: str = SCHEMA, **words: Any) -> Source:
    """Give a source that keeps its bad records."""
    given = {"on_bad": "dead_letter"} | words
    return Source("s", files(str(path)), parse_schema(schema), **given)


def letters(connection: duckdb.DuckDBPyConnection, report: IngestReport) -> list[tuple[Any, ...]]:
    """Give what stands in the table of dead letters but for source, path and message."""
    return connection.execute(
        'SELECT "row", line, byte_offset, raw, column_name, reason '
        f'FROM {report.dead_letters} ORDER BY path, "row"'
    ).fetchall()


def zstd(data: bytes) -> bytes:
    """Compress, with whichever module this Python has."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return bytes(importlib.import_module(name).compress(data))


def as_zip(path: Path, data: bytes) -> None:
    """Write an archive of one file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", data)


WAYS: dict[str, Callable[[Path, bytes], Any]] = {
    "": lambda path, data: path.write_bytes(data),
    ".gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    ".zst": lambda path, data: path.write_bytes(zstd(data)),
    ".zip": as_zip,
}


@pytest.mark.parametrize("ending", WAYS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", lines.BOM])
def test_csv(tmp_path: Path, ending: str, end: bytes, start: bytes) -> None:
    """Each kind of bad line of CSV, compressed or not: bytes, line and offset in the content."""
    rows = [
        b"n,s",
        b"1,a",
        b"x,b",
        b"2,b,c",
        b"",
        b"3,\xff",
        b'4,"open',
        b"5,e,",
        b",f",
        b'6,"g"h',
        b"7,i\rj",
        b"8",
    ]
    path = tmp_path / f"a.csv{ending}"
    WAYS[ending](path, start + end.join(rows) + end)
    connection = duckdb.connect()
    report = ingest(connection, source(path), IngestOptions(positions=True))
    assert connection.execute(f"{report.select} ORDER BY __row").fetchall() == [
        (1, "a", 0), (5, "e", 5), (7, "i\rj", 8),
    ]  # fmt: skip
    expected = [(1, 2, "n", "WrongValue"), (2, 3, "", "FieldCount"), (3, 5, "", "NotUtf8"),
                (4, 6, "", "BadQuotes"), (6, 8, "n", "NullValue"), (7, 9, "", "BadQuotes"),
                (9, 11, "", "FieldCount")]  # fmt: skip
    offsets = [
        len(start) + sum(len(row) + len(end) for row in rows[:at]) for at in range(len(rows))
    ]
    assert letters(connection, report) == [
        (number, at + 1, offsets[at], rows[at], column, reason)
        for number, at, column, reason in expected
    ]
    assert (report.read, report.admitted, report.bad) == (10, 3, 7)
    assert report.slow_files == ()


def test_json(tmp_path: Path) -> None:
    """Each kind of bad line of JSON lines; blank lines are no records."""
    rows = [b'{"n":1}', b"", b'{"n":1.5}', b'{"n":1', b"[1]", b" ", b'{"n":2,"n":3}', b'{"s":"a"}',
            b'{"n":99999999999999999999}', b'{"n":4,"s":"\xff"}', b'{"n":5,"s":"\x00"}', b'{"n":6}\r {"n":7}',
            b'{"n":8,"s":"b","t":0}']  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(rows))
    connection = duckdb.connect()
    report = ingest(connection, source(path))
    assert connection.execute(report.select).fetchall() == [(1, None), (8, "b")]
    reasons = ["WrongValue", "NotJson", "NotAnObject", "DuplicateKey", "NullValue", "OutOfRange",
               "NotUtf8", "NotJson", "NotJson"]  # fmt: skip
    found = letters(connection, report)
    assert [letter[-1] for letter in found] == reasons
    assert [letter[3] for letter in found] == [r for r in rows[2:-1] if r.strip()]
    assert [(letter[0], letter[1]) for letter in found][:4] == [(1, 3), (2, 4), (3, 5), (4, 7)]
    assert (report.read, report.admitted, report.bad, report.unknown_fields) == (11, 2, 9, 1)


def test_text_and_several_files(tmp_path: Path) -> None:
    """A line that is not UTF-8 dies alone; files before and after keep their rows and order."""
    (tmp_path / "a.txt").write_bytes(b"1\n\xff\n\n")
    (tmp_path / "b.txt").write_bytes(b"")
    (tmp_path / "c.txt").write_bytes(b"\xed\xa0\x80\n2")
    connection = duckdb.connect()
    report = ingest(connection, source(tmp_path, "line string"), IngestOptions(positions=True))
    rows = connection.execute(f"{report.select} ORDER BY __row").fetchall()
    assert rows == [("1", 0), ("", 2), ("2", 4)]
    assert letters(connection, report) == [
        (1, 2, 2, b"\xff", "", "NotUtf8"), (0, 1, 0, b"\xed\xa0\x80", "", "NotUtf8"),
    ]  # fmt: skip


FIRST_BYTES = bytes.fromhex("80 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 f8 fe ff")
TAILS = [b"", b"a", b"\x80", b"\x8f\xbf", b"\x90\x80", b"\x9f\xbf", b"\xa0\x80", b"\xbf\xbf\xbf", b"\x80\x80\x80",
         b"\x8f\xbf\xbf", b"\x90\x80\x80"]  # fmt: skip


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """DuckDB, which looks at the UTF-8 of what it reads, finds every line that Python refuses."""
    path = tmp_path / "a.txt"
    connection = duckdb.connect(config={"threads": 1})
    outcomes = set()
    for content in (b"x" + bytes([first]) + tail + b"y" for first in FIRST_BYTES for tail in TAILS):
        path.write_bytes(b"before\n" + content + b"\nafter\n")
        try:
            expected = [("before",), (content.decode(),), ("after",)]
        except UnicodeDecodeError:
            expected = [("before",), ("after",)]
        report = ingest(connection, source(path, "line string"))
        found = connection.execute(report.select).fetchall()
        assert (found, report.bad) == (expected, 3 - len(expected)), content
        outcomes.add(report.bad)
    assert outcomes == {0, 1}


@pytest.mark.parametrize(
    ("most", "count"), [(2, 2), (None, 4), (0.5, 2), (1.0, 4), (2, 3), (0, 1), (0.5, 3), (0.0, 1)]
)
def test_how_many(tmp_path: Path, most: float | None, count: int) -> None:
    """More than max_bad bad records stop the run, and the first ones are named."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join("x\n" if at < count else '{"n":1}\n' for at in range(4)))
    connection = duckdb.connect()
    few = most is None or count <= (most * 4 if isinstance(most, float) else most)
    if few:
        assert ingest(connection, source(path, max_bad=most)).bad == count
        return
    with pytest.raises(
        DataError, match=rf"{count} bad rows? in source 's'.*\n.*a\.jsonl:1: not JSON"
    ) as failed:
        ingest(connection, source(path, max_bad=most))
    assert failed.value.finding.fix.endswith("or raise max_bad")
    with pytest.raises(DataError) as failed:
        ingest(connection, dataclasses.replace(source(path), on_bad="fail"))
    assert failed.value.finding.fix.endswith('keep bad rows aside with on_bad="dead_letter"')


def test_again(tmp_path: Path) -> None:
    """Reading a source again does not double its dead letters, nor touch those of others."""
    path = tmp_path / "a.jsonl"
    path.write_text("x\n")
    connection = duckdb.connect()
    for _ in range(2):
        report = ingest(connection, source(path))
    other = Source("o", files(str(path)), parse_schema(SCHEMA), on_bad="dead_letter")
    ingest(connection, other)
    found = connection.execute(
        f"SELECT source, path, message FROM {report.dead_letters}"
    ).fetchall()
    message = "not JSON: 'x' at character 1 where a value should stand"
    assert found == [("s", str(path), message), ("o", str(path), message)]


def test_event_time(tmp_path: Path) -> None:
    """An event time that T2 refuses makes a dead letter too."""
    path = tmp_path / "a.csv"
    path.write_text("at\n2024-01-01T00:00:00Z\n\n,\n2024-01-09T00:00:00Z\n")
    os.utime(path, (1704067200, 1704067200))
    report = ingest(connection := duckdb.connect(), source(path, "at timestamp", event_time="at"))
    assert [(x[0], x[1], x[5]) for x in letters(connection, report)] == [
        (1, 3, "EventTime"), (2, 4, "EventTime"), (3, 5, "EventTime"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: str) -> None:
    """A line above the limit is bad: its beginning is kept, what follows is read; one below is read."""
    monkeypatch.setattr(lines, "LONGEST", 12 << 20)
    column = "line" if name == "a.txt" else "s"
    before, after = ('{"s":"', '"}') if name == "a.jsonl" else ("", "")
    size = (12 << 20) - len(before) - len(after)
    rows = [before + "x" * size + after, before + "y" * (size + 1) + after, before + "z" + after]
    if not end:
        rows[1:] = rows[:0:-1]
    path = tmp_path / name
    path.write_text(("s\n" if name == "a.csv" else "") + (end or "\n").join(rows) + end, newline="")
    connection = duckdb.connect()
    report = ingest(connection, source(path, f"{column} string"))
    found = connection.execute(f"SELECT length({column}) FROM ({report.select})").fetchall()
    assert sorted(found) == [(1,), (size,)]
    ((_, line, _, raw, _, reason),) = letters(connection, report)
    bad = 1 if end else 2
    assert (line, reason) == (bad + 1 + (name == "a.csv"), "LineTooLong")
    assert raw == rows[bad][: lines.KEPT].encode()


def test_reasons_are_explained() -> None:
    """The page on files explains every reason, and no other."""
    page = (Path(__file__).parents[3] / "docs/files.md").read_text("utf-8")
    rows = page.partition("| reason | the record |")[2].partition("\n\n")[0].splitlines()[2:]
    found = [
        name for row in rows for name in re.findall("`([A-Z][A-Za-z0-9]+)`", row.split("|")[1])
    ]
    assert sorted(found) == sorted(REASONS)


@pytest.mark.parametrize(("file", "words"), [
    ("p.py", 'on_bad="dead_letter"'), ("p.sql", "WITH (on_bad = 'dead_letter')"),
])  # fmt: skip
def test_the_way_out_is_in_the_words_of_the_file(file, words):
    """A `.sql` file has no keyword arguments."""
    assert words in fix_of(Place(file, 3), is_kept=False)
    assert "max_bad" in fix_of(Place(file, 3), is_kept=True)
