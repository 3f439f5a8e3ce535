"""Plays a script: runs a stream as often as it crashes, and adds up what the runs have counted."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from mainstem.engines.spec import StreamSettings
from mainstem.formats.coercion import coerce_text
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Plan
from mainstem.plan.types import TIMESTAMP
from mainstem.runtime.journal import read, records
from mainstem.runtime.run import RunOptions
from mainstem.runtime.run import run as run_plan
from mainstem.testing.script import Crash, Epoch, Script, is_stopped

# pytest shows the line of the test, not those here.
__tracebackhide__ = True


def play(
    plan: Plan, script: Script, epochs: Sequence[Epoch], options: RunOptions
) -> dict[str, Any]:
    """Run a stream over epochs; give the facts of the last run, with the ledger of all of them.

    Without ``-- stop`` at its end the sources end there, and every window closes.

    Parameters
    ----------
    plan : Plan
        A checked plan, bound for `script`.
    script : Script
        Keeps what was given before; of the same state directory.
    epochs : sequence of Epoch
        From `epochs_of`.
    options : RunOptions
        Where and with what; with a state directory.

    Raises
    ------
    AssertionError
        When a watermark is another than a mark says.
    """
    parts: list[list[Epoch]] = [[]]
    for epoch in epochs:
        parts[-1].append(epoch)
        if epoch.end is not None and epoch.end.kind == "crash":
            parts.append([])
    ended: list[dict[str, Any]] = []
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if following is not None:
            script.begin(part, doomed=following[0])
            _run(plan, script, options, "", part)
        else:
            script.begin([*part, Epoch()])
            _run(plan, script, options, "caught_up" if is_stopped(epochs) else "bounded", part)
        assert options.state_dir is not None
        last = records(read(options.state_dir).entries)[-1]
        ended.append({"run_id": last.run_id, "ledger": last.ledger})
    return {**ended[-1], "ledger": joined([one["ledger"] for one in ended])}


def _run(
    plan: Plan, script: Script, options: RunOptions, ending: str, epochs: Sequence[Epoch]
) -> None:
    """Run once; a crash that the script wants is none of ours."""
    options = replace(options, stream=StreamSettings(ending, script=script))
    done = 0
    try:
        with redirect_stdout(sys.stderr), closing(cast("Any", run_plan(plan, options))) as events:
            for event in events:
                if event.kind == "epoch_committed":
                    script.watermarks = event.facts["watermarks"]
                if event.kind in ("epoch_committed", "waiting"):
                    if done < len(epochs):
                        _check(epochs[done], script.watermarks)
                    done += 1
    except Crash:
        pass
    finally:
        script.end()


def _check(epoch: Epoch, watermarks: Mapping[str, datetime | None]) -> None:
    """Compare a source's watermark with what a mark says of it."""
    mark = epoch.end
    if mark is None or mark.kind != "watermark":
        return
    try:
        wanted = None if mark.value == "none" else coerce_text(mark.value, TIMESTAMP)
    except Misfit as misfit:
        raise AssertionError(f"-- watermark {mark.value}: {misfit}") from None
    found = watermarks.get(epoch.source)
    assert found == wanted, f"the watermark of {epoch.source} is {found}, not {wanted}"


def joined(ledgers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up the ledgers of runs that followed one another, the last of which says how it stands."""
    total = dict(ledgers[-1])
    for part in ("sources", "steps", "sinks", "expectations"):
        total[part] = {
            name: _sum([one[part][name] for one in ledgers if name in one[part]])
            for name in dict.fromkeys(name for one in ledgers for name in one[part])
        }
    for line in total["sinks"].values():
        # What waits at the end of a run is offered again by the next one.
        line["pending"] = 0
        line["offered"] = line["committed"] + line["already_there"]
    for name, line in ledgers[-1]["sinks"].items():
        total["sinks"][name]["pending"] = line["pending"]
        total["sinks"][name]["offered"] += line["pending"]
    total["epochs"] = sum(one.get("epochs", 0) for one in ledgers)
    return total


def _sum(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    made = dict(lines[-1])
    for word, value in made.items():
        if isinstance(value, int) and not isinstance(value, bool):
            made[word] = sum(line.get(word) or 0 for line in lines)
    return made
