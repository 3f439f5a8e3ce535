"""Answers as Arrow streams: the one edge to every dataframe library."""

from __future__ import annotations

import html
import importlib
from collections.abc import Callable
from typing import Any

from mainstem.errors import SettingsError

# Rows that a notebook shows.
SHOWN = 20
# Packages that come with an extra of this one, in the versions that are tested.
_EXTRAS = {"pyarrow": "'mainstem[arrow]'"}


class Streamed:
    """Something that gives its rows as an Arrow stream, again each time it is asked.

    Any library that knows the Arrow PyCapsule interface takes it as it is: ``pyarrow.table(answer)``,
    ``polars.DataFrame(answer)``. Instants have the zone UTC.
    """

    __slots__ = ()

    def _open(self) -> Any:
        """Give a new stream, as a capsule."""
        raise NotImplementedError

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Give the rows by the Arrow PyCapsule interface; other schemas are not made up."""
        return self._open()

    def to_arrow(self) -> Any:
        """Give a ``pyarrow.Table``; needs the package pyarrow."""
        return _package("pyarrow").table(self)

    def to_polars(self) -> Any:
        """Give a ``polars.DataFrame``; needs the package polars."""
        return _package("polars").DataFrame(self)

    def to_pandas(self) -> Any:
        """Give a ``pandas.DataFrame``; needs the packages pandas and pyarrow."""
        _package("pandas")
        return self.to_arrow().to_pandas()


class Stream(Streamed):
    """The rows of a question, not read before they are asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def _open(self) -> Any:
        return self._make()


def _package(name: str) -> Any:
    """Import a package that Mainstem can do without.

    Raises
    ------
    SettingsError
        When it is not installed.
    ModuleNotFoundError
        When it is, and something that it needs is not.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise SettingsError(
            f"the package {name} is not installed", code="PackageMissing",
            fix=f"run: pip install {_EXTRAS.get(name, name)}",
        ) from error  # fmt: skip


def html_table(columns: tuple[str, ...], types: tuple[str, ...], rows: Any) -> str:
    """Give rows as a notebook shows them: the first ones, and how many there are."""
    heads = "".join(
        f"<th>{html.escape(name)}<br><small>{html.escape(type_.lower())}</small></th>"
        for name, type_ in zip(columns, types, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>"
        for row in rows[:SHOWN]
    )
    more = f", the first {SHOWN} shown" if len(rows) > SHOWN else ""
    count = f"{len(rows):,} row{'' if len(rows) == 1 else 's'}{more}"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table><p>{count}</p>"


def _cell(value: Any) -> str:
    return "<em>NULL</em>" if value is None else html.escape(str(value))
