"""Standard output, on which answers go."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from mainstem.cli.values import plain
from mainstem.errors import OutsideError


class OutputError(OutsideError):
    """Standard output cannot be written; an answer that is cut off must not look like a success."""


def say(text: str, *, end: str = "\n") -> None:
    """Print a part of the answer.

    Raises
    ------
    BrokenPipeError
        When the reader went away.
    OutputError
        When it cannot be written for another reason.
    """
    try:
        print(text, end=end)
    except OSError as error:
        _refuse(error)


def say_json(value: Any) -> None:
    """Print a document, indented so that people can read it too."""
    say(json.dumps(plain(value), ensure_ascii=False, indent=2))


def say_line(fields: Mapping[str, Any]) -> None:
    """Print one line of JSON and send it on its way: whoever reads the lines waits for them."""
    say(json.dumps(plain(fields), ensure_ascii=False))
    flush()


def flush() -> None:
    """Send on what has been printed.

    Raises
    ------
    BrokenPipeError, OutputError
        As `say`.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):
        raise error
    raise OutputError(
        f"the answer cannot be written: {error.strerror or error}", code="OutputFailed",
        fix="free some space, or send it elsewhere",
    ) from error  # fmt: skip
