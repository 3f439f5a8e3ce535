"""A case that is wrong fails: each of these is a case with a mistake in it."""

import pytest

from mainstem.testing.case import read_cases
from mainstem.testing.run import run_case, stream_refusals

OVERFLOW = "query: SELECT 9223372036854775807 + x AS a FROM (VALUES (1)) AS v(x)"
WRONG = {
    "another value": "query: SELECT 1 AS a\nbatch:\n  2",
    "a row too much": "query: SELECT 1 AS a\nbatch:\n  1\n  1",
    "another order": (
        "query: SELECT x FROM (VALUES (1), (2)) AS v(x) ORDER BY x\nordered: yes\nbatch:\n  2\n  1"
    ),
    "another type": "query: SELECT 1 AS a\ncolumns: a string\nbatch:\n  1",
    "no failure": "query: SELECT 1 AS a\nfails: overflow",
    "other words": f"{OVERFLOW}\nfails: banana",
    "a failure": f"{OVERFLOW}\nbatch:\n  1",
    "no finding": "query: SELECT 1 AS a\nerror: ColumnNotFound",
    "a finding elsewhere": "query: SELECT b AS a\nerror: ColumnNotFound at 1:9",
    "one finding of two": "query: SELECT b AS a, c AS d\nerror: ColumnNotFound at 1:8",
    "another bad row": (
        "source: t(a bigint)\nrows:\n  x\nquery: SELECT a FROM t\nbad:\n  t.jsonl:2: column 'a': 'x'"
    ),
    "another number of bad rows": (
        "source: t(a bigint)\nrows:\n  x\n  y\nquery: SELECT a FROM t\nbad:\n"
        "  t.jsonl:1: column 'a': 'x' not a whole number, bigint is declared"
    ),
    "a good row": "source: t(a bigint)\nrows:\n  1\nquery: SELECT a FROM t\nbad:\n  t.jsonl:1: x",
    "another count": (
        "source: t(a bigint)\nrows:\n  1\nquery: SELECT a FROM t\nbatch:\n  1\n"
        "ledger: source t: read 2"
    ),
    "another kind": "query: SELECT 1 AS a\nkind: updating\nbatch:\n  1",
    "a warning that is not named": "query: SELECT CAST(1e0 AS string) AS a\nbatch:\n  1.0",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_case_fails(tmp_path, text):
    """A wrong case fails."""
    path = tmp_path / "some.case"
    path.write_text(f"title: t\n{text}\n", "utf-8")
    (case,) = read_cases(path)

    with pytest.raises(AssertionError):
        run_case(case)


def test_a_mistyped_answer_of_a_stream_is_found(tmp_path):
    """A mistyped answer of a stream does not wait for an engine with streams."""
    path = tmp_path / "some.case"
    path.write_text(
        "title: t\nsource: t(a bigint)\nquery: SELECT a FROM t\nstream:\n  1 | 2", "utf-8"
    )
    (case,) = read_cases(path)

    with pytest.raises(AssertionError, match="2 cells"):
        stream_refusals(case)
