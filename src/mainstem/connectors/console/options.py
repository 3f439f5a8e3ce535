"""Options of the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from mainstem.connectors.spec import Problem
from mainstem.record import record


@record
class ConsoleSink:
    """Rows on standard output, for looking at; nothing is kept, and a row may be shown twice.

    Parameters
    ----------
    limit : int, optional
        Rows that are shown of an epoch, 20 unless another number is given; the others are counted.
    format : str
        ``table``, or ``json`` for one object a line.
    """

    limit: int = 20
    format: Literal["table", "json"] = "table"

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        if self.limit < 0:
            yield Problem(
                "OptionType", f"limit of console is {self.limit}", "write limit=20", "limit"
            )
