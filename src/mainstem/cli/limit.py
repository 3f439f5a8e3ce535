"""The option ``--limit`` of commands that list things."""

from __future__ import annotations

from mainstem.cli.output import say
from mainstem.errors import SettingsError


def check_limit(limit: int) -> None:
    """Refuse a limit below 0; 0 is for all.

    Raises
    ------
    SettingsError
        Which says so.
    """
    if limit < 0:
        raise SettingsError(f"--limit is {limit}", code="Usage", fix="give 0 for all, or more")


def say_cut(n_shown: int, n_all: int, *, quiet: bool) -> None:
    """Say how many there are, where not all are shown."""
    if n_shown < n_all and not quiet:
        say(f"{n_shown} of {n_all}; --limit 0 shows all")
