"""Options of a table in another DuckDB file, as a source and as a sink."""

from __future__ import annotations

from typing import Literal

from mainstem.record import record


@record
class DuckdbSource:
    """A table or view that is read.

    Parameters
    ----------
    path : str
        The DuckDB file; it is opened for reading only.
    table : str
        ``table`` or ``schema.table``.
    """

    path: str
    table: str


@record
class DuckdbSink:
    """A table that is written.

    Parameters
    ----------
    path : str
        The DuckDB file; made when absent, opened for the commit only.
    table : str
        ``table`` or ``schema.table``.
    mode : str
        ``overwrite`` replaces the rows; ``append`` is a reserved word.
    force : bool
        Whether rows that Mainstem did not write may be replaced.
    """

    path: str
    table: str
    mode: Literal["overwrite", "append"] = "overwrite"
    force: bool = False
