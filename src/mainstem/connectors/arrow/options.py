"""The option of an Arrow source: the object itself, held so that a plan can name and compare it."""

from __future__ import annotations

from dataclasses import field
from typing import Any, NoReturn

from mainstem.connectors.arrow.schema import Column, columns_of
from mainstem.errors import DefinitionError, UnsupportedError
from mainstem.record import record


@record
class Held:
    """An object and the columns that it had when it was declared; equal when the columns are.

    In fingerprints and texts it is its columns: what its rows are is known by a run only, whose
    token has a digest of them.
    """

    columns: tuple[Column, ...]
    data: Any = field(compare=False, repr=False)

    @classmethod
    def of(cls, data: Any) -> Held:
        """Hold an object.

        Raises
        ------
        DefinitionError
            When it gives no Arrow stream, or its schema cannot be read.
        """
        if not hasattr(data, "__arrow_c_stream__"):
            raise DefinitionError(
                f"a {type(data).__name__} gives no Arrow stream", code="ArrowMissing",
                fix="give an object with __arrow_c_stream__, such as pyarrow.table({...}), "
                "polars.DataFrame({...}) or a pandas.DataFrame",
            )  # fmt: skip
        return cls(columns_of(data), data)

    def __str__(self) -> str:
        return f"arrow({', '.join(map(str, self.columns))})"

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(
            f"an object of this process cannot leave it: {self}", code="ArrowNotPortable",
            fix='write it to a file first and bind the source to that: ms.files("data.parquet")',
        )  # fmt: skip


@record
class ArrowSource:
    """Rows of this process.

    Parameters
    ----------
    data : Held
        The object, as ``ms.arrow`` holds it; no settings file can give it.
    """

    data: Held
