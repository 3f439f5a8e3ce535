"""The bounded inputs of a stream: read whole before its first row, lookups again when they are due (T9, T13)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.reading.sources import load
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.program import Compiled
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, SourceRead
from mainstem.plan.nodes import Step
from mainstem.plan.stream import STATIC
from mainstem.sql.stream.latest import with_latest


class Bounded:
    """Bounded sources and the steps over them alone, readable by their names.

    Parameters
    ----------
    compiled : Compiled
        What runs.
    settings : RunSettings
        Those of the run.
    session : Session
        The engine's; outside of a transaction.
    due : callable or None
        Gives the lookups that are to be loaded again; None goes by their `refresh`.
    """

    def __init__(
        self, compiled: Compiled, settings: RunSettings, session: Session,
        due: Callable[[], frozenset[str]] | None,
    ) -> None:  # fmt: skip
        self.compiled, self.settings, self.session, self.given_due = (
            compiled,
            settings,
            session,
            due,
        )
        # When each source was loaded, and what it was then.
        self.loaded_at: dict[str, float] = {}
        self.versions: dict[str, str] = {}

    def lookups(self) -> dict[str, str]:
        """Give the version of each lookup."""
        names = [s.name for s in self.compiled.plan.sources if s.is_lookup]
        return {name: self.versions[name] for name in names if name in self.versions}

    def read(self) -> Iterator[Event]:
        """Read the bounded sources, and make the steps over them."""
        for name in self.compiled.stream.statics:
            yield from self.one(name)

    def one(self, name: str) -> Iterator[Event]:
        """Read a bounded source, or make a step over such, in place of what was there."""
        plan, session = self.compiled.plan, self.session
        source, step = plan.source(name), plan.step(name)
        if source is not None:
            session.rows(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
            event = yield from load(session, SourceRead(source, source.schema.names), self.settings)
            self.loaded_at[name] = time.monotonic()
            self.versions[name] = str(event.facts.get("position", ""))
            yield event
        if step is not None:
            session.rows(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {self.sql(step)}")

    def sql(self, step: Step) -> str:
        """Give the query of a step over bounded inputs alone."""
        if step.ttl is None:
            return step_sql(step.query)
        shapes = self.compiled.stream.shapes
        streamed = {name for name, shape in shapes.items() if shape.kind != STATIC}
        written = with_latest(self.compiled.plan, streamed).plan.step(step.name)
        assert written is not None  # noqa: S101 - it has the steps of the plan that it was given
        return step_sql(written.query)

    def due(self) -> frozenset[str]:
        """Give the lookups whose version has become old."""
        if self.given_due is not None:
            return self.given_due()
        now = time.monotonic()
        return frozenset(
            s.name for s in self.compiled.plan.sources
            if s.refresh is not None and s.name in self.loaded_at
            and now - self.loaded_at[s.name] >= s.refresh.total_seconds()
        )  # fmt: skip

    def refresh(self) -> Iterator[Event]:
        """Load the lookups that are due, and what is made of them; between epochs (T13)."""
        old = set(self.due())
        for name in self.compiled.stream.statics:
            step = self.compiled.plan.step(name)
            if step is not None and old & set(step.inputs):
                old.add(name)
            if name in old:
                yield from self.one(name)
