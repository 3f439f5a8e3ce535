"""How many records of a run are dead letters, and whether its sources allow so many."""

from __future__ import annotations

from dataclasses import field

from mainstem.engines.embedded.stream.spec import Loaded
from mainstem.errors import DataError
from mainstem.plan.nodes import Source
from mainstem.record import mutable


@mutable
class Bad:
    """Of each source: dead letters and records of this run."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def check(self, source: Source, found: Loaded) -> None:
        """Stop when more records of this run are dead letters than the source allows.

        Raises
        ------
        DataError
            Naming the source, how many there were, and of how many.
        """
        dead, read = self.counts.get(source.name, (0, 0))
        dead, read = self.counts[source.name] = (dead + found.dead, read + found.rows)
        most = source.max_bad
        if most is None or dead <= (most * read if isinstance(most, float) else most):
            return
        raise DataError(
            f"{dead} of {read} records of source {source.name!r} are bad, and max_bad allows {most:g}",
            where=source.where, code="BadRow", step=source.name,
            fix="correct the data, widen a column's type in the schema, or raise max_bad",
        )  # fmt: skip
