"""Cases of a pipeline file: right ones pass, and each mistake in one is found."""

import re

import pytest

from mainstem.errors import DefinitionError, MainstemError
from mainstem.testing.case import read_cases
from mainstem.testing.report import case_files, outcomes
from mainstem.testing.run import run_case

PIPELINE = """
CREATE PARAM day DATE DEFAULT '2024-01-31';
CREATE SOURCE orders (id BIGINT NOT NULL, amount DECIMAL(12,2)) FROM files('in.csv')
  WITH (on_bad = 'dead_letter');
CREATE EXPECTATION positive ON orders CHECK (amount > 0) ON FAIL QUARANTINE;
CREATE VIEW large AS SELECT id, amount FROM orders WHERE amount >= 10;
CREATE TABLE totals AS SELECT count(*) AS n, sum(amount) AS total, :day AS day, now() AS at FROM large;
"""
HEAD = "title: t\npipeline: shop.sql\n"
ROWS = f"{HEAD}rows orders:\n  1 | 12.50\n  2 | -1\n  3 | 2\n"
RIGHT = {
    "a result": f"{ROWS}result totals:\n  n | total\n  == | ==\n  1 | 12.50\n",
    "a view": f"{ROWS}result large:\n  1 | 12.50\n",
    "two results": f"{ROWS}result large:\n  1 | 12.50\nresult totals:\n  n\n  ==\n  1\n",
    "an empty result": f"{HEAD}rows orders:\nresult large:\n",
    "a query": f"{ROWS}query: SELECT id + 1 AS b FROM large\nbatch:\n  2\n",
    "words of the run": (
        f"{ROWS}param: day = 2024-02-01\nnow: 2024-02-01 10:00:00\nkey: k\nselect: totals\n"
        "result totals:\n  1 | 12.50 | 2024-02-01 | 2024-02-01 10:00:00\n"
    ),
    "aside": (
        f"{HEAD}file orders.csv:\n  id,amount\\n\n  1,-1\\n\n  x,1\\n\nquarantine orders:\n"
        "  positive | 0 | 1 | -1\ndead orders:\n  1 | id | whole number\n"
        "ledger: source orders: read 2, dead 1\n"
    ),
    "one more expectation": f"{ROWS}expect: known ON large CHECK (id > 1)\nfails: known\n",
    "a failure": (
        f"{HEAD}rows orders:\n  1 | 12.50\nexpect: none ON large ROW_COUNT (max => 0)\n"
        "fails: none\n"
    ),
    "an error": f"{ROWS}query: SELECT ix FROM large\nerror: ColumnNotFound at 1:8\n",
    "a real file": f"{HEAD}real: orders\nresult large:\n  7 | 70.00\n",
}  # fmt: skip
WRONG = {
    "another cell": (
        f"{ROWS}result totals:\n  n | total\n  == | ==\n  1 | 12.60\n",
        "12.50 → 12.60",
    ),
    "a row too much": (f"{ROWS}result large:\n", "1 row not expected"),
    "a row that is missing": (f"{ROWS}result large:\n  1 | 12.50\n  1 | 12.50\n", "1 row missing"),
    "another answer": (
        f"{ROWS}query: SELECT id FROM large\nbatch:\n  2\n",
        "the query: 1 row found, 1 expected",
    ),
    "another quarantine": (f"{ROWS}quarantine orders:\n  positive | 0 | 2 | -1\n", "only found"),
    "another count": (f"{ROWS}ledger: source orders: read 2\n", "read is 3, not 2"),
    "no failure": (f"{ROWS}fails: anything\n", "it succeeded"),
    "no error": (f"{ROWS}error: ColumnNotFound\n", "no error 'ColumnNotFound'"),
    "a failure": (
        f"{ROWS}expect: known ON large CHECK (id > 1)\nresult large:\n  1 | 12.50\n",
        "known",
    ),
    "no rows": (f"{HEAD}result large:\n", "GivenMissing"),
    "no such source": (f"{ROWS}rows order:\nresult large:\n  1 | 12.50\n", "write orders"),
    "no such table": (f"{ROWS}result larg:\n  1 | 12.50\n", "write large"),
    "no such column": (f"{ROWS}result large:\n  ix\n  ==\n  1\n", "no column 'ix'"),
    "no such parameter": (f"{ROWS}param: dya = 2024-01-01\nresult large:\n  1 | 12.50\n", "dya"),
    "no such pipeline": ("title: t\npipeline: shp.sql\nresult large:\n", "shp.sql"),
}
UNREADABLE = {
    "rows of nothing": f"{HEAD}rows:\n  1\nresult large:\n  1\n",
    "an own source": f"{ROWS}source: t(a bigint)\nresult large:\n  1\n",
    "an own view": f"{ROWS}view v: SELECT 1 AS a\nresult large:\n  1\n",
    "a stream": f"{ROWS}stream:\n  1\n",
    "a batch of no query": f"{ROWS}batch:\n  1\n",
    "a result of no pipeline": "title: t\nquery: SELECT 1 AS a\nbatch:\n  1\nresult x:\n  1\n",
    "a clock of no pipeline": "title: t\nnow: 2024-01-01\nquery: SELECT 1 AS a\nbatch:\n  1\n",
    "nothing expected": ROWS,
}


@pytest.fixture
def written(tmp_path):
    """Writes a case beside its pipeline."""
    (tmp_path / "shop.sql").write_text(PIPELINE, "utf-8")
    (tmp_path / "in.csv").write_text("id,amount\n7,70\n", "utf-8")

    def write(text):
        file = tmp_path / "shop.case"
        file.write_text(text, "utf-8")
        return file

    return write


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right_case_passes(written, text):
    """Whatever a case can say, said rightly."""
    (case,) = read_cases(written(text))

    run_case(case)


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG.keys())
def test_wrong_case_fails(written, text, says):
    """Each has one mistake in it, which is told."""
    (case,) = read_cases(written(text))

    with pytest.raises((AssertionError, MainstemError), match=re.escape(says)):
        run_case(case)


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_case_is_refused(written, text):
    """With its line."""
    with pytest.raises(DefinitionError) as caught:
        read_cases(written(text))

    assert caught.value.finding.code == "CaseSyntax"


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """With what they are, not in the words of a codec."""
    (tmp_path / "a.case").write_bytes(b"title: \xff")

    with pytest.raises(DefinitionError, match="not UTF-8: byte 7 is 0xff") as caught:
        read_cases(tmp_path / "a.case")
    assert caught.value.finding.code == "CaseSyntax"


def test_cell_may_hold_what_other_programs_take_for_a_line_end(tmp_path):
    """Only a line feed ends a line of a case."""
    (tmp_path / "a.case").write_text(
        "title: t\nsource: s(a string)\nrows: a\u2028b\x0cc\nquery: SELECT length(a) FROM s\nbatch: 5\n",
        "utf-8",
    )
    (case,) = read_cases(tmp_path / "a.case")

    assert case.sources[0].rows == (("a\u2028b\x0cc",),)


def test_case_leaves_nothing_beside_it(written, tmp_path):
    """Neither state nor outputs."""
    (case,) = read_cases(written(RIGHT["words of the run"]))

    run_case(case)

    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "shop.case", "shop.sql"]


def test_files_are_found_in_folders_and_not_in_hidden_ones(tmp_path):
    """In order, each once."""
    for name in ("b.case", "a/c.case", ".hidden/d.case", "a/notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("", "utf-8")

    found = case_files([tmp_path / "b.case", tmp_path])

    assert [str(file.relative_to(tmp_path)) for file in found] == ["b.case", "a/c.case"]


def test_case_of_a_stream_alone_does_not_pass(tmp_path):
    """No engine has streams: an answer that nobody computes is not right."""
    file = tmp_path / "s.case"
    file.write_text(
        "title: t\nsource: t(a bigint)\nquery: SELECT a FROM t\nstream:\n  1\n", "utf-8"
    )

    (outcome,) = outcomes([file], ["embedded"])

    assert (outcome.status, outcome.line) == ("failed", 1)
