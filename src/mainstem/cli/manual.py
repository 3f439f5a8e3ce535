"""The help of a command, from its docstring and its parameters.

The framework's own help is not used: it loads what draws panels, which takes as long as everything
else together, and it leaves out all but the first line of the docstring.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.cli.commands import COMMANDS, GROUPS, Command
from mainstem.cli.help import top_level
from mainstem.errors import SettingsError, nearest

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import Argument

WIDTH = 90


def asked_for(arguments: Sequence[str]) -> tuple[str, ...] | None:
    """Give the words of the command whose help is asked for, or None when none is."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    # A group says nothing but what is in it.
    if not {"--help", "-h"} & set(before) and list(before) not in [[group] for group in GROUPS]:
        return None
    words = [word for word in before if not word.startswith("-")]
    return tuple(words[: 2 if words and words[0] in GROUPS else 1])


def help_of(words: tuple[str, ...], app: App) -> str:
    """Give the help of a command, a group, or the program.

    Raises
    ------
    SettingsError
        When there is no such command.
    """  # noqa: DOC501  (`no_command` gives it)
    if not words:
        return top_level()
    name = " ".join(words)
    if name in GROUPS:
        return _group(name)
    found = next((command for command in COMMANDS if command.name == name), None)
    if found is None:
        raise no_command(name)
    return _command(found, app)


def no_command(name: str) -> SettingsError:
    """Give the error for a command that does not exist."""
    close = nearest(name, [*GROUPS, *(command.name for command in COMMANDS)])
    return SettingsError(
        f"there is no command {name!r}", code="Usage",
        fix=f"write mainstem {close}" if close else "see mainstem --help",
    )  # fmt: skip


def _group(name: str) -> str:
    inside = [command for command in COMMANDS if command.name.startswith(f"{name} ")]
    lines = [f"  {command.name}  {command.does}" for command in inside]
    head = [f"Usage: mainstem {name} COMMAND", "", GROUPS[name], "", "Commands:"]
    return "\n".join([*head, *lines])


def _command(command: Command, app: App) -> str:
    parsed = app
    for word in command.name.split():
        parsed = parsed[word]
    arguments = [a for a in parsed.assemble_argument_collection(parse_docstring=True) if a.show]
    given = [a for a in arguments if not a.name.startswith("-")]
    options = [a for a in arguments if a.name.startswith("-")]
    usage = " ".join([f"mainstem {command.name}", *map(_usage, given), "[OPTIONS]"])
    parts = [f"Usage: {usage}", *_description(command)]
    rows = [(a.name.upper(), a.parameter.help or "") for a in given]
    parts += [f"Arguments:\n{_rows(rows)}"] if rows else []
    rows = [(_option(a), a.parameter.help or "") for a in options]
    parts.append(f"Options:\n{_rows([*rows, ('--help, -h', 'Show this.')])}")
    return "\n\n".join(parts)


def _usage(argument: Argument) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _description(command: Command) -> Iterator[str]:
    """Give the paragraphs of the docstring above its parameters."""
    module, _, function = command.target.partition(":")
    text = inspect.getdoc(getattr(importlib.import_module(module), function)) or command.does
    above = text.partition("\nParameters\n")[0].strip()
    for paragraph in above.split("\n\n"):
        yield textwrap.fill(" ".join(paragraph.split()), WIDTH)


def _option(argument: Argument) -> str:
    shown = [n for n in argument.names if n not in argument.negatives]
    value = _value(argument.hint)
    return f"{', '.join(shown)} {value}".strip()


def _value(hint: Any) -> str:
    """Give what stands for an option's value; nothing for a flag."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _value(next(arm for arm in typing.get_args(hint) if arm is not types.NoneType))
    if typing.get_origin(hint) is typing.Literal:
        return "|".join(typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return _value(typing.get_args(hint)[0])
    return {bool: "", int: "N", Path: "PATH"}.get(hint, "TEXT")


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    gap = " " * (width + 4)
    return "\n".join(
        textwrap.fill(text, WIDTH, initial_indent=f"  {name:<{width}}  ", subsequent_indent=gap)
        for name, text in rows
    )
