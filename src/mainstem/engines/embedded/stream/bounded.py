"""The bounded inputs of a stream: read whole before its first row, lookups again when they are due (T9, T13)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.reading.sources import load
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.functions import Functions
from mainstem.engines.embedded.stream.program import Compiled
from mainstem.engines.embedded.stream.statics import Statics
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, SourceRead
from mainstem.plan.nodes import Step
from mainstem.plan.stream import STATIC
from mainstem.sql.stream.latest import with_latest
from mainstem.sql.stream.parts import tables


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
    functions : Functions
        Those of the run: some may be called over bounded inputs.
    """

    def __init__(
        self, compiled: Compiled, settings: RunSettings, session: Session,
        due: Callable[[], frozenset[str]] | None, functions: Functions,
    ) -> None:  # fmt: skip
        self.functions = functions
        self.statics = Statics(session, compiled.plan, settings)
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
        yield from self.statics.rest()

    def one(self, name: str) -> Iterator[Event]:
        """Read a bounded source, or make a step over such, in place of what was there."""
        plan, session = self.compiled.plan, self.session
        source, step = plan.source(name), plan.step(name)
        if source is not None:
            session.rows(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
            self.statics.forget(name)
            is_placed = self.statics.has_rules(name)
            read = SourceRead(source, source.schema.names, needs_position=is_placed)
            event = yield from load(session, read, self.settings)
            self.loaded_at[name] = time.monotonic()
            self.versions[name] = str(event.facts.get("position", ""))
            yield event
            self.statics.source(name)
        else:
            yield from self.statics.ready(self.inputs(name))
        if name in self.compiled.called.callings:
            self.functions.fill(name)
        if step is not None and self.statics.has_rules(name):
            yield from self.statics.step(step, self.sql(step))
        elif step is not None:
            session.rows(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {self.sql(step)}")

    def sql(self, step: Step) -> str:
        """Give the query of a step over bounded inputs alone."""
        if step.name in self.compiled.called.queries:
            return step_sql(self.compiled.called.queries[step.name])
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
        yield from self.again(set(self.due()))

    def put(self, name: str, select: str) -> None:
        """Let a source be other rows than those that were read; what is made of it is not made again."""
        self.session.rows(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
        self.session.rows(f"CREATE TEMP VIEW {quoted(name)} AS {select}")

    def again(self, old: set[str], pinned: frozenset[str] = frozenset()) -> Iterator[Event]:
        """Load sources again that are not `pinned`, and make what is made of any of them."""
        for name in self.compiled.stream.statics:
            if old & set(self.inputs(name)):
                old.add(name)
            if name in old and name not in pinned:
                yield from self.one(name)
        if old:
            yield from self.statics.rest()
            self.session.rows("BEGIN")
            aside = list(self.statics.keep())
            self.session.rows("COMMIT")
            yield from aside

    def inputs(self, name: str) -> tuple[str, ...]:
        """Give what a step, or the calls of functions in it, reads."""
        step, calling = self.compiled.plan.step(name), self.compiled.called.callings.get(name)
        if calling is not None:
            return tuple(tables(calling.made.query))
        return step.inputs if step is not None else ()
