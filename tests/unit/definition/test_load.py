"""Loading a pipeline from a file, and what is said when that goes wrong."""

import sys

import pytest

from mainstem.definition.load import load
from mainstem.errors import DefinitionError, UnsupportedError

GOOD = """import mainstem as ms
p = ms.Pipeline("good")
p.source("s", ms.files("s.csv"), schema="id bigint")
p.table("t", "SELECT id FROM s")
"""


def refused(file, **options):
    """The finding of a file that cannot be loaded."""
    with pytest.raises(DefinitionError) as caught:
        load(file, **options)
    return caught.value.finding


def written(folder, text, name="p.py"):
    """Write a file."""
    file = folder / name
    file.write_text(text)
    return file


def test_python_and_sql_files_are_loaded(tmp_path):
    """By their ending; places are in that file."""
    pipeline = load(written(tmp_path, GOOD))
    assert (pipeline.name, pipeline.where.line) == ("good", 2)
    assert pipeline.plan(environ={}).tables[0].where.file == str(tmp_path / "p.py")

    sql = written(tmp_path, "CREATE TABLE t AS SELECT 1 AS x", "daily.sql")
    assert load(str(sql)).plan(environ={}).name == "daily"


def test_modules_beside_the_file_are_found_while_it_is_loaded(tmp_path):
    """And the import path is as before afterwards."""
    written(tmp_path, "LIMIT = 3\n", "neighbour_of_pipeline.py")
    text = "from neighbour_of_pipeline import LIMIT\n" + GOOD
    before = list(sys.path)

    assert load(written(tmp_path, text)).name == "good"
    assert sys.path == before


def test_main_block_is_not_run_and_dataclasses_work(tmp_path):
    """The module has a name of its own, by which it can be found."""
    text = GOOD + (
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Row:\n    x: 'int' = 0\n"
        "if __name__ == '__main__':\n    raise SystemExit\n"
    )

    assert load(written(tmp_path, text)).name == "good"


def test_one_of_several_is_chosen_by_name(tmp_path):
    """Without a name it is refused rather than guessed."""
    file = written(tmp_path, GOOD + 'q = ms.Pipeline("other")\nagain = q\n')

    assert load(file, "other").name == "other"
    found = refused(file)
    assert (found.code, found.fix) == ("PipelineNotFound", "say which: --pipeline good")
    assert refused(file, name="othr").fix == "write other"


def test_imported_pipeline_counts_only_when_there_is_no_other(tmp_path):
    """A file may build on another one's pipeline, or pass it on."""
    written(tmp_path, GOOD, "base_pipeline_file.py")
    passed_on = written(tmp_path, "from base_pipeline_file import p\n")
    assert load(passed_on).name == "good"

    own = 'from base_pipeline_file import p\nimport mainstem as ms\nq = ms.Pipeline("own")\n'
    assert load(written(tmp_path, own, "own.py")).name == "own"


def test_file_without_a_pipeline_is_refused(tmp_path):
    """With the line to add."""
    found = refused(written(tmp_path, "x = 1\n"))

    assert (found.code, found.fix) == (
        "PipelineNotFound", 'write p = ms.Pipeline("p") at the top level',
    )  # fmt: skip


def test_error_in_the_file_points_at_the_users_line(tmp_path):
    """Not at the frames of what it called."""
    file = written(tmp_path, "import json\n\ndef f():\n    json.loads('{')\n\nf()\n")
    found = refused(file)

    assert (found.code, found.where.file, found.where.line) == ("PipelineFailed", str(file), 4)
    assert "JSONDecodeError" in found.what


@pytest.mark.parametrize(
    ("text", "code", "line", "fix"),
    [
        ("x = (\n", "PythonSyntax", 1, "correct"),
        ("import no_such_module_here\n", "PipelineFailed", 1, "install no_such_module_here"),
        ("import sys\nsys.exit(1)\n", "PipelineFailed", 2, "__main__"),
        ("\n1 / 0\n", "PipelineFailed", 2, "correct"),
    ],
)
def test_file_that_cannot_be_executed_is_refused(tmp_path, text, code, line, fix):
    """Each with its line and what to do."""
    found = refused(written(tmp_path, text))

    assert (found.code, found.where.line) == (code, line)
    assert fix in found.fix


def test_our_own_errors_pass_as_they_are(tmp_path):
    """A reserved word keeps its class, and with it its exit code."""
    text = GOOD + 'p.iterate("rank")\n'

    with pytest.raises(UnsupportedError) as caught:
        load(written(tmp_path, text))
    assert caught.value.finding.where.line == 5


def test_missing_file_names_the_nearest(tmp_path):
    """A slip of the pen in a path."""
    written(tmp_path, GOOD, "pipeline.py")

    assert refused(tmp_path / "pipelin.py").fix == f"write {tmp_path / 'pipeline.py'}"
    assert refused(tmp_path / "a.json").code == "PipelineFileMissing"
    assert refused(tmp_path / "no" / "a.py").code == "PipelineFileMissing"
    (tmp_path / "latin.sql").write_bytes(b"-- \xe4")
    assert "not UTF-8" in refused(tmp_path / "latin.sql").what


def test_changed_file_is_read_again(tmp_path):
    """Places come from the file as it is now."""
    bad = GOOD.replace("SELECT id", "SELECT oops")
    lines = []
    for text in (bad, "\n\n" + bad):
        pipeline = load(written(tmp_path, text))
        with pytest.raises(DefinitionError) as caught:
            pipeline.check(environ={})
        lines.append(caught.value.findings[0].where.line)

    assert lines == [4, 6]
