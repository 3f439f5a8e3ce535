"""From arguments to an exit code: finds the command, calls it, and tells what went wrong."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mainstem.cli.commands import COMMANDS, GROUPS
from mainstem.cli.failure import report, unexpected
from mainstem.cli.manual import asked_for, help_of, no_command
from mainstem.cli.output import OutputError, flush, say
from mainstem.cli.terminal import Terminal
from mainstem.errors import MainstemError, SettingsError, Stopped

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

# 128 + SIGPIPE: what a shell says of a program whose reader went away.
READER_GONE = 141


def dispatch(arguments: list[str]) -> int:
    """Call the command that the arguments name.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.

    Returns
    -------
    int
        0, or the code of the error (see `mainstem.errors`), or 141 when nobody reads any more.
    """
    terminal = Terminal.of(arguments)
    try:
        return _guarded(lambda: _call(arguments), terminal)
    except BrokenPipeError:
        _forget_stdout()
        return READER_GONE


def _guarded(call: Callable[[], int], terminal: Terminal) -> int:
    """Turn every way in which a command ends into an exit code and a message."""
    try:
        code = call()
        flush()
    except OutputError as error:
        _forget_stdout()
        return report(error, Terminal(is_debug=terminal.is_debug))
    except MainstemError as error:
        return report(error, terminal)
    except KeyboardInterrupt:
        return report(Stopped("stopped by Ctrl-C", fix="run it again"), terminal)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  (the last place that can say it in our words)
        return report(unexpected(error), terminal)
    return code


def _forget_stdout() -> None:
    """Send what is still in the buffer nowhere: Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _call(arguments: list[str]) -> int:
    from cyclopts import CycloptsError

    words = asked_for(arguments)
    if words is not None:
        say(help_of(words, app()))
        return 0
    try:
        code = app()(arguments)
    except CycloptsError as error:
        raise _usage(error) from error
    return code if isinstance(code, int) else 0


def app() -> App:
    """Build the command line; the module of a command is imported when it is called."""
    from cyclopts import App, Parameter

    from mainstem import __version__

    top = App(
        name="mainstem", help="Data pipelines in SQL and Python that cannot silently go wrong.",
        version=f"mainstem {__version__}", result_action="return_value",
        # Errors, and what Ctrl-C means, are told by us.
        exit_on_error=False, print_error=False, suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative_bool=(), negative_iterable=()),
    )  # fmt: skip
    groups = {name: App(name=name, help=does) for name, does in GROUPS.items()}
    for group in groups.values():
        top.command(group)
    for command in COMMANDS:
        group_name, _, name = command.name.rpartition(" ")
        parent = groups[group_name] if group_name else top
        parent.command(command.target, name=name, help=command.does)
    return top


def _usage(error: CycloptsError) -> SettingsError:
    """Give a wrong argument as an error of ours; the framework's words name what is meant."""
    import shlex

    from cyclopts import UnknownCommandError

    chain = [word for word in (error.command_chain or ()) if word != "mainstem"]
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        return no_command(" ".join([*chain, error.unused_tokens[0]]))
    what = " ".join(str(error).split()).rstrip(".")
    words = " ".join(["mainstem", *chain])
    # A question that begins with a comment, and a number below zero, look like options.
    text = re.fullmatch(r"Unknown option: (-+ .*|-\d.*)", what)
    fix = f"see {words} --help"
    if text:
        fix = f"if it is no option, put -- before it: {words} -- {shlex.quote(text[1])}"
    return SettingsError(what, code="Usage", fix=fix)
