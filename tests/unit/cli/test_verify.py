"""`mainstem verify` on the project of `mainstem init`."""

import json

import pytest

from tests.unit.cli.program import Screen, call
from tests.unit.runtime.standin import install

BOTH = ("--engines", "embedded,other")
MISSING = {"paid": "SELECT * FROM {} AS q WHERE amount < 100"}


def test_engines_that_agree(project, capsys):
    """A table, a line for each engine, and the answer; nothing is left behind."""
    before = sorted(project.rglob("*"))
    said = call(capsys, "verify", "--engines", "embedded, embedded")

    assert (said.code, said.err) == (0, "")
    assert "embedded rows  embedded#2 rows" in said.out
    assert said.out.splitlines()[-1] == "embedded and embedded#2 agree: 2 tables, 1 view"
    assert [
        file for file in sorted(project.rglob("*")) if "__pycache__" not in file.parts
    ] == before
    quiet = call(capsys, "verify", "--engines", "embedded,embedded", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_the_step_that_made_the_difference(project, capsys, monkeypatch):
    """Its rows, its place, and that the later ones only follow."""
    install(monkeypatch, sql=MISSING)
    said = call(capsys, "verify", *BOTH)

    assert said.code == 6
    assert "view paid differs, and nothing that it is made of does" in said.out
    assert "differs, as it is made of paid" in said.out
    assert " only on embedded, 0 only on other" in said.out
    assert said.out.count("only on   ") == 1
    assert said.out.splitlines()[-1].startswith(
        "embedded and other differ in 3 of 3 steps, first in view paid (pipeline.py:"
    )
    assert said.err.startswith("EnginesDiffer: embedded and other do not agree in view 'paid'")
    assert "docs/errors.md#enginesdiffer" in said.err


def test_as_a_document(project, capsys, monkeypatch):
    """One, also when they differ; decimals keep their digits."""
    install(monkeypatch, sql=MISSING)
    said = call(capsys, "verify", *BOTH, "-o", "json")
    found = json.loads(said.out)

    assert (said.code, said.err) == (6, "")
    assert (found["equal"], found["first"]) == (False, "paid")
    paid = next(part for part in found["parts"] if part["name"] == "paid")
    only = paid["differences"][0]["only"]
    assert only["first"]["count"] == len(only["first"]["rows"])
    assert isinstance(only["first"]["rows"][0][-1], str)
    assert only["second"] == {"count": 0, "rows": []}


def test_a_page(project, capsys, monkeypatch):
    """Is written also when they differ."""
    install(monkeypatch, sql=MISSING)
    said = call(capsys, "verify", *BOTH, "--html", "page.html")

    assert said.code == 6
    assert said.out.endswith("written: page.html\n")
    assert (project / "page.html").read_text().startswith("<!doctype html>")


def test_an_engine_that_fails(project, capsys, monkeypatch):
    """The code is that of its error, whose words are told."""
    install(monkeypatch, fails="no room")
    said = call(capsys, "verify", *BOTH)

    assert said.code == 5
    assert "other     failed" in said.out
    assert said.err.startswith("EngineError: no room")


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--engines", "embedded"), 2, "Usage: the engines to compare are 'embedded'"),
        (("--engines", "embedded,none"), 2, "EngineNotFound: no engine 'none'"),
        (("--as-stream",), 3, "ReservedWord: --as-stream is a reserved word"),
        ((*BOTH, "--param", "x"), 2, "Usage: a --param has no name"),
        ((*BOTH, "--html", "no/page.html"), 4, "FileNotWritten: "),
    ],
)
def test_wrong_arguments(project, capsys, monkeypatch, arguments, code, what):
    """In our words, with the code of their kind."""
    install(monkeypatch)
    said = call(capsys, "verify", *arguments)

    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(what)


def test_gaps_are_refused_with_the_name_of_the_engine(project, capsys, monkeypatch):
    """As `run` does."""
    install(monkeypatch, lacks=("no lookups",))
    said = call(capsys, "verify", *BOTH)

    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("NotHere: engine other: no lookups")


def test_parameters_reach_the_runs(project, capsys):
    """Both of them."""
    said = call(capsys, "verify", "--engines", "embedded,embedded", "--param", "status=none",
                "-o", "json")  # fmt: skip

    assert [p["rows"] for p in json.loads(said.out)["parts"] if p["kind"] == "view"] == [
        {"embedded": 0, "embedded#2": 0}
    ]


def test_what_functions_print_is_no_part_of_the_answer(project, capsys):
    """It goes to standard error."""
    (project / "p.py").write_text(
        "import mainstem as ms\nprint('defined')\np = ms.Pipeline('p')\n"
        "p.source('o', ms.files('data/orders.csv'), schema='order_id bigint')\n"
        "@p.function(workers=0)\ndef twice(x: int) -> int:\n    print('called')\n    return 2 * x\n"
        "p.table('t', 'SELECT twice(order_id) AS x FROM o')\n"
    )
    said = call(capsys, "verify", "p.py", "--engines", "embedded,embedded", "-o", "json")

    assert said.code == 0
    assert json.loads(said.out)["equal"] is True
    assert "called" in said.err


def test_on_a_terminal(project):
    """It says which engine runs."""
    with Screen("verify", "--engines", "embedded,embedded", cwd=project) as screen:
        code = screen.end()

    assert code == 0
    assert "running on embedded#2" in screen.text
    assert "embedded and embedded#2 agree" in screen.text
