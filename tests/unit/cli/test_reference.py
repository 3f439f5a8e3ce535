"""docs/cli.md tells everything that the program has; its examples are run by tests/docs."""

import re
from pathlib import Path

import pytest

from mainstem import errors
from mainstem.cli.commands import COMMANDS
from mainstem.cli.dispatch import READER_GONE, app
from mainstem.cli.manual import help_of

PAGE = (Path(__file__).parents[3] / "docs/cli.md").read_text("utf-8")
NAMES = [command.name for command in COMMANDS]


def test_every_command_has_a_section_in_the_order_of_the_help():
    """And the list at the top is the same."""
    sections = re.findall(r"^## ([a-z].*)$", PAGE, re.MULTILINE)
    listed = re.findall(r"^\| \[`([a-z ]+)`\]", PAGE, re.MULTILINE)

    assert sections == listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_an_example(name):
    """In a block that is run."""
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]

    assert re.search(rf"^```console\n(?s:.*?)mainstem {name}\b", section, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_told(name):
    """In the section of its command, or in what all commands share."""
    shared = PAGE.partition("## What all commands share")[2].partition("\n## ")[0]
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    options = re.findall(r"^  (--[a-z-]+)", help_of(tuple(name.split()), app()), re.MULTILINE)

    told = set(re.findall(r"--[a-z-]+", shared + section)) | {"--help"}
    assert [option for option in options if option not in told] == []


def test_every_exit_code_is_told():
    """Those of the tree of errors, success, and a reader that went away."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {
        kind.exit_code
        for kind in kinds
        if issubclass(kind, errors.MainstemError) and kind is not errors.MainstemError
    }
    told = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)

    assert {int(code) for cell in told for code in cell.split(",")} == codes | {0, READER_GONE}
