"""Streams over rows in memory whose epochs a test writes down: run on, copied, restored, run again.

Positions are numbers of rows. A run gives the epochs of its script as they are; where records are
read again up to positions, they are cut in another way.
"""

import random
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.job import run_job
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.sinks.token import already_there, epoch_of
from mainstem.engines.spec import RunSettings, StreamSettings
from mainstem.testing.stream_trial import slice_of

LONG_S = 100.0


@dataclass
class Entry:
    """An epoch of a script: rows as (partition, values) by source, and partitions that are silent."""

    rows: dict = field(default_factory=dict)
    silent: set = field(default_factory=set)
    # Called before the epoch: a lookup gets another version.
    before: object = None
    due: frozenset = frozenset()


class Store:
    """What a sink of a test holds: whole epochs, each with its token."""

    def __init__(self) -> None:
        self.epochs: list = []

    def cut(self, epoch: int) -> None:
        """Lose the epochs behind one."""
        self.epochs = [one for one in self.epochs if one[0] <= epoch]

    @property
    def last(self) -> int:
        return self.epochs[-1][0] if self.epochs else 0

    def rows(self) -> Counter:
        """Give every row that was ever written."""
        return Counter(row for _, rows, _ in self.epochs for row in rows)

    def folded(self, key) -> Counter:
        """Give the latest row of each key."""
        found: dict = {}
        for _, rows, _ in self.epochs:
            for *values, operation in rows:
                place = tuple(values[i] for i in key)
                found.pop(place, None)
                if operation == "upsert":
                    found[place] = tuple(values)
        return Counter(found.values())


class Sink:
    """Writes a store; asks it first, as every sink does."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def wire(self, select: str) -> str:
        return select

    def open(self):
        return self.store.epochs[-1][2] if self.store.epochs else None

    def write(self, cursor, batch):
        if self.store.epochs and batch.epoch <= epoch_of(self.store.epochs[-1][2]):
            return already_there(batch.rows)
        cursor.execute("SET TimeZone = 'UTC'")
        rows = cursor.execute(
            f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({batch.select})"
        ).fetchall()
        assert len(rows) == batch.rows
        self.store.epochs.append((batch.epoch, rows, batch.token))
        return {"rows": batch.rows}

    def close(self) -> None:
        """Nothing is held."""


class Feed:
    """Gives the entries of a script; up to positions it gives what they hold, cut otherwise."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.at: dict = {}
        self.until: dict = {}

    def start(self, positions, until) -> None:
        self.at = {s: dict(positions.get(s, {})) for s in self.world.sources}
        self.until = until

    def take(self, wait_s) -> Taken:
        return self._again() if self.until else self._live()

    def _live(self) -> Taken:
        world = self.world
        if world.next >= world.last:
            return Taken((), {}, frozenset(world.sources))
        entry = world.script[world.next]
        if entry.before is not None:
            entry.before()
        world.due, world.next = entry.due, world.next + 1
        slices = []
        for source, rows in entry.rows.items():
            for partition in {p for p, _ in rows}:
                before = sum(len([1 for p, _ in e.rows.get(source, []) if p == partition])
                             for e in world.script[: world.next - 1])  # fmt: skip
                assert self.at[source].get(partition, 0) == before, "rows are lost or come again"
            if rows:
                slices.append(slice_of(source, rows, self.at[source]))
        silences = {
            s: {p: LONG_S if (s, p) in entry.silent else 0.0 for p in names}
            for s, names in world.sources.items()
        }
        ended = frozenset(world.sources) if world.next == world.last else frozenset()
        return Taken(tuple(slices), silences, ended)

    def _again(self) -> Taken:
        slices, is_end = [], True
        for source, ends in self.until.items():
            rows = []
            for partition, end in ends.items():
                at = self.at[source].get(partition, 0)
                assert at <= end, "read further than to the cut"
                n = min(end - at, self.world.rng.randrange(4) * self.world.again_rows)
                every = self.world.rows_of(source, partition)
                rows += [(partition, row) for row in every[at : at + n]]
                is_end = is_end and at + n == end
            if rows:
                slices.append(slice_of(source, rows, self.at[source]))
        silences = {s: dict.fromkeys(names, LONG_S) for s, names in self.world.sources.items()}
        return Taken(
            tuple(slices), silences, frozenset(self.world.sources) if is_end else frozenset()
        )

    def lag(self):
        return {}

    def committed(self, positions) -> None:
        """Nobody else is told."""

    def close(self) -> None:
        """Nothing is held."""


class World:
    """A compiled pipeline, its script and its sinks.

    Parameters
    ----------
    compiled : callable
        Gives the program; called for each run, as operators remember things.
    sources : dict
        Names of the partitions of each source.
    loader : callable
        Gives the loader of a source.
    """

    def __init__(self, folder: Path, compiled, sources, loader, script, sinks=()) -> None:
        self.folder, self.compiled, self.sources, self.loader = folder, compiled, sources, loader
        self.script = script
        self.stores = {name: Store() for name in sinks}
        self.next = self.last = 0
        self.due = frozenset()
        self.rng, self.again_rows = random.Random(5), 1
        self.state = folder / "state"
        self.plan_print = "p"
        # Which entry each epoch was.
        self.entries: dict = {}

    def make_sinks(self, compiled, settings) -> dict:
        """Give the sinks of a run."""
        return {name: Sink(store) for name, store in self.stores.items()}

    def rows_of(self, source, partition):
        return [r for e in self.script for p, r in e.rows.get(source, []) if p == partition]

    def run(self, first: int, last: int, *, stop_after: int = -1) -> list:
        """Run some entries; with `stop_after` only so many epochs of any kind. Give the events."""
        self.next, self.last = first, last
        self.state.mkdir(exist_ok=True)
        compiled = self.compiled()
        settings = RunSettings(
            "r", self.state, self.folder, started_at=datetime.now(UTC).isoformat(),
            plan_fingerprint=self.plan_print, stream=StreamSettings(ending="caught_up"),
        )  # fmt: skip
        loaders = {s.name: self.loader(s) for s in compiled.sources}
        sinks = self.make_sinks(compiled, settings)
        ports = Ports(Feed(self), loaders, sinks, lambda: self.due)
        ports.again = lambda: (Feed(self), loaders)
        events, n_epochs, is_catching = [], 0, False
        with closing(run_job(compiled, settings, ports)) as job:
            for event in job:
                events.append(event)
                is_catching = event.kind == "catching_up" or (
                    is_catching and event.kind != "caught_up"
                )
                if event.kind == "epoch_committed":
                    n_epochs += 1
                    if not is_catching:
                        self.entries[event.facts["epoch"]] = self.next - 1
                    if n_epochs == stop_after:
                        return events
        return events

    def copy(self, name: str) -> Path:
        """Keep a copy of the state."""
        target = self.folder / name
        shutil.copytree(self.state, target)
        return target

    def restore(self, copy: Path) -> None:
        """Put a copy in the place of the state."""
        shutil.rmtree(self.state)
        shutil.copytree(copy, self.state)

    def tables(self) -> dict:
        """Give the rows of every table of the state file, dead letters without their epoch."""
        found = {}
        with duckdb.connect(str(self.state / "state.duckdb"), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            names = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
            ).fetchall()
            for (name,) in names:
                columns = connection.execute(f'DESCRIBE "{name}"').fetchall()
                wanted = [c[0] for c in columns if c[0] not in ("epoch", "__epoch")]
                made = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in wanted)
                found[name] = Counter(connection.execute(f'SELECT {made} FROM "{name}"').fetchall())
        return found
