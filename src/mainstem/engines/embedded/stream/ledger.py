"""The ledger of an epoch (L1), and whether it balances."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from mainstem.errors import InternalError
from mainstem.record import mutable

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.operators.operator import Counted

K = TypeVar("K")


@mutable
class Counts:
    """The ledger of one epoch (L1), as plain data."""

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    steps: dict[str, dict[str, int]] = field(default_factory=dict)
    sinks: dict[str, int] = field(default_factory=dict)
    # By relation and rule, in declared order; and the rows of an epoch that each relation has left.
    expectations: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add the counts of another epoch."""
        _add(self.sources, other.sources)
        _add(self.steps, other.steps)
        _add(self.expectations, other.expectations)
        for name, count in other.sinks.items():
            self.sinks[name] = self.sinks.get(name, 0) + count

    def count(self, step: str, counted: Counted) -> None:
        """Add what a node of a step did with its rows."""
        line = self._step(step)
        line["arrived"] += counted.arrived
        line["late"] += counted.late
        line["partly_late"] += counted.partly_late
        # A step gives what its last node gives.
        line["rows_out"] = counted.rows_out

    def dead(self, step: str, n_rows: int) -> None:
        """Add rows on which an expression of a step failed; they never arrived where it keeps state."""
        self._step(step)["dead"] += n_rows

    def _step(self, step: str) -> dict[str, int]:
        words = ("arrived", "late", "partly_late", "rows_out", "dead")
        return self.steps.setdefault(step, dict.fromkeys(words, 0))

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

        self._check_rules()

    def _check_rules(self) -> None:
        """Each rule checks what the one before let through, and what passed the last is what is read.

        So of a source read = admitted + dead, and admitted = read by others + quarantined + dropped.
        """  # noqa: DOC501 - built by a function
        for name, passed in self.passed.items():
            lines = [line for (on, _), line in self.expectations.items() if on == name]
            arriving = self.sources[name]["admitted"] if name in self.sources else None
            for line in lines:
                gone = line["quarantined"] + line["dropped"]
                is_chained = arriving is None or line["checked"] == arriving
                if not is_chained or line["checked"] != line["passed"] + gone:
                    raise _unbalanced(f"the expectations of {name!r}", line)
                arriving = line["passed"]
            if arriving != passed:
                raise _unbalanced(
                    f"the expectations of {name!r}", {"passed": passed, "of": arriving}
                )

    def to_dict(self) -> dict[str, Any]:
        """Give them as plain data."""
        made = {"sources": self.sources, "steps": self.steps, "sinks": self.sinks}
        return made | ({"expectations": self.rules()} if self.expectations else {})

    def rules(self) -> dict[str, dict[str, int]]:
        """Give the lines of the expectations by ``relation.rule``."""
        return {f"{on}.{rule}": line for (on, rule), line in self.expectations.items()}


def _add(own: dict[K, dict[str, int]], lines: dict[K, dict[str, int]]) -> None:
    for key, line in lines.items():
        into = own.setdefault(key, {})
        for word, count in line.items():
            into[word] = into.get(word, 0) + count


def _unbalanced(what: str, line: object) -> InternalError:
    return InternalError(
        f"the ledger of {what} does not balance: {line}", code="LedgerUnbalanced",
        fix="report it with this line; the epoch was not committed",
    )  # fmt: skip
