"""Engines that stand in for a second one: the embedded one with something changed on the way."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from types import SimpleNamespace

from mainstem.engines.embedded.engine import Embedded
from mainstem.engines.spec import Event, Program, RunSettings
from mainstem.errors import EngineError, Finding
from mainstem.plan.nodes import Plan
from mainstem.record import mutable


@mutable
class StandIn(Embedded):
    """The embedded engine, of which a step's SQL, its events or its gaps are others.

    Parameters
    ----------
    sql : mapping
        By step what is asked in place of its rows, which ``{}`` stands for.
    told : callable
        What becomes of an event.
    lacks : tuple of str
        Gaps.
    fails : str
        The words with which a run ends, when there are any.
    """

    name: str = "other"
    sql: Mapping[str, str] = field(default_factory=dict)
    told: Callable[[Event], Event] = lambda event: event
    lacks: tuple[str, ...] = ()
    fails: str = ""

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give those of the embedded engine, and its own."""
        return [*Embedded.gaps(self, plan), *(Finding("NotHere", one) for one in self.lacks)]

    def compile(self, plan: Plan) -> Program:
        """Put the rows of the changed steps through another query."""
        program = Embedded.compile(self, plan)
        return replace(program, statements=tuple(
            replace(s, sql=self.sql[s.step.name].format(f"({s.sql})")) if s.step.name in self.sql
            else s for s in program.statements
        ))  # fmt: skip

    def run(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Run as the embedded engine does, and fail when told to."""
        if self.fails:
            raise EngineError(self.fails)
        for event in Embedded.run(self, program, settings):
            yield self.told(event)


def install(monkeypatch, name="other", **words) -> StandIn:
    """Make a stand-in the engine of a name."""
    engine = StandIn(name, **words)
    monkeypatch.setitem(
        sys.modules, f"mainstem.engines.{name}.engine", SimpleNamespace(ENGINE=engine)
    )
    return engine
