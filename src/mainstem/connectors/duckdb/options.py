"""Options of a table in another DuckDB file, as a source and as a sink."""

from __future__ import annotations

from typing import Literal

from mainstem.connectors.keyed import KeyedPairs
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
    cursor : str, optional
        A column that only grows: a run reads the rows above the largest value that the last
        committed run has read.
    """

    path: str
    table: str
    cursor: str | None = None


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
        ``overwrite`` replaces the rows; ``append`` adds; or ``ms.merge(…)``, ``ms.history(…)``.
    force : bool
        Whether rows that Mainstem did not write may be replaced.
    """

    path: str
    table: str
    mode: Literal["overwrite", "append"] | KeyedPairs = "overwrite"
    force: bool = False
