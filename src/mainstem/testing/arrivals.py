"""What a test gives to a pipeline, source by source: rows of those that end, arrivals of those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.errors import DefinitionError, SettingsError
from mainstem.plan.nodes import Source
from mainstem.testing.case import mark_of
from mainstem.testing.script import Arrival
from mainstem.testing.text import read_table
from mainstem.testing.values import cell_rows, json_row, table_columns

if TYPE_CHECKING:
    from mainstem.testing.given import Given

# pytest shows the line of the test, not those here.
__tracebackhide__ = True

Sections = Sequence[tuple[str, "Given"]]


def sections_of(given: Mapping[str, Given] | Sections) -> Sections:
    """Give what a test gives as pairs of a source and its rows, in the order of arrival.

    Raises
    ------
    SettingsError
        When it is neither a mapping nor such pairs.
    """
    if isinstance(given, Mapping):
        return tuple(given.items())
    pairs: tuple[Any, ...] = tuple(given)
    if not all(
        isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in pairs
    ):
        raise SettingsError(
            "rows are given by source: as a dict, or as pairs in the order in which they arrive",
            code="GivenForm", fix='write {"orders": [...]} or [("orders", [...]), ("prices", [...])]',
        )  # fmt: skip
    return pairs


def arrivals_of(source: Source, given: Given) -> list[Arrival]:
    """Give what arrives of a source: records as lines of JSON, and marks among them.

    Parameters
    ----------
    source : Source
        An endless source, or a lookup.
    given : str or sequence
        A table of text with marks between its lines; or dicts, tuples, marks as texts
        (``"-- crash"``), and bytes, which are a record as it is.

    Raises
    ------
    SettingsError
        For what a stream cannot be given.
    """  # noqa: DOC501 - built by functions
    what = f"the rows of source {source.name!r}"
    try:
        if isinstance(given, str):
            return _of_text(source, given, what)
        if not isinstance(given, Sequence) or isinstance(given, bytes):
            raise _form(
                f"{what} are {type(given).__name__}: a stream has no end, so no file is all of it"
            )
        return _of_items(source, given, what)
    except DefinitionError as error:
        raise SettingsError(
            f"{what}: {error.finding.what}", code="GivenForm", fix=error.finding.fix
        ) from error


def _of_text(source: Source, text: str, what: str) -> list[Arrival]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marks = [mark_of(line) for line in lines]
    table = "\n".join(line for line, mark in zip(lines, marks, strict=True) if mark is None)
    records = iter(_records(source, table, what))
    # The head, and the line below it, are no rows.
    head = 2 if read_table(table)[0] else 0
    found: list[Arrival] = []
    for mark in marks:
        if mark is not None:
            found.append((source.name, mark))
        elif head:
            head -= 1
        else:
            found.append((source.name, next(records)))
    return found


def _of_items(source: Source, items: Sequence[Any], what: str) -> list[Arrival]:
    found: list[Arrival | None] = []
    rows = []
    for item in items:
        if isinstance(item, str):
            mark = mark_of(item.strip())
            if mark is None:
                raise _form(f"{item!r} among {what} is no mark")
            found.append((source.name, mark))
        elif isinstance(item, bytes):
            found.append((source.name, _raw(item, what)))
        else:
            found.append(None)
            rows.append(item)
    records = iter(_records(source, rows, what))
    return [(source.name, next(records)) if one is None else one for one in found]


def _raw(record: bytes, what: str) -> str:
    """Give a record as it is, which may be no JSON; it stands in a file of lines."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        raise _form(f"{record!r} among {what} is no UTF-8") from None
    if "\n" in text or not text.strip():
        raise _form(f"{record!r} among {what} is not one line")
    return f"{text}\n"


def _records(source: Source, given: Any, what: str) -> list[str]:
    types = {field.name: field.type for field in source.schema.fields}
    names = table_columns(given, source.schema.names, what)
    is_text = isinstance(given, str)
    return [json_row(names, row, types, is_text=is_text) for row in cell_rows(given, names, what)]


def _form(what: str) -> SettingsError:
    return SettingsError(
        what, code="GivenForm",
        fix='give dicts, tuples or a table as text, with marks such as "-- crash" among them',
    )  # fmt: skip
