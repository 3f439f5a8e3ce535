"""Questions that cannot be answered: each is told in words of ours, with its place and a fix."""

import pytest

from mainstem.errors import DataError
from mainstem.runtime.query import connect
from tests.unit.cli.program import call

PIPELINE = """
CREATE TABLE best AS SELECT * FROM (VALUES ('ada', 1.50), ('bob', 2.50)) AS v(customer, total);
CREATE TABLE by_day AS SELECT TIMESTAMP '2024-02-29 12:00:00Z' AS day;
"""


@pytest.fixture
def tables(tmp_path, monkeypatch, capsys):
    """A pipeline that has run: the tables best (customer, total) and by_day (day)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.sql").write_text(PIPELINE)
    assert call(capsys, "run", "-q").code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("question", "what", "place", "fix"),
    [
        ("SELECT * FROM bst", "no table 'bst' (tables: best, by_day)", "1:15", "write best"),
        ("SELECT *\nFROM bydy", "no table 'bydy' (tables: best, by_day)", "2:6", "write by_day"),
        ("SELECT * FROM x", "no table 'x' (tables: best, by_day)", "1:15", "a view is not kept"),
        ("SELECT custmer FROM best", "no column 'custmer'", "1:8", "write customer"),
        ("  SELECT total,\n  custmer FROM best", "no column 'custmer'", "2:3", "write customer"),
        ("SELECT b.totl FROM best b", "no column 'totl'", "1:8", "write total"),
        ("SELECT nothing FROM best", "no column 'nothing'", "1:8", "DESCRIBE"),
        ("SELECT b.total FROM best", "no table 'b' in FROM (tables in FROM: best)", "1:8", "FROM"),
        ("SELECT lenth(customer) FROM best", "no function 'lenth'", "1:8", "write length"),
        ("SELECT sum(customer) FROM best", "sum(VARCHAR) has no meaning", "1:8", "CAST"),
        ("SELCT 1", "'SELCT' cannot stand here", "1:1", "correct the place"),
        ("SELECT total FROM best GROUP BY customer", "the question failed: column", "1:8", "best"),
        (
            "SELECT 'é' AS e, " + "1 + " * 60 + "totl" + " + 1" * 60 + " FROM best",
            "no column 'totl'", "1:258", "write total",
        ),
    ],
)  # fmt: skip
def test_question_that_is_wrong(tables, capsys, question, what, place, fix):
    """The engine's own advice, which names what it likes, is not repeated."""
    said = call(capsys, "query", question)

    assert said.code == 6
    first, at, *_ = said.err.splitlines()
    assert first.startswith(f"QueryFailed: {what}")
    assert at == f"  at:  <sql>:{place}"
    assert fix in said.err.partition("  fix: ")[2]
    for words in ("Did you mean", "Candidate", "Error:", "LINE "):
        assert words not in said.err


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ("SELECT 1; SELECT 2", "these are 2 statements"),
        ("DROP TABLE best; SELECT 1", "these are 2 statements"),
        ("DROP TABLE best", "DROP is no question"),
        ("SET threads = 1", "SET is no question"),
        ("/* nothing */ ;", "the question is empty"),
        (";", "the question is empty"),
    ],
)
def test_one_question_is_answered_and_nothing_else(tables, capsys, question, what):
    """Of several only the last would be answered, and nobody told of the others."""
    said = call(capsys, "query", question)

    assert (said.code, said.out.startswith('{"error"')) == (6, False)
    assert said.err.startswith(f"QueryRefused: {what}")
    assert call(capsys, "query", "SELECT count(*) AS n FROM best", "-o", "csv").out == "n\n2\n"


@pytest.mark.parametrize("end", [";", " -- note", "; -- a note; and more", " /* ; */ ;;"])
def test_what_stands_behind_a_question_is_no_part_of_it(tables, capsys, end):
    """Instants are asked for a second time, inside of brackets."""
    said = call(capsys, "query", f"SELECT day, ';é' AS x FROM by_day{end}", "-o", "csv")

    assert (said.code, said.out) == (0, "day,x\n2024-02-29T12:00:00Z,;é\n")


def test_python_gets_the_engines_words_too(tables):
    """For a program that wants them."""
    with connect(tables / ".mainstem" / "p") as found, pytest.raises(DataError) as refused:
        found.query("SELECT * FROM bst")

    assert "Did you mean" in refused.value.attributes["engine_message"]
