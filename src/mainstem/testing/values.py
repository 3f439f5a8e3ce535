"""What a test has written, as values of a column's type: as exactly as a source reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.errors import SettingsError, listing, nearest
from mainstem.formats.coercion import coerce_json, coerce_text
from mainstem.formats.jsontext import parse_json
from mainstem.formats.records import Misfit
from mainstem.plan.types import Type, in_expressions
from mainstem.testing.text import as_json, read_table

# pytest shows the line of the test, not those here.
__tracebackhide__ = True

Table = Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]] | str


def table_columns(given: Table, names: Sequence[str], what: str) -> tuple[str, ...]:
    """Give the columns that a table in a test is about: those it names, or all of them.

    Raises
    ------
    SettingsError
        When it names a column that is not there, or its rows name different ones.
    """  # noqa: DOC501 - built by a function
    named: tuple[str, ...] = ()
    if isinstance(given, str):
        named = read_table(given)[0]
    elif given and isinstance(given[0], Mapping):
        named = tuple(given[0])
        for number, row in enumerate(given, 1):
            if not isinstance(row, Mapping) or set(row) != set(named):
                raise _form(f"row {number} of {what} does not have the columns of row 1 "
                            f"({listing(named)})", "give every row the same columns")  # fmt: skip
    spelled = {name.lower(): name for name in names}
    for name in named:
        if str(name).lower() not in spelled:
            close = nearest(str(name), names)
            raise _form(f"{what}: no column {name!r} (columns: {listing(names, limit=30)})",
                        f"write {close}" if close else "remove it")  # fmt: skip
    return tuple(spelled[name.lower()] for name in named) or tuple(names)


def cell_rows(given: Table, columns: Sequence[str], what: str) -> list[tuple[Any, ...]]:
    """Give the cells of a table in a test, in the order of `columns`.

    Raises
    ------
    SettingsError
        When a row has another number of cells.
    """  # noqa: DOC501 - built by a function
    if isinstance(given, str):
        rows: list[tuple[Any, ...]] = list(read_table(given)[1])
    elif given and isinstance(given[0], Mapping):
        lowered = [{k.lower(): v for k, v in row.items()} for row in given]  # type: ignore[union-attr]
        rows = [tuple(row[name.lower()] for name in columns) for row in lowered]
    else:
        rows = [_tuple(row, what) for row in given]
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise _form(f"row {number} of {what} has {len(row)} cells for {len(columns)} columns "
                        f"({listing(columns, limit=30)})", "give a value, or None, for each")  # fmt: skip
    return rows


def _tuple(row: Any, what: str) -> tuple[Any, ...]:
    if isinstance(row, str | bytes | Mapping) or not isinstance(row, Sequence):
        raise _form(f"a row of {what} is {row!r}", "give dicts, or tuples, or one table as text")
    return tuple(row)


def typed_rows(
    given: Table, columns: Mapping[str, Type], what: str
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Give the columns that a table in a test is about, and its rows as values of their types.

    Raises
    ------
    SettingsError
        When a value does not fit its column.
    """  # noqa: DOC501 - built by a function
    names = table_columns(given, tuple(columns), what)
    is_text = isinstance(given, str)
    rows = []
    for number, row in enumerate(cell_rows(given, names, what), 1):
        values = []
        for name, cell in zip(names, row, strict=True):
            try:
                values.append(_value(cell, in_expressions(columns[name]), is_text=is_text))
            except Misfit as misfit:
                place = f"row {number} of {what}, column {name!r}"
                raise _form(f"{place}: {cell!r} {misfit}", "correct the value") from None
        rows.append(tuple(values))
    return names, rows


def _value(cell: Any, type_: Type, *, is_text: bool) -> Any:
    if cell is None:
        return None
    if is_text:
        return coerce_text(cell, type_)
    return coerce_json(parse_json(as_json(cell)), type_)


def json_row(names: Sequence[str], row: Sequence[Any], types: Mapping[str, Type], *,
             is_text: bool) -> str:  # fmt: skip
    """Give a row as the JSON object that a source reads."""
    cells = {
        name: str(cell) if is_text and cell is not None and types[name].is_nested else as_json(cell)
        for name, cell in zip(names, row, strict=True)
    }
    return "{" + ", ".join(f"{as_json(name)}: {text}" for name, text in cells.items()) + "}\n"


def _form(what: str, fix: str) -> SettingsError:
    return SettingsError(what, code="GivenForm", fix=fix)
