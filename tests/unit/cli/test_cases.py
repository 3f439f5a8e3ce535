"""`mainstem test`: what it says of cases, and how it ends."""

import json

import pytest

from tests.unit.cli.program import call

CASES = """\
title: right
query: SELECT 1 AS a
batch:
  1
---
title: wrong
query: SELECT 1 AS a
batch:
  2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file of two cases, one of them wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.case").write_text(CASES, "utf-8")
    return tmp_path


def test_each_case_is_told(folder, capsys):
    """With its place, and why it failed; the exit code is that of wrong data."""
    said = call(capsys, "test")

    assert said.code == 6
    lines = said.out.splitlines()
    assert lines[0] == "ok    some.case:1  right"
    assert lines[1] == "FAIL  some.case:6  wrong"
    assert "missing: [(2,)]" in lines[2]
    assert lines[3].startswith("1 case passed, 1 failed in ")
    assert said.err == ""


def test_cases_are_chosen_by_title(folder, capsys):
    """A title of none is an error: a misspelt one must not pass."""
    said = call(capsys, "test", "--only", "RIGHT")
    assert (said.code, len(said.out.splitlines())) == (0, 2)

    none = call(capsys, "test", "--only", "nothing")
    assert none.code == 2
    assert "CasesMissing" in none.err


def test_quiet_says_only_what_failed(folder, capsys):
    """And nothing when all is well."""
    assert call(capsys, "test", "-q", "--only", "right").out == ""
    assert call(capsys, "test", "-q").out.startswith("FAIL  some.case:6  wrong\n")


def test_json_has_each_outcome(folder, capsys):
    """As one document."""
    said = call(capsys, "test", "-o", "json")

    document = json.loads(said.out)
    assert (said.code, document["ok"], document["passed"], document["failed"]) == (6, False, 1, 1)
    assert [(c["title"], c["status"]) for c in document["cases"]] == [
        ("right", "passed"),
        ("wrong", "failed"),
    ]
    assert document["cases"][0]["engine"] == "embedded"


def test_file_that_cannot_be_read_does_not_hide_the_others(folder, capsys):
    """It is told with its line, and the exit code is that of a wrong definition."""
    (folder / "bad.case").write_text("title: t\nqery: SELECT 1\n", "utf-8")

    said = call(capsys, "test", ".", "--only", "right")

    assert said.code == 2
    assert "bad.case:2" in said.out
    assert "ok    some.case:1  right" in said.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("nowhere",), "CasesMissing"), (("empty",), "CasesMissing"),
     (("--engine", "nowhere"), "EngineNotFound")],
    ids=["no path", "no case", "no engine"],
)  # fmt: skip
def test_what_is_not_there_is_told(folder, capsys, arguments, code):
    """No case that ran is no success."""
    (folder / "empty").mkdir()

    said = call(capsys, "test", *arguments)

    assert said.code == 2
    assert code in said.err


def test_file_without_a_case_is_told(folder, capsys):
    """Nobody asked for a title."""
    (folder / "none.case").write_text("", "utf-8")

    said = call(capsys, "test", "none.case")

    assert said.code == 2
    assert "CasesMissing: there is no case in none.case" in said.err
    assert "--only" not in said.err


def test_tests_in_python_are_pointed_to(folder, capsys):
    """Only where there are any."""
    assert "pytest" not in call(capsys, "test", "--only", "right").out
    (folder / "test_it.py").write_text("", "utf-8")

    assert "run them by pytest" in call(capsys, "test", "--only", "right").out


def test_what_a_pipeline_file_prints_is_no_part_of_the_answer(folder, capsys):
    """It goes to standard error."""
    (folder / "p.py").write_text(
        "import mainstem as ms\nprint('hello')\np = ms.Pipeline('p')\n"
        "p.table('t', 'SELECT 1 AS a')\n",
        "utf-8",
    )
    (folder / "p.case").write_text("title: p\npipeline: p.py\nresult t:\n  1\n", "utf-8")

    said = call(capsys, "test", "p.case", "-o", "json")

    assert json.loads(said.out)["ok"]
    assert "hello" in said.err
