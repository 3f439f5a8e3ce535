"""Run parameters: declared with a type, given as text by a command, bound and never pasted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mainstem.definition.declaration import checked_name
from mainstem.errors import (
    NOWHERE,
    CheckFailed,
    DefinitionError,
    Finding,
    Findings,
    Place,
    listing,
    nearest,
)
from mainstem.plan.nodes import Param
from mainstem.plan.types import Type, in_expressions, parse_type

_EXAMPLES = {
    "boolean": "true", "bigint": "42", "double": "1.5", "decimal": "12.50", "string": "any text",
    "date": "2024-01-31", "timestamp": "2024-01-31T12:00:00Z",
}  # fmt: skip


def declared_param(name: str, type: str, default: Any, where: Place) -> Param:
    """Build a parameter.

    Raises
    ------
    DefinitionError
        For a wrong name, a type that a parameter cannot have, or a default of another type.
    """
    checked_name(name, "parameter", where)
    type_ = in_expressions(parse_type(type))
    if type_.kind not in _EXAMPLES:
        raise DefinitionError(
            f"parameter {name!r} has type {type_}; parameters are {listing(_EXAMPLES)}",
            where=where, code="ParameterType", fix="pass it as string and take it apart in SQL",
        )  # fmt: skip
    if default is None:
        return Param(name, type_, where=where)
    return Param(name, type_, parse_value(default, type_, name), has_default=True, where=where)


def parse_value(value: Any, type_: Type, name: str) -> Any:
    """Read a parameter's value from text, or take one that already has the right type.

    Parameters
    ----------
    value : Any
        Text such as ``2024-01-31``, or a Python value of the type.
    type_ : Type
        The declared type.
    name : str
        The parameter, for the message.

    Returns
    -------
    bool, int, float, Decimal, str, date or datetime
        Timestamps are aware and in UTC; a text without an offset is UTC (contract V7).

    Raises
    ------
    DefinitionError
        When the value does not fit; names what was expected.
    """
    try:
        return _READ[type_.kind](value, type_)
    except (ValueError, KeyError, InvalidOperation, OverflowError):
        raise DefinitionError(
            f"parameter {name!r} is {value!r}, not a {type_}", code="ParameterValue",
            fix=f"give it like {name}={_EXAMPLES[type_.kind]}",
        ) from None  # fmt: skip


def read_params(
    params: Sequence[Param], given: Mapping[str, Any], where: Place = NOWHERE
) -> dict[str, Any]:
    """Give the value of every parameter of a run, by declared name.

    Parameters
    ----------
    params : sequence of Param
        Those of the plan.
    given : mapping
        Texts or values, by name.
    where : Place, optional
        The pipeline, for messages.

    Raises
    ------
    CheckFailed
        With every unknown, missing and wrong value at once.
    """
    findings = Findings()
    known = {param.name.lower(): param for param in params}
    values = {param.name: param.default for param in params if param.has_default}
    for name, value in given.items():
        param = known.get(name.lower())
        if param is None:
            findings.add(unknown(name, params, where))
            continue
        try:
            values[param.name] = parse_value(value, param.type, param.name)
        except DefinitionError as error:
            findings.add(error.finding)
    for param in params:
        if param.name not in values and param.name.lower() not in {n.lower() for n in given}:
            findings.add(Finding(
                "ParameterMissing", f"parameter {param.name!r} ({param.type}) has no value",
                param.where, f"add --param {param.name}={_EXAMPLES[param.type.kind]}",
            ))  # fmt: skip
    if findings.errors:
        raise CheckFailed(findings.items)
    return values


def unknown(name: str, params: Sequence[Param], where: Place) -> Finding:
    """Give the finding for a value of a parameter that is not there."""
    names = [param.name for param in params]
    close = nearest(name, names)
    have = f"parameters: {listing(names)}" if names else "the pipeline has none"
    fix = f"write {close}" if close else f'declare it: p.param("{name}", "string")'
    return Finding("ParameterNotFound", f"no parameter {name!r} ({have})", where, fix)


def _boolean(value: Any, type_: Type) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[_text(value).lower()]


def _bigint(value: Any, type_: Type) -> int:
    number = (
        value
        if isinstance(value, int) and not isinstance(value, bool)
        else int(_matching(value, r"[+-]?\d+"))
    )
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _double(value: Any, type_: Type) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return float(_matching(value, r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"))


def _decimal(value: Any, type_: Type) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, Decimal) and value.is_finite():
        number = value
    else:
        number = Decimal(_matching(value, r"[+-]?(\d+\.?\d*|\.\d+)"))
    sign, digits, exponent = number.as_tuple()
    scaled = int("".join(map(str, digits))) * (-1 if sign else 1)
    shift = type_.scale + int(exponent)
    # Digits that the type has no room for are refused, never rounded away.
    scaled, rest = (scaled * 10**shift, 0) if shift >= 0 else _divided(scaled, 10**-shift)
    if rest or abs(scaled) >= 10**type_.precision:
        raise ValueError
    # From digits, not by arithmetic: the process-wide decimal context would round it.
    return Decimal((int(scaled < 0), tuple(map(int, str(abs(scaled)))), -type_.scale))


def _divided(number: int, by: int) -> tuple[int, int]:
    whole, rest = divmod(abs(number), by)
    return (-whole if number < 0 else whole), rest


def _string(value: Any, type_: Type) -> str:
    return _text(value)


def _date(value: Any, type_: Type) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(_matching(value, r"\d{4}-\d{2}-\d{2}"))


def _timestamp(value: Any, type_: Type) -> datetime:
    if not isinstance(value, datetime):
        pattern = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?"
        value = datetime.fromisoformat(_matching(value, pattern))
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    moment: datetime = value.astimezone(UTC)
    return moment


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004  (a wrong value of a parameter, told by the caller)
    return value


def _matching(value: Any, pattern: str) -> str:
    # Python reads more than we promise: 1_000, "٣", "nan", and dates such as 20240131.
    text = _text(value).strip()
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError
    return text


_READ = {
    "boolean": _boolean, "bigint": _bigint, "double": _double, "decimal": _decimal,
    "string": _string, "date": _date, "timestamp": _timestamp,
}  # fmt: skip
