"""Bindings of sources and sinks: what the definition says, overridden by settings, then checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from mainstem.connectors.files.listing import format_of
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import (
    Connector,
    connector,
    connectors,
    find_connector,
    option_types,
    read_options,
    wrong_options,
)
from mainstem.errors import Finding, Findings, MainstemError, Place, listing, nearest
from mainstem.plan.nodes import Binding
from mainstem.record import record
from mainstem.settings.secret import Secret
from mainstem.settings.values import RUN_OPTIONS, Options, Setting, Settings


@record
class Row:
    """One line of ``config show``: a value and who set it; secrets are shown as references."""

    section: str
    option: str
    value: Any
    origin: str

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain data for ``-o json``."""
        return dataclasses.asdict(self)


def find(tables: Mapping[str, Options], name: str) -> Options:
    """Give the options set for a name, whatever its case; variables have no case of ours."""
    return next((opts for known, opts in tables.items() if known.lower() == name.lower()), {})


def bound(  # noqa: PLR0917  (all six are what an override is about)
    section: str, name: str, binding: Binding, settings: Settings, where: Place, findings: Findings
) -> Binding | None:
    """Give a binding with every override applied and checked, or None when it cannot be used.

    Parameters
    ----------
    section : str
        ``sources`` or ``sinks``.
    name : str
        The source, lookup or table.
    binding : Binding
        What the definition says.
    settings : Settings
        Overrides, lowest layer first.
    where : Place
        The declaration.
    findings : Findings
        Takes what is wrong.
    """
    places: dict[str, Place] = {}
    for layer in settings.layers:
        options = find(getattr(layer, section), name)
        type_ = options.get("type")
        if type_ is not None:
            binding = binding.overridden({"type": type_.value}, type_.origin)
            places["type"] = type_.where
        hints = _hints(section, binding)
        for option, setting in options.items():
            if option != "type":
                value = _typed(setting, hints.get(option, str))
                binding = binding.overridden({option: value}, setting.origin)
                places[option] = setting.where
    if not binding.type:
        return None
    hints, given = _hints(section, binding), dict(binding.options)
    for option, setting in settings.defaults(binding.type).items():
        # A source may be without an option that a sink of the same type has.
        if option in hints and option not in given:
            binding = binding.overridden({option: _typed(setting, hints[option])}, setting.origin)
            places[option] = setting.where
    return _checked(section, name, binding, where=where, places=places, findings=findings)


def _checked(
    section: str, name: str, binding: Binding, *, where: Place, places: Mapping[str, Place],
    findings: Findings,
) -> Binding | None:  # fmt: skip
    set_at = {option: place for option, place in places.items() if place.file}
    try:
        row = connector(binding, set_at.get("type", where))
    except MainstemError as error:
        findings.add(dataclasses.replace(error.finding, step=name))
        return None
    options = options_of(section, row)
    if options is None:
        role, fix = _refused_role(section)
        findings.add(Finding(
            "ConnectorRole", f"{binding.type} cannot be a {role}", set_at.get("type", where), fix,
            step=name,
        ))  # fmt: skip
        return None
    wrong = wrong_options(options, binding, where, set_at)
    for finding in wrong:
        findings.add(dataclasses.replace(finding, step=name))
    return None if wrong else binding


def is_text(binding: Binding) -> bool:
    """Say whether a checked source binding is to text, by option or by the name of files."""
    if binding.type in ("kafka", "stdin"):
        given = binding.as_dict()
        return given.get("format") == "text" and not given.get("metadata")
    if binding.type != "files":
        return False
    options = read_options(FilesSource, binding)
    if options.format is not None:
        return options.format == "text"
    try:
        return format_of(options.paths[0], member=options.member) == "text"
    except (MainstemError, IndexError):
        return False  # a name that says nothing; a run will ask for the format


def options_of(section: str, row: Connector) -> type | None:
    """Give the dataclass of a connector's options in a section."""
    return row.source_options if section == "sources" else row.sink_options


def _refused_role(section: str) -> tuple[str, str]:
    right = [
        name for name, row in connectors().items()
        if options_of(section, row) is not None and name != "state"
    ]  # fmt: skip
    return section.removesuffix("s"), f"use one of {listing(sorted(right))}"


def _hints(section: str, binding: Binding) -> Mapping[str, Any]:
    row = find_connector(binding.type)
    options = options_of(section, row) if row is not None else None
    return option_types(options) if options is not None else {}


def _typed(setting: Setting, hint: Any) -> Any:
    """Read bare text by the type of its option; what does not fit stays text, to be refused."""
    if not setting.is_text or not isinstance(setting.value, str):
        return setting.value
    text: str = setting.value
    arms = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if str in arms or Secret in arms:
        return text
    if bool in arms and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if int in arms and text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        return int(text)
    if float in arms:
        try:
            return float(text)
        except ValueError:
            return text
    if any(typing.get_origin(arm) is tuple for arm in arms):
        return tuple(part.strip() for part in text.split(","))
    return text


def check_names(
    settings: Settings, sources: typing.Sequence[str], tables: typing.Sequence[str],
    findings: Findings,
) -> None:  # fmt: skip
    """Find settings of sources and sinks that the pipeline does not have, in every environment."""
    for layer in (*settings.layers, *settings.unused):
        for type_, options in layer.defaults.items():
            for finding in _wrong_defaults(type_, options):
                findings.add(finding)
        for section, known in (("sources", sources), ("sinks", tables)):
            lowered = {name.lower() for name in known}
            for name, options in getattr(layer, section).items():
                if name.lower() not in lowered:
                    findings.add(_unknown(section, name, options, known))


def _wrong_defaults(type_: str, options: Options) -> list[Finding]:
    """Give the names of ``[defaults.TYPE]`` that mean nothing."""
    first = next(iter(options.values()), None)
    row = find_connector(type_)
    if row is None:
        close = nearest(type_, connectors())
        return [Finding(
            "ConnectorNotFound", f"defaults.{type_} is of no connector (connectors: "
            f"{listing(sorted(connectors()))})", first.where if first else Place(),
            f"write defaults.{close}" if close else "remove it",
        )]  # fmt: skip
    roles = [o for o in (row.source_options, row.sink_options) if o is not None]
    known = list(dict.fromkeys(name for role in roles for name in option_types(role)))
    return [
        Finding(
            "OptionNotFound",
            f"{type_} has no option {name!r} (set in {setting.origin}; options: {listing(known)})",
            setting.where, f"write {close}" if (close := nearest(name, known)) else "remove it",
        )
        for name, setting in options.items() if name not in known
    ]  # fmt: skip


def _unknown(section: str, name: str, options: Options, known: typing.Sequence[str]) -> Finding:
    first = next(iter(options.values()), None)
    close = nearest(name, known)
    have = f"{section}: {listing(known)}" if known else f"it has no {section}"
    origin = f", set in {first.origin}" if first else ""
    what = f"{section}.{name} is not in the pipeline ({have}{origin})"
    where = first.where if first else Place()
    if close or first is None or not first.where.file:
        return Finding(
            "NameNotFound", what, where, f"write {section}.{close}" if close else "remove it"
        )
    # One mainstem.toml may serve several pipelines, so only what looks like a slip stops this one.
    return Finding(
        "NameNotFound", what, where, "remove it, unless another pipeline has it", "warning"
    )


def binding_rows(section: str, name: str, binding: Binding) -> list[Row]:
    """Give every option of a binding with its origin, those at their defaults included."""
    origins = dict(binding.origins)
    title = f"{section}.{name}"
    rows = [Row(title, "type", binding.type, origins.get("type", "definition"))]
    options = options_of(section, connector(binding))
    if options is None:
        return rows
    checked: Any = read_options(options, binding)
    for item in dataclasses.fields(typing.cast(Any, options)):
        value = getattr(checked, item.name)
        shown = f"{value} ({value.shown()})" if isinstance(value, Secret) else value
        rows.append(Row(title, item.name, shown, origins.get(item.name, "default")))
    return rows


def run_rows(settings: Settings) -> list[Row]:
    """Give every option of the run with its origin."""
    given = settings.run()
    return [
        Row("run", name, given[name].value, given[name].origin) if name in given
        else Row("run", name, None, "default")
        for name in RUN_OPTIONS
    ]  # fmt: skip
