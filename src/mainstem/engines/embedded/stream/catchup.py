"""A sink has later epochs than the state: the state is brought to the sink's own cut, exactly once.

An older copy of the state was restored. What the records in between come down to is a function of the
cut that stands in the sink's token, so they are read again up to it, with the decisions of then: by
which floor rows are judged, and which version of a lookup they meet. Watermarks are held until the cut
and take a step to it, so no window closes before all of its rows are there; which epochs there were in
between makes no difference. What this gives to the sink is in the sink already, and is counted; other
sinks get it. With several sinks ahead there are as many steps, from the nearest cut to the furthest.

That it is going on stands in the state, from before its first epoch: a crash begins where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.stream.cuts import FORMAT, History, cut_in, values_of
from mainstem.engines.embedded.stream.delivery import Delivery
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.statefile import clock_state, read_partition, write_state
from mainstem.engines.embedded.stream.watermark import Partition, from_micros
from mainstem.engines.spec import Event
from mainstem.errors import StateError
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.job import Job

# How long the loop waits for rows, in seconds.
TICK_S = 0.1


@record
class Target:
    """A cut to be reached, and what happens there: a sink is met, or a lookup becomes another one."""

    order: tuple[int, int]
    cut: Mapping[str, Any]
    table: str = ""
    lookup: str = ""
    then: Mapping[str, Any] | None = None


def meet(job: Job) -> Iterator[Event]:
    """Learn from every sink how far it is, and catch up with those that are ahead; before any epoch.

    Yields
    ------
    Event
        ``catching_up``, the epochs, ``caught_up``; and ``waiting``.
    """
    yield from job.until(Delivery.opened)
    ahead = _ahead(job)
    if ahead:
        yield from _CatchUp(job, ahead).run()
    elif job.saved.ahead:
        # Somebody has emptied the sink that was ahead: it gets what comes from here on.
        job.saved = replace(job.saved, ahead={})
    job.lookups.settle()


def _ahead(job: Job) -> dict[str, dict[str, Any]]:
    """Give the tokens of sinks that hold later epochs than the state."""
    known = {table: token["epoch"] for table, token in job.saved.ahead.items()}
    return {
        name: found for name, delivery in job.outputs.deliveries.items()
        if (found := delivery.found) is not None
        and (found["epoch"] > job.epoch or known.get(name) == found["epoch"])
    }  # fmt: skip


class _CatchUp:
    def __init__(self, job: Job, tokens: dict[str, dict[str, Any]]) -> None:
        self.job, self.tokens = job, tokens
        self.latest = max(tokens.values(), key=lambda token: int(token["epoch"]))

    def run(self) -> Iterator[Event]:
        """Check that it can be done, do it step by step, and let the stream go on."""
        job = self.job
        self.check()
        facts = {"epoch": job.epoch, "sinks": {t: one["epoch"] for t, one in self.tokens.items()}}
        yield Event("catching_up", job.compiled.plan.name, facts)
        job.ports.feed.close()
        self.begin()
        yield from job.lookups.pin()
        for target in self.targets():
            yield from self.read_to(target.cut)
            yield self.reach(target)
            if target.then is not None:
                yield from job.lookups.switch(target.lookup, dict(target.then))
        yield from job.lookups.now()
        for clock in job.clocks.values():
            clock.is_held = False
        job.replaying, job.met = None, frozenset()
        self.open({})
        yield Event("caught_up", job.compiled.plan.name, {"epoch": job.epoch})

    # Before anything is changed

    def check(self) -> None:
        """Refuse what could not be exact."""
        job, saved = self.job, self.job.saved
        for table, token in self.tokens.items():
            if not job.epoch:
                raise self.refusal(table, "no stream has run on this state directory",
                                   "restore a backup; or name another sink")  # fmt: skip
            if token.get("format") != FORMAT or token.get("lineage") != saved.lineage:
                raise self.refusal(
                    table, "these epochs were not computed from a copy of this state, or by a version "
                    "that could not catch up", "restore the newer state, or name another sink",
                )  # fmt: skip
            if (token["plan"], token["values"]) != (job.settings.plan_fingerprint, values_of(job)):
                raise self.refusal(
                    table, "the pipeline or its parameters were others then",
                    "run the pipeline as it was --until-caught-up, and change it afterwards",
                )  # fmt: skip
            self.check_history(table, cut_in(token)["clocks"])
            if job.functions.undetermined:
                raise self.refusal(
                    table, f"{job.functions.undetermined[0]} is not deterministic, and would give other "
                    "results", "restore the newer state, or name another sink",
                )  # fmt: skip
        if job.ports.again is None:
            raise self.refusal(next(iter(self.tokens)), "the records cannot be read again here",
                               "restore the newer state, or name another sink")  # fmt: skip
        job.lookups.check(self.latest["history"])

    def check_history(self, table: str, clocks: Mapping[str, Any]) -> None:
        """Refuse a state from before the oldest decision that is still known."""
        first = self.latest["history"]["first"]
        for source, clock in clocks.items():
            own = self.job.clocks[source].partitions
            for name, fields in clock["partitions"].items():
                before = own[name].decision if name in own else 0
                if before < first and read_partition(fields).decision > before:
                    raise self.refusal(
                        table, f"partition {name!r} of {source!r} was idle more often in between than is "
                        "remembered", "restore a newer backup; make backups more often (--backup-every)",
                    )  # fmt: skip

    def refusal(self, table: str, why: str, fix: str) -> StateError:
        """Give the error about a sink that cannot be caught up with."""
        return StateError(
            f"the sink of {table!r} has epoch {self.tokens[table]['epoch']}, and the state is at "
            f"{self.job.epoch}: {why}", code="SinkAhead", fix=fix, step=table,
        )  # fmt: skip

    # Step by step

    def begin(self) -> None:
        """Write down what is going on; epochs are numbered behind those of every sink from here on."""
        job = self.job
        history = History.of(self.latest["history"])
        # Versions of lookups are those that this state has met.
        history.lookups = dict(job.history.lookups)
        job.history = history
        job.epoch = max(job.epoch, int(self.latest["epoch"]))
        self.note(self.tokens)
        # Operators are held like sources: what a window of windows waits for is not there yet.
        job.replaying, job.met = dict(job.saved.marks), frozenset(self.tokens)
        for clock in job.clocks.values():
            clock.is_held = True
        job.session.rows("BEGIN")
        write_state(job.session, job.saved)
        job.session.rows("COMMIT")

    def note(self, tokens: dict[str, dict[str, Any]]) -> None:
        """Take which sinks are ahead, to be written with the next commit."""
        job = self.job
        job.saved = replace(job.saved, epoch=job.epoch, history=job.history.to_dict(), ahead=tokens)

    def targets(self) -> list[Target]:
        """Give the cuts to be reached, in the order in which the stream came by them."""
        found = [
            Target((int(token["epoch"]), 0), cut_in(token), table=table)
            for table, token in self.tokens.items()
        ]
        # A lookup changes behind its cut: a sink at that very epoch comes first.
        found += [
            Target((int(then["epoch"]), 1), then["cut"], lookup=name, then=then)
            for name, then in self.job.lookups.changes(self.latest["history"])
        ]
        return sorted(found, key=lambda target: target.order)

    def read_to(self, cut: Mapping[str, Any]) -> Iterator[Event]:
        """Read up to a cut, in as many legs as there are decisions in one partition."""
        while True:
            until = {
                source: self.until(source, clock["partitions"])
                for source, clock in cut["clocks"].items()
            }
            if all(self.stands_at(source, found) for source, found in until.items()):
                return
            yield from self.leg(until)

    def until(self, source: str, goal: Mapping[str, Any]) -> dict[str, Any]:
        """Give how far each partition is read next: to where a decision was made, or to the cut."""
        partitions = self.job.clocks[source].partitions
        found = {}
        for name, fields in goal.items():
            end = read_partition(fields)
            one = partitions.setdefault(name, Partition())
            left = [
                floor for floor in self.job.history.floors
                if floor[1:3] == [source, name] and one.decision < floor[0] <= end.decision
            ]  # fmt: skip
            while left and left[0][3] in (None, one.position):
                number, _, _, _, floor = left.pop(0)
                one.floor, one.decision = from_micros(floor), number
            stop = left[0][3] if left else end.position
            if stop is not None:
                found[name] = stop
        return found

    def stands_at(self, source: str, until: Mapping[str, Any]) -> bool:
        """Say whether a source was read exactly so far."""
        partitions = self.job.clocks[source].partitions
        return all(partitions[name].position == position for name, position in until.items())

    def leg(self, until: dict[str, dict[str, Any]]) -> Iterator[Event]:
        """Read up to positions, in epochs as always."""
        job = self.job
        self.open(until)
        ended: frozenset[str] = frozenset()
        while not ended >= set(job.clocks):
            yield from job.until(Delivery.has_room)
            taken = job.ports.feed.take(TICK_S)
            ended = taken.ended
            yield job.one(taken, is_last=False) or job.waiting()
            job.tick()
        job.ports.feed.close()
        for source, positions in until.items():
            for name, position in positions.items():
                # A reader may end before a gap in which nothing stands.
                job.clocks[source].partitions[name].position = position

    def open(self, until: dict[str, dict[str, Any]]) -> None:
        """Read on from where the state stands, with readers of this leg."""
        job = self.job
        assert job.ports.again is not None  # noqa: S101 - `check` has seen it
        job.ports.feed, job.ports.loaders = job.ports.again()
        job.ports.feed.start(job.positions(), until)

    def reach(self, target: Target) -> Event:
        """Let the watermarks take their step to the cut: an epoch without rows."""
        job = self.job
        for source, goal in target.cut["clocks"].items():
            self.arrive(source, goal)
        left = {t: one for t, one in self.tokens.items() if t != target.table}
        self.note(left)
        job.replaying = {name: from_micros(mark) for name, mark in target.cut["marks"].items()}
        event = job.one(Taken((), {}, frozenset()), is_last=False, is_cut=True)
        assert event is not None  # noqa: S101 - a cut is an epoch
        self.tokens, job.met = left, frozenset(left)
        return event

    def arrive(self, source: str, goal: Mapping[str, Any]) -> None:
        """Take a clock as it was at a cut."""
        clock = self.job.clocks[source]
        found = {name: read_partition(fields) for name, fields in goal["partitions"].items()}
        for name, one in found.items():
            own = clock.partitions[name]
            if own.latest != one.latest:
                raise StateError(
                    f"the records of partition {name!r} of {source!r} that were read again are not those "
                    f"of before: their latest event time is {own.latest}, and was {one.latest}",
                    code="RecordsDiffer", fix="restore a newer backup, or name other sinks and another "
                    "--state-dir", source=source,
                )  # fmt: skip
        clock.partitions = found
        clock.watermark = from_micros(goal["watermark"])
        self.job.saved.clocks[source] = clock_state(clock)
