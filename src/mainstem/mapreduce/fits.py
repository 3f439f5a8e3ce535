"""Whether keys, values and rows are of the declared types, checked many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mainstem.plan.types import Field, Schema, Type
from mainstem.plan.values import Refused, checked, shown

# What needs no look at each value, but for the range of a bigint.
_FAST: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}), "bigint": frozenset({int}), "double": frozenset({float}),
    "string": frozenset({str}), "bytes": frozenset({bytes}),
}  # fmt: skip
_HALF = 1 << 63


def fitted(field: Field, values: list[Any]) -> list[Any]:
    """Give the values of a column as the contract has them.

    Raises
    ------
    Refused
        For the first that is of another type, out of range, or NULL where none may be.
    """
    kinds = set(map(type, values))
    has_null = type(None) in kinds
    if has_null and not field.nullable:
        raise Refused(f"NULL in {field.name}, which is not null")
    if kinds <= _FAST.get(field.type.kind, frozenset()) and _in_range(values, field.type):
        return values
    return [_checked(value, field) for value in values]


def _in_range(values: list[Any], type_: Type) -> bool:
    return type_.kind != "bigint" or not values or (min(values) >= -_HALF and max(values) < _HALF)


def _checked(value: Any, field: Field) -> Any:
    try:
        return checked(value, field.type)
    except Refused as refused:
        raise Refused(f"{refused} of column {field.name}") from None


def values_fitted(schema: Schema, values: list[Any]) -> list[Any]:
    """Give the values of a job's pairs as the contract has them: bare, or a tuple for several columns.

    Raises
    ------
    Refused
        For the first that does not fit.
    """
    if len(schema) == 1:
        return fitted(schema.fields[0], values)
    for value in values:
        if not isinstance(value, tuple) or len(value) != len(schema):
            raise Refused(f"the value {shown(value)}, which is no tuple of {len(schema)}")
    columns = [
        fitted(field, [value[i] for value in values]) for i, field in enumerate(schema.fields)
    ]
    return list(zip(*columns, strict=True)) if values else []


def row_of(schema: Schema) -> Callable[[Any], tuple[Any, ...]]:
    """Give what checks a row that the user's code gave.

    It raises `Refused` when the row is not a tuple of as many values as there are columns, or when one
    of them does not fit.
    """
    n, fields = len(schema), schema.fields
    fast = tuple(_FAST.get(field.type.kind, frozenset()) for field in fields)
    numbers = tuple(i for i, field in enumerate(fields) if field.type.kind == "bigint")

    def row(given: Any) -> tuple[Any, ...]:
        if not isinstance(given, tuple) or len(given) != n:
            raise Refused(f"{shown(given)}, which is no tuple of {n} ({schema})")
        for value, kinds in zip(given, fast, strict=True):
            if type(value) not in kinds:
                break
        else:
            if all([-_HALF <= given[i] < _HALF for i in numbers]):  # noqa: C419 - faster
                return given
        values = zip(fields, given, strict=True)
        return tuple(fitted(field, [value])[0] for field, value in values)

    return row


def spread(key: Schema, value: Schema) -> Callable[[Any], Any]:
    """Give how a pair (key, value) becomes a row: a tuple in it is as many columns."""
    is_plain = (len(key) == 1, len(value) == 1)

    def row(pair: Any) -> Any:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise Refused(f"{shown(pair)}, which is no pair (key, value)")
        return (*_side(pair[0], is_one=is_plain[0]), *_side(pair[1], is_one=is_plain[1]))

    return row


def _side(value: Any, *, is_one: bool) -> Sequence[Any]:
    if is_one:
        return (value,)
    if not isinstance(value, tuple):
        raise Refused(f"{shown(value)}, which is no tuple")
    return value
