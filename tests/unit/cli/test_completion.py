"""Completion: what bash offers after some words, and that the others know every command."""

import json
import subprocess

import pytest

from mainstem.cli.commands import COMMANDS
from tests.unit.cli.program import call


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["mainstem", "ru"], {"run", "runs"}),
        (["mainstem", "config", "s"], {"show"}),
        (["mainstem", "run", "--mem"], {"--memory-limit"}),
        (["mainstem", "query", "-o", ""], {"table", "json", "csv"}),
        (["mainstem", "completion", "z"], {"zsh"}),
    ],
)
def test_bash_completes(capsys, words, offered):
    """In a real bash."""
    script = call(capsys, "completion", "bash").out
    ask = f"""
    COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
    COMP_CWORD={len(words) - 1}
    _mainstem
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script + ask], capture_output=True, text=True, check=True
    )

    assert {word for word in done.stdout.split() if word.startswith(words[-1])} >= offered
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_every_shell_knows_every_command(capsys, shell):
    """The scripts are made from the commands themselves."""
    said = call(capsys, "completion", shell)

    assert (said.code, said.err) == (0, "")
    words = {word for command in COMMANDS for word in command.name.split()}
    assert {word for word in words if word not in said.out} == set()
    assert json.loads(call(capsys, "completion", shell, "-o", "json").out)["shell"] == shell


def test_shell_is_that_of_the_user(capsys, monkeypatch):
    """Of one that we do not know, the three that we do are named."""
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert call(capsys, "completion").out == call(capsys, "completion", "fish").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    said = call(capsys, "completion")
    assert (said.code, "bash, zsh or fish" in said.err) == (2, True)
