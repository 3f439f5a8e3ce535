"""Help and version: what they say, and what they do not load."""

import json
import re
import subprocess
import sys

import pytest

import mainstem
from mainstem.cli.commands import COMMANDS, GROUPS
from mainstem.cli.dispatch import app
from mainstem.cli.help import top_level
from tests.unit.cli.program import call, start

NAMES = [command.name for command in COMMANDS]
HEAVY = {"cyclopts", "duckdb", "msgspec", "rich"}


def loaded(*arguments) -> set[str]:
    """Which modules a command loads."""
    code = (
        "import json, sys; from mainstem.cli.main import entry; entry(); "
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def registered() -> set[str]:
    """The commands that can be called."""
    top = app()
    names = set()
    for name in top:
        inside = [word for word in top[name] if not word.startswith("-")] if name in GROUPS else []
        names |= {f"{name} {word}" for word in inside} or {name}
    return {name for name in names if not name.startswith("-")}


def test_help_lists_every_command_that_can_be_called():
    """The help is written without the framework that registers the commands: they agree."""
    shown = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +[A-Z].*\.$", top_level(), re.MULTILINE)

    assert set(shown) == registered()
    assert shown == NAMES


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help_load_nothing_heavy(arguments):
    """Shells and editors ask for them all the time."""
    found = loaded(*arguments)

    assert {name.partition(".")[0] for name in found} & HEAVY == set()
    assert "mainstem.cli.dispatch" not in found


def test_help_of_a_command_loads_that_command_and_no_engine():
    """Commands are imported when they are called."""
    found = loaded("status", "--help")

    assert {name for name in found if name.startswith("mainstem.cli.command.")} == {
        "mainstem.cli.command.status"
    }
    assert {name.partition(".")[0] for name in found} & {"duckdb", "msgspec", "rich"} == set()


def test_version_help_and_nothing_at_all(tmp_path):
    """The two answers of the fast way; no command is no mistake."""
    version, help_, nothing = (
        start(*words, cwd=tmp_path) for words in (["--version"], ["--help"], [])
    )

    assert (version.code, version.out, version.err) == (0, f"mainstem {mainstem.__version__}\n", "")
    assert (help_.code, help_.out, help_.err) == (0, top_level() + "\n", "")
    assert nothing == help_


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_describes_every_option(capsys, name):
    """Each option has a sentence; the first line is how the command is called."""
    said = call(capsys, *name.split(), "--help")

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: mainstem {name} ")
    options = re.findall(r"^  (--\S+.*)$", said.out, re.MULTILINE)
    assert options[-1].startswith("--help, -h")
    assert [line for line in options if not re.search(r" {2,}[\w:]", line)] == []


def test_help_of_a_group_lists_what_is_in_it(capsys):
    """With and without --help."""
    said = call(capsys, "config")

    assert said == call(capsys, "config", "--help")
    assert "config show  Show every setting and who set it." in said.out


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["rnu"], "write mainstem run"),
        (["chek", "a.py"], "write mainstem check"),
        (["config", "shwo"], "write mainstem config show"),
        (["rnu", "--help"], "write mainstem run"),
        (["xyzzy"], "see mainstem --help"),
    ],
)
def test_unknown_command_names_the_nearest(capsys, words, fix):
    """A slip of the fingers costs one look."""
    said = call(capsys, *words)

    assert (said.code, said.out) == (2, "")
    assert f"  fix: {fix}\n" in said.err
