"""`mainstem status`: the last run, also while one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.cli import target
from mainstem.cli.ledger import ledger_text
from mainstem.cli.numbers import plural
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.runtime.journal import RunRecord
    from mainstem.runtime.status import Status


def status(
    file: Path | None = None, /, *, chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS
) -> int:
    """Show the last run and what the outputs hold; it works while a run goes on.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    """
    from mainstem.runtime.status import status as read_status

    common.start_log()
    resolved = target.resolve(file, chosen)
    found = read_status(state_of(resolved))
    if common.is_json:
        say_json({"pipeline": resolved.pipeline.name, **found.to_dict()})
    else:
        say(_text(resolved.pipeline.name, found))
    return 0


def _text(name: str, found: Status) -> str:
    lines = [f"pipeline {name}", f"state    {found.state_dir} ({plural(found.n_runs, 'run')})"]
    if found.holder is not None:
        who = found.holder
        lines.append(f"running  pid {who.pid} on {who.host}, since {who.since}")
    if found.torn_bytes:
        lines.append(
            f"journal  the last line was cut off by a crash ({plural(found.torn_bytes, 'byte')}); "
            "the next run takes it away"
        )
    if found.last is None:
        return "\n".join([*lines, "nothing has run yet"])
    lines.append(f"last     {run_line(found.last)}")
    if found.committed is None:
        lines.append("outputs  none: no run has committed")
    else:
        lines.append(f"outputs  of run {found.committed.run_id}")
        lines += ["", ledger_text(found.committed.ledger)]
    return "\n".join(lines)


def run_line(run: RunRecord) -> str:
    """Give a run in a line: its name, how it ended, when, and why."""
    parts = [run.run_id, run.status, f"started {run.started_at[:19]}Z"]
    if run.replay:
        parts.append(f"a replay of {run.replay['relation']}__{run.replay['kind']}")
    if run.error:
        parts.append(f"{run.error.get('code', '')}: {run.error.get('what', '')}".splitlines()[0])
    return ", ".join(parts)
