"""One run for each value of a parameter."""

import json
from contextlib import closing

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import CheckFailed, DefinitionError, SettingsError
from mainstem.runtime.backfill import backfill_of, text_of
from mainstem.runtime.state import state_dir
from mainstem.runtime.status import runs
from tests.unit.cli.program import call
from tests.unit.incremental.reading import rows_of

PIPELINE = """
CREATE PARAM day date;
CREATE SOURCE sales (id bigint, day date) FROM files('sales.csv');
CREATE TABLE daily INTO files('out/', format => 'parquet', mode => 'append') AS
SELECT id, CASE WHEN id = 4 THEN CAST('x' AS bigint) ELSE id END AS n FROM sales WHERE day = :day;
"""
ROWS = "id,day\n1,2026-01-01\n2,2026-01-02\n3,2026-01-03\n"


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Three days of sales."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.sql").write_text(PIPELINE)
    (tmp_path / "sales.csv").write_text(ROWS)
    return tmp_path


def plan(*params):
    """A pipeline with parameters, as ``name type``."""
    p = Pipeline("p")
    p.source("s", files("s.csv"), schema="id bigint")
    for text in params:
        p.param(*text.split())
    p.table("t", "SELECT id FROM s")
    return p.plan()


@pytest.mark.parametrize(
    ("type_", "text", "values"),
    [
        (
            "date",
            "2026-02-27..2026-03-02",
            ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"],
        ),
        ("date", "2024-02-28..2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("date", "2026-01-01..2026-01-01", ["2026-01-01"]),
        ("date", "2026-01-05,2026-01-01", ["2026-01-05", "2026-01-01"]),
        ("date", "2026-01-01,2026-01-01..2026-01-02", ["2026-01-01", "2026-01-02"]),
        ("bigint", "9..11", ["9", "10", "11"]),
        ("bigint", "-1..1", ["-1", "0", "1"]),
        ("string", "north, south", ["north", "south"]),
    ],
)
def test_values(type_, text, values):
    """Both ends of a range are in it; a list keeps its order; nothing is twice."""
    found = backfill_of(plan(f"x {type_}"), {"x": text})

    assert [text_of(v) for v in found.values] == values


@pytest.mark.parametrize(
    ("params", "given"),
    [
        (["x date"], {"x": "2026-01-01"}),
        (["x date"], {"x": "2026-01-02..2026-01-01"}),
        (["x bigint"], {"x": "1..100000000"}),
        (["x string"], {"x": "a..b"}),
        (["x timestamp"], {"x": "2026-01-01..2026-01-02"}),
        (["x bigint", "y bigint"], {"x": "1,2", "y": "1,2"}),
        (["x bigint"], {}),
    ],
)
def test_what_is_no_list_is_refused(params, given):
    """With a fix."""
    with pytest.raises(SettingsError) as failed:
        backfill_of(plan(*params), given)
    assert failed.value.finding.fix


def test_parameter_that_is_not_there_is_refused_as_in_a_run():
    """With the code and the fix of `run --param`."""
    with pytest.raises(CheckFailed) as failed:
        backfill_of(plan("day date"), {"dya": "2026-01-01..2026-01-02"})
    (found,) = failed.value.findings
    assert (found.code, found.fix) == ("ParameterNotFound", "write day")


def test_value_of_another_type_is_refused():
    """As of any parameter."""
    with pytest.raises(DefinitionError, match="not a date"):
        backfill_of(plan("x date"), {"x": "2026-01-01..monday"})


def test_each_value_is_a_run(base, capsys):
    """With a key of its own."""
    said = call(capsys, "backfill", "--param", "day=2026-01-01..2026-01-03", "-o", "text")

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert [x.split("  ")[0] for x in lines[:3]] == [f"day=2026-01-0{n}" for n in (1, 2, 3)]
    assert lines[0].startswith("day=2026-01-01  1 row in ")
    assert lines[-1] == "pipeline: 3 runs"
    assert rows_of(base / "out") == [1, 2, 3]
    found = runs(state_dir(base, "pipeline"))
    assert [r.run_key for r in found] == [f"backfill day=2026-01-0{n}" for n in (1, 2, 3)]


def test_doing_it_again_writes_nothing(base, capsys):
    """Each run finds its key."""
    call(capsys, "backfill", "--param", "day=2026-01-01..2026-01-02")
    said = call(capsys, "backfill", "--param", "day=2026-01-01..2026-01-03", "-o", "text")

    assert "day=2026-01-01  0 rows, 1 there before" in said.out
    assert rows_of(base / "out") == [1, 2, 3]


def test_first_failure_stops_it_and_names_the_value(base, capsys):
    """And --resume goes on there."""
    (base / "sales.csv").write_text("id,day\n1,2026-01-01\n4,2026-01-02\n3,2026-01-03\n")
    said = call(capsys, "backfill", "--param", "day=2026-01-01..2026-01-03", "-o", "text")

    assert said.code == 6
    assert "day=2026-01-02: " in said.err
    assert rows_of(base / "out") == [1]
    (base / "sales.csv").write_text(ROWS)
    said = call(
        capsys, "backfill", "--param", "day=2026-01-01..2026-01-03", "--resume", "-o", "text"
    )
    assert said.out.splitlines()[0] == "day=2026-01-01  done before"
    assert said.out.splitlines()[-1] == "pipeline: 2 runs, 1 done before"
    assert rows_of(base / "out") == [1, 2, 3]
    statuses = [r.status for r in runs(state_dir(base, "pipeline"))]
    assert statuses == ["succeeded", "failed", "succeeded", "succeeded"]


def test_another_definition_is_not_skipped(base, capsys):
    """What was done was something else."""
    call(capsys, "backfill", "--param", "day=2026-01-01,2026-01-02")
    (base / "pipeline.sql").write_text(PIPELINE.replace("SELECT id,", "SELECT id + 10 AS id,"))
    said = call(
        capsys, "backfill", "--param", "day=2026-01-01,2026-01-02", "--resume", "-o", "text"
    )

    assert said.code == 7
    assert "RunKeyTaken: day=2026-01-01: run " in said.err
    said = call(capsys, "backfill", "--param", "day=2026-01-01,2026-01-02", "--run-key", "again")
    assert said.code == 0
    assert rows_of(base / "out") == [1, 2, 11, 12]


def test_lines_of_json(base, capsys):
    """One for each value."""
    said = call(capsys, "backfill", "--param", "day=2026-01-01,2026-01-02", "-o", "json")

    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(x["event"], x["value"], x["status"]) for x in found] == [
        ("run_ended", "2026-01-01", "succeeded"), ("run_ended", "2026-01-02", "succeeded"),
    ]  # fmt: skip


def test_incremental_source_is_refused(base, capsys):
    """The first value would get all that is new."""
    (base / "pipeline.sql").write_text(
        PIPELINE.replace("files('sales.csv')", "files('sales.csv', incremental => true)")
    )
    said = call(capsys, "backfill", "--param", "day=2026-01-01,2026-01-02", "-o", "text")

    assert said.code == 2
    assert "BackfillIncremental: source 'sales' is incremental" in said.err
    fix = ["--set", "sources.sales.incremental=false"]
    assert " ".join(fix) in said.err
    assert call(capsys, "backfill", "--param", "day=2026-01-01,2026-01-02", *fix).code == 0
    assert rows_of(base / "out") == [1, 2]


def test_fix_of_a_cursor_works(base, capsys):
    """It can be set to nothing."""
    with closing(duckdb.connect(str(base / "d.duckdb"))) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 1::BIGINT AS id, DATE '2026-01-01' AS day")
    (base / "pipeline.sql").write_text(
        PIPELINE.replace("files('sales.csv')", "duckdb('d.duckdb', 'sales', cursor => 'id')")
    )
    words = ["backfill", "--param", "day=2026-01-01,2026-01-02", "-o", "text"]
    said = call(capsys, *words)
    assert "fix: read it whole: --set sources.sales.cursor=" in said.err
    assert call(capsys, *words, "--set", "sources.sales.cursor=").code == 0
    assert rows_of(base / "out") == [1]
