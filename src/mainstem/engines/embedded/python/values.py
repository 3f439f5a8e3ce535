"""Values on their way between Arrow and Python, exact both ways; what does not fit is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from mainstem.plan.types import Type
from mainstem.plan.values import Refused, checked, shown

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(), "bigint": pa.int64(), "double": pa.float64(), "string": pa.string(),
    "bytes": pa.binary(), "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"),
    "null": pa.null(),
}  # fmt: skip
# What Arrow takes exactly as it is; everything else is looked at value by value.
_FAST: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}), "bigint": frozenset({int}), "double": frozenset({float}),
    "string": frozenset({str}), "bytes": frozenset({bytes}), "date": frozenset({dt.date}),
}  # fmt: skip


class WrongValue(Exception):
    """A value is not of the declared type; `row` is its position."""

    def __init__(self, row: int, why: str) -> None:
        super().__init__(why)
        self.row, self.why = row, why


class WrongLength(WrongValue):
    """A batch function gave another number of values than it got rows."""


def arrow_type(type_: Type) -> pa.DataType:
    """Give the Arrow type of a type of the contract."""
    if type_.kind == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    if type_.kind == "list":
        return pa.list_(arrow_type(type_.items[0]))
    if type_.kind == "map":
        return pa.map_(arrow_type(type_.items[0]), arrow_type(type_.items[1]))
    if type_.kind == "struct":
        return pa.struct(list(zip(type_.names, map(arrow_type, type_.items), strict=True)))
    return _PLAIN[type_.kind]


def python_values(array: pa.Array, type_: Type) -> list[Any]:
    """Give the values of a column: instants as aware datetimes in UTC, maps as dicts.

    Raises
    ------
    WrongValue
        For a date or an instant that Python's own types cannot hold.
    """
    try:
        if type_.kind == "timestamp":
            return _instants(array)
        return array.to_pylist(maps_as_pydicts="strict")  # type: ignore[no-any-return]
    except (OverflowError, ValueError) as error:
        raise WrongValue(0, f"an argument that Python cannot hold: {error}") from error


def _instants(array: pa.Array) -> list[dt.datetime | None]:
    # The zone of each value is looked up by name in pyarrow, which is 20 times slower.
    span = dt.timedelta
    return [
        None if n is None else _EPOCH + span(microseconds=n)
        for n in array.cast(pa.int64()).to_pylist()
    ]


def arrow_values(values: Sequence[Any], type_: Type) -> pa.Array:
    """Give a column of what a function has returned, one value a row.

    Raises
    ------
    WrongValue
        For the first value that is not of the type, or outside of its range.
    """
    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= _FAST.get(type_.kind, frozenset()):
        values = [_row(i, value, type_) for i, value in enumerate(values)]
    wanted = arrow_type(type_)
    try:
        return pa.array(values, type=wanted)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        for row, value in enumerate(values):
            try:
                pa.array([value], type=wanted)
            except (pa.ArrowException, OverflowError, ValueError, TypeError) as one:
                raise WrongValue(row, f"{shown(value)}, which is no {type_}: {one}") from one
        raise WrongValue(0, str(error)) from error


def _row(row: int, value: Any, type_: Type) -> Any:
    try:
        return checked(value, type_)
    except Refused as refused:
        raise WrongValue(row, str(refused)) from None


def arrow_batch(result: Any, type_: Type, rows: int) -> pa.Array:
    """Give a column of what a batch function has returned: an Arrow or numpy array, or a list.

    Raises
    ------
    WrongLength
        For another number of values.
    WrongValue
        For another type.
    """
    is_list = isinstance(result, list | tuple)
    array = result if is_list else _as_array(result)
    if len(array) != rows:
        raise WrongLength(0, f"{len(array)} values for {rows} rows")
    return arrow_values(array, type_) if is_list else _cast(array, type_, result)


def _as_array(result: Any) -> pa.Array:
    if isinstance(result, pa.ChunkedArray):
        return result.combine_chunks()
    if isinstance(result, pa.Array):
        return result
    if not hasattr(result, "__len__") or isinstance(result, str | bytes | dict):
        raise WrongValue(0, f"a {type(result).__name__}, not an array or a list")
    try:
        return pa.array(result)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise WrongValue(0, f"a {type(result).__name__} that is no column: {error}") from error


def _cast(array: pa.Array, type_: Type, result: Any) -> pa.Array:
    """Convert a column without loss."""
    wanted, own = arrow_type(type_), array.type
    if own == wanted:
        return array
    if pa.types.is_dictionary(own):
        return _cast(array.dictionary_decode(), type_, result)
    is_zoneless = pa.types.is_timestamp(own) and own.tz is None
    if type_.kind == "timestamp" and is_zoneless and isinstance(result, pa.Array | pa.ChunkedArray):
        raise WrongValue(0, "instants without a zone; give timestamps with tz='UTC'")
    if not _may_become(own, type_.kind):
        raise WrongValue(0, f"values of type {own}, which are no {type_}")
    try:
        return array.cast(wanted, safe=True)
    except (pa.ArrowException, ValueError) as error:
        raise WrongValue(0, f"values of type {own} that do not fit {type_}: {error}") from error


def _may_become(own: pa.DataType, kind: str) -> bool:
    is_ = pa.types
    if is_.is_null(own):
        return True
    checks: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
        "boolean": (is_.is_boolean,), "bigint": (is_.is_integer,),
        "double": (is_.is_floating, is_.is_integer), "decimal": (is_.is_decimal, is_.is_integer),
        "string": (is_.is_string, is_.is_large_string, is_.is_string_view),
        "bytes": (is_.is_binary, is_.is_large_binary, is_.is_binary_view, is_.is_fixed_size_binary),
        "date": (is_.is_date,), "timestamp": (is_.is_timestamp,),
        "list": (is_.is_list, is_.is_large_list, is_.is_fixed_size_list), "map": (is_.is_map,),
        "struct": (is_.is_struct,),
    }  # fmt: skip
    return any(check(own) for check in checks.get(kind, ()))
