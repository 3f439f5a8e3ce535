"""What the command line says about keys, selections, resumed runs and files that are known."""

import pytest

from tests.unit.cli.program import call

PIPELINE = """
CREATE PARAM least bigint DEFAULT 0;
CREATE SOURCE sales (id bigint) FROM files('in/*.csv', incremental => true);
CREATE SOURCE whole (id bigint) FROM files('whole.csv');
CREATE TABLE news INTO files('news/', format => 'parquet', mode => 'append') AS
SELECT id FROM sales WHERE id >= :least;
CREATE TABLE copy INTO files('copy.csv') AS SELECT id FROM whole;
CREATE TABLE solo INTO files('solo.csv') AS SELECT id FROM whole;
CREATE TABLE twice AS SELECT id * 2 AS id FROM copy;
"""


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    """A project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.sql").write_text(PIPELINE)
    (tmp_path / "whole.csv").write_text("id\n7\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id\n1\n")
    return tmp_path


def said(capsys, *words):
    """A command in words."""
    return call(capsys, *words, "-o", "text")


def test_check_refuses_append_behind_an_aggregate(capsys, base):
    """With the line and a caret under the operator."""
    text = PIPELINE.replace(
        "SELECT id FROM sales WHERE id >= :least", "SELECT max(id) AS id FROM sales"
    )
    (base / "pipeline.sql").write_text(text)
    found = said(capsys, "check")

    assert found.code == 2
    assert "AppendNotFinal: table 'news' appends, and max() gives one row for this run" in found.out
    assert "at:  pipeline.sql:6:8 (step 'news')" in found.out
    assert "fix: merge by key" in found.out


def test_known_files_are_told(capsys, base):
    """And when nothing is new."""
    assert "0 files read before" in said(capsys, "run").out
    assert "nothing new; 1 file read before" in said(capsys, "run").out
    (base / "in/b.csv").write_text("id\n2\n")
    out = said(capsys, "run").out
    assert "1 row" in out
    assert "1 file read before" in out
    assert "nothing new" not in out


def test_selection_takes_several_words(capsys):
    """With or without a second option."""
    out = said(capsys, "run", "--select", "copy", "twice").out
    assert "copy" in out
    assert "twice" in out
    assert "news" not in out
    out = said(capsys, "run", "--select", "whole+", "--select", "news").out
    assert all(name in out for name in ("copy", "twice", "news"))
    assert "write copy" in said(capsys, "run", "--select", "coppy").err


def test_key_is_told(capsys):
    """In the run and in the list of runs."""
    said(capsys, "run", "--run-key", "monday", "--param", "least=1")
    again = said(capsys, "run", "--run-key", "monday", "--param", "least=1")

    assert "with this key has written it" in again.out
    assert "1 there before" in again.out
    assert "key=monday least=1" in said(capsys, "runs").out
    assert "with key=monday least=1" in said(capsys, "plan").out
    assert said(capsys, "run", "--run-key", "monday").code == 7


def test_resumed_run_tells_what_it_took_over(capsys, base):
    """And what not."""
    failing = PIPELINE.replace("id * 2", "CAST('x' || CAST(id AS string) AS bigint)")
    (base / "pipeline.sql").write_text(failing)
    assert said(capsys, "run").code == 6
    (base / "pipeline.sql").write_text(PIPELINE)
    out = said(capsys, "run", "--resume").out

    assert "solo: taken over from run " in out
    assert "news: computed again, as what is added to a sink is not kept" in out
    assert "copy: computed again, as another step reads it" in out
    assert "no failed run has left" in said(capsys, "run", "--resume").out
