"""A plan over sources that never end, on the embedded engine: what is refused, and the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.engines.embedded.stream.feed import Threads
from mainstem.engines.embedded.stream.job import run_job
from mainstem.engines.embedded.stream.ports import Loader, Ports
from mainstem.engines.embedded.stream.program import Compiled, compile_stream
from mainstem.engines.embedded.stream.readers import range_reader_of, reader_of
from mainstem.engines.embedded.stream.shards.loading import Loading, sent
from mainstem.engines.embedded.stream.shards.shards import Elsewhere
from mainstem.engines.embedded.stream.sinks import sink_of
from mainstem.engines.embedded.stream.spec import Sink
from mainstem.engines.spec import Event, RunSettings, StreamSettings
from mainstem.errors import Finding, MainstemError
from mainstem.plan.stream import STATIC, UPDATING, StreamPlan
from mainstem.sql.stream.latest import with_latest
from mainstem.sql.stream.lower import lower

if TYPE_CHECKING:
    from mainstem.engines.desk import Desk
    from mainstem.plan.nodes import Plan, Source, Step

# Sinks are asked what they refuse without being opened: no run has begun.
_NOWHERE = RunSettings("", Path(), Path())


def with_kinds(plan: Plan, stream: StreamPlan) -> Plan:
    """Give a plan whose steps have the kinds that follow from what they compute (C1)."""
    steps = tuple(
        replace(s, kind="updating" if stream.shapes[s.name].kind == UPDATING else "append")
        for s in plan.steps
    )
    return replace(plan, steps=steps)


def stream_gaps(plan: Plan) -> list[Finding]:
    """Give what streams cannot have here, by name; nothing is opened."""
    lowered = lower(plan)
    found = list(lowered.findings)
    streamed = {name for name, shape in lowered.plan.shapes.items() if shape.kind != STATIC}
    found += with_latest(plan, streamed).findings
    if plan.expectations:
        from mainstem.engines.embedded.stream.rules import rule_gaps

        found += rule_gaps(plan, lowered.plan)
    relations: tuple[Source | Step, ...] = (*plan.sources, *plan.steps)
    for one in relations:
        taken = [n for n in one.schema.names if n.startswith("__") and one.name in streamed]
        found += [Finding(
            "NameNotValid", f"column {name!r} of {one.name!r} begins with two underscores, as the "
            "columns do that a stream keeps beside its rows", one.where, "rename it", step=one.name,
        ) for name in taken[:1]]  # fmt: skip
    if plan.functions and not lowered.findings:
        from mainstem.sql.stream.calls import without_calls

        found += without_calls(lowered.plan, plan).findings
    if found:
        return found
    for step in with_kinds(plan, lowered.plan).tables:
        try:
            sink_of(step, plan, _NOWHERE, key=lowered.plan.shapes[step.name].key)
        except MainstemError as error:
            found += error.findings
    return found


def run_stream(
    plan: Plan, settings: RunSettings, desk: Desk | None = None, elsewhere: Elsewhere | None = None
) -> Iterator[Event]:
    """Run a plan whose check has found nothing; questions at the `desk` are answered.

    With `elsewhere`, the shards of an epoch are computed there.

    Yields
    ------
    Event
        Those of `job.run_job`.
    """
    lowered = lower(plan)
    plan = with_kinds(plan, lowered.plan)
    compiled = compile_stream(plan, lowered.plan)
    sinks = {}
    for step in plan.tables:
        shape = lowered.plan.shapes[step.name]
        sink = sink_of(step, plan, settings, key=shape.key)
        if sink is not None:
            sinks[step.name] = sink
    given = settings.stream or StreamSettings()
    if not settings.threads:
        # One core is for the readers and sinks: with two cores a second thread of DuckDB took more CPU
        # and no less time (measured, docs/decisions.md).
        settings = replace(settings, threads=max(1, (os.cpu_count() or 2) - 1))
    ports, wake = _ports(compiled, settings, given, sinks, elsewhere)
    if desk is not None:
        from mainstem.engines.embedded.stream.answers import Answers

        answers = Answers(desk, wake)
        ports.on_tick, ports.on_stop = answers.tick, answers.stop
    yield from run_job(compiled, settings, ports)


def _ports(
    compiled: Compiled, settings: RunSettings, given: StreamSettings, sinks: dict[str, Sink],
    elsewhere: Elsewhere | None,
) -> tuple[Ports, Callable[[], None]]:  # fmt: skip
    """Connect a job with its sources, or with the script of a test; give what ends its waiting too."""
    transport = None if elsewhere is None else elsewhere.compute
    if given.script is not None:
        ports = given.script.ports(sinks)
        ports.transport = transport
        return ports, lambda: None
    made = reader_of if elsewhere is None else range_reader_of
    # The feed is another one after records were read again.
    feeds: list[Threads] = []

    def connected() -> tuple[Threads, dict[str, Loader]]:
        readers = {source.name: made(source, settings) for source in compiled.sources}
        feeds[:] = [Threads(readers, given.epoch_rows)]
        if elsewhere is not None:
            return feeds[0], {s.name: Loading(s, sent(settings)) for s in compiled.sources}
        return feeds[0], {name: one.load for name, one in readers.items()}

    ports = Ports(*connected(), sinks, again=connected, transport=transport)

    def wake() -> None:
        feeds[0].wake()

    return ports, wake
