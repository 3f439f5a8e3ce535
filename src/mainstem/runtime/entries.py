"""What the journal says of runs, and what it is asked before the next one begins."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mainstem import __version__
from mainstem.engines.spec import Engine, RunSettings
from mainstem.errors import MainstemError, StateError
from mainstem.runtime.journal import RunRecord
from mainstem.runtime.signals import stopped


def start_entry(
    engine: Engine, settings: RunSettings, pipeline: str, tables: list[str], plan: dict[str, Any]
) -> dict[str, Any]:
    """Give what the journal says of a run that begins."""
    versions = {"mainstem": __version__, "python": sys.version.split()[0]}
    return {
        "kind": "run_started", "run_id": settings.run_id, "at": settings.started_at,
        "started_at": settings.started_at, "pipeline": pipeline,
        "engine": engine.name, "versions": versions | engine.versions(),
        "epoch": settings.epoch, "params": settings.params, "plan": plan, "pid": os.getpid(),
        "run_key": settings.run_key, "tables": tables,
        "replay": settings.replay.to_dict() if settings.replay else {},
        "host": os.uname().nodename,
    }  # fmt: skip


def refuse_open_state(past: tuple[RunRecord, ...]) -> None:
    """Refuse a bounded run where a stream has left open state (T9).

    Raises
    ------
    StateError
        When the last run in this state directory left state open.
    """
    if past and past[-1].open_state:
        raise StateError(
            f"run {past[-1].run_id} left open stream state; a bounded run starts from none",
            code="OpenStreamState", fix="go on with the stream, or name another --state-dir",
        )  # fmt: skip


def marked_run(past: tuple[RunRecord, ...]) -> str:
    """Give the last committed run that remembered which files or rows it had read; "" for none."""
    for run in reversed(past):
        lines = run.ledger.get("sources", {}).values()
        if run.is_committed and any(line.get("known") is not None for line in lines):
            return run.run_id
    return ""


def shown_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an entry tells people who watch."""
    return {k: v for k, v in entry.items() if k not in ("kind", "at", "plan")}


def status_of(error: BaseException | None, *, is_committed: bool) -> str:
    """Give how a run ended, in a word."""
    if error is None or is_committed:
        return "succeeded"
    return "stopped" if isinstance(error, KeyboardInterrupt | GeneratorExit) else "failed"


def error_facts(error: BaseException | None) -> dict[str, Any] | None:
    """Give what ended a run as plain data for the journal."""
    if error is None:
        return None
    if isinstance(error, MainstemError):
        return error.findings[0].to_dict()
    if isinstance(error, KeyboardInterrupt):
        return stopped(error).finding.to_dict()
    return {"code": type(error).__name__, "what": str(error)}


def now_text() -> str:
    """Give the instant of now, as the journal has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
