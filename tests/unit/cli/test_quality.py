"""`mainstem quality`, and what a run says of its expectations."""

import json

import pytest

from tests.unit.cli.program import call

PIPELINE = """
import mainstem as ms

p = ms.Pipeline("shop")
p.source("t", ms.files("t.csv"), schema="id bigint", on_bad="dead_letter")
p.expect("t", "id > 0", name="positive", on_fail="quarantine")
p.expect("t", ms.row_count(min=3), name="some", on_fail="warn")
p.table("kept", "SELECT id FROM t")
"""


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """A project whose one run found two rows below zero and one that is no number."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "t.csv").write_text("id\n1\n-2\n-3\nx\n4\n")
    return call(capsys, "run", "-o", "text")


def words(line: str) -> list[str]:
    """A line without its spaces."""
    return line.split()


def test_a_run_says_what_was_checked_and_kept(judged):
    """Beside what was read and written."""
    assert judged.code == 0, judged.err
    lines = [words(line) for line in judged.out.splitlines()]

    assert ["t.positive", "4", "rows", "2", "quarantined"] in lines
    assert ["t.some", "2", "rows", "2", "rows,", "not", "met"] in lines
    assert ["t__quarantine", "2", "rows", "open"] in lines
    assert ["t__dead", "1", "row", "open"] in lines


def test_the_plan_tells_the_rules(judged, capsys):
    """Before anything runs."""
    lines = [words(line) for line in call(capsys, "plan").out.splitlines()]
    assert ["t.positive", "id", ">", "0", "quarantine"] in lines

    document = json.loads(call(capsys, "plan", "-o", "json").out)
    found = [(e["on"], e["name"], e["kind"], e["on_fail"]) for e in document["expectations"]]
    assert found == [
        ("t", "positive", "predicate", "quarantine"), ("t", "some", "row_count", "warn"),
    ]  # fmt: skip


def test_quality_has_a_line_for_each_rule_of_each_run(judged, capsys):
    """The latest run first, its rules in the order of the file."""
    call(capsys, "run", "-o", "text")
    said = call(capsys, "quality")

    rows = [words(line) for line in said.out.splitlines()[2:]]
    assert [row[1:6] for row in rows] == [
        ["t.positive", "quarantine", "4", "2", "50.00%"],
        ["t.some", "warn", "2", "0", "0.00%"],
    ] * 2
    assert rows[0][0] > rows[2][0]


def test_one_run_shows_the_rows_that_broke_a_rule(judged, capsys):
    """With their place."""
    run_id = json.loads(call(capsys, "runs", "-o", "json").out)[0]["run_id"]
    said = call(capsys, "quality", "--run", run_id[:-2])

    assert "t.positive: the first of 2" in said.out
    lines = [words(line) for line in said.out.splitlines()]
    assert [line[1:] for line in lines if line and line[0].endswith("t.csv")] == [
        ["1", "-2"], ["2", "-3"],
    ]  # fmt: skip


def test_quality_as_json_has_everything(judged, capsys):
    """Counts, and samples."""
    found = json.loads(call(capsys, "quality", "-o", "json", "-n", "1").out)

    (line,) = found
    assert (line["on"], line["rule"], line["checked"], line["failed"]) == ("t", "positive", 4, 2)
    assert [sample["id"] for sample in line["samples"]] == ["-2", "-3"]


@pytest.mark.parametrize("arguments", [("--run", "nothing"), ("--limit", "-1")])
def test_what_is_not_there_is_told(judged, capsys, arguments):
    """A wrong name of a run is not an empty answer."""
    said = call(capsys, "quality", *arguments)

    assert (said.code, said.out) == (2, "")
    assert "Usage" in said.err


def test_a_project_that_never_ran_says_so(project, capsys):
    """And is no error."""
    assert call(capsys, "quality").out == "nothing has been judged yet\n"
