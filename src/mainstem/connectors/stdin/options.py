"""Options of standard input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from mainstem.connectors.spec import Problem
from mainstem.plan.types import Schema
from mainstem.record import record


@record
class StdinSource:
    """What another program writes into this one, line by line.

    It cannot be read again: a run that is killed does not find what it had read and not committed.

    Parameters
    ----------
    format : str
        ``json`` (one object a line), ``csv``, ``tsv`` or ``text``.
    header : bool
        Whether CSV begins with the names of its columns.
    delimiter : str, optional
        One character; a comma, or a tab for ``tsv``.
    quote : str
        One character; ``quote=""`` switches quoting off.
    null : str or list of str
        Unquoted texts of a CSV field that mean NULL, besides the empty one.
    """

    format: Literal["json", "csv", "tsv", "text"] = "json"
    header: bool = True
    delimiter: str | None = None
    quote: str = '"'
    null: str | tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Say whether a source of it ends: who writes into it decides, so it may not."""
        return False

    @property
    def nulls(self) -> tuple[str, ...]:
        """Give the texts that mean NULL as a tuple, without the empty one."""
        return (self.null,) if isinstance(self.null, str) else self.null

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        if self.delimiter is not None and len(self.delimiter) != 1:
            yield Problem(
                "OptionType", f"delimiter of stdin is {self.delimiter!r}, not one character",
                'write delimiter=","', "delimiter",
            )  # fmt: skip
        if len(self.quote) > 1:
            yield Problem(
                "OptionType", f"quote of stdin is {self.quote!r}, not one character",
                'write quote="" to switch quoting off', "quote",
            )  # fmt: skip

    def column_problems(self, schema: Schema, event_time: str) -> Iterator[Problem]:
        """Give what is wrong with the columns."""
        kinds = [field.type.kind for field in schema.fields]
        if self.format == "text" and kinds != ["string"]:
            yield Problem(
                "FormatColumns", "format 'text' of stdin is one column of type string; the columns "
                f"are: {schema}", 'declare schema="line string"', "format",
            )  # fmt: skip
