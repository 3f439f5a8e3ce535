"""`mainstem run`: runs a pipeline, and says what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.failure import findings_text
from mainstem.cli.ledger import ledger_text
from mainstem.cli.numbers import plural, rate, seconds
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_line
from mainstem.cli.progress import Progress
from mainstem.cli.streaming import Epochs, LiveLine, end_words
from mainstem.cli.terminal import is_interactive
from mainstem.errors import Finding, SettingsError, UnsupportedError
from mainstem.plan.nodes import is_stream
from mainstem.runtime.start import run_options
from mainstem.runtime.streaming import stream_settings

if TYPE_CHECKING:
    from mainstem.engines.spec import Event
    from mainstem.plan.nodes import Plan
    from mainstem.runtime.run import RunOptions

# Engines of the design that nothing runs on yet, by the scheme of their address.
LATER = ("sc", "flink", "yarn", "hadoop")
# A line of progress for each source or table at most this often, in seconds.
PAUSE_S = 1.0
EXAMPLE = "write --param name=value, once for each name"
# What the end of a run in words begins with.
NOTED = (
    "journal_repaired", "recovered", "step_kept", "step_recomputed", "nothing_kept",
    "sink_already_there", "state_changed", "catching_up", "backup_failed",
)  # fmt: skip
# A shorter run says nothing about speed.
SURE_S = 1.0


def run(
    file: Path | None = None, /, *, param: tuple[str, ...] = (), memory_limit: str = "",
    threads: int | None = None, engine: str = "embedded", run_key: str = "",
    select: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    resume: bool = False, until_caught_up: bool = False, bounded: bool = False, until: str = "",
    epoch_rows: int | None = None, backup_to: str = "", backup_every: str = "",
    backup_keep: int | None = None, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Run a pipeline.

    Shows its progress on a terminal and prints the ledger at the end; elsewhere, and with -o json,
    prints a line of JSON for each event. All outputs change together, at the end, or not at all; those
    of a stream with each epoch.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    param : tuple of str
        Value of a parameter, as in --param day=2024-01-31; may be repeated.
    memory_limit : str
        Memory that the engine may use before it spills to disk, such as 2GB.
    threads : int
        Threads of the engine.
    engine : str
        embedded, spark (on this machine) or spark://host:port (a cluster).
    run_key : str
        A name for this run: with the same one again nothing is written.
    select : tuple of str
        Tables to write, as orders, orders+ (and all made of it), +orders (and all it is made of).
    resume : bool
        Go on at the step where the last run failed.
    until_caught_up : bool
        Streams: end when every source was read to its end; windows stay open.
    bounded : bool
        Streams: read what is there, then close every window and end.
    until : str
        Streams: end with the first epoch whose watermark has reached this event time.
    epoch_rows : int
        Streams: records of a source that one epoch takes at most.
    backup_to : str
        Streams: folder for copies of the state while it runs.
    backup_every : str
        Streams: how often a copy is made, such as '10 minutes'.
    backup_keep : int
        Streams: how many copies are kept; 3 when not given.
    """  # noqa: DOC501 - built by a function
    common.start_log()
    refuse_later_engine(engine)
    given = params(param)
    threads_text = "" if threads is None else str(threads)
    resolved = target.resolve(file, chosen, memory_limit=memory_limit, threads=threads_text)
    plan = resolved.checked_plan()
    options = run_options(
        resolved, params=given, engine=engine, run_key=run_key, select=select, resume=resume,
        backup_to=backup_to, backup_every=backup_every, backup_keep=backup_keep,
    )  # fmt: skip
    if (backup_to or backup_every or backup_keep is not None) and not is_stream(plan):
        from mainstem.runtime.backups import refuse_batch

        raise refuse_batch()
    options = replace(options, stream=stream_settings(
        plan, until_caught_up=until_caught_up, bounded=bounded, until=until, epoch_rows=epoch_rows
    ))  # fmt: skip
    # What `check` cannot know is known here: the run has a key, or is refused without one.
    warnings = [f for f in resolved.findings.items if f.code != "AppendNeedsKey"]
    if common.is_json or (common.output is None and not sys.stdout.isatty()):
        _run_in_lines(plan, options, warnings, quiet=common.quiet)
    else:
        _run_in_text(plan, options, warnings, quiet=common.quiet)
    return 0


def refuse_later_engine(engine: str) -> None:
    """Refuse an engine that a later version brings; of others the runtime says that it has none."""
    name = engine.partition("://")[0].lower()
    if name in LATER:
        raise UnsupportedError(
            f"engine {name!r} arrives in a later version", code="EngineNotYet",
            fix="leave --engine out: the embedded engine runs the same pipeline",
        )  # fmt: skip


def params(texts: tuple[str, ...]) -> dict[str, str]:
    """Read ``name=value`` texts; what the values mean is decided by the pipeline."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            raise SettingsError("a --param has no name", code="Usage", fix=EXAMPLE)
        if name in found:
            raise SettingsError(f"--param {name} is given twice", code="Usage", fix=EXAMPLE)
        found[name] = value
    return found


def _run_in_text(plan: Plan, options: RunOptions, warnings: list[Finding], *, quiet: bool) -> None:
    if warnings:
        print(findings_text(warnings, stream=sys.stderr), file=sys.stderr)
    notes: list[str] = []
    drawing = LiveLine(plan) if is_stream(plan) else Progress(plan)
    with drawing as progress, _events(plan, options) as events:
        for event in events:
            if is_interactive() and not quiet:
                progress.take(event)
            if event.kind == "run_ended":
                _say_end(plan.name, event.facts, notes, quiet=quiet)
            elif event.kind in NOTED:
                notes.append(_note(event))


def _say_end(name: str, end: dict[str, Any], notes: list[str], *, quiet: bool) -> None:
    """Print the ledger: at the last event, because a stream that is stopped raises after it."""
    if quiet:
        return
    for note in notes:
        say(note)
    say(ledger_text(end["ledger"]))
    if end.get("stream"):
        say(end_words(name, end, _pace(end)))
    else:
        say(f"{name} {end['status']} in {_pace(end)} (run {end['run_id']})")


def _pace(end: dict[str, Any]) -> str:
    """Give how long the run took, and rows read a second where every source counts its rows."""
    counts = [line["read"] for line in end["ledger"]["sources"].values()]
    is_sure = None not in counts and end["seconds"] >= SURE_S
    speed = rate(sum(counts), end["seconds"]) if is_sure else ""
    return ", ".join(filter(None, (seconds(end["seconds"]), speed)))


def _note(event: Event) -> str:
    if event.kind == "step_kept":
        return f"{event.name}: taken over from run {event.facts['run_id']}"
    if event.kind == "step_recomputed":
        return f"{event.name}: computed again, as {event.facts['why']}"
    if event.kind == "nothing_kept":
        return "no failed run has left a table to take over: everything is computed"
    if event.kind == "sink_already_there":
        return f"{event.name}: run {event.facts['run_id']} with this key has written it"
    if event.kind == "state_changed":
        return f"{event.name} {event.facts['what']}"
    if event.kind == "catching_up":
        sinks = ", ".join(f"{name} at {epoch}" for name, epoch in event.facts["sinks"].items())
        return f"the state was at epoch {event.facts['epoch']}, older than its sinks ({sinks}): caught up"
    if event.kind == "backup_failed":
        return f"no backup was made: {event.facts['error']}"
    if event.kind == "recovered":
        if event.facts.get("is_stream"):
            return f"run {event.name} had been killed: the stream goes on behind its last epoch"
        outcome = event.facts["outcome"]
        return f"run {event.name} had been killed: its commit was {outcome}"
    n_bytes = event.facts["bytes"]
    return f"the last line of the journal was cut off by a crash: {plural(n_bytes, 'byte')} removed"


def _run_in_lines(plan: Plan, options: RunOptions, warnings: list[Finding], *, quiet: bool) -> None:
    if not quiet:
        for finding in warnings:
            say_line({"event": "warning", **finding.to_dict()})
    last: dict[str, float] = {}
    epochs = Epochs() if is_stream(plan) else None
    with _events(plan, options) as events:
        for event in events:
            for told in epochs.lines(event) if epochs else (event,):
                is_end = told.kind == "run_ended"
                if is_end or (not quiet and _is_due(told, last)):
                    say_line({"event": told.kind, "name": told.name, **told.facts})


def _is_due(event: Event, last: dict[str, float]) -> bool:
    """Say whether an event is told; a fraction ten times a second would bury the rest."""
    if event.kind != "progress":
        return True
    now = time.monotonic()
    if now - last.setdefault(event.name, now) < PAUSE_S:
        return False
    last[event.name] = now
    return True


@contextmanager
def _events(plan: Plan, options: RunOptions) -> Iterator[Iterator[Event]]:
    """Run, and stop the run when the caller leaves early.

    A signal may arrive while an event is being shown, outside of the run's own code: it ends the
    run in the same way.
    """  # noqa: DOC501  (`stopped` gives a Stopped)
    from mainstem.runtime.run import run as run_plan
    from mainstem.runtime.signals import stopped

    try:
        with closing(cast("Any", run_plan(plan, options))) as events:
            yield events
    except KeyboardInterrupt as error:
        raise stopped(error, is_stream=is_stream(plan)) from error
