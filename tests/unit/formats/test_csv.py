"""How CSV falls into records and fields."""

from __future__ import annotations

import io

import pytest

from mainstem.formats.csv import CsvFormat, read_csv
from mainstem.formats.records import BadRow
from mainstem.plan.types import parse_schema

SCHEMA = parse_schema("a string, b string")


def read(data: bytes, format: CsvFormat | None = None) -> list[object]:
    """Give values of good rows, and (line, offset, raw) of bad ones."""
    rows = read_csv(io.BytesIO(data), SCHEMA, format or CsvFormat(header=False), ("a", "b"))
    return [(r.line, r.offset, r.raw) if isinstance(r, BadRow) else r.values for r in rows]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"1,2\n3,4", [("1", "2"), ("3", "4")]),
        (b"1,2\r\n3,4\n", [("1", "2"), ("3", "4")]),
        (b"1,2\r\r\n", [("1", "2\r")]),
        (b'1,""\n,x\n', [("1", ""), (None, "x")]),
        (b'1,"a""b"\n', [("1", 'a"b')]),
        (b'1,a"b\n', [("1", 'a"b')]),
        (b'1, "a" \n', [("1", "a")]),
        (b"1,2\n\n3,4\n", [("1", "2"), ("3", "4")]),
        (b"\xef\xbb\xbf1,2\n", [("1", "2")]),
        (b"1\n3,4\n", [(1, 0, b"1"), ("3", "4")]),
        (b"1,2,\n3,4\n", [("1", "2"), ("3", "4")]),
        (b"1,2,,\n3,4\n", [(1, 0, b"1,2,,"), ("3", "4")]),
        (b"1,2,3\n3,4\n", [(1, 0, b"1,2,3"), ("3", "4")]),
        (b'1,"a\n3,4\n', [(1, 0, b'1,"a'), ("3", "4")]),
        (b'1,"a"b\n3,4\n', [(1, 0, b'1,"a"b'), ("3", "4")]),
        (b"3,4\n1,\xff\n", [("3", "4"), (2, 4, b"1,\xff")]),
    ],
)
def test_records(data: bytes, rows: list[object]) -> None:
    """Bad rows are told with their line and bytes, and the next line is read as if nothing happened."""
    assert read(data) == rows


def test_null_texts_are_unquoted() -> None:
    """NA is NULL, "NA" in quotes is a text."""
    assert read(b'NA,"NA"\n', CsvFormat(header=False, nulls=("NA",))) == [(None, "NA")]


def test_multiline() -> None:
    """A quoted field may hold line ends; an open quote costs only its first line."""
    spelling = CsvFormat(header=False, multiline=True)
    assert read(b'1,"a\nb"\n3,4\n', spelling) == [("1", "a\nb"), ("3", "4")]
    assert read(b'1,"a\n3,4\n', spelling) == [(1, 0, b'1,"a'), ("3", "4")]
