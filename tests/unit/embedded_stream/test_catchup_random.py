"""Random pipelines: an older state that is brought to its sinks answers as if nothing had happened.

One run goes through. The other loses its state, and some of what its sinks got, goes back to an older
copy and catches up, now and then stopped in the middle of that. What is compared: every sink, every
table, and every late row.
"""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mainstem.engines.embedded.stream.program import Compiled
from mainstem.plan.nodes import Binding
from mainstem.plan.stream import UPDATING
from mainstem.testing.stream_trial import _loader, _Trial
from tests.unit.embedded_stream.replays import Entry, World


def script(rng: random.Random, trial: _Trial) -> list[Entry]:
    """Cut the rows into epochs, with partitions that fall silent and wake up."""
    n_epochs = rng.choice((6, 9, 14))
    entries = [Entry() for _ in range(n_epochs)]
    for name, rows in trial.rows.items():
        for partition in sorted({p for p, _ in rows}):
            own = [row for row in rows if row[0] == partition]
            places = sorted(rng.randrange(n_epochs) for _ in own)
            for place, (p, values) in zip(places, own, strict=True):
                entries[place].rows.setdefault(name, []).append((p, tuple(values.values())))
    for entry in entries:
        for source in trial.draft.sources:
            given = {p for p, _ in entry.rows.get(source.name, [])}
            entry.silent |= {
                (source.name, p) for p in source.partitions if p not in given and rng.random() < 0.3
            }
    return entries


def world(seed: int, folder: Path) -> tuple[World, dict]:
    """Give the pipeline of a seed with its script; and the tables that have a sink, with their keys."""
    folder.mkdir()
    rng = random.Random(seed)
    trial = _Trial(rng, folder)
    compiled = trial.compiled()
    keys = {}
    for step in compiled.plan.tables:
        shape = compiled.stream.shapes[step.name]
        if shape.kind != "static" and rng.random() < 0.7:
            names = list(step.schema.names)
            is_updating = shape.kind == UPDATING
            keys[step.name] = [names.index(k) for k in shape.key] if is_updating else None
    sources = {s.name: s.partitions for s in trial.draft.sources}

    def bound() -> Compiled:
        made = trial.compiled()
        steps = tuple(
            replace(s, sink=Binding("duckdb")) if s.name in keys else s for s in made.plan.steps
        )
        return replace(made, plan=replace(made.plan, steps=steps))

    return World(folder, bound, sources, _loader, script(rng, trial), keys), keys


def content(one: World, keys: dict) -> dict:
    """Give what all sinks and tables hold."""
    sinks = {
        name: store.rows() if keys[name] is None else store.folded(keys[name])
        for name, store in one.stores.items()
    }
    return {"sinks": sinks, "tables": one.tables()}


SEEDS = range(200 if os.environ.get("MAINSTEM_LONG") == "1" else 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_older_state_answers_as_if_nothing_had_happened(tmp_path, seed):
    """Stopped in the middle of it or not."""
    straight, keys = world(seed, tmp_path / "straight")
    straight.run(0, len(straight.script))
    again, _ = world(seed, tmp_path / "again")
    rng = random.Random(seed + 1000)
    copied = rng.randrange(1, len(again.script) - 2)
    lost = rng.randrange(copied + 1, len(again.script))

    again.run(0, copied)
    copy, epoch = again.copy("copy"), max(again.entries, default=0)
    again.run(copied, lost)
    for store in again.stores.values():
        if rng.random() < 0.7:
            # What a copy of the state knows to be there is there.
            store.cut(rng.randrange(epoch, max(again.entries, default=0) + 1))
    goes_on = max([again.entries.get(s.last, -1) + 1 for s in again.stores.values()] + [copied])
    again.restore(copy)
    if rng.random() < 0.5:
        # Stopped in the middle, and once more.
        for _ in range(2):
            again.run(goes_on, len(again.script), stop_after=rng.randrange(1, 4))
            goes_on = again.next
    again.run(goes_on, len(again.script))

    assert content(again, keys) == content(straight, keys)
