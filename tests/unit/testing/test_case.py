"""Case files are read as they are documented, and what is no case is told with its line."""

import pytest

from mainstem.errors import DefinitionError
from mainstem.testing.case import Mark, cells, read_cases

STORY = """\
# a comment
title:  late rows are late
rule:   T5 T6
source: clicks(at timestamp, tags string[]), event time at, watermark 0 seconds
rows:
  2024-01-01 10:00:05 | ["a", "b|c"]
  -- crash
  -- watermark 2024-01-01 10:01:00
  null | []
param:  day date = 2024-01-01
view v: SELECT at FROM clicks
query:
  SELECT at
  FROM v
ordered: yes
batch:
  2024-01-01 10:00:05
stream:
  null
late:
  null
warning: Unused at 1:2
"""


def read(tmp_path, text):
    """Read a text as a case file."""
    path = tmp_path / "some.case"
    path.write_text(text, "utf-8")
    return read_cases(path)


def test_every_part_of_a_case(tmp_path):
    """Every part of a case."""
    (case,) = read(tmp_path, STORY)

    assert case.id == "some: late rows are late"
    assert case.rules == ("T5", "T6")
    assert case.sources[0].name == "clicks"
    assert case.sources[0].schema == "at timestamp, tags string[]"
    assert case.sources[0].words == "event time at, watermark 0 seconds"
    assert case.sources[0].rows == (
        ("2024-01-01 10:00:05", '["a", "b|c"]'),
        Mark("crash"),
        Mark("watermark", "2024-01-01 10:01:00"),
        (None, "[]"),
    )
    assert case.params == ("day date = 2024-01-01",)
    assert case.steps == (("view", "v", "SELECT at FROM clicks"),)
    assert case.query == "SELECT at\nFROM v"
    assert case.is_ordered
    assert case.batch == (("2024-01-01 10:00:05",),)
    assert case.stream == ((None,),)
    assert case.lates == (("", ((None,),)),)
    assert case.arrivals == tuple(("clicks", row) for row in case.sources[0].rows)
    assert case.is_batch
    assert case.is_stream
    assert case.warnings == ("Unused at 1:2",)


def test_cases_are_parted_by_a_line(tmp_path):
    """Cases are parted by a line."""
    text = (
        "title: a\nquery: SELECT 1\nbatch:\n  1\n---\n\n---\ntitle: b\nquery: SELECT 2\nerror: X\n"
    )

    assert [case.title for case in read(tmp_path, text)] == ["a", "b"]


def test_an_empty_batch_expects_no_row(tmp_path):
    """An empty batch expects no row."""
    (case,) = read(tmp_path, "title: a\nquery: SELECT 1\nbatch:\n")

    assert case.batch == ()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("title: a\nqury: SELECT 1\n", 2, "is no key"),
        ("title: a\nquery: SELECT 1\n", 1, "expects nothing"),
        ("query: SELECT 1\nbatch:\n  1\n", 1, "a title and a query"),
        ("  1 | 2\ntitle: a\n", 1, "follows no key"),
        ("title: a\ntitle: b\nquery: SELECT 1\n", 2, "title stands twice"),
        ("title: a\nsource: t(a bigint)\nrows u:\n  1\nquery: SELECT 1\nbatch:\n", 3, "no source"),
    ],
)
def test_what_is_no_case(tmp_path, text, line, what):
    """What is no case."""
    with pytest.raises(DefinitionError, match=what) as caught:
        read(tmp_path, text)

    assert caught.value.finding.where.line == line


def test_an_unknown_mark_is_refused(tmp_path):
    """An unknown mark is refused."""
    text = "title: a\nsource: t(a bigint)\nrows:\n  -- boom\nquery: SELECT 1\nbatch:\n"
    with pytest.raises(DefinitionError, match="is no mark"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a | b", ("a", "b")),
        ("null | ''", (None, "")),
        ("' a ' | 'it''s'", (" a ", "it's")),
        ('{"a": [1, 2]} | x', ('{"a": [1, 2]}', "x")),
        ("'a|b' | \"c|d\"", ("a|b", '"c|d"')),
    ],
)
def test_cells(line, found):
    """Cells."""
    assert cells(line) == found


FILES = r"""title: files of two sources
source: a(x bigint)
source: b(x bigint), written 2024-01-01 10:00:00
file a.csv:
  x\n
  1\xff\\\r\n
options a: {"null": "NA"}
parquet b: SELECT 1 AS x
query: SELECT 1
bad:
  a.csv:2: not UTF-8
ledger: source b: read 1, dead 0
"""


def test_files_hold_the_bytes_that_are_written(tmp_path):
    """Files hold the bytes that are written."""
    (case,) = read(tmp_path, FILES)
    a, b = case.sources

    assert (a.file, a.content, a.options) == ("a.csv", b"x\n1\xff\\\r\n", '{"null": "NA"}')
    assert (b.file, b.parquet, b.words) == ("", "SELECT 1 AS x", "written 2024-01-01 10:00:00")
    assert case.bad == ("a.csv:2: not UTF-8",)
    assert case.ledger == ("source b: read 1, dead 0",)


def test_rows_of_two_sources_arrive_in_the_order_of_the_file(tmp_path):
    """Rows of two sources arrive in the order of the file."""
    text = "title: a\nsource: t(a bigint)\nsource: u(a bigint)\nquery: SELECT 1\nstream:\n"
    (case,) = read(tmp_path, text + "rows t:\n  1\nrows u:\n  -- idle\n  2\nrows t:\n  3\n")

    assert case.arrivals == (("t", ("1",)), ("u", Mark("idle")), ("u", ("2",)), ("t", ("3",)))
    assert [source.rows for source in case.sources] == [
        (("1",), ("3",)), (Mark("idle"), ("2",)),
    ]  # fmt: skip
    assert not case.is_batch


def test_an_unknown_escape_is_refused(tmp_path):
    """An unknown escape is refused."""
    text = "title: a\nsource: t(a bigint)\nfile t.csv:\n  \\q\nquery: SELECT 1\nbatch:\n"
    with pytest.raises(DefinitionError, match="is no escape"):
        read(tmp_path, text)
