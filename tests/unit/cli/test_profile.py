"""`mainstem profile` says what data looks like, on a terminal, as data, as code and as a page."""

import json
import os

import pytest

from mainstem.runtime.state import locked, prepare
from tests.unit.cli.program import Screen, call, start


def test_sources_and_kept_tables(project, capsys):
    """Before the first run the sources; after it also what it kept."""
    before = call(capsys, "profile", "-o", "json")
    assert call(capsys, "run", "-q").code == 0
    after = call(capsys, "profile", "-o", "json")

    names = [
        [(r["name"], r["kind"], r["total_rows"]) for r in json.loads(said.out)["relations"]]
        for said in (before, after)
    ]
    sources = [("orders", "source", 8), ("customers", "source", 4)]
    assert names == [sources, [*sources, ("best", "table", 4)]]
    assert (before.code, before.err, after.err) == (0, "", "")
    assert call(capsys, "profile", "pipeline.py", "best").out.startswith("best: 4 rows, ")


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("ordrs", "no source and no kept table 'ordrs'", "write orders"),
        ("paid", "view 'paid' is not kept", "declare it as a table without a sink"),
        ("best", "table 'best' has not been computed yet", "run the pipeline first"),
        ("by_country", "table 'by_country' is where its sink is", "profile the file"),
    ],
)
def test_what_has_no_rows_is_refused_by_name(project, capsys, name, what, fix):
    """Each with what to do about it."""
    said = call(capsys, "profile", "pipeline.py", name)

    assert said.code == 2
    assert said.err.startswith(f"ProfileNotFound: {what}")
    assert fix in said.err.partition("fix: ")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("data/none.csv",), 2, "DataFileMissing: there is no data file"),
        (("data/orders.csv", "orders"), 2, "Usage: a data file has no source 'orders'"),
        (("data/orders.csv", "--sample", "-5"), 2, "Usage: the sample is -5 rows"),
        (("data/orders.csv", "--compare", "none.json"), 4, "FileNotRead: cannot read none.json"),
        (("data/orders.csv", "--compare", "mainstem.toml"), 6, "ProfileFormat: mainstem.toml is"),
        (("data/orders.csv", "--html", "no/page.html"), 4, "FileNotWritten: cannot write no/page"),
        (("data/orders.csv", "--suggest", "scala"), 2, "Usage: "),
        (("data/orders.csv", "--memory-limit", "much"), 2, "EngineSettings: "),
    ],
)
def test_wrong_arguments(project, capsys, arguments, code, what):
    """In our words, with the code of their kind."""
    said = call(capsys, "profile", *arguments)

    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(what)


def test_tables_are_not_read_while_a_run_writes_them(project, capsys):
    """Sources are."""
    assert call(capsys, "run", "-q").code == 0
    folder = project / ".mainstem" / "orders"
    prepare(folder)
    with locked(folder, "now"):
        said = call(capsys, "profile", "pipeline.py", "best")
        of_source = call(capsys, "profile", "pipeline.py", "orders")

    assert (said.code, of_source.code) == (7, 0)
    assert said.err.startswith("StateLocked: run now")


def test_profiling_changes_nothing(project, capsys):
    """No state directory is made, and an old one stays as it is."""

    def everything():
        return {
            str(file): file.read_bytes() for file in project.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }  # fmt: skip

    before = everything()
    assert call(capsys, "profile").code == 0
    assert everything() == before
    call(capsys, "run", "-q")
    before = everything()
    assert call(capsys, "profile").code == 0
    assert everything() == before


def test_code_to_paste(project, capsys):
    """As text alone, so that >> appends it; as a document when JSON is asked for."""
    said = call(capsys, "profile", "pipeline.py", "orders", "--suggest", "python")
    as_sql = call(capsys, "profile", "pipeline.py", "orders", "--suggest", "sql", "-o", "json")

    lines = said.out.splitlines()
    assert lines
    assert all(line.startswith('p.expect("orders", ') for line in lines)
    document = json.loads(as_sql.out)
    assert document["language"] == "sql"
    assert document["code"].count("CREATE EXPECTATION") == len(lines)


def test_page(project, capsys):
    """Is written, and said to be; with --details the terminal gets its part too."""
    said = call(capsys, "profile", "data/orders.csv", "--html", "page.html")
    quiet = call(capsys, "profile", "data/orders.csv", "--html", "page.html", "-q")

    assert (said.out, quiet.out) == ("written: page.html\n", "")
    assert (project / "page.html").read_text().startswith("<!doctype html>")
    both = call(capsys, "profile", "data/orders.csv", "--html", "page.html", "--details")
    assert both.out.startswith("orders: 8 rows")


def test_comparison_and_its_exit_code(project, capsys):
    """0 without a difference that matters, 6 with one; as data too."""
    saved = call(capsys, "profile", "data/orders.csv", "-o", "json").out
    (project / "before.json").write_text(saved)
    same = call(capsys, "profile", "data/orders.csv", "--compare", "before.json")
    text = (project / "data/orders.csv").read_text()
    (project / "data/orders.csv").write_text(text.replace("refunded", "lost"))
    said = call(capsys, "profile", "data/orders.csv", "--compare", "before.json")
    data = call(capsys, "profile", "data/orders.csv", "--compare", "before.json", "-o", "json")

    assert (same.code, same.out) == (0, "nothing is different\n")
    assert (said.code, data.code) == (6, 6)
    assert "changed  orders.status: new: lost" in said.out
    assert json.loads(data.out)["has_changed"] is True


def test_no_values(project, capsys):
    """Of texts, in any form."""
    for more in (("-o", "json"), ("--details",), ("--suggest", "python")):
        said = call(capsys, "profile", "data/orders.csv", "--no-values", *more)
        assert said.code == 0
        for value in ("refunded", "ada"):
            assert value not in said.out


def test_control_characters_do_not_reach_the_terminal(project, capsys):
    """Of values and of names."""
    (project / "x.csv").write_bytes(b"a\x1b[31m,b\nx\x1b[2J,1\nx\x1b[2J,1\n")
    for more in ((), ("--details",), ("--suggest", "sql"), ("--suggest", "python")):
        said = call(capsys, "profile", "x.csv", *more)
        assert said.code == 0
        assert "\x1b" not in said.out


@pytest.mark.parametrize("width", [60, 80, 140])
def test_lines_fit_the_terminal(project, width):
    """Names and types are cut before anything is wrapped; a pipe gets no colours."""
    name = "a_very_long_name_of_a_column_that_nobody_would_want_to_read_in_full"
    (project / "wide.csv").write_text(f"{name}\n" + "".join(f"{i}\n" for i in range(40)))
    said = start("profile", "wide.csv", cwd=project, COLUMNS=str(width))

    assert (said.code, said.err) == (0, "")
    assert max(len(line) for line in said.out.splitlines()[1:]) <= width
    assert "\x1b" not in said.out


def test_on_a_terminal(project):
    """The same table, within its 100 columns."""
    with Screen("profile", "data/orders.csv", cwd=project) as screen:
        code = screen.end()

    assert code == 0
    assert "order_id" in screen.text
    assert "▅▅▅▅▅▅▅▅" in screen.text


def test_secrets_are_nowhere(project, capsys, monkeypatch):
    """Nothing of a binding is in a profile but the path of a bad record."""
    monkeypatch.setenv("PROFILE_CANARY", "canary-4711")
    (project / "s.py").write_text(
        "import mainstem as ms\np = ms.Pipeline('s')\n"
        "p.source('o', ms.files(ms.Secret(env='PROFILE_CANARY')), schema='id bigint')\n"
        "p.table('n', 'SELECT count(*) AS n FROM o')\n"
    )
    said = call(capsys, "profile", "s.py", "-o", "json")

    assert said.code != 0
    assert "canary-4711" not in said.out + said.err
    assert os.environ["PROFILE_CANARY"] == "canary-4711"
