"""The one table of coercions (contract V8): a text or a JSON value to a typed value, or the reason why not.

Every reader of every format and engine answers as this module does; faster readers are tested
against it. Nothing is rounded, guessed, trimmed or filled in.

=========  ======================================================================  ==================
type       accepted texts                                                          JSON besides a string
=========  ======================================================================  ==================
bigint     ``[+-]digits`` in range (also integer, smallint)                        integer literal
decimal    ``[+-]digits[.digits][e±n]``, exactly representable                     number
double     the same, finite; and nan, inf, infinity (any letter case, signed)      number
boolean    true, false (any letter case)                                           true, false
date       ``YYYY-MM-DD``, years 0001 to 9999                                      none
timestamp  ``YYYY-MM-DD[T ]HH:MM[:SS[.1-6 digits]][Z or ±HH[[:]MM]]``              none
string     anything                                                                the text as written
bytes      base64 with padding                                                     none
nested     the JSON text of one                                                    array, object
=========  ======================================================================  ==================
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from mainstem.formats.jsontext import Json, parse_json
from mainstem.formats.records import Misfit
from mainstem.plan.types import Field, Type

RANGES = {
    "bigint": (-(2**63), 2**63 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "smallint": (-(2**15), 2**15 - 1),
}
INTEGER_TEXT = re.compile(r"[+-]?[0-9]+")
NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SPECIAL_TEXT = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
DATE_TEXT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
TIMESTAMP_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]"
    r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,6}))?)?"
    r"(Z|([+-])(0[0-9]|1[0-4])(?::?([0-5][0-9]))?)?"
)
# Wide enough that no decimal text is ever rounded while it is read.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_LONGEST = 4096
NULL_REFUSED = "NULL in a column declared not null"


def coerce_text(text: str, type_: Type) -> Any:
    """Give the value that `text` stands for.

    Raises
    ------
    Misfit
        With the reason, when it stands for none of this type.
    """
    if type_.is_nested:
        return coerce_json(parse_json(text), type_)
    return _FROM_TEXT[type_.kind](text, type_)


def coerce_json(value: Json, type_: Type) -> Any:
    """Give the value that a JSON value stands for; JSON null is None.

    Raises
    ------
    Misfit
        With the reason, when it stands for none of this type.
    """
    if value.kind == "null":
        return None
    if type_.is_nested:
        return _nested(value, type_)
    if value.kind == "string":
        return coerce_text(value.text, type_)
    if type_.kind == "string":
        return value.raw
    numeric = type_.kind in ("bigint", "integer", "smallint", "decimal", "double")
    if (value.kind == "number" and numeric) or (
        value.kind in ("true", "false") and type_.kind == "boolean"
    ):
        return coerce_text(value.raw, type_)
    raise Misfit(f"JSON {value.kind} where {type_} is declared", value=value.raw)


def check_null(value: Any, field: Field) -> None:
    """Raise `Misfit` when a NOT NULL column has no value."""
    if value is None and not field.nullable:
        raise Misfit(NULL_REFUSED, code="NullValue", column=field.name)


def _integer(text: str, type_: Type) -> int:
    if not INTEGER_TEXT.fullmatch(text):
        raise Misfit(f"not a whole number, {type_} is declared", value=text)
    # Python refuses to convert very long digit texts; anything of this length is out of range.
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 19:
        raise Misfit(f"out of range of {type_}", code="OutOfRange", value=text)
    value = int(digits or "0") * (-1 if text[0] == "-" else 1)
    low, high = RANGES[type_.kind]
    if not low <= value <= high:
        raise Misfit(f"out of range of {type_} ({low} to {high})", code="OutOfRange", value=text)
    return value


def _decimal(text: str, type_: Type) -> Decimal:
    if not NUMBER_TEXT.fullmatch(text):
        raise Misfit(f"not a number, {type_} is declared", value=text)
    if len(text) > _LONGEST:
        raise Misfit(f"longer than {_LONGEST} characters, {type_} is declared", value=text[:80])
    value = Decimal(text, _EXACT)
    if not value:
        return Decimal(0).scaleb(-type_.scale)
    _, digits, exponent = value.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    # 12.50 and 1250e-2 are 12.5: only the digits that change the value have to fit.
    exponent = int(exponent) + len(digits) - len(significant)
    if -exponent > type_.scale:
        raise Misfit(
            f"more than {type_.scale} digits after the point, {type_} is declared", value=text
        )
    if len(significant) + exponent > type_.precision - type_.scale:
        raise Misfit(f"out of range of {type_}", code="OutOfRange", value=text)
    return value.quantize(Decimal(1).scaleb(-type_.scale), context=_DECIMAL38)


_DECIMAL38 = Context(prec=80)


def _double(text: str, type_: Type) -> float:
    if SPECIAL_TEXT.fullmatch(text):
        return float(text)
    if not NUMBER_TEXT.fullmatch(text):
        raise Misfit(f"not a number, {type_} is declared", value=text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Misfit("out of range of double", code="OutOfRange", value=text)
    return value


def _boolean(text: str, type_: Type) -> bool:
    lowered = text.lower() if text.isascii() else text
    if lowered not in ("true", "false"):
        raise Misfit(f"neither true nor false, {type_} is declared", value=text)
    return lowered == "true"


def _date(text: str, type_: Type) -> date:
    match = DATE_TEXT.fullmatch(text)
    if match is None:
        raise Misfit("not a date such as 2024-01-31", value=text)
    try:
        return date(*map(int, match.groups()))
    except ValueError as error:
        raise Misfit(f"no such day ({error})", value=text) from None


def _timestamp(text: str, type_: Type) -> datetime:
    match = TIMESTAMP_TEXT.fullmatch(text)
    if match is None:
        raise Misfit("not a timestamp such as 2024-01-31T10:15:00.5Z", value=text)
    year, month, day, hour, minute, second, fraction, _, sign, off_hour, off_minute = match.groups()
    micros = int((fraction or "").ljust(6, "0"))
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, UTC
        )
        offset = timedelta(hours=int(off_hour or 0), minutes=int(off_minute or 0))
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError) as error:
        raise Misfit(f"no such instant ({error})", value=text) from None


def _bytes(text: str, type_: Type) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Misfit(f"not base64 ({error})", value=text) from None
    # The decoder ignores set bits behind the last byte: two texts would mean the same bytes.
    if base64.b64encode(value).decode() != text:
        raise Misfit("not base64 (unused bits are set)", value=text)
    return value


def _string(text: str, type_: Type) -> str:
    return text


_FROM_TEXT: dict[str, Callable[[str, Type], Any]] = {
    "bigint": _integer, "integer": _integer, "smallint": _integer, "decimal": _decimal,
    "double": _double, "boolean": _boolean, "date": _date, "timestamp": _timestamp,
    "bytes": _bytes, "string": _string,
}  # fmt: skip


def _nested(value: Json, type_: Type) -> Any:
    wanted = "array" if type_.kind == "list" else "object"
    if value.kind != wanted:
        raise Misfit(f"JSON {value.kind} where {type_} is declared", value=value.raw)
    if type_.kind == "list":
        return [coerce_json(item, type_.items[0]) for item in value.items]
    if type_.kind == "map":
        return _map(value, type_)
    given = members(value, type_.names)
    return {
        name: coerce_json(given[name], item) if name in given else None
        for name, item in zip(type_.names, type_.items, strict=True)
    }


def _map(value: Json, type_: Type) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for text, item in zip(value.keys, value.items, strict=True):
        key = coerce_text(text, type_.items[0])
        if key in result:
            raise Misfit(f"duplicate key {text!r}", code="DuplicateKey", value=value.raw)
        result[key] = coerce_json(item, type_.items[1])
    return result


def members(value: Json, names: tuple[str, ...]) -> dict[str, Json]:
    """Give the members of an object that have one of `names`; others are ignored.

    Raises
    ------
    Misfit
        When one of `names` stands twice.
    """
    wanted = frozenset(names)
    found: dict[str, Json] = {}
    for key, item in zip(value.keys, value.items, strict=True):
        if key not in wanted:
            continue
        if key in found:
            raise Misfit(f"duplicate key {key!r}", code="DuplicateKey", column=key, value=value.raw)
        found[key] = item
    return found
