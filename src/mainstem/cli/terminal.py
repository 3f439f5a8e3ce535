"""What stands at the other end: a person at a terminal or a program."""

from __future__ import annotations

import itertools
import os
import re
import sys
from typing import IO

from mainstem.record import record

# Everything that moves the cursor, rings or switches colours; newline and tab are left.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

RED, YELLOW, GREEN, BOLD, DIM = "31", "33", "32", "1", "2"


@record
class Terminal:
    """How to speak, known before the arguments are parsed: a wrong argument is told the same way.

    Parameters
    ----------
    is_json : bool
        Whether answers and errors are JSON.
    is_debug : bool
        Whether errors come with a traceback.
    """

    is_json: bool = False
    is_debug: bool = False

    @classmethod
    def of(cls, arguments: list[str]) -> Terminal:
        """Read the two options that matter before parsing."""
        before = arguments[: arguments.index("--")] if "--" in arguments else arguments
        pairs = itertools.pairwise(before)
        given = [value for name, value in pairs if name in ("-o", "--output")]
        given += [word.partition("=")[2] for word in before if word.startswith("--output=")]
        # A run that nobody watches prints lines of JSON.
        is_unwatched_run = before[:1] == ["run"] and not given and not sys.stdout.isatty()
        return cls(given[-1:] == ["json"] or is_unwatched_run, "--debug" in before)


def has_colour(stream: IO[str]) -> bool:
    """Say whether a stream is a terminal that wants colours (https://no-color.org)."""
    is_dumb = os.environ.get("TERM", "") in ("", "dumb")
    return stream.isatty() and not is_dumb and not os.environ.get("NO_COLOR")


def coloured(text: str, *codes: str, stream: IO[str]) -> str:
    """Give a text in colours when the stream shows them."""
    if not codes or not has_colour(stream):
        return text
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m"


def is_interactive() -> bool:
    """Say whether a person watches standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def harmless(text: str) -> str:
    """Give a text whose control characters are spelled out.

    Data and file names reach the screen; an escape sequence among them would otherwise act there.
    """
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)
