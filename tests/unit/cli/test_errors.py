"""Errors: their words, their place, their exit code, as text and as JSON."""

import errno
import io
import json

import pytest

from mainstem.cli.dispatch import dispatch
from mainstem.cli.failure import findings_text, report, unexpected, with_snippet
from mainstem.cli.terminal import Terminal, harmless
from mainstem.errors import DataError, Finding, Place, StateError
from mainstem.settings.secret import remember
from tests.unit.cli.program import Screen, call, start

WRONG = """import mainstem as ms

p = ms.Pipeline("wrong")
p.source("orders", ms.files("orders.csv"), schema="id bigint, amount double")
p.table("one", "SELECT amuont FROM orders")
p.table("two", "SELECT id FROM ordres")
"""


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    """A folder whose only pipeline has two mistakes; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


def test_every_finding_is_told_with_place_line_and_fix(wrong, capsys):
    """Both at once, on stderr, with the user's line and a caret below the word."""
    said = call(capsys, "run", "-o", "text")

    assert (said.code, said.out) == (2, "")
    line = 'p.table("one", "SELECT amuont FROM orders")'
    assert "  at:  wrong.py:5:24 (step 'one')\n" in said.err
    caret = next(row for row in said.err.splitlines() if row.strip() == "^")
    shown = next(row for row in said.err.splitlines() if "SELECT amuont" in row)
    assert shown[caret.index("^") :].startswith("amuont")
    assert line.index("amuont") == 23
    assert "  fix: write amount\n" in said.err
    assert "  fix: write orders\n" in said.err
    assert "Traceback" not in said.err


def test_check_prints_its_findings_as_the_answer(wrong, capsys):
    """They are what was asked for: standard output, and the code of the worst."""
    said = call(capsys, "check")

    assert (said.code, said.err) == (2, "")
    assert said.out.endswith("\n2 errors, 0 warnings\n")


def test_check_as_json_is_one_document(wrong, capsys):
    """Every finding with its place."""
    said = call(capsys, "check", "-o", "json")

    found = json.loads(said.out)
    assert (said.code, found["ok"], found["pipeline"]) == (2, False, "wrong")
    places = [(f["code"], f["line"], f["column"], f["fix"]) for f in found["findings"]]
    assert places[0] == ("ColumnNotFound", 5, 24, "write amount")
    assert [place[1] for place in places] == [5, 6]


def test_error_as_json_is_a_document_too(wrong, capsys):
    """A program that asked for JSON gets it, also when things go wrong."""
    said = call(capsys, "plan", "-o", "json")

    error = json.loads(said.out)["error"]
    assert (said.code, error["kind"], error["exit_code"]) == (2, "CheckFailed", 2)
    assert [f["line"] for f in error["findings"]] == [5, 6]
    assert said.err.startswith("ColumnNotFound: ")


def test_only_warnings_let_check_succeed(tmp_path, monkeypatch, capsys):
    """They are told, and the exit code is 0."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(
        WRONG.replace("amuont", "amount").replace("ordres", "orders")
        + 'p.view("unread", "SELECT id FROM orders")\n'
    )
    said = call(capsys, "check")

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("warning Unused: ")
    assert said.out.endswith("wrong: ok (1 source, 1 view, 2 tables, 1 warning)\n")


@pytest.mark.parametrize(
    ("files", "words", "code", "fix"),
    [
        ({}, ["run"], "PipelineFileMissing", "mainstem init my-project"),
        ({}, ["run", "none.py"], "PipelineFileMissing", "mainstem init"),
        ({"wrong.py": WRONG}, ["run", "wrnog.py"], "PipelineFileMissing", "write wrong.py"),
        ({"p.txt": ""}, ["run", "p.txt"], "PipelineFileMissing", "name the file"),
        ({"a.py": WRONG, "b.py": WRONG}, ["run"], "PipelineFileMissing", "say which: a.py"),
        ({"a.py": "x = 1\n"}, ["run", "a.py"], "PipelineNotFound", "write p = ms.Pipeline"),
        (
            {"a.py": WRONG + 'q = ms.Pipeline("other")\n'},
            ["run", "a.py"], "PipelineNotFound", "--pipeline wrong",
        ),
        (
            {"a.py": WRONG + 'q = ms.Pipeline("other")\n'},
            ["run", "a.py", "--pipeline", "othr"], "PipelineNotFound", "write other",
        ),
        ({"a.py": "import mainstem as ms\nms.Pipeline(\n"}, ["run"], "PythonSyntax", "correct"),
    ],
)  # fmt: skip
def test_file_that_is_not_a_pipeline(tmp_path, monkeypatch, capsys, files, words, code, fix):
    """Missing, misspelt, several, none in it: each is told by name."""
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    said = call(capsys, *words)

    assert (said.code, said.out.startswith('{"error"')) == (2, True)
    assert said.err.startswith(f"{code}: ")
    assert fix in said.err


def test_folder_means_its_only_pipeline_file(tmp_path, monkeypatch, capsys):
    """pipeline.py goes before others; a file that only imports mainstem is no pipeline file."""
    monkeypatch.chdir(tmp_path)
    right = WRONG.replace("amuont", "amount").replace("ordres", "orders")
    (tmp_path / "report.py").write_text("import mainstem as ms\nrows = 1\n")
    (tmp_path / "orders.py").write_text(right)
    assert call(capsys, "check").out.startswith("wrong: ok")
    (tmp_path / "pipeline.py").write_text(right.replace('"wrong"', '"right"'))
    assert call(capsys, "check").out.startswith("right: ok")
    assert call(capsys, "check", tmp_path).out.startswith("right: ok")


@pytest.mark.parametrize(
    ("words", "said_of_it"),
    [
        (["run", "--treads", "2"], "--threads"),
        (["run", "--threads", "two"], "two"),
        (["run", "-o", "jsn"], '"json"'),
        (["run", "a.py", "b.py"], "b.py"),
        (["query"], "SQL"),
        (["query", " "], "empty"),
        (["run", "--param", "day"], "name"),
        (["run", "--param", "day=1", "--param", "day=2"], "twice"),
        (["runs", "-n", "-1"], "-1"),
        (["render", "a.py", "b.py"], "one pipeline file"),
    ],
)
def test_wrong_argument_is_told(project, capsys, words, said_of_it):
    """Exit code 2, the wrong word, and where to look."""
    said = call(capsys, *words)

    assert said.code == 2
    assert said.err.startswith("Usage: ")
    assert said_of_it in said.err
    assert "  fix: " in said.err


def test_unexpected_error_is_ours(capsys):
    """No traceback, unless it is asked for; what to attach is said."""
    try:
        int("x")
    except ValueError as found:
        error = unexpected(found)

    assert report(error, Terminal()) == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("InternalError: ValueError: invalid literal for int() with")
    assert "--debug" in said.err
    assert "mainstem doctor" in said.err
    assert "Traceback" not in said.err
    report(error, Terminal(is_debug=True))
    assert "Traceback" in capsys.readouterr().err


def test_debug_shows_where_an_error_came_from(wrong, capsys):
    """Also one of the user's."""
    said = call(capsys, "run", "--debug", "-o", "text")

    assert said.code == 2
    assert said.err.startswith("Traceback")


def test_secrets_and_control_characters_do_not_reach_the_screen(capsys):
    """A message may quote a value from anywhere."""
    remember("hunter2-canary")
    report(DataError("bad: hunter2-canary \x1b[2J\x07"), Terminal(is_json=True))
    said = capsys.readouterr()

    assert "hunter2" not in said.out + said.err
    assert said.err.startswith("DataError: bad: *** \\x1b[2J\\x07\n")
    assert harmless("a\tb\nc\x9b") == "a\tb\nc\\x9b"


def test_line_of_the_user_is_quoted_where_it_can_be_read(tmp_path):
    """Tabs are kept, so that the caret stands below its place; a file that is gone is no error."""
    file = tmp_path / "p.sql"
    file.write_text("one\n\tSELECT bad\n")

    def snippet(line, column):
        return with_snippet(Finding("X", "what", Place(str(file), line, column))).snippet

    assert snippet(2, 9) == "\tSELECT bad\n\t       ^"
    assert snippet(1, 0) == "one"
    assert snippet(9, 1) == ""
    assert with_snippet(Finding("X", "what", Place("gone.py", 1))).snippet == ""


def test_text_of_findings_ends_with_the_pages_of_the_docs():
    """Each code once."""
    two = [Finding("A", "one"), Finding("A", "two"), Finding("Bc", "three")]

    text = findings_text(two, stream=io.StringIO())
    assert text.splitlines()[-1] == "  see: docs/errors.md#a, docs/errors.md#bc"


def test_colours_only_on_a_terminal_that_wants_them(wrong):
    """A pipe, NO_COLOR and a dumb terminal get plain text."""
    assert "\x1b[" not in start("run", cwd=wrong, TERM="xterm").err
    with Screen("run", cwd=wrong) as screen:
        assert screen.end() == 2
        assert "\x1b[1;31mColumnNotFound\x1b[0m: " in screen.text
    with Screen("run", cwd=wrong, NO_COLOR="1") as screen:
        screen.end()
        assert "\x1b[" not in screen.text


def test_exit_code_is_that_of_the_error(capsys):
    """The tree of errors decides."""
    assert report(StateError("locked"), Terminal()) == 7
    assert report(DataError("bad row"), Terminal()) == 6
    capsys.readouterr()


def test_what_is_meant_for_the_command_stands_before_two_dashes():
    """After them even --debug is a name."""
    assert Terminal.of(["query", "-o", "json", "--debug"]) == Terminal(True, True)
    assert Terminal.of(["check", "--", "-o", "json", "--debug"]) == Terminal()
    assert dispatch(["check", "--output=json", "none.py"]) == 2


def test_function_of_a_step_that_raises_is_the_users_error(tmp_path, monkeypatch, capsys):
    """With its line, beside the other findings; not a fault of ours."""
    monkeypatch.chdir(tmp_path)
    lines = ["import mainstem as ms", 'p = ms.Pipeline("p")', "@p.table", "def a():",
             "    return {}['gone']", 'p.table("b", "SELECT 1 AS x FROM nowhere")', ""]  # fmt: skip
    (tmp_path / "p.py").write_text("\n".join(lines))
    said = call(capsys, "check", "p.py")

    assert said.code == 2
    assert "FunctionFailed: the function of table 'a' failed: KeyError: 'gone'\n" in said.out
    assert "  at:  p.py:5 (step 'a')\n" in said.out
    assert "TableNotFound" in said.out


def test_what_a_pipeline_file_prints_does_not_spoil_the_answer(tmp_path, monkeypatch, capsys):
    """It goes to stderr; a program that reads the JSON must not meet it."""
    monkeypatch.chdir(tmp_path)
    lines = ["import mainstem as ms", "print('loading')", 'p = ms.Pipeline("p")', "@p.table",
             "def a():", "    print('asked')", "    return 'SELECT 1 AS x'", ""]  # fmt: skip
    (tmp_path / "p.py").write_text("\n".join(lines))
    said = call(capsys, "check", "p.py", "-o", "json")

    assert json.loads(said.out)["ok"] is True
    assert said.err.splitlines() == ["loading", "asked"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password = 'hunter22'", "password = ***"),
        ('"api-key"="hunter22"', '"api-key"=***'),
        ("password = { env = 'HUNTER22' }", "password = { env = 'HUNTER22' }"),
        ("pth = 'hunter22'", "pth = 'hunter22'"),
    ],
)
def test_line_of_the_settings_does_not_repeat_a_secret(tmp_path, line, shown):
    """Even where the option does not exist; a reference is no secret."""
    file = tmp_path / "mainstem.toml"
    file.write_text(f"[sources.a]\n{line}\n")
    finding = Finding("OptionNotFound", "no option", Place(str(file), 2))

    assert with_snippet(finding).snippet == shown


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "lock"), 4),
        (OSError(errno.ENOSPC, "No space left on device", "part"), 4),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "gone"), 70),
        (OSError("without a file"), 70),
    ],
)
def test_file_system_that_refuses_is_outside(error, exit_code):
    """No rights and no room are not ours; a file that we looked for in vain is."""
    found = unexpected(error)

    assert found.exit_code == exit_code
    assert found.__cause__ is error
    assert str(error.filename or "without a file") in str(found)


def test_error_without_a_place_names_the_step():
    """And nothing that looks like a place."""
    assert "  at:  step 'a'\n" in str(DataError("bad", step="a", fix="good"))


def test_folder_and_file_that_are_not_there(tmp_path, monkeypatch, capsys):
    """The message does not speak of endings."""
    monkeypatch.chdir(tmp_path)
    said = call(capsys, "check", "nowhere")

    assert said.code == 2
    assert "there is no file or folder 'nowhere'" in said.err
