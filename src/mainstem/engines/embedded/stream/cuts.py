"""What an epoch's output is a function of, as a commit token tells it: the cut, and how it came about.

Records and their order in a partition stay as they are, so a state is a function of positions,
watermarks and decisions that the clock has made: by which floor the rows of a partition are judged that
was idle or is new, and which version of a lookup they meet. A cut holds the first two. The decisions are
numbered and kept as a history, so that an older copy of a state can be brought to a newer cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.stream.statefile import clock_state, marks_state
from mainstem.engines.embedded.stream.watermark import SourceClock, to_micros
from mainstem.plan.nodes import fingerprint
from mainstem.record import mutable

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.job import Job

# Tokens of this format can be caught up with.
FORMAT = 2
# Decisions about floors that are remembered: each token and each state holds all of them.
MOST_FLOORS = 500


@mutable
class History:
    """The decisions of a stream, numbered from 1.

    Parameters
    ----------
    number : int
        Of the last one.
    first : int
        Decisions up to this number may be forgotten.
    floors : list
        ``[number, source, partition, position, floor]``: from a position on, the rows of a partition
        are judged by no less than a floor.
    lookups : dict
        By name: the ``version`` that rows meet now, the ``number`` of the decision for it and of the
        one ``before``, and the ``epoch`` and the cut of the last rows that have met the one before.
    """

    number: int = 0
    first: int = 0
    floors: list[list[Any]] = field(default_factory=list)
    lookups: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> History:
        """Read one as it is kept."""
        floors, lookups = kept.get("floors", []), kept.get("lookups", {})
        return cls(kept.get("number", 0), kept.get("first", 0), list(floors), dict(lookups))

    def to_dict(self) -> dict[str, Any]:
        """Give it as it is kept."""
        return {
            "number": self.number, "first": self.first, "floors": self.floors,
            "lookups": self.lookups,
        }  # fmt: skip

    def note(self, clocks: Mapping[str, SourceClock]) -> None:
        """Take what clocks have decided since the last time."""
        for source, clock in clocks.items():
            for partition, position, floor in clock.decided:
                self.number += 1
                self.floors.append([self.number, source, partition, position, to_micros(floor)])
                clock.partitions[partition].decision = self.number
            clock.decided.clear()
        if len(self.floors) > MOST_FLOORS:
            self.first = self.floors[-MOST_FLOORS - 1][0]
            self.floors = self.floors[-MOST_FLOORS:]

    def meets(self, name: str, version: str, epoch: int, cut: Mapping[str, Any]) -> None:
        """Take that rows meet another version of a lookup from now on."""
        known = self.lookups.get(name)
        self.number += 1
        found: dict[str, Any] = {"version": version, "number": self.number, "epoch": epoch}
        # A first version was met by all rows: no cut lies before it.
        more = (
            {"before": self.number}
            if known is None
            else {"before": known["number"], "cut": dict(cut)}
        )
        self.lookups[name] = found | more

    def versions(self) -> dict[str, str]:
        """Give the version of each lookup that rows meet."""
        return {name: one["version"] for name, one in self.lookups.items()}


def cut_of(job: Job) -> dict[str, Any]:
    """Give where a stream stands, as plain data: clocks of sources, and watermarks of operators."""
    marks = {n.name: job.marks[n.name] for n in job.compiled.stream.nodes if n.is_stateful}
    clocks = {name: clock_state(clock) for name, clock in job.clocks.items()}
    return {"clocks": clocks, "marks": marks_state(marks)}


def tokens(job: Job, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give the token of this epoch for each table; independent of process and run (DESIGN 6)."""
    cut = cut_of(job)
    positions = {
        name: {key: one[0] for key, one in clock["partitions"].items()}
        for name, clock in cut["clocks"].items()
    }
    # Positions stand by themselves, for tools that look at a sink: no need to say them twice.
    clocks = {
        name: {**clock, "partitions": {key: one[1:] for key, one in clock["partitions"].items()}}
        for name, clock in cut["clocks"].items()
    }
    found = {
        "format": FORMAT, "pipeline": job.compiled.plan.name, "epoch": job.epoch,
        "positions": positions, "watermarks": {n: _text(c.watermark) for n, c in job.clocks.items()},
        "lookups": job.bounded.lookups(), "plan": job.settings.plan_fingerprint,
        "values": values_of(job), "lineage": job.saved.lineage, "clocks": clocks,
        "marks": cut["marks"], "history": job.history.to_dict(),
    }  # fmt: skip
    return {table: {**found, "table": table} for table in tables}


def cut_in(token: Mapping[str, Any]) -> dict[str, Any]:
    """Give the cut that a token holds, as `cut_of` has given it."""
    positions = token["positions"]
    clocks = {
        name: {**clock, "partitions": {
            key: [positions[name][key], *one] for key, one in clock["partitions"].items()
        }}
        for name, clock in token["clocks"].items()
    }  # fmt: skip
    return {"clocks": clocks, "marks": token["marks"]}


def values_of(job: Job) -> str:
    """Give one fingerprint of sources and steps with the values of parameters."""
    return fingerprint(sorted(job.settings.prints.items()))


def _text(mark: datetime | None) -> str | None:
    return None if mark is None else mark.astimezone(UTC).isoformat()
