"""`mainstem completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, cast

from mainstem.cli.options import NO_OPTIONS, Common
from mainstem.cli.output import say, say_json
from mainstem.errors import SettingsError

Shell = Literal["bash", "zsh", "fish"]
SHELLS = ("bash", "zsh", "fish")


def completion(shell: Shell | None = None, /, *, common: Common = NO_OPTIONS) -> int:
    """Print the completion script of a shell.

    For bash: mainstem completion bash > ~/.local/share/bash-completion/completions/mainstem

    Parameters
    ----------
    shell : str
        bash, zsh or fish; the one of SHELL when not given.
    """
    from mainstem.cli.dispatch import app

    wanted = shell or _own_shell()
    script = app().generate_completion(prog_name="mainstem", shell=wanted)
    if common.is_json:
        say_json({"shell": wanted, "script": script})
    else:
        say(script.rstrip("\n"))
    return 0


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise SettingsError(
            f"there is no completion for the shell {name!r}", code="Usage",
            fix="name one: mainstem completion bash, zsh or fish",
        )  # fmt: skip
    return cast("Shell", name)
