"""`mainstem status`: the last run, also while one goes on."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.ledger import ledger_text
from mainstem.cli.numbers import count, plural
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import flush, say, say_json, say_line
from mainstem.cli.streaming import aside, standing_words
from mainstem.cli.terminal import is_interactive
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.runtime.journal import RunRecord
    from mainstem.runtime.status import Status

# How often `--watch` looks, in seconds.
WATCH_S = 1.0


def status(
    file: Path | None = None, /, *, watch: Annotated[bool, Parameter(alias="-w")] = False,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Show the last run and what the outputs hold; it works while a run goes on.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    watch : bool
        Show it again every second, until the run ends.
    """
    from mainstem.runtime.status import status as read_status

    common.start_log()
    resolved = target.resolve(file, chosen)
    name, folder = resolved.pipeline.name, state_of(resolved)
    while True:
        found = read_status(folder)
        if common.is_json and not watch:
            say_json({"pipeline": name, **found.to_dict()})
        elif common.is_json:
            say_line({"pipeline": name, **found.to_dict()})
        else:
            _say(_text(name, found), is_drawn=watch and is_interactive())
        if not watch or found.holder is None:
            return 0
        time.sleep(WATCH_S)


def _say(text: str, *, is_drawn: bool) -> None:
    if is_drawn:
        # Home, and what is below goes: no flicker of an empty screen.
        sys.stdout.write("\x1b[H\x1b[J")
    say(text)
    flush()


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
    if found.live is not None:
        return "\n".join([*lines, f"stands   {_live(found.live)}", *_counts(found.live)])
    if found.committed is None and found.last.stream:
        lines.append("outputs  those of its epochs: see mainstem state show")
    elif found.committed is None:
        lines.append("outputs  none: no run has committed")
    else:
        lines.append(f"outputs  of run {found.committed.run_id}")
        lines += ["", ledger_text(found.committed.ledger)]
    return "\n".join(lines)


def _live(live: dict[str, Any]) -> str:
    """Give how a running stream stands, in a line."""
    ledger = live["ledger"]
    words = standing_words(
        sum(live["lag"].values()), live["watermarks"], live["state_bytes"], aside(ledger)
    )
    return ", ".join([f"epoch {count(live['epoch'])}", *words])


def _counts(live: dict[str, Any]) -> list[str]:
    """Give what this run has read and given so far."""
    ledger = live["ledger"]
    lines = [
        f"read     {name}  {plural(line['read'], 'row')}"
        for name, line in ledger["sources"].items()
    ]
    for name, n_rows in ledger["sinks"].items():
        pending = live["sinks"].get(name, {}).get("pending", 0)
        waiting = f", {count(pending)} waiting for the sink" if pending else ""
        lines.append(f"given    {name}  {plural(n_rows, 'row')}{waiting}")
    return lines


def run_line(run: RunRecord) -> str:
    """Give a run in a line: its name, how it ended, when, and why."""
    parts = [run.run_id, run_status(run), f"started {run.started_at[:19]}Z"]
    if run.stream.get("epochs"):
        parts.append(f"{plural(run.stream['epochs'], 'epoch')}, the last is {run.stream['epoch']}")
    if run.replay:
        parts.append(f"a replay of {run.replay['relation']}__{run.replay['kind']}")
    if run.error:
        parts.append(f"{run.error.get('code', '')}: {run.error.get('what', '')}".splitlines()[0])
    return ", ".join(parts)


def run_status(run: RunRecord) -> str:
    """Give how a run ended; of a stream that succeeded what that was."""
    return str(run.stream.get("end") or run.status) if run.status == "succeeded" else run.status
