"""The loop of a stream: read a slice of every source, compute, commit, hand over to the sinks.

An epoch is one transaction of the state file: positions, watermarks, what operators keep, tables, late
rows, dead letters, and the rows that wait for sinks. A crash leaves whole epochs, and what a sink had
not yet committed is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from mainstem.engines.embedded.session import Session, open_session
from mainstem.engines.embedded.state_file import attach_state, state_table
from mainstem.engines.embedded.stream.bounded import Bounded
from mainstem.engines.embedded.stream.deadrows import Mender
from mainstem.engines.embedded.stream.delivery import Delivery, table_select
from mainstem.engines.embedded.stream.evolution import evolve
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.ledger import Counts
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.program import (
    DEFAULT_IDLE,
    Compiled,
    empty_input,
    input_table,
    latest_times,
    node_columns,
    source_view,
)
from mainstem.engines.embedded.stream.spec import OPERATION, UPSERT, Loaded, Slice
from mainstem.engines.embedded.stream.statefile import (
    PAUSE_S,
    Saved,
    clock_state,
    make_growing,
    make_tables,
    read_clock,
    read_saved,
    write_epoch,
    write_state,
)
from mainstem.engines.embedded.stream.watermark import END_OF_TIME, SourceClock, lowest
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, StreamSettings
from mainstem.errors import DataError
from mainstem.plan.nodes import Step
from mainstem.plan.stream import STATIC, UPDATING, StreamNode
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
        self.clocks = {
            s.name: SourceClock(s.watermark or timedelta(), s.idle or DEFAULT_IDLE)
            for s in compiled.sources
        }
        self.marks: dict[str, datetime | None] = {}
        self.mender = Mender(
            session, compiled.stream.nodes, compiled.operators, Path(settings.state_dir)
        )
        self.deliveries: list[tuple[Step, Delivery]] = []
        self.saved = Saved()
        self.epoch = 0
        # Sources whose table holds rows of the last epoch, and those that gave all they have.
        self.filled: set[str] = set()
        self.ended: frozenset[str] = frozenset()
        # How many rows each operator gave in this epoch.
        self.given: dict[str, int] = {}
        # What was counted since the ledger was written down, and when that was.
        self.unwritten, self.written_at = Counts(), 0.0
        # Tables with other columns than before, and what became of them.
        self.changes: list[tuple[str, str]] = []
        # The ledger of this run so far.
        self.total = Counts()
        # Of each source: dead letters and records of this run.
        self.bad: dict[str, tuple[int, int]] = {}
        self.bounded = Bounded(compiled, settings, session, ports.due)

    # Starting

    def start(self) -> Iterator[Event]:
        """Open the state, make every relation, and start sinks and readers."""
        yield from self.bounded.read()
        attach_state(self.session, self.settings.state_dir)
        self.session.rows("SET preserve_insertion_order = true")
        make_tables(self.session)
        self.saved = read_saved(self.session)
        self.epoch = self.saved.epoch
        for source in self.compiled.sources:
            clock = self.clocks[source.name]
            read_clock(source.name, clock, self.saved)
            self.marks[source.name] = clock.watermark
            empty_input(self.session, source)
            source_view(self.session, source, (), clock)
        changes = evolve(self.session, self.saved, self.compiled)
        for node in self.compiled.stream.nodes:
            self.create(node)
        for step in self.compiled.plan.tables:
            self.create_output(step)
        write_state(self.session, self.saved)
        self.session.rows("COMMIT")
        for name, words in [*changes, *self.changes]:
            yield Event("state_changed", name, {"what": words})
        for _, delivery in self.deliveries:
            delivery.start(self.session, self.epoch)
        self.ports.feed.start(
            # A partition that went idle before its first record has no position.
            {name: {p: one.position for p, one in clock.partitions.items() if one.position is not None}
             for name, clock in self.clocks.items()}, {},
        )  # fmt: skip
        yield Event("stream_started", self.compiled.plan.name, {"epoch": self.epoch})

    def create(self, node: StreamNode) -> None:
        """Make what a node needs, and its relation without rows."""
        self.marks[node.name] = self.saved.marks.get(node.name)
        operator = self.compiled.operators.get(node.name)
        if operator is not None:
            operator.create(self.session)
            if operator.late_change:
                self.changes.append((f"{node.step}__late", operator.late_change))
            operator.give_nothing(self.session)
        else:
            self.view(node, is_first=False)

    def view(self, node: StreamNode, *, is_first: bool) -> None:
        """Make the view of a node that keeps nothing; bounded inputs are read in the first epoch (T9)."""
        sql = self.compiled.selects[node.name]
        if is_first:
            sql = self.compiled.firsts.get(node.name, sql)
        session = self.session
        session.rows(f"CREATE OR REPLACE TEMP VIEW {quoted(node.name)} AS {sql}")

    def create_output(self, step: Step) -> None:
        """Make the table of the state file, or the outbox, of a table."""
        select = self.select_of(step)
        sink = self.ports.sinks.get(step.name)
        if sink is None:
            table = state_table(step.name)
            plain = ", ".join(map(quoted, step.schema.names))
            if not self.saved.epoch:
                # What a run over bounded inputs has left here is another table.
                self.session.rows(f"DROP TABLE IF EXISTS {table}")
            change = make_growing(
                self.session, table, f"SELECT {plain} FROM ({select})", step.name, may_move=False
            )
            if change:
                self.changes.append((step.name, change))
            return
        delivery = Delivery(step.name, sink, self.stream.max_pending)
        delivery.create(self.session, select)
        self.deliveries.append((step, delivery))

    def select_of(self, step: Step) -> str:
        """Give the SELECT of what a table got in this epoch."""
        node = self.compiled.stream.node(step.name)
        names = step.schema.names
        columns = ", ".join(map(quoted, names)) if node is None else node_columns(node, names)
        return table_select(step.name, columns)

    # An epoch

    def run(self) -> Iterator[Event]:
        """Run epochs until it is enough; each is committed before its event is given."""
        while True:
            taken = self.ports.feed.take(TICK_S)
            self.ended = taken.ended
            yield from self.bounded.refresh()
            for _, delivery in self.deliveries:
                delivery.check()
            is_last = self.is_bounded and self.is_caught_up(taken)
            event = self.one(taken, is_last=is_last)
            yield event or Event("waiting", self.compiled.plan.name, {
                "lag": self.lag(), "delivered": self.delivered(),
            })  # fmt: skip
            if self.ports.on_tick is not None:
                self.ports.on_tick(self)
            if self.is_enough(taken, is_last=is_last):
                break
        for _, delivery in self.deliveries:
            delivery.drain()
        self.forget()
        yield Event("stream_stopped", self.compiled.plan.name, {
            "epoch": self.epoch, "is_final": self.is_bounded, "sinks": self.delivered(),
        })  # fmt: skip

    def forget(self) -> None:
        """Let go of what every sink has: a table that is gone next time leaves nothing behind."""
        if self.deliveries:
            self.session.rows("BEGIN")
            for _, delivery in self.deliveries:
                delivery.forget(self.session)
            self.session.rows("COMMIT")

    def delivered(self) -> dict[str, dict[str, Any]]:
        """Give what each sink has and what waits for it."""
        return {step.name: delivery.counted() for step, delivery in self.deliveries}

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

    def one(self, taken: Taken, *, is_last: bool) -> Event | None:
        """Compute and commit one epoch; None when there is nothing to do."""
        began = time.monotonic()
        session, counts = self.session, Counts()
        slices = {one.source: one for one in taken.slices}
        changed: dict[str, set[str]] = {name: set() for name in self.clocks}
        loaded = {name: self.load(one, counts) for name, one in slices.items() if one.rows}
        for name, silences in taken.silences.items():
            clock = self.clocks[name]
            clock.joined(silences)
            given = {part.partition for part in slices[name].parts} if name in slices else set()
            quiet = {p: seconds for p, seconds in silences.items() if p not in given}
            changed[name] |= set(clock.silent(quiet))
        is_first = self.epoch == 0 and bool(self.compiled.firsts)
        has_moved = any(one.parts for one in slices.values())
        if not has_moved and not any(changed.values()) and not is_last and not is_first:
            return None
        for source in self.compiled.sources:
            found = slices.get(source.name)
            self.arrange(source.name, found, changed[source.name])
        session.rows("BEGIN")
        self.epoch += 1
        for name, clock in self.clocks.items():
            if is_last:
                clock.ended()
            self.marks[name] = clock.advance() if not is_last else clock.watermark
        offered = self.walk(counts, is_first=is_first)
        self.keep_dead(loaded)
        self.keep_dead_rows(counts)
        counts.check()
        self.write_state(changed, counts)
        points.reached(points.EPOCH_COMPUTED)
        session.rows("COMMIT")
        points.reached(points.EPOCH_COMMITTED)
        for name in self.mender.done():
            node = self.compiled.stream.node(name)
            assert node is not None  # noqa: S101 - it was mended
            self.view(node, is_first=False)
        self.ports.feed.committed({
            name: {p: self.clocks[name].partitions[p].position for p in found}
            for name, found in changed.items() if found
        })  # fmt: skip
        for delivery, n_rows, token in offered:
            delivery.committed(self.epoch, n_rows, token)
        facts = {
            "epoch": self.epoch, "sources": counts.sources, "steps": counts.steps,
            "sinks": counts.sinks, "watermarks": {n: c.watermark for n, c in self.clocks.items()},
            "seconds": time.monotonic() - began, "lag": self.lag(),
            "delivered": self.delivered(),
        }  # fmt: skip
        return Event("epoch_committed", self.compiled.plan.name, facts)

    def load(self, taken: Slice, counts: Counts) -> Loaded:
        """Make the table of a slice, and take its positions."""
        found = self.ports.loaders[taken.source](self.session, taken, input_table(taken.source))
        counts.sources[taken.source] = {
            "read": found.rows, "admitted": found.admitted, "dead": found.dead,
            "unknown_fields": found.unknown_fields,
        }  # fmt: skip
        self.filled.add(taken.source)
        self.check_bad(taken.source, found)
        return found

    def check_bad(self, name: str, found: Loaded) -> None:
        """Stop when more records of this run are dead letters than the source allows.

        Raises
        ------
        DataError
            Naming the source, how many there were, and of how many.
        """
        source = next(s for s in self.compiled.sources if s.name == name)
        dead, read = self.bad.get(name, (0, 0))
        dead, read = self.bad[name] = (dead + found.dead, read + found.rows)
        most = source.max_bad
        if most is None or dead <= (most * read if isinstance(most, float) else most):
            return
        raise DataError(
            f"{dead} of {read} records of source {name!r} are bad, and max_bad allows {most:g}",
            where=source.where, code="BadRow", step=name,
            fix="correct the data, widen a column's type in the schema, or raise max_bad",
        )  # fmt: skip

    def arrange(self, name: str, taken: Slice | None, changed: set[str]) -> None:
        """Bring a source's clock up to its slice, and make its rows readable."""
        clock = self.clocks[name]
        source = next(s for s in self.compiled.sources if s.name == name)
        parts = taken.parts if taken is not None else ()
        clock.joined(part.partition for part in parts)
        clock.woken(part.partition for part in parts if part.rows)
        for part in parts:
            # A part without rows is a position: a first one, or one behind records that were aborted.
            clock.partitions[part.partition].position = part.end
            changed.add(part.partition)
        if taken is None or not taken.rows:
            if name in self.filled:
                empty_input(self.session, source)
                source_view(self.session, source, (), clock)
                self.filled.discard(name)
            return
        source_view(self.session, source, parts, clock)
        for part, latest in zip(parts, latest_times(self.session, source, len(parts)), strict=True):
            clock.saw(part.partition, latest)

    def walk(self, counts: Counts, *, is_first: bool) -> list[tuple[Delivery, int, dict[str, Any]]]:
        """Compute all nodes and tables; again without the rows on which an expression fails (V10)."""
        marks, nodes = dict(self.marks), self.compiled.stream.nodes
        while True:
            done: list[StreamNode] = []
            try:
                for node in nodes:
                    self.compute(node, counts, is_first=is_first)
                    done.append(node)
                return self.write_tables(counts)
            except duckdb.Error as error:
                before, step = tuple(done), nodes[min(len(done), len(nodes) - 1)].step

                def stateful(before: tuple[StreamNode, ...] = before) -> list[str]:
                    for node in before:
                        self.compute(node, Counts(), is_first=is_first)
                    return [node.name for node in before if node.is_stateful]

                self.marks = dict(marks)
                plan = self.compiled.plan
                self.mender.search(error, plan.step(step), stateful, is_first=is_first)
                self.marks = dict(marks)
                counts.steps.clear()
                counts.sinks.clear()
                self.session.rows("BEGIN")

    def keep_dead_rows(self, counts: Counts) -> None:
        """Keep the rows on which an expression failed, by step."""
        for repair in self.mender.repairs.values():
            counts.dead(repair.step, repair.rows)
            for letters in repair.letters:
                self.keep_letters(f"{repair.step}__dead", letters, "__epoch")

    def compute(self, node: StreamNode, counts: Counts, *, is_first: bool) -> None:
        """Let a node take the epoch's rows."""
        self.mender.arrange(node, is_first=is_first)
        mark = lowest(self.marks[name] for name in node.inputs)
        operator = self.compiled.operators.get(node.name)
        if operator is None:
            is_other = node.name in self.compiled.firsts and (is_first or self.epoch == 2)
            if is_other and node.name not in self.mender.repairs:
                self.view(node, is_first=is_first)
            self.marks[node.name] = mark
            return
        counted = operator.epoch(self.session, mark)
        out, before = operator.out_mark(mark), self.marks[node.name]
        # A session that a late epoch has made earlier must not take the watermark back.
        self.marks[node.name] = (
            before if out is None else out if before is None else max(out, before)
        )
        self.given[node.name] = counted.rows_out
        counts.count(node.step, counted)

    def write_tables(self, counts: Counts) -> list[tuple[Delivery, int, dict[str, Any]]]:
        """Write what the tables got: into the state file, or into the outbox of their sinks."""
        offered = []
        for step, delivery in self.deliveries:
            if self.given.get(step.name) == 0:
                continue
            token = self.token(step)
            n_rows = delivery.put(self.session, self.epoch, token)
            counts.sinks[step.name] = n_rows
            offered.append((delivery, n_rows, token))
        for step in self.compiled.plan.tables:
            shape = self.compiled.stream.shapes[step.name]
            if step.name in self.ports.sinks or shape.kind == STATIC:
                continue
            if self.given.get(step.name) != 0:
                counts.sinks[step.name] = self.write_table(step)
        return offered

    def write_table(self, step: Step) -> int:
        """Write a table of the state file: new rows are added, those of a key take its place (C1)."""
        node = self.compiled.stream.node(step.name)
        assert node is not None  # noqa: S101 - every streamed step has a node
        columns = ", ".join(map(quoted, step.schema.names))
        table, select = state_table(step.name), self.select_of(step)
        if node.shape.kind != UPDATING:
            ((n_rows,),) = self.session.rows(f"INSERT INTO {table} ({columns}) {select}")
            return int(n_rows)
        self.session.rows(f"CREATE OR REPLACE TEMP TABLE __changes AS {select}")
        same = " AND ".join(
            f"s.{quoted(k)} IS NOT DISTINCT FROM n.{quoted(k)}" for k in node.shape.key
        )
        self.session.rows(
            f"DELETE FROM {table} AS s WHERE EXISTS (SELECT 1 FROM __changes AS n WHERE {same or 'TRUE'})"
        )
        ((n_rows,),) = self.session.rows(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM __changes WHERE "
            f"{quoted(OPERATION)} = '{UPSERT}'"
        )
        return int(n_rows)

    def token(self, step: Step) -> dict[str, Any]:
        """Give what an epoch's output is a function of; independent of process and run (DESIGN 6)."""
        return {
            "format": 1, "pipeline": self.compiled.plan.name, "table": step.name, "epoch": self.epoch,
            "positions": {
                name: {p: one.position for p, one in clock.partitions.items()}
                for name, clock in self.clocks.items()
            },
            "watermarks": {n: _text(c.watermark) for n, c in self.clocks.items()},
            "lookups": self.bounded.lookups(),
            "plan": self.settings.plan_fingerprint,
        }  # fmt: skip

    def keep_dead(self, loaded: Mapping[str, Loaded]) -> None:
        """Keep the dead letters of this epoch."""
        for name, found in loaded.items():
            if found.dead and found.dead_letters:
                self.keep_letters(f"{name}__dead", found.dead_letters)

    def keep_letters(self, name: str, letters: str, epoch: str = "epoch") -> None:
        """Add dead letters to a table of the state file."""
        table = state_table(name)
        make_growing(
            self.session, table, f"SELECT CAST(0 AS BIGINT) AS {epoch}, * FROM {letters}", name,
            may_move=True,
        )  # fmt: skip
        self.session.rows(
            f"INSERT INTO {table} BY NAME SELECT {self.epoch} AS {epoch}, * FROM {letters}"
        )

    def write_state(self, changed: dict[str, set[str]], counts: Counts) -> None:
        """Write positions, watermarks and the ledger; the last thing before the commit."""
        for name, clock in self.clocks.items():
            if changed[name] or name not in self.saved.clocks or clock.watermark == END_OF_TIME:
                self.saved.clocks[name] = clock_state(clock)
        marks = {n.name: self.marks[n.name] for n in self.compiled.stream.nodes if n.is_stateful}
        self.saved = replace(self.saved, epoch=self.epoch, marks=marks)
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
        for _, delivery in self.deliveries:
            delivery.stop()


def _text(mark: datetime | None) -> str | None:
    return None if mark is None else mark.astimezone(UTC).isoformat()


def run_job(
    compiled: Compiled, settings: RunSettings, ports: Ports
) -> Generator[Event, None, None]:
    """Run a stream; however the caller leaves, whole epochs are committed and the rest is not.

    Yields
    ------
    Event
        ``source_read`` of bounded sources, ``stream_started``, ``epoch_committed`` (its ledger and
        watermarks), ``waiting`` while nothing comes, ``stream_stopped``.
    """
    with ExitStack() as stack:
        session = stack.enter_context(open_session(settings, compiled.plan.params))
        job = Job(compiled, settings, ports, session)
        stack.callback(job.stop)
        yield from job.start()
        yield from job.run()
