"""The loop of a stream: read a slice of every source, compute, commit, hand over to the sinks.

An epoch is one transaction of the state file: positions, watermarks, what operators keep, tables, late
rows, dead letters, and the rows that wait for sinks. A crash leaves whole epochs, and what a sink had
not yet committed is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb

from mainstem.engines.embedded.session import Session, open_session
from mainstem.engines.embedded.state_file import attach_state
from mainstem.engines.embedded.stream.bad import Bad
from mainstem.engines.embedded.stream.bounded import Bounded
from mainstem.engines.embedded.stream.catchup import meet
from mainstem.engines.embedded.stream.cuts import History, tokens
from mainstem.engines.embedded.stream.deadrows import Mender
from mainstem.engines.embedded.stream.delivery import Delivery
from mainstem.engines.embedded.stream.evolution import evolve
from mainstem.engines.embedded.stream.failures import in_our_words
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.functions import Functions
from mainstem.engines.embedded.stream.inputs import Inputs, floors_of, input_table
from mainstem.engines.embedded.stream.judging import judging_of
from mainstem.engines.embedded.stream.ledger import Counts
from mainstem.engines.embedded.stream.letters import keep_letters
from mainstem.engines.embedded.stream.lookups import Lookups
from mainstem.engines.embedded.stream.outputs import Offered, Outputs
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.program import Compiled, clock_of
from mainstem.engines.embedded.stream.shards.shards import Shards
from mainstem.engines.embedded.stream.spec import Loaded, Slice
from mainstem.engines.embedded.stream.statefile import (
    PAUSE_S,
    Saved,
    clock_state,
    make_tables,
    read_clock,
    read_saved,
    write_epoch,
    write_state,
)
from mainstem.engines.embedded.stream.watermark import END_OF_TIME, SourceClock, lowest
from mainstem.engines.spec import Event, RunSettings, StreamSettings
from mainstem.errors import DataError
from mainstem.plan.stream import DELTA, MAP, StreamNode
from mainstem.storage.local import points

# How long the loop waits for rows before it looks at the clock and at signals, in seconds.
TICK_S = 0.1


class Job:
    """One run of a stream."""

    def __init__(
        self, compiled: Compiled, settings: RunSettings, ports: Ports, session: Session
    ) -> None:
        self.compiled, self.settings, self.ports, self.session = compiled, settings, ports, session
        self.stream = settings.stream or StreamSettings()
        self.clocks: dict[str, SourceClock] = {s.name: clock_of(s) for s in compiled.sources}
        self.marks: dict[str, datetime | None] = {}
        judged = any(one.is_judged for one in compiled.operators.values())
        self.inputs = Inputs(session, is_judged=judged)
        self.judging = judging_of(session, compiled.plan, compiled.stream)
        folder = Path(settings.state_dir)
        self.mender = Mender(
            session, compiled.stream.nodes, compiled.operators, folder, self.judging
        )
        self.outputs = Outputs(session, compiled, ports.sinks, self.stream.max_pending)
        self.saved = Saved()
        self.epoch = 0
        self.history = History()
        # While sinks are caught up with: the watermarks that operators have then.
        self.replaying: dict[str, datetime | None] | None = None
        # Tables whose sinks have what is computed: an older state is brought to where they are.
        self.met: frozenset[str] = frozenset()
        # Sources whose table holds rows of the last epoch, and those that gave all they have.
        self.filled: set[str] = set()
        self.ended: frozenset[str] = frozenset()
        # By source, the watermarks of the partitions of this epoch's slice before its rows.
        self.floors: dict[str, tuple[int | None, ...]] = {}
        # How many rows each operator gave in this epoch.
        self.given: dict[str, int] = {}
        # What was counted since the ledger was written down, and when that was.
        self.unwritten, self.written_at = Counts(), 0.0
        # Tables with other columns than before, and what became of them.
        self.changes: list[tuple[str, str]] = []
        # The ledger of this run so far.
        self.total = Counts()
        self.bad = Bad()
        self.functions = Functions(
            session, compiled.plan, settings, compiled.called, compiled.operators
        )
        self.bounded = Bounded(compiled, settings, session, ports.due, self.functions)
        self.shards = None
        if ports.transport is not None:
            rules = self.judging.judges
            self.shards = Shards(session, compiled, settings, rules, ports.transport)

    # Starting

    def start(self) -> Iterator[Event]:
        """Open the state, make every relation, and start sinks and readers."""
        yield from self.bounded.read()
        attach_state(self.session, self.settings.state_dir)
        self.session.rows("SET preserve_insertion_order = true")
        make_tables(self.session)
        self.saved = read_saved(self.session)
        self.saved = replace(self.saved, lineage=self.saved.lineage or token_hex(8))
        self.epoch, self.history = self.saved.epoch, History.of(self.saved.history)
        for source in self.compiled.sources:
            clock = self.clocks[source.name]
            read_clock(source.name, clock, self.saved)
            self.marks[source.name] = clock.watermark
            self.inputs.empty(source)
            self.inputs.show(source, ())
        changes = evolve(self.session, self.saved, self.compiled)
        for node in self.compiled.stream.nodes:
            self.create(node)
        if self.shards is not None:
            self.shards.create()
            self.view_rows(self.shards)
        for step in self.compiled.plan.tables:
            change = self.outputs.create(step, is_first=not self.saved.epoch)
            if change:
                self.changes.append((step.name, change))
        write_state(self.session, self.saved)
        kept, aside = self.judging.create(), list(self.bounded.statics.keep())
        self.session.rows("COMMIT")
        yield from aside
        for name, words in [*changes, *self.changes]:
            yield Event("state_changed", name, {"what": words})
        self.outputs.start()
        self.lookups = Lookups(self)
        self.ports.feed.start(self.positions(), {})
        facts = {"epoch": self.epoch, "kept": kept}
        yield Event("stream_started", self.compiled.plan.name, facts)

    def positions(self) -> dict[str, dict[str, Any]]:
        """Give where each source was left; a partition that went idle before its first record has none."""
        return {
            name: {p: one.position for p, one in clock.partitions.items() if one.position is not None}
            for name, clock in self.clocks.items()
        }  # fmt: skip

    def create(self, node: StreamNode) -> None:
        """Make what a node needs, and its relation without rows."""
        self.marks[node.name] = self.saved.marks.get(node.name)
        operator = self.compiled.operators.get(node.name)
        if operator is not None:
            operator.create(self.session)
            if operator.late_change:
                self.changes.append((f"{node.step}__late", operator.late_change))
            operator.give_nothing(self.session)
        elif node.kind == MAP:
            self.functions.fill(node.name)
        else:
            self.view(node, is_first=False)
            self.judging.empty(node.name)

    def view(self, node: StreamNode, *, is_first: bool) -> None:
        """Make the view of a node that keeps nothing; bounded inputs are read in the first epoch (T9)."""
        sql = self.compiled.selects[node.name]
        if is_first:
            sql = self.compiled.firsts.get(node.name, sql)
        if self.shards is not None:
            sql = self.shards.select(node.name) or sql
        session = self.session
        name = self.judging.view(node.name)
        session.rows(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")

    def view_rows(self, shards: Shards) -> None:
        """Let the nodes whose rows shards can give read them there, or compute them."""
        for node in self.compiled.stream.nodes:
            if node.name in shards.plan.rows:
                self.view(node, is_first=False)

    # An epoch

    def run(self) -> Iterator[Event]:
        """Run epochs until it is enough; each is committed before its event is given."""
        yield from meet(self)
        while True:
            yield from self.until(Delivery.has_room)
            taken = self.ports.feed.take(TICK_S)
            self.ended = taken.ended
            yield from self.bounded.refresh()
            self.lookups.settle()
            self.outputs.check()
            is_last = self.is_bounded and self.is_caught_up(taken)
            try:
                event = self.one(taken, is_last=is_last)
            except DataError:
                yield from self.judging.told()
                raise
            yield event or self.waiting()
            self.tick()
            if self.is_enough(taken, is_last=is_last):
                break
        yield from self.until(Delivery.is_drained)
        self.outputs.forget()
        yield Event("stream_stopped", self.compiled.plan.name, {
            "epoch": self.epoch, "is_final": self.is_bounded, "sinks": self.outputs.delivered(),
        })  # fmt: skip

    def waiting(self) -> Event:
        """Tell how the stream stands while there is nothing to compute."""
        facts = {"lag": self.lag(), "delivered": self.outputs.delivered()}
        return Event("waiting", self.compiled.plan.name, facts)

    def tick(self) -> None:
        """Answer questions, between two epochs."""
        if self.ports.on_tick is not None:
            self.ports.on_tick(self)

    def until(self, test: Callable[[Delivery, float], bool]) -> Iterator[Event]:
        """Wait for the sinks: a slow one must not make the stream deaf to signals and questions."""
        for delivery in self.outputs.deliveries.values():
            while not test(delivery, TICK_S):
                yield self.waiting()
                self.tick()

    @property
    def is_bounded(self) -> bool:
        """Say whether the run closes every window at its end (T9)."""
        return self.stream.ending == "bounded"

    def is_caught_up(self, taken: Taken) -> bool:
        """Say whether every source was read to its end."""
        return taken.ended >= set(self.clocks)

    def is_enough(self, taken: Taken, *, is_last: bool) -> bool:
        """Say whether the run ends here."""
        if self.stream.ending == "until" and self.stream.until is not None:
            mark = lowest(clock.watermark for clock in self.clocks.values())
            return mark is not None and mark >= self.stream.until
        if self.stream.ending == "caught_up":
            return self.is_caught_up(taken)
        return is_last

    def one(self, taken: Taken, *, is_last: bool, is_cut: bool = False) -> Event | None:
        """Compute and commit one epoch; None when there is nothing to do, unless it `is_cut`."""
        began = time.monotonic()
        session, counts = self.session, Counts()
        slices = {one.source: one for one in taken.slices}
        changed: dict[str, set[str]] = {name: set() for name in self.clocks}
        self.judging.begin()
        for name, silences in taken.silences.items():
            clock = self.clocks[name]
            clock.joined(silences)
            given = {part.partition for part in slices[name].parts} if name in slices else set()
            quiet = {p: seconds for p, seconds in silences.items() if p not in given}
            changed[name] |= set(clock.silent(quiet))
        is_first = self.epoch == 0 and bool(self.compiled.firsts)
        has_moved = any(one.parts for one in slices.values())
        is_due = has_moved or any(changed.values()) or is_last or is_first or is_cut
        if not is_due:
            return None
        for name, one in slices.items():
            self.place(name, one, changed[name])
        filled = {name: one for name, one in slices.items() if one.rows}
        # Taken down before the clocks see the rows: the epoch may be computed more than once.
        self.floors = {
            name: floors_of(one.parts, self.clocks[name]) for name, one in filled.items()
        }
        loaded = self.load(filled, counts)
        for name, one in filled.items():
            for part, latest in zip(one.parts, loaded[name].latest or (), strict=True):
                self.clocks[name].saw(part.partition, latest)
        session.rows("BEGIN")
        self.epoch += 1
        for name, clock in self.clocks.items():
            if is_last:
                clock.ended()
            self.marks[name] = clock.advance() if not is_last else clock.watermark
        self.history.note(self.clocks)
        offered = self.walk(counts, filled, is_first=is_first)
        self.keep_dead(loaded)
        self.keep_dead_rows(counts)
        self.judging.count(counts)
        self.judging.keep(self.epoch, self.settings.run_id, counts)
        counts.check()
        self.write_state(changed, counts)
        points.reached(points.EPOCH_COMPUTED)
        session.rows("COMMIT")
        points.reached(points.EPOCH_COMMITTED)
        samples = self.judging.samples()
        self.judging.committed()
        self.functions.done()
        for name in self.mender.done():
            node = self.compiled.stream.node(name)
            assert node is not None  # noqa: S101 - it was mended
            self.view(node, is_first=False)
        self.ports.feed.committed({
            name: {p: self.clocks[name].partitions[p].position for p in found}
            for name, found in changed.items() if found
        })  # fmt: skip
        for offer in offered:
            offer.delivery.committed(self.epoch, offer.n_rows, offer.token)
        facts = {
            "epoch": self.epoch, "sources": counts.sources, "steps": counts.steps,
            "sinks": counts.sinks, "watermarks": {n: c.watermark for n, c in self.clocks.items()},
            "seconds": time.monotonic() - began, "lag": self.lag(),
            "delivered": self.outputs.delivered(), "expectations": counts.rules(), "samples": samples,
        }  # fmt: skip
        return Event("epoch_committed", self.compiled.plan.name, facts)

    def load(self, slices: Mapping[str, Slice], counts: Counts) -> dict[str, Loaded]:
        """Make the rows of slices readable, or what they come down to; give their ledgers."""
        found: dict[str, Loaded] = {}
        if self.shards is None:
            for name, one in slices.items():
                found[name] = self.ports.loaders[name](self.session, one, input_table(name))
        else:
            was_on = self.shards.is_on
            found = self.shards.load(slices, self.ports.loaders, self.floors)
            if self.shards.is_on != was_on:
                self.view_rows(self.shards)
        found = self.show(slices, found)
        for name, line in found.items():
            counts.sources[name] = {
                "read": line.rows, "admitted": line.admitted, "dead": line.dead,
                "unknown_fields": line.unknown_fields,
            }  # fmt: skip
            self.bad.check(next(s for s in self.compiled.sources if s.name == name), line)
        return found

    def load_rows(self, slices: Mapping[str, Slice], shards: Shards) -> None:
        """Make the rows themselves readable, of which shards have only told what they come down to."""
        found = shards.whole(slices, self.ports.loaders, self.floors)
        self.view_rows(shards)
        self.show(slices, found)

    def show(self, slices: Mapping[str, Slice], loaded: Mapping[str, Loaded]) -> dict[str, Loaded]:
        """Judge what was loaded, and let nodes read it by the names of the sources."""
        found = {
            name: self.judging.source(name, one, slices[name].parts, input_table(name))
            for name, one in loaded.items()
        }
        for source in self.compiled.sources:
            name = source.name
            has_rows = self.shards is None or self.shards.has_rows(name)
            if name in found and has_rows:
                parts = slices[name].parts
                self.filled.add(name)
                self.inputs.show(source, parts, self.floors[name], self.judging.stopped(name))
                latest = tuple(self.inputs.latest(source, parts, found[name]))
                found[name] = replace(found[name], latest=latest)
            elif name in self.filled:
                self.inputs.empty(source)
                self.filled.discard(name)
        return found

    def place(self, name: str, taken: Slice, changed: set[str]) -> None:
        """Take the positions behind a slice, and let partitions with records join and wake."""
        clock = self.clocks[name]
        clock.joined(part.partition for part in taken.parts)
        clock.woken(part.partition for part in taken.parts if part.rows)
        for part in taken.parts:
            # A part without rows is a position: a first one, or one behind records that were aborted.
            clock.partitions[part.partition].position = part.end
            changed.add(part.partition)

    def walk(self, counts: Counts, slices: Mapping[str, Slice], *, is_first: bool) -> list[Offered]:
        """Compute all nodes and tables; again without the rows on which an expression fails (V10)."""
        marks, nodes = dict(self.marks), self.compiled.stream.nodes
        while True:
            done: list[StreamNode] = []
            try:
                for node in nodes:
                    self.compute(node, counts, is_first=is_first)
                    done.append(node)
                return self.outputs.write(
                    self.epoch, self.given, self.met, partial(tokens, self), counts
                )
            except duckdb.Error as error:
                if self.shards is not None and self.shards.is_on and slices:
                    # Which row it was is found among the rows.
                    self.session.rows("ROLLBACK")
                    self.load_rows(slices, self.shards)
                    self.begin_again(marks, counts)
                    continue
                before, step = tuple(done), nodes[min(len(done), len(nodes) - 1)].step

                def stateful(before: tuple[StreamNode, ...] = before) -> list[str]:
                    for node in before:
                        self.compute(node, Counts(), is_first=is_first)
                    return [node.name for node in before if node.kind != DELTA]

                self.marks = dict(marks)
                plan = self.compiled.plan
                self.mender.search(error, plan.step(step), stateful, is_first=is_first)
                self.begin_again(marks, counts)

    def begin_again(self, marks: Mapping[str, datetime | None], counts: Counts) -> None:
        """Let an epoch that was undone be computed from its beginning."""
        self.marks = dict(marks)
        counts.steps.clear()
        counts.sinks.clear()
        self.session.rows("BEGIN")

    def keep_dead_rows(self, counts: Counts) -> None:
        """Keep the rows on which an expression or a Python function failed, by step."""
        self.functions.keep_dead(counts, self.epoch)
        for repair in self.mender.repairs.values():
            counts.dead(repair.step, repair.rows)
            for letters in repair.letters:
                self.keep_letters(f"{repair.step}__dead", letters, "__epoch")

    def compute(self, node: StreamNode, counts: Counts, *, is_first: bool) -> None:
        """Let a node take the epoch's rows."""
        self.mender.arrange(node, is_first=is_first)
        mark = lowest(self.marks[name] for name in node.inputs)
        operator = self.compiled.operators.get(node.name)
        if node.kind == MAP:
            self.functions.fill(node.name, self.mender.good_sql(node))
            self.marks[node.name] = mark
            return
        if operator is None:
            is_other = node.name in self.compiled.firsts and (is_first or self.epoch == 2)
            if is_other and node.name not in self.mender.repairs:
                self.view(node, is_first=is_first)
            self.marks[node.name] = mark
            passed = self.judging.step(node.name, None)
            if passed is not None:
                self.given[node.name] = passed
            return
        counted = operator.epoch(self.session, mark)
        out, before = operator.out_mark(mark), self.marks[node.name]
        # A session that a late epoch has made earlier must not take the watermark back.
        self.marks[node.name] = (
            before if out is None else out if before is None else max(out, before)
        )
        if self.replaying is not None:
            self.marks[node.name] = self.replaying.get(node.name, before)
        counted.rows_out = self.judging.step(node.name, counted.rows_out) or 0
        self.given[node.name] = counted.rows_out
        counts.count(node.step, counted)

    def keep_dead(self, loaded: Mapping[str, Loaded]) -> None:
        """Keep the dead letters of this epoch."""
        for name, found in loaded.items():
            if found.dead_letters:
                self.keep_letters(f"{name}__dead", found.dead_letters)

    def keep_letters(self, name: str, letters: str, column: str = "epoch") -> None:
        """Add dead letters to a table of the state file."""
        keep_letters(self.session, name, letters, column, self.epoch)

    def write_state(self, changed: dict[str, set[str]], counts: Counts) -> None:
        """Write positions, watermarks and the ledger; the last thing before the commit."""
        for name, clock in self.clocks.items():
            if changed[name] or name not in self.saved.clocks or clock.watermark == END_OF_TIME:
                self.saved.clocks[name] = clock_state(clock)
        marks = {n.name: self.marks[n.name] for n in self.compiled.stream.nodes if n.is_stateful}
        history = self.history.to_dict()
        self.saved = replace(self.saved, epoch=self.epoch, marks=marks, history=history)
        write_state(self.session, self.saved)
        self.unwritten.add(counts)
        self.total.add(counts)
        now = time.monotonic()
        if now - self.written_at >= PAUSE_S:
            write_epoch(self.session, self.epoch, self.settings.run_id, self.unwritten.to_dict())
            self.unwritten, self.written_at = Counts(), now

    def lag(self) -> dict[str, int]:
        """Give how much of each source is not read yet."""
        return {name: sum(parts.values()) for name, parts in self.ports.feed.lag().items()}

    def stop(self) -> None:
        """End readers and sinks."""
        if self.ports.on_stop is not None:
            self.ports.on_stop()
        self.ports.feed.close()
        self.outputs.stop()


def run_job(
    compiled: Compiled, settings: RunSettings, ports: Ports
) -> Generator[Event, None, None]:
    """Run a stream; however the caller leaves, whole epochs are committed and the rest is not.

    Yields
    ------
    Event
        ``source_read`` of bounded sources, ``stream_started``, ``epoch_committed`` (its ledger and
        watermarks), ``expectation_failed``, ``waiting`` while nothing comes, ``stream_stopped``.
    """
    with in_our_words(Path(settings.state_dir)), ExitStack() as stack:
        session = stack.enter_context(open_session(settings, compiled.plan.params))
        job = Job(compiled, settings, ports, session)
        stack.callback(job.stop)
        yield from job.start()
        yield from job.run()
