"""Options of a table in the state file."""

from __future__ import annotations

from typing import Literal

from mainstem.record import record


@record
class StateSink:
    """A table in ``.mainstem/<pipeline>/state.duckdb``.

    Parameters
    ----------
    mode : str
        ``overwrite`` replaces the rows; ``append`` is a reserved word.
    """

    mode: Literal["overwrite", "append"] = "overwrite"
