"""What a setting is once it has been read: a value, who set it and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from mainstem.errors import NOWHERE, Finding, Findings, Place, SettingsError, listing, nearest
from mainstem.record import record

SECTIONS = ("sources", "sinks", "defaults", "run")


@record
class Setting:
    """One value.

    Parameters
    ----------
    value : Any
        Plain data or a `Secret`.
    origin : str
        Who set it, for people: ``mainstem.toml:12``, ``MAINSTEM__RUN__THREADS`` or ``--set``.
    where : Place
        The same as a place of a file; `NOWHERE` for variables and flags.
    is_text : bool
        Whether it came as bare text (a variable, a flag) and is still to be read by its type.
    """

    value: Any
    origin: str
    where: Place = NOWHERE
    is_text: bool = False


# Stands for a value with variables of an environment that is not in use: they need not be set.
UNREAD = object()

# One table of options, such as `[sources.flights]`.
Options = Mapping[str, Setting]


@record
class Layer:
    """Everything that one level of precedence says; `defaults` are those of a type of connector."""

    sources: Mapping[str, Options] = field(default_factory=dict)
    sinks: Mapping[str, Options] = field(default_factory=dict)
    run: Options = field(default_factory=dict)
    defaults: Mapping[str, Options] = field(default_factory=dict)


@record
class Settings:
    """Every setting of a pipeline, lowest precedence first.

    Layers are kept apart because a higher one that changes a source's ``type`` takes away what the
    lower ones said about it: options of one connector mean nothing to the next. `unused` are the
    environments that were not asked for; their names are checked, their values are not.
    """

    layers: tuple[Layer, ...] = ()
    file: Path | None = None
    env: str = ""
    environments: tuple[str, ...] = ()
    unused: tuple[Layer, ...] = ()

    def run(self) -> dict[str, Setting]:
        """Give the options of the run, each from the highest layer that has it."""
        merged: dict[str, Setting] = {}
        for layer in self.layers:
            merged |= layer.run
        return merged

    def defaults(self, type_: str) -> dict[str, Setting]:
        """Give what every source and sink of a type has when nobody says otherwise."""
        merged: dict[str, Setting] = {}
        for layer in self.layers:
            merged |= layer.defaults.get(type_, {})
        return merged


@record
class RunOption:
    """An option of ``[run]``: its type and what a right value looks like, also in words."""

    doc: str
    kind: type
    pattern: str
    example: str
    shape: str


RUN_OPTIONS: dict[str, RunOption] = {
    "memory_limit": RunOption(
        "Memory that the engine may use before it spills to disk.",
        str, r"\d+(\.\d+)? ?[KMGT]i?B", '"2GB"',
        "a number with its unit",
    ),
    "threads": RunOption("Threads of the engine; at least 1.", int, r"[1-9]\d{0,3}", "4",
                         "a whole number from 1 to 9999"),
    "state_dir": RunOption(
        "Where state, journal and lock are kept, from the pipeline's folder.", str, r".+",
        '".mainstem"', "a path",
    ),
    "backup_to": RunOption(
        "Streams: folder for copies of the state, from the pipeline's folder.", str, r".+",
        '"/backups"', "a path",
    ),
    "backup_every": RunOption(
        "Streams: how often a copy of the state is made.", str, r"\d+ ?[a-z]+", '"10 minutes"',
        "a number with its unit",
    ),
    "backup_keep": RunOption("Streams: copies of the state that are kept.", int, r"[1-9]\d{0,3}", "3",
                             "a whole number from 1 to 9999"),
}  # fmt: skip


def run_setting(name: str, setting: Setting, findings: Findings) -> Setting | None:
    """Check one option of ``[run]``; give it with a value of its type, or None when it is wrong."""
    option = RUN_OPTIONS.get(name)
    if option is None:
        close = nearest(name, RUN_OPTIONS)
        findings.add(Finding(
            "OptionNotFound",
            f"run has no option {name!r} (set in {setting.origin}; options: "
            f"{listing(RUN_OPTIONS)})",
            setting.where, f"write {close}" if close else "remove it",
        ))  # fmt: skip
        return None
    value = setting.value
    if value is UNREAD:
        return None
    is_kind = setting.is_text or (isinstance(value, option.kind) and not isinstance(value, bool))
    if not is_kind or not re.fullmatch(option.pattern, str(value), re.IGNORECASE):
        findings.add(Finding(
            "OptionType",
            f"run option {name!r} is {value!r} (set in {setting.origin}), not {option.shape}",
            setting.where, f"give it as {option.example}",
        ))  # fmt: skip
        return None
    return Setting(option.kind(value), setting.origin, setting.where)


def expanded(text: str, environ: Mapping[str, str], where: Place = NOWHERE) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` by environment variables; ``$${`` stays ``${``.

    Raises
    ------
    SettingsError
        For a variable that is not set and has no default, or ``${`` without an end.
    """

    def value(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            raise SettingsError(
                f"{text!r} has a '${{' that names no variable", where=where, code="SettingSyntax",
                fix="write ${NAME} or ${NAME:-default}; $${ for the characters themselves",
            )  # fmt: skip
        # As in a shell, `:-` also stands in for a variable that is set to nothing.
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            raise SettingsError(
                f"environment variable {name!r} is not set", where=where, code="VariableMissing",
                fix=f"set {name}, or give a default: ${{{name}:-…}}",
            )  # fmt: skip
        return environ[name]

    pattern = r"(?P<escape>\$\$\{)|\$\{(?:(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})?"
    return re.sub(pattern, value, text)
