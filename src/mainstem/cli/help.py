"""The help of the program, printed without importing the framework of the command line."""

from __future__ import annotations

from mainstem.cli.commands import COMMANDS

_HEAD = """\
Usage: mainstem COMMAND [ARGUMENTS]

Data pipelines in SQL and Python that cannot silently go wrong.

Commands:"""

_TAIL = """\

Options:
  --help, -h   Show this, or the help of a command: mainstem run --help
  --version    Show the version.

Start with: mainstem demo, or mainstem init my-project"""


def top_level() -> str:
    """Give the help of the program itself."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.does}" for command in COMMANDS]
    return "\n".join([_HEAD, *lines, _TAIL])
