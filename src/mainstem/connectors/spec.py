"""What a connector is: a folder with checked options, found by walking `mainstem.connectors`.

A connector knows nothing of engines. An engine reads a source's `Binding`, asks the connector to
check it (`options`), and does the reading or writing in its own way. ``ms.files(...)`` and its like
only build a `Binding`, so an environment can override any option field by field.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from mainstem.errors import NOWHERE, Finding, Place, SettingsError, listing, nearest
from mainstem.plan.nodes import Binding
from mainstem.plan.types import Schema
from mainstem.record import record
from mainstem.settings.secret import Secret

OptionsT = TypeVar("OptionsT")

# Formats whose rows are changes, not values (contract C4): read as rows they would be counted twice.
CHANGE_FEEDS = ("debezium", "delta_cdf")

# A dict among options, as `Binding` keeps it: names and values, sorted by name.
Pairs = tuple[tuple[str, Any], ...]


@record
class Problem:
    """Something wrong with options that have right types; `option` is the one to look at."""

    code: str
    what: str
    fix: str
    option: str = ""


@record
class Connector:
    """One row of the connector catalogue.

    Parameters
    ----------
    name : str
        Value of ``type`` in mainstem.toml.
    source_options, sink_options : type or None
        Frozen dataclasses whose fields are the options; None when it cannot be that. They may have
        ``bounded`` (whether a source with these options ends), ``problems()`` (what is wrong with
        options together) and ``column_problems(schema, event_time)`` (what is wrong with the
        columns), both of `Problem`.
    bounded : bool
        Whether a source of it ends, where its options do not say.
    access : tuple of str
        Options that say how to get to the data and not which it is: no part of fingerprints.
    """

    name: str
    source_options: type | None
    sink_options: type | None
    bounded: bool = True
    doc: str = ""
    access: tuple[str, ...] = ()

    def ends(self, binding: Binding) -> bool:
        """Say whether a source with a checked binding ends."""
        if self.source_options is None:
            return self.bounded
        return bool(getattr(read_options(self.source_options, binding), "bounded", self.bounded))


@cache
def connectors() -> dict[str, Connector]:
    """Give every connector by name; adding a folder with a `CONNECTOR` registers it."""
    import pkgutil

    import mainstem.connectors as package

    found: dict[str, Connector] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            row = importlib.import_module(f"{package.__name__}.{info.name}").CONNECTOR
            found[row.name] = row
    return found


@cache
def find_connector(name: str) -> Connector | None:
    """Give the connector of a name, which is that of its folder; None when there is none.

    The others are not imported: every run would start with all of them.
    """
    path = f"mainstem.connectors.{name}"
    if not name.isidentifier() or importlib.util.find_spec(path) is None:
        return None
    row: Connector | None = getattr(importlib.import_module(path), "CONNECTOR", None)
    return row


def connector(binding: Binding, where: Place = NOWHERE) -> Connector:
    """Give the connector of a binding.

    Raises
    ------
    SettingsError
        When no connector has that name; the nearest is in the fix.
    """
    found = find_connector(binding.type)
    if found is None:
        known = connectors()
        close = nearest(binding.type, known)
        raise SettingsError(
            f"no connector {binding.type!r} (connectors: {listing(sorted(known))})", where=where,
            code="ConnectorNotFound", fix=f"write {close}" if close else "see docs/connectors.md",
        )  # fmt: skip
    return found


def read_options(options: type[OptionsT], binding: Binding, where: Place = NOWHERE) -> OptionsT:
    """Check a binding's options against a dataclass and build it.

    Raises
    ------
    SettingsError
        For an unknown option, a missing one or one of a wrong type; names the option, what set it
        and the nearest known name.
    """
    found = wrong_options(options, binding, where)
    if found:
        first = found[0]
        raise SettingsError(first.what, where=first.where, code=first.code, fix=first.fix)
    return options(**binding.as_dict())


def wrong_options(
    options: type, binding: Binding, where: Place = NOWHERE,
    places: Mapping[str, Place] | None = None,
) -> list[Finding]:  # fmt: skip
    """Give everything that is wrong with a binding's options.

    Parameters
    ----------
    options : type
        Frozen dataclass whose fields are the options.
    binding : Binding
        What was given.
    where : Place
        The declaration, for options that `places` does not have.
    places : mapping, optional
        Where an option was set, when not in the declaration.
    """
    known = {f.name: f for f in dataclasses.fields(typing.cast(Any, options))}
    hints = option_types(options)
    origins = dict(binding.origins)
    found = []
    for name, value in binding.options:
        origin = origins.get(name, "definition")
        place = (places or {}).get(name, where)
        if name not in known:
            close = nearest(name, known)
            found.append(Finding(
                "OptionNotFound",
                f"{binding.type} has no option {name!r} (set in {origin}; options: "
                f"{listing(known)})",
                place, _other_role(options, binding, name)
                or (f"write {close}" if close else "remove it"),
            ))  # fmt: skip
        else:
            found += _wrong_value(
                binding.type, name, value, hint=hints[name], origin=origin, place=place
            )
    for name, item in known.items():
        defaults = (item.default, item.default_factory)
        is_required = all(default is dataclasses.MISSING for default in defaults)
        if is_required and name not in dict(binding.options):
            found.append(Finding(
                "OptionMissing", f"{binding.type} needs the option {name!r}", where, f"add {name}=",
            ))  # fmt: skip
    if found or not hasattr(options, "problems"):
        return found
    # Only of options that have right types: else the same mistake would be told twice.
    return [
        Finding(one.code, one.what, (places or {}).get(one.option, where), one.fix)
        for one in options(**binding.as_dict()).problems()
    ]


def column_missing(
    name: str, option: str, schema: Schema, *, use: str = "", fix: str = "declare it"
) -> Iterator[Problem]:
    """Give the problem of a column that an option names and a schema does not have."""
    if name.lower() not in {known.lower() for known in schema.names}:
        close = nearest(name, schema.names)
        yield Problem(
            "ColumnNotFound", f"no column {name!r} {use or f'for {option}'} (columns: "
            f"{listing(schema.names)})", f"write {close}" if close else fix, option,
        )  # fmt: skip


def _other_role(options: type, binding: Binding, name: str) -> str:
    """Give the fix for an option that only sinks, or only sources, of the connector have."""
    row = find_connector(binding.type)
    if row is None:
        return ""
    roles = (("sources", row.source_options), ("sinks", row.sink_options))
    for role, other in roles:
        if other is not None and other is not options and name in option_types(other):
            return f"remove it: only {role} have it"
    return ""


@cache
def option_types(options: type) -> Mapping[str, Any]:
    """Give the types of a connector's options by name; read once, as each of them is compiled from text."""
    return types.MappingProxyType(typing.get_type_hints(options))


def is_secret(hint: Any) -> bool:
    """Say whether the type of an option marks it as a secret."""
    return hint is Secret or Secret in typing.get_args(hint)


def _wrong_value(
    type_: str, name: str, value: Any, *, hint: Any, origin: str, place: Place
) -> list[Finding]:
    if _fits(value, hint):
        return []
    if is_secret(hint):
        # The value is not in the message: it is the secret itself.
        return [Finding(
            "SecretLiteral", f"option {name!r} of {type_} is a secret and was given as it is "
            f"(set in {origin})", place,
            f'write {name} = {{env = "NAME"}} and set NAME before the run',
        )]  # fmt: skip
    if isinstance(value, Secret):
        return [Finding(
            "OptionType", f"option {name!r} of {type_} is no secret (set in {origin})", place,
            f'write {name} = "${{NAME}}" for an environment variable',
        )]  # fmt: skip
    if name == "format" and value in CHANGE_FEEDS:
        return [Finding(
            "ReservedWord", f"format {value!r} of {type_} is a reserved word (set in {origin}): change "
            "feeds arrive in a later version", place,
            "write the latest row of each key to a file, and read that",
        )]  # fmt: skip
    return [Finding(
        "OptionType", f"option {name!r} of {type_} is {value!r} (set in {origin}), "
        f"not {_readable(hint)}", place, f"give {name} as {_readable(hint)}",
    )]  # fmt: skip


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, arm) for arm in typing.get_args(hint))
    if hint is Any:
        return True
    if origin is tuple:
        args = typing.get_args(hint)
        if not isinstance(value, tuple) or args[-1] is not Ellipsis:
            is_long = isinstance(value, tuple) and len(value) == len(args)
            return is_long and all(map(_fits, value, args))
        return all(_fits(v, args[0]) for v in value)
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if hint is type(None):
        return value is None
    if hint is int and isinstance(value, bool):
        return False
    return isinstance(value, hint)


def _readable(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(v) for v in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_readable(arm) for arm in typing.get_args(hint) if arm is not type(None))
    if origin is tuple and typing.get_args(hint)[0] is tuple:
        return "ms.merge(…), ms.history(…)"
    if hint == Pairs:
        return "a table of names and values"
    if origin is tuple:
        return f"a list of {_readable(typing.get_args(hint)[0])}"
    words = {
        "str": "text", "int": "a whole number", "bool": "true or false", "float": "a number",
        "Secret": "a secret by reference",
    }  # fmt: skip
    name = str(hint.__name__)
    return words.get(name, name)
