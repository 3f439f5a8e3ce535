"""The shards of a stream, as the process with the state sees them: who computes, and what came back.

When a value makes a step fail in a shard, or what shards came down to makes one fail here, the rows
themselves are asked for and the epoch is computed as if there were no shards: which rows it was is
found out there (V10).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.inputs import input_name, input_table
from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.stream.ports import Loader
from mainstem.engines.embedded.stream.program import Compiled
from mainstem.engines.embedded.stream.shards.loading import sent
from mainstem.engines.embedded.stream.shards.plan import (
    late_table,
    rows_table,
    shard_plan,
    shard_tables,
    taken_table,
)
from mainstem.engines.embedded.stream.shards.task import ShardProgram, ShardResult, ShardTask
from mainstem.engines.embedded.stream.spec import Loaded, Slice
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.spec import RunSettings
from mainstem.plan.nodes import Binding, Plan
from mainstem.plan.types import in_expressions

# By part, the watermark before its first record, in microseconds since 1970.
Floors = tuple[int | None, ...]
# Computes tasks, wherever that is, and gives their results in any order.
Transport = Callable[[Sequence[ShardTask]], Iterable[ShardResult]]


class Elsewhere(Protocol):
    """Where shards are computed: a cluster."""

    def compute(self, tasks: Sequence[ShardTask]) -> Iterable[ShardResult]:
        """Compute tasks, and give their results in any order."""
        ...


class Shards:
    """Has slices loaded and computed by others.

    Parameters
    ----------
    session : Session
        The engine's.
    compiled : Compiled
        What runs.
    settings : RunSettings
        Those of the run.
    judged : iterable of str
        Relations with expectations.
    transport : Transport
        Who computes.
    """

    def __init__(
        self, session: Session, compiled: Compiled, settings: RunSettings, judged: Iterable[str],
        transport: Transport,
    ) -> None:  # fmt: skip
        self.session, self.compiled, self.transport = session, compiled, transport
        self.plan = shard_plan(compiled, judged)
        self.operators: Mapping[str, Operator] = compiled.operators
        program = ShardProgram(
            _public(compiled.plan),
            compiled.meant,
            sent(settings),
            session.placed,
            frozenset(judged),
        )
        self.program = pickle.dumps(program)
        # Whether the tables of shards are what the nodes of this epoch read.
        self.is_on = False

    def create(self) -> None:
        """Make the tables of shards; the relations that they are of are there, without rows."""
        for table, select in self.tables().items():
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT * FROM ({select}) LIMIT 0"
            )
        self.turn(is_on=True)

    def tables(self) -> dict[str, str]:
        """Give all tables of shards with what they are of."""
        found: dict[str, str] = {}
        for name in self.plan.wanted(is_whole=False):
            found |= shard_tables(name, self.operators)
        return found

    def turn(self, *, is_on: bool) -> None:
        """Let nodes read what shards came down to, or compute it."""
        if is_on == self.is_on:
            return
        self.is_on = is_on
        for name in self.plan.taken:
            operator = self.operators[name]
            operator.taken_from = quoted(taken_table(name)) if is_on else ""
            operator.late_from = quoted(late_table(name)) if is_on else ""

    def select(self, node: str) -> str:
        """Give the SELECT of a node that keeps nothing and whose rows shards give; "" for others."""
        return f"SELECT * FROM {quoted(rows_table(node))}" if self.gives(node) else ""

    def gives(self, node: str) -> bool:
        """Say whether shards give the rows of a node now."""
        return self.is_on and node in self.plan.rows

    # An epoch

    def load(
        self, slices: Mapping[str, Slice], loaders: Mapping[str, Loader],
        floors: Mapping[str, Floors],
    ) -> dict[str, Loaded]:  # fmt: skip
        """Have the slices of an epoch computed; give their ledgers by source.

        Their rows, or what those came down to, are in the session's tables then.
        """
        results = self.computed(slices, loaders, floors, is_whole=False)
        if any(one.is_value for one in results):
            return self.whole(slices, loaders, floors)
        self.turn(is_on=True)
        return self.taken(slices, results)

    def whole(
        self, slices: Mapping[str, Slice], loaders: Mapping[str, Loader],
        floors: Mapping[str, Floors],
    ) -> dict[str, Loaded]:  # fmt: skip
        """Have the rows of the slices themselves, for an epoch that is computed here."""
        self.turn(is_on=False)
        return self.taken(slices, self.computed(slices, loaders, floors, is_whole=True))

    def computed(
        self, slices: Mapping[str, Slice], loaders: Mapping[str, Loader],
        floors: Mapping[str, Floors], *, is_whole: bool,
    ) -> list[ShardResult]:  # fmt: skip
        """Have all shards computed.

        Raises
        ------
        Exception
            What has ended one of them, unless it was a value.
        """
        tasks = [
            ShardTask(
                self.program, part, loaders[name], index,
                floors[name][index : index + len(part.parts)], is_whole,
            )
            for name, one in slices.items() for index, part in shards_of(one)
        ]  # fmt: skip
        results = list(self.transport(tasks)) if tasks else []
        for one in results:
            if one.trouble is not None and (is_whole or not one.is_value):
                raise one.trouble
        return results

    def taken(
        self, slices: Mapping[str, Slice], results: Sequence[ShardResult]
    ) -> dict[str, Loaded]:
        """Read what shards have left."""
        for table in self.tables():
            self.session.rows(f"DELETE FROM temp.{quoted(table)}")
        files: dict[str, list[str]] = {}
        for one in sorted(results, key=lambda r: r.index):
            for table, path in one.files.items():
                files.setdefault(table, []).append(path)
        for name in slices:
            if paths := files.pop(input_name(name), None):
                self.session.rows(
                    f"CREATE OR REPLACE TEMP TABLE {input_table(name)} AS {self.typed(name, paths)}"
                )
        for table, paths in files.items():
            self.session.rows(f"INSERT INTO temp.{quoted(table)} BY NAME {_rows(paths)}")
        found = {
            name: self.ledger(name, len(taken.parts), [r for r in results if r.source == name])
            for name, taken in slices.items()
        }
        for one in results:
            for path in (*one.files.values(), *filter(None, [one.loaded.dead_letters])):
                Path(path).unlink(missing_ok=True)
        return found

    def ledger(self, name: str, n_parts: int, results: Sequence[ShardResult]) -> Loaded:
        """Give the ledger of a slice out of those of its shards."""
        latest: list[datetime | None] = [None] * n_parts
        for one in results:
            for place, moment in enumerate(one.loaded.latest or ()):
                latest[one.index + place] = moment
        every = [one.loaded for one in results]
        paths = [one.dead_letters for one in every if one.dead_letters]
        letters = quoted(f"__shard_letters_{name}") if paths else ""
        if letters:
            self.session.rows(f"CREATE OR REPLACE TEMP TABLE {letters} AS {_rows(paths)}")
        return Loaded(
            sum(one.rows for one in every), sum(one.admitted for one in every),
            sum(one.dead for one in every), sum(one.unknown_fields for one in every), letters,
            tuple(latest),
        )  # fmt: skip

    def typed(self, name: str, paths: Sequence[str]) -> str:
        """Give the rows of a source with its types, which a file may spell otherwise."""
        source = self.compiled.plan.source(name)
        assert source is not None  # noqa: S101 - its records were read
        columns = ", ".join(
            f"CAST({quoted(f.name)} AS {duckdb_type(in_expressions(f.type))}) AS {quoted(f.name)}"
            for f in source.schema.fields
        )
        return f"SELECT * REPLACE ({columns}) FROM ({_rows(paths)})"

    def has_rows(self, source: str) -> bool:
        """Say whether the rows of a source are here now, and not only what they came down to."""
        return not self.is_on or source in self.plan.sources


def shards_of(taken: Slice) -> list[tuple[int, Slice]]:
    """Divide a slice: records that nobody has read yet by partition, others not at all."""
    if taken.data is not None:
        return [(0, taken)]
    return [
        (index, replace(taken, parts=(part,)))
        for index, part in enumerate(taken.parts)
        if part.rows
    ]


def _public(plan: Plan) -> Plan:
    """Give a plan without what belongs to this process: code, rows in memory, and secrets of sinks."""
    return replace(
        plan,
        functions=tuple(replace(one, call=None, open=None) for one in plan.functions),
        sources=tuple(
            replace(one, binding=Binding(one.binding.type)) if one.bounded else one
            for one in plan.sources
        ),
        steps=tuple(
            one if one.sink is None else replace(one, sink=Binding(one.sink.type))
            for one in plan.steps
        ),
    )


def _rows(paths: Sequence[str]) -> str:
    listed = ", ".join(map(literal, paths))
    return f"SELECT * FROM read_parquet([{listed}])"
