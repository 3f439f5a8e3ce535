"""Reads mainstem.toml, the variables ``MAINSTEM__…`` and the flags ``--set``.

Precedence, lowest first: the definition, ``[sources.x]``, ``[env.NAME.sources.x]``, variables,
flags.
Everything that is wrong is found in one go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstem.errors import (
    NOWHERE,
    Finding,
    Findings,
    MainstemError,
    Place,
    SettingsError,
    listing,
    nearest,
)
from mainstem.lazy import pattern
from mainstem.settings.secret import from_table
from mainstem.settings.values import (
    SECTIONS,
    UNREAD,
    Layer,
    Setting,
    Settings,
    expanded,
    run_setting,
)

NAME = "mainstem.toml"
PREFIX = "MAINSTEM__"
ENV_VARIABLE = "MAINSTEM_ENV"


def read(
    start: Path | None, *, env: str = "", flags: Sequence[str] = (),
    environ: Mapping[str, str] | None = None, findings: Findings,
) -> Settings:  # fmt: skip
    """Read every setting that concerns a pipeline file.

    Parameters
    ----------
    start : Path or None
        The pipeline file; mainstem.toml is looked for in its folder and upwards. None for none.
    env : str
        Name of the environment; the variable ``MAINSTEM_ENV`` when empty.
    flags : sequence of str
        Texts such as ``sources.flights.path=data/*.csv`` or ``run.threads=4``.
    environ : mapping, optional
        Environment variables; those of the process when absent.
    findings : Findings
        Takes everything that is wrong.

    Returns
    -------
    Settings
        What could be read; names of sources and options are checked against the pipeline later.
    """
    variables = os.environ if environ is None else environ
    env = env or variables.get(ENV_VARIABLE, "")
    file = discover(start)
    layers: list[Layer] = []
    unused: list[Layer] = []
    environments: tuple[str, ...] = ()
    if file is not None:
        reader = _File(file, variables, findings)
        layers, unused = reader.layers(env)
        environments = reader.environments
    if env and env not in environments:
        _no_environment(env, environments, file, findings)
    layers.append(_from_texts(_variables(variables, findings), findings))
    layers.append(_from_texts(_flags(flags, findings), findings))
    return Settings(tuple(layers), file, env, environments, tuple(unused))


def discover(start: Path | None) -> Path | None:
    """Give the nearest mainstem.toml, from the folder of `start` upwards, or None."""
    if start is None:
        return None
    folder = Path(os.path.abspath(start)).parent  # noqa: PTH100  (resolve() would follow a link away)
    for place in (folder, *folder.parents):
        if (place / NAME).is_file():
            return place / NAME
    return None


def shown(path: Path) -> str:
    """Give a path as people know it: from the current folder when it is inside of it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class _File:
    """One mainstem.toml."""

    def __init__(self, path: Path, environ: Mapping[str, str], findings: Findings) -> None:
        self.name = shown(path)
        self.environ = environ
        self.findings = findings
        self.data: dict[str, Any] = {}
        self.lines: dict[tuple[str, ...], int] = {}
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            findings.add(_unread(self.name, error))
            return
        # Only here: most runs have no such file.
        import tomllib

        from mainstem.settings.lines import key_lines

        try:
            self.data = tomllib.loads(text)
            self.lines = key_lines(text)
        except tomllib.TOMLDecodeError as error:
            findings.add(_not_toml(self.name, str(error), text))

    @property
    def environments(self) -> tuple[str, ...]:
        table = self.data.get("env", {})
        return tuple(table) if isinstance(table, dict) else ()

    def place(self, path: tuple[str, ...]) -> Place:
        """Give the place of a key; of its table when the key itself has no line."""
        while path and path not in self.lines:
            path = path[:-1]
        return Place(self.name, self.lines.get(path, 0))

    def layers(self, env: str) -> tuple[list[Layer], list[Layer]]:
        """Give the default sections and those of the environment, and the other environments."""
        top = {key: value for key, value in self.data.items() if key != "env"}
        found = [self.layer(top, ())]
        unused: list[Layer] = []
        for name, table in self.tables(self.data.get("env", {}), ("env",)):
            layer = self.layer(table, ("env", name), is_used=name == env)
            (found if name == env else unused).append(layer)
        return found, unused

    def layer(self, data: Mapping[str, Any], at: tuple[str, ...], *, is_used: bool = True) -> Layer:
        known = SECTIONS if at else (*SECTIONS, "env")
        for key in data:
            if key not in known:
                close = nearest(key, known)
                self.add(
                    "SectionNotFound",
                    f"{'.'.join((*at, key))} is no section (sections: {listing(known)})",
                    (*at, key), f"write {close}" if close else "remove it",
                )  # fmt: skip
        run: dict[str, Setting] = {}
        options = self.options(data.get("run", {}), (*at, "run"), is_used=is_used)
        for name, setting in options.items():
            checked = run_setting(name, setting, self.findings)
            if checked is not None:
                run[name] = checked
        named = {
            section: {
                name: self.options(table, (*at, section, name), is_used=is_used)
                for name, table in self.tables(data.get(section, {}), (*at, section))
            }
            for section in ("sources", "sinks", "defaults")
        }
        return Layer(named["sources"], named["sinks"], run, named["defaults"])

    def tables(self, data: Any, at: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
        """Give the tables below `at`; anything else there is a finding."""
        if not isinstance(data, dict):
            name = ".".join(at)
            self.add("SettingsSyntax", f"{name} is no table", at, f"write [{name}.NAME]")
            return []
        found = []
        for name, table in data.items():
            if isinstance(table, dict):
                found.append((name, table))
            else:
                path = (*at, name)
                self.add("SettingsSyntax", f"{'.'.join(path)} is no table", path,
                         f"write [{'.'.join(at)}.NAME] above it")  # fmt: skip
        return found

    def options(self, data: Any, at: tuple[str, ...], *, is_used: bool) -> dict[str, Setting]:
        if not isinstance(data, dict):
            self.add("SettingsSyntax", f"{'.'.join(at)} is no table", at, f"write [{'.'.join(at)}]")
            return {}
        found: dict[str, Setting] = {}
        for name, value in data.items():
            place = self.place((*at, name))
            try:
                plain = self.plain(value, place) if is_used else UNREAD
            except MainstemError as error:
                self.findings.add(error.finding)
                continue
            # `threads = "${N}"` is text only because TOML has no other way to write it.
            is_text = isinstance(value, str) and "${" in value
            found[name] = Setting(plain, str(place), place, is_text)
        return found

    def plain(self, value: Any, place: Place) -> Any:
        """Give a value with variables filled in and references to secrets as `Secret`."""
        if isinstance(value, str):
            return expanded(value, self.environ, place)
        if isinstance(value, list):
            return [self.plain(item, place) for item in value]
        if isinstance(value, dict):
            secret = from_table(value, place)
            if secret is not None:
                return secret
            return {key: self.plain(item, place) for key, item in value.items()}
        return value

    def add(self, code: str, what: str, at: tuple[str, ...], fix: str) -> None:
        self.findings.add(Finding(code, what, self.place(at), fix))


def _unread(name: str, error: OSError | UnicodeDecodeError) -> Finding:
    if isinstance(error, UnicodeDecodeError):
        why, fix = f"byte {error.start} is no UTF-8", "save it as UTF-8"
    else:
        why, fix = error.strerror or str(error), "give this user the right to read it"
    return Finding("SettingsSyntax", f"cannot read {name}: {why}", Place(name), fix)


# How tomllib ends its messages: in Python before 3.14 the place stands nowhere else.
_TOML_PLACE = pattern(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def _not_toml(name: str, said: str, text: str) -> Finding:
    """Give the finding of a text that is no TOML, at the place that tomllib names."""
    found = _TOML_PLACE.search(said)
    why = said if found is None else said[: found.start()]
    where = Place(name)
    if found is not None and found["line"]:
        where = Place(name, int(found["line"]), int(found["column"]))
    elif found is not None:
        # The end is seldom where the mistake is, but no line after the last can be it.
        where = Place(name, max(1, len(text.rstrip().splitlines())))
    return Finding(
        "SettingsSyntax", f"{name} is no TOML: {why}", where,
        'correct the line: TOML wants path = "data/*.csv", texts in quotes; see docs/configuration.md',
    )  # fmt: skip


def _no_environment(
    env: str, known: tuple[str, ...], file: Path | None, findings: Findings
) -> None:
    where = NOWHERE if file is None else Place(shown(file))
    have = f"environments: {listing(known)}" if known else f"no {NAME} declares any"
    close = nearest(env, known)
    findings.add(Finding(
        "EnvironmentNotFound", f"no environment {env!r} ({have})", where,
        f"write {close}" if close else f"add [env.{env}.sources.NAME] to {NAME}",
    ))  # fmt: skip


def _variables(
    environ: Mapping[str, str], findings: Findings
) -> list[tuple[tuple[str, ...], Setting]]:
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX):
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            setting = _setting(environ[name], name, findings)
            if setting is not None:
                found.append((path, setting))
    return found


def _flags(flags: Sequence[str], findings: Findings) -> list[tuple[tuple[str, ...], Setting]]:
    found = []
    for flag in flags:
        path, sign, text = flag.partition("=")
        if not sign:
            # The text is not repeated: it may be a secret that was given the wrong way.
            findings.add(Finding(
                "SettingSyntax", "a --set has no '='", fix="write --set sources.NAME.path=VALUE",
            ))  # fmt: skip
            continue
        setting = _setting(text, f"--set {path.strip()}", findings)
        if setting is not None:
            found.append((tuple(path.strip().split(".")), setting))
    return found


def _setting(text: str, origin: str, findings: Findings) -> Setting | None:
    """Read a text: a TOML table or list when it looks like one, else text to be typed later."""
    if not text.startswith(("{", "[")):
        return Setting(text, origin, is_text=True)
    import tomllib

    try:
        value = tomllib.loads(f"value = {text}")["value"]
        secret = from_table(value) if isinstance(value, dict) else None
    except tomllib.TOMLDecodeError:
        return Setting(text, origin, is_text=True)  # a glob such as [ab]*.csv
    except SettingsError as error:
        findings.add(Finding(error.finding.code, f"{error.finding.what} (set in {origin})",
                             fix=error.finding.fix))  # fmt: skip
        return None
    return Setting(value if secret is None else secret, origin)


def _from_texts(items: list[tuple[tuple[str, ...], Setting]], findings: Findings) -> Layer:
    named: dict[str, dict[str, dict[str, Setting]]] = {"sources": {}, "sinks": {}, "defaults": {}}
    run: dict[str, Setting] = {}
    for path, setting in items:
        if path[0] in named and len(path) == 3 and all(path):
            named[path[0]].setdefault(path[1], {})[path[2]] = setting
        elif path[0] == "run" and len(path) == 2:
            checked = run_setting(path[1], setting, findings)
            if checked is not None:
                run[path[1]] = checked
        else:
            _unknown_path(path, setting, findings)
    return Layer(named["sources"], named["sinks"], run, named["defaults"])


def _unknown_path(path: tuple[str, ...], setting: Setting, findings: Findings) -> None:
    close = nearest(path[0], SECTIONS)
    shape = "run.OPTION" if close == "run" else f"{close or 'sources'}.NAME.OPTION"
    findings.add(Finding(
        "SectionNotFound", f"{setting.origin} sets nothing (sections: {listing(SECTIONS)})",
        fix=f"write it as {shape}",
    ))  # fmt: skip
