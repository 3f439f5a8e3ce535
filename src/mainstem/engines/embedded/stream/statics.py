"""Expectations about the bounded inputs of a stream: they are judged whole, as in a batch.

A lookup is judged each time that it is loaded. Its open rows in quarantine are then those of its newest
version.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from mainstem.engines.embedded.judging.expected import Expected
from mainstem.engines.embedded.judging.keep import Kept, keep
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.statefile import columns_of
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, Statement
from mainstem.plan.nodes import Plan, Step


class Statics:
    """Judges bounded sources and the steps over them alone; mostly there is nothing to judge.

    Parameters
    ----------
    session : Session
        The engine's.
    plan : Plan
        The whole plan.
    settings : RunSettings
        Those of the run.
    """

    def __init__(self, session: Session, plan: Plan, settings: RunSettings) -> None:
        self.session, self.plan, self.settings = session, plan, settings
        self.expected = Expected(session, plan, settings)

    def has_rules(self, name: str) -> bool:
        """Say whether a relation is judged."""
        return bool(self.plan.expected_of(name))

    def forget(self, name: str) -> None:
        """Let go of the last version of a relation."""
        for kind in ("raw", "made"):
            word = "VIEW" if kind == "raw" else "TABLE"
            self.session.rows(f"DROP {word} IF EXISTS temp.{quoted(f'__{kind}_{name}')}")

    def source(self, name: str) -> None:
        """Take a source that was just loaded; it is judged before somebody reads it."""
        self.expected.source(name)

    def step(self, step: Step, sql: str) -> Generator[Event, None, None]:
        """Compute a step that has rules, and judge it."""
        self.forget(step.name)
        yield from self.expected.step(Statement(step, sql))

    def ready(self, names: Iterable[str]) -> Generator[Event, None, None]:
        """Judge what is still to be judged of the relations that somebody is about to read."""
        yield from self.expected.ready(names)

    def rest(self) -> Generator[Event, None, None]:
        """Judge what nobody has read."""
        yield from self.expected.all()

    def keep(self) -> Iterator[Event]:
        """Write what goes aside into the state file; in the caller's transaction."""
        kept, self.expected.kept = self.expected.kept, []
        for one in kept:
            settings = replace(self.settings, epoch=self.number(one))
            yield keep(self.session, settings, one, is_whole=True)

    def number(self, kept: Kept) -> int:
        """Give a number for ids that no row in the table has."""
        table = state_table(kept.table)
        if columns_of(self.session, table) is None:
            return 1
        part = "CAST(split_part(__id, '-', 1) AS BIGINT)"
        ((last,),) = self.session.rows(f"SELECT coalesce(max({part}), 0) FROM {table}")
        return int(last) + 1
