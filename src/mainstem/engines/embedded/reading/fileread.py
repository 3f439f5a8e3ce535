"""What every reader of files says of them, and the columns that come from their paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.connectors.files.listing import InputFile
from mainstem.errors import DataError, Place
from mainstem.formats.records import Misfit
from mainstem.plan.types import Field
from mainstem.record import record

# Bad rows that a message shows.
SHOWN = 5


@record
class FileRead:
    """What became of one file: its rows are `first_row` and the `rows` - 1 after it."""

    path: str
    rows: int
    size_bytes: int
    first_row: int = 0


def _partition_value(given: Mapping[str, str | None], field: Field) -> Any:
    if field.name not in given:
        raise Misfit("the path has no such folder")
    text = given[field.name]
    from mainstem.formats.coercion import check_null, coerce_text

    value = None if text is None else coerce_text(text, field.type)
    check_null(value, field)
    return value


def partition_values(file: InputFile, fields: Sequence[Field], where: Place) -> tuple[Any, ...]:
    """Give the typed values of the columns that come from the path.

    Raises
    ------
    DataError
        When the path lacks one or its text does not fit.
    """
    given = dict(file.partition)
    values = []
    for field in fields:
        try:
            values.append(_partition_value(given, field))
        except Misfit as misfit:
            raise DataError(
                f"partition column {field} of {file.path}: {misfit.reason}", where=where,
                code="BadPartition",
            ) from None  # fmt: skip
    return tuple(values)
