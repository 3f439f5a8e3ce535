"""Sinks of streams: what writes the epochs of a table, by the connector of its sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mainstem.engines.embedded.stream.sinks.guarantees import guarantee_of
from mainstem.engines.embedded.stream.spec import Sink

if TYPE_CHECKING:
    from mainstem.engines.spec import RunSettings
    from mainstem.plan.nodes import Plan, Step


def sink_of(
    step: Step, plan: Plan, settings: RunSettings, *, key: Sequence[str] = ()
) -> Sink | None:
    """Give what writes a table of a stream; nothing is opened.

    Parameters
    ----------
    step : Step
        The table.
    plan : Plan
        Its pipeline.
    settings : RunSettings
        Those of the run.
    key : sequence of str
        Of an updating table: the columns by which its rows are told apart; none when it has one row.

    Returns
    -------
    Sink or None
        None for a table of the state file, which the engine writes in its own transaction.

    Raises
    ------
    UnsupportedError
        When a stream, or an updating table, cannot be written there.
    CheckFailed
        When the options do not go with the table.
    """
    if step.sink is None or step.sink.type == "state":
        return None
    guarantee_of(step)
    words = tuple(key)
    if step.sink.type == "duckdb":
        from mainstem.engines.embedded.stream.sinks.duckdb import duckdb_sink

        return duckdb_sink(step, plan, settings, words)
    if step.sink.type == "files":
        from mainstem.engines.embedded.stream.sinks.files import files_sink

        return files_sink(step, plan, settings)
    if step.sink.type == "kafka":
        from mainstem.engines.embedded.stream.sinks.kafka import kafka_sink

        return kafka_sink(step, plan, settings, words)
    from mainstem.engines.embedded.stream.sinks.console import console_sink

    return console_sink(step)
