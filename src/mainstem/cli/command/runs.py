"""`mainstem runs`: the runs of a pipeline."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.command.status import run_status
from mainstem.cli.limit import check_limit, say_cut
from mainstem.cli.numbers import count, seconds
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import table
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.runtime.journal import RunRecord


def runs(
    file: Path | None = None, /, *, limit: Annotated[int, Parameter(alias="-n")] = 20,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """List the runs of a pipeline, the latest first.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    limit : int
        How many; 20 when not given, 0 for all.
    """
    from mainstem.runtime.status import runs as read_runs

    common.start_log()
    check_limit(limit)
    found = read_runs(state_of(target.resolve(file, chosen)))[::-1]
    shown = found[:limit] if limit else found
    if common.is_json:
        say_json([run.to_dict() for run in shown])
        return 0
    if not found:
        say("nothing has run yet")
        return 0
    heads = ("run", "status", "started", "with", "took", "written", "error")
    say(table(heads, [_row(run) for run in shown], right=(4, 5), null=""))
    say_cut(len(shown), len(found), quiet=common.quiet)
    return 0


def _row(run: RunRecord) -> tuple[str | None, ...]:
    took = seconds(_duration_s(run)) if run.ended_at else None
    sinks = run.ledger.get("sinks", {}).values()
    written = count(sum(sink["committed"] for sink in sinks)) if run.has_outputs else None
    error = run.error.get("code") if run.error else None
    started = f"{run.started_at[:19]}Z"
    return run.run_id, run_status(run), started, given(run), took, written, error


def given(run: RunRecord) -> str:
    """Give what a run was given: its key and the values of its parameters."""
    values = [f"{name}={value}" for name, value in run.params.items()]
    key = [f"key={run.run_key}"] if run.run_key else []
    replay = [f"replay={run.replay['relation']}__{run.replay['kind']}"] if run.replay else []
    return " ".join([*replay, *key, *values])


def _duration_s(run: RunRecord) -> float:
    begun, ended = (datetime.fromisoformat(at) for at in (run.started_at, run.ended_at))
    return (ended - begun).total_seconds()
