"""`mainstem backfill`: runs a pipeline once for each value of a parameter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.command.run import params
from mainstem.cli.failure import findings_text
from mainstem.cli.numbers import plural, seconds
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_line
from mainstem.errors import Finding
from mainstem.runtime.start import run_options, state_of


def backfill(
    file: Path | None = None, /, *, param: tuple[str, ...] = (), run_key: str = "",
    select: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    resume: bool = False, memory_limit: str = "", threads: int | None = None,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Run a pipeline once for each value of a parameter; stop at the first run that fails.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    param : tuple of str
        One with several values, as day=2026-01-01..2026-01-31 or region=north,south; others may be
        given one.
    run_key : str
        What the keys of the runs begin with; another one writes values again that are done.
    select : tuple of str
        Tables to write, as for run.
    resume : bool
        Leave out the values that are done, and go on at the step where the last run failed.
    memory_limit : str
        Memory that the engine may use before it spills to disk, such as 2GB.
    threads : int
        Threads of the engine.
    """  # noqa: DOC501  (`stopped` gives a Stopped)
    from mainstem.runtime import backfill as values
    from mainstem.runtime.signals import stopped

    common.start_log()
    threads_text = "" if threads is None else str(threads)
    resolved = target.resolve(file, chosen, memory_limit=memory_limit, threads=threads_text)
    plan = resolved.checked_plan()
    work = values.backfill_of(plan, params(param))
    options = run_options(
        resolved, params={}, engine="embedded", run_key=run_key, select=select, resume=resume
    )
    skip = values.done_keys(plan, select, state_of(resolved)) if resume else frozenset()
    is_lines = common.is_json or (common.output is None and not sys.stdout.isatty())
    # Each value has its key: that the run needs one is told to those who run it by hand.
    _warn([f for f in resolved.findings.items if f.code != "AppendNeedsKey"], quiet=common.quiet)
    counts = {"value_started": 0, "value_skipped": 0}
    try:
        for value, event in values.backfill(plan, work, options, skip=skip):
            if event.kind in counts:
                counts[event.kind] += 1
            if event.kind in ("value_skipped", "run_ended"):
                _tell(work.param.name, value, event.kind, event.facts, is_lines=is_lines)
    except KeyboardInterrupt as error:
        raise stopped(error) from error
    if not is_lines and not common.quiet:
        before = f", {counts['value_skipped']} done before" if counts["value_skipped"] else ""
        say(f"{plan.name}: {plural(counts['value_started'], 'run')}{before}")
    return 0


def _warn(findings: list[Finding], *, quiet: bool) -> None:
    if findings and not quiet:
        print(findings_text(findings, stream=sys.stderr), file=sys.stderr)


def _tell(name: str, value: str, kind: str, facts: dict[str, Any], *, is_lines: bool) -> None:
    if is_lines:
        say_line({"event": kind, "param": name, "value": value, **facts})
    elif kind == "value_skipped":
        say(f"{name}={value}  done before")
    else:
        sinks = facts["ledger"]["sinks"].values()
        written = sum(sink["committed"] for sink in sinks)
        there = sum(sink["already_there"] for sink in sinks)
        words = plural(written, "row") + (f", {there:,} there before" if there else "")
        say(f"{name}={value}  {words} in {seconds(facts['seconds'])} (run {facts['run_id']})")
