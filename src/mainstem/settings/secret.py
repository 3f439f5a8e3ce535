"""Secrets: options that say where a value is, and never the value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mainstem.errors import NOWHERE, Place, SettingsError

MASK = "***"
KINDS = ("env", "file", "command")

# What has been resolved in this process, so that the log filter can mask it.
_known: set[str] = set()

# A secret of one or two characters would mask every word of a log.
_SHORTEST_MASKED = 4


class Secret:
    """A reference to a secret, resolved only while a run needs it.

    However it is printed, formatted, copied into JSON or pickled it gives ``***``.

    Parameters
    ----------
    env : str, optional
        Name of an environment variable.
    file : str, optional
        A file whose content is the secret, one trailing line end removed.
    command : str or list of str, optional
        A program whose standard output is the secret; it is started without a shell.

    Raises
    ------
    SettingsError
        When not exactly one of them is given.

    Examples
    --------
    >>> Secret(env="KAFKA_PASSWORD")
    Secret(***)
    """

    __slots__ = ("_kind", "_reference")

    def __init__(
        self, *, env: str = "", file: str = "", command: str | list[str] | tuple[str, ...] = ""
    ) -> None:
        given = {"env": env, "file": file, "command": command}
        kinds = [kind for kind, value in given.items() if value]
        if len(kinds) != 1:
            raise SettingsError(
                f"a secret names one of {', '.join(KINDS)}; got {', '.join(kinds) or 'none'}",
                code="SecretSyntax",
                fix='write {env = "NAME"}, {file = "path"} or {command = [...]}',
            )  # fmt: skip
        self._kind = kinds[0]
        value = given[self._kind]
        self._reference = value if isinstance(value, str) else tuple(value)

    @property
    def kind(self) -> str:
        """Give ``env``, ``file`` or ``command``: safe to show."""
        return self._kind

    def resolve(self, *, base: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
        """Fetch the value; called by a run for the connection that needs it, and by nothing else.

        Parameters
        ----------
        base : Path, optional
            Folder that relative files start from.
        environ : mapping, optional
            Environment variables; those of the process when absent.

        Raises
        ------
        SettingsError
            When the variable, the file or the program does not give a value. The message names the
            reference, never what was found there.
        """
        if self._kind == "env":
            value = self._from_env(os.environ if environ is None else environ)
        elif self._kind == "file":
            value = self._from_file(base)
        else:
            value = self._from_command()
        if not value:
            self._missing(f"{self.shown()} is empty")
        remember(value)
        return value

    def shown(self) -> str:
        """Give the reference for people: kind and name; of a command only the program."""
        if self._kind == "command":
            words = self._words()
            return f"command {words[0] if words else ''!r}"
        return f"{self._kind} {self._reference!r}"

    def _words(self) -> list[str]:
        import shlex

        if isinstance(self._reference, tuple):
            return list(self._reference)
        return shlex.split(self._reference)

    def _from_env(self, environ: Mapping[str, str]) -> str:
        name = str(self._reference)
        if name not in environ:
            self._missing(f"environment variable {name!r} is not set")
        return environ[name]

    def _from_file(self, base: Path | None) -> str:
        path = (base or Path()) / str(self._reference)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            # `from None`: a decoding error carries the bytes of the secret.
            raise SettingsError(
                f"the secret file {str(self._reference)!r} cannot be read "
                f"({type(error).__name__})",
                code="SecretMissing", fix="check that the file exists and may be read",
            ) from None  # fmt: skip
        return text[:-1].removesuffix("\r") if text.endswith("\n") else text

    def _from_command(self) -> str:
        import subprocess

        try:
            done = subprocess.run(self._words(), capture_output=True, text=True, check=False)
        except OSError as error:
            raise SettingsError(
                f"the secret's {self.shown()} cannot be started ({type(error).__name__})",
                code="SecretMissing", fix="check that the program is on PATH",
            ) from None  # fmt: skip
        if done.returncode:
            # Its output is not quoted: a program that fails half-way may have printed the secret.
            self._missing(f"the secret's {self.shown()} ended with {done.returncode}")
        return done.stdout.rstrip("\r\n")

    def _missing(self, what: str) -> NoReturn:
        raise SettingsError(what, code="SecretMissing", fix="set it before the run")

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle travels to places that we do not see.
        return (str, (MASK,))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._kind, self._reference) == (other._kind, other._reference)

    def __hash__(self) -> int:
        return hash((self._kind, self._reference))


def from_table(table: Mapping[str, Any], where: Place = NOWHERE) -> Secret | None:
    """Give the secret that a TOML table such as ``{env = "NAME"}`` means, or None for other tables.

    Raises
    ------
    SettingsError
        When it names more than one place, or one that is not text.
    """
    if not table or not set(table) <= set(KINDS):
        return None
    for kind, value in table.items():
        words = value if kind == "command" and isinstance(value, list) else [value]
        if not all(isinstance(word, str) and word for word in words):
            raise SettingsError(
                f"a secret's {kind} is text", where=where, code="SecretSyntax",
                fix=f'write {{{kind} = "…"}}',
            )  # fmt: skip
    try:
        return Secret(**table)
    except SettingsError as error:
        finding = error.finding
        raise SettingsError(finding.what, where=where, code=finding.code, fix=finding.fix) from None


def remember(value: str) -> None:
    """Have `masked` hide a value from now on."""
    if len(value) >= _SHORTEST_MASKED:
        _known.update(_spellings(value))


def _spellings(value: str) -> set[str]:
    """Give how a value looks in an exception's repr, in JSON and in a URL, besides as it is."""
    import json
    from urllib.parse import quote

    as_json = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return {value, repr(value)[1:-1], *as_json, quote(value, safe=""), quote(value)}


def masked(text: str) -> str:
    """Give the text with every secret that this process has resolved replaced by ``***``."""
    if not _known:
        return text
    # Longest first: a secret that begins with another one would be cut and its rest shown.
    found = sorted(_known, key=len, reverse=True)
    return re.sub("|".join(re.escape(value) for value in found), MASK, text)
