"""Steps of verbs on the command line: they are steps like any other."""

import pytest

from tests.unit.cli.program import call

HEAD = """\
import mainstem as ms
from mainstem import col

p = ms.Pipeline("shop")
t = p.source("t", ms.files("t.csv"), schema="id bigint, amount decimal(12,2)")
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a pipeline file into an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "pipe.py").write_text(HEAD + text)


def test_render_shows_the_sql_of_verbs(write, capsys):
    """As Mainstem understood it, and as the engine gets it."""
    write('p.table("x", t.filter(col("amount") > 1).select("id"))\n')
    said = call(capsys, "render", "pipe.py", "x")

    assert said.code == 0
    assert 'SELECT "t"."id" AS "id" FROM "t" AS "t" WHERE ("t"."amount" > ' in said.out
    assert "-- x: embedded" in said.out


def test_run_and_query_know_nothing_of_verbs(write, capsys, tmp_path):
    """The plan is what runs."""
    write('p.table("x", t.agg(n=ms.count(), total=ms.sum("amount")))\n')
    (tmp_path / "t.csv").write_text("id,amount\n1,2.50\n2,3.25\n")

    assert call(capsys, "run", "pipe.py").code == 0
    assert (
        call(capsys, "query", "SELECT * FROM x", "pipe.py", "-o", "csv").out == "n,total\n2,5.75\n"
    )


def test_check_names_the_line_of_a_verb(write, capsys):
    """In a function each verb has its own line; an error while the file is read has its line too."""
    write(
        '@p.table\ndef x():\n    large = t.filter(col("amuont") > 1)\n    return large.select("id")\n'
    )
    checked = call(capsys, "check", "pipe.py")
    write('p.table("x", t.sort("id")\n    .drop("amount"))\n')
    lost = call(capsys, "check", "pipe.py")

    assert (checked.code, lost.code) == (2, 2)
    assert "pipe.py:8 " in checked.out + checked.err
    assert "write amount" in checked.out + checked.err
    assert "SortLost" in lost.out + lost.err
    assert "pipe.py:7\n" in lost.out + lost.err
