"""The ledger of an epoch (L1), and whether it balances."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from mainstem.errors import InternalError
from mainstem.record import mutable

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.operators.operator import Counted


@mutable
class Counts:
    """The ledger of one epoch (L1), as plain data."""

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    steps: dict[str, dict[str, int]] = field(default_factory=dict)
    sinks: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add the counts of another epoch."""
        for own, lines in ((self.sources, other.sources), (self.steps, other.steps)):
            for name, line in lines.items():
                into = own.setdefault(name, {})
                for word, count in line.items():
                    into[word] = into.get(word, 0) + count
        for name, count in other.sinks.items():
            self.sinks[name] = self.sinks.get(name, 0) + count

    def count(self, step: str, counted: Counted) -> None:
        """Add what a node of a step did with its rows."""
        words = ("arrived", "late", "partly_late", "rows_out")
        line = self.steps.setdefault(step, dict.fromkeys(words, 0))
        line["arrived"] += counted.arrived
        line["late"] += counted.late
        line["partly_late"] += counted.partly_late
        # A step gives what its last node gives.
        line["rows_out"] = counted.rows_out

    def dead(self, step: str, n_rows: int) -> None:
        """Add rows on which an expression of a step failed; they never arrived where it keeps state."""
        words = ("arrived", "late", "partly_late", "rows_out")
        line = self.steps.setdefault(step, dict.fromkeys(words, 0))
        line["dead"] = line.get("dead", 0) + n_rows

    def check(self) -> None:
        """Stop the run when a row has got lost or doubled; before the epoch's commit.

        Raises
        ------
        InternalError
            Naming the line that does not balance.
        """  # noqa: DOC501 - built by a function
        for name, line in self.sources.items():
            if line["read"] != line["admitted"] + line["dead"]:
                raise _unbalanced(f"source {name!r}", line)
        for name, line in self.steps.items():
            used = line["arrived"] - line["late"] - line["partly_late"]
            if used < 0 or line["late"] < 0 or line["partly_late"] < 0:
                raise _unbalanced(f"step {name!r}", line)

    def to_dict(self) -> dict[str, Any]:
        """Give them as plain data."""
        return {"sources": self.sources, "steps": self.steps, "sinks": self.sinks}


def _unbalanced(what: str, line: object) -> InternalError:
    return InternalError(
        f"the ledger of {what} does not balance: {line}", code="LedgerUnbalanced",
        fix="report it with this line; the epoch was not committed",
    )  # fmt: skip
