"""One run of a stream: lock, journal, epochs, journal."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import field
from datetime import datetime
from typing import Any, cast

from mainstem.engines.spec import Engine, Event, RunSettings, StreamSettings
from mainstem.errors import SettingsError, StateError
from mainstem.plan.nodes import Expectation, Plan, is_stream
from mainstem.record import mutable
from mainstem.runtime.entries import error_facts, now_text
from mainstem.runtime.journal import Journal, RunRecord
from mainstem.runtime.signals import StopSignal

# How a stream has ended, by what it was told.
ENDS = {"caught_up": "caught up", "bounded": "closed", "until": "reached", "": "ended"}


def stream_settings(
    plan: Plan, *, until_caught_up: bool = False, bounded: bool = False,
    until: str | datetime | None = None, epoch_rows: int | None = None,
) -> StreamSettings:  # fmt: skip
    """Read how a stream ends, and how large its epochs are.

    Raises
    ------
    SettingsError
        When two ways to end are given, or any where no source goes on for ever.
    """
    words = {"caught_up": until_caught_up, "bounded": bounded, "until": bool(until)}
    chosen = [word for word, is_given in words.items() if is_given]
    if len(chosen) > 1:
        raise SettingsError(
            "a run ends in one way: until caught up, bounded, or until an event time", code="Usage",
            fix="give one of --until-caught-up, --bounded, --until",
        )  # fmt: skip
    if (chosen or epoch_rows is not None) and not is_stream(plan):
        raise SettingsError(
            "every source of this pipeline ends, and so does its run", code="Usage",
            fix="leave --until-caught-up, --bounded, --until and --epoch-rows out",
        )  # fmt: skip
    if epoch_rows is not None and epoch_rows < 1:
        raise SettingsError(
            f"--epoch-rows is {epoch_rows}", code="Usage", fix="give 1 or more, such as 200000"
        )
    rows = StreamSettings().epoch_rows if epoch_rows is None else epoch_rows
    return StreamSettings(chosen[0] if chosen else "", _instant(until), rows)


def refuse_batch_words(run_key: str, select: tuple[str, ...], *, is_resumed: bool) -> None:
    """Refuse options that a stream would not heed, by name.

    Raises
    ------
    SettingsError
        When any of them is given.
    """
    given = {"--run-key": run_key, "--select": select, "--resume": is_resumed}
    names = [name for name, value in given.items() if value]
    if names:
        raise SettingsError(
            f"a stream takes no {' and no '.join(names)}: each epoch is committed once, and the next run "
            "goes on behind it", code="Usage", fix=f"leave {' and '.join(names)} out",
        )  # fmt: skip


def _instant(until: str | datetime | None) -> datetime | None:
    """Read an event time."""
    from mainstem.formats.coercion import coerce_text
    from mainstem.formats.records import Misfit
    from mainstem.plan.types import TIMESTAMP

    if not until:
        return None
    if isinstance(until, datetime) and until.tzinfo is not None:
        return until
    try:
        return cast("datetime", coerce_text(str(until), TIMESTAMP))
    except Misfit as error:
        raise SettingsError(
            f"--until is {str(until)!r}, which is no instant", code="Usage",
            fix="write an instant with its zone, such as 2026-01-31T12:00:00Z",
        ) from error  # fmt: skip


@mutable
class Totals:
    """The ledger of a run (L1): the sums of its epochs', as plain data."""

    plan: Plan
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    offered: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, dict[str, Any]] = field(default_factory=dict)
    epochs: int = 0
    epoch: int = 0
    # By ``relation.rule``; and the rows kept aside, by table.
    expectations: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    # What the end of the run says of it: caught up, closed …
    end: str = ""
    is_final: bool = False

    def take(self, event: Event) -> None:
        """Add what an event says."""
        facts = event.facts
        self.delivered = facts.get("delivered", self.delivered)
        if event.kind == "source_read":
            self.sources[event.name] = _source(
                facts["rows"], facts["admitted"], facts["dead"], facts["skipped"],
                files=facts.get("files"), bytes=facts.get("bytes"), in_place=facts["in_place"],
                unknown_fields=facts.get("unknown_fields", 0),
                position=facts.get("position", ""),
            )  # fmt: skip
        elif event.kind == "stream_started":
            self.epoch = facts["epoch"]
            for table, n_open in facts.get("kept", {}).items():
                on = table.removesuffix("__quarantine")
                self.kept[table] = {"on": on, "table": table, "rows": 0, "open": n_open}
        elif event.kind == "expectation_checked":
            # Of a bounded input, which is judged whole: of a lookup again each time that it is loaded.
            self.expectations[f"{event.name}.{facts['rule']}"] = {"on": event.name, **facts}
            if event.name in self.sources:
                self.sources[event.name]["quarantined"] = sum(
                    line["quarantined"] for line in self.expectations.values()
                    if line["on"] == event.name
                )  # fmt: skip
        elif event.kind == "expectation_failed":
            self._failed(event.name, facts)
        elif event.kind == "rows_kept":
            self.kept[facts["table"]] = {"on": event.name, **facts}
        elif event.kind == "stream_stopped":
            self.is_final, self.delivered = facts["is_final"], facts["sinks"]
        elif event.kind == "epoch_committed":
            self._epoch(facts)

    def _epoch(self, facts: dict[str, Any]) -> None:
        self.epochs += 1
        self.epoch = facts["epoch"]
        for name, line in facts["sources"].items():
            own = self.sources[name]
            for word, count in line.items():
                own[word] += count
        for name, mark in facts["watermarks"].items():
            self.sources[name]["watermark"] = mark
        for name, line in facts["steps"].items():
            own = self.steps.setdefault(name, {
                "rows_in": 0, "used": 0, "late": 0, "partly_late": 0, "rows_out": 0, "dead": 0,
                "quarantined": 0,
            })  # fmt: skip
            own["rows_in"] += line["arrived"]
            own["used"] += line["arrived"] - line["late"] - line["partly_late"]
            for word in ("late", "partly_late", "rows_out", "dead"):
                own[word] += line[word]
        for name, count in facts["sinks"].items():
            self.offered[name] = self.offered.get(name, 0) + count
        for name, counts in facts.get("expectations", {}).items():
            self._checked(name, counts)
        for name, samples in facts.get("samples", {}).items():
            self.expectations[name]["samples"] += samples

    def _checked(self, name: str, counts: dict[str, int]) -> None:
        """Add what an epoch has found about a rule."""
        line = self.expectations[name]
        for word, count in counts.items():
            line[word] += count
        line["is_met"] = not line["failed"]
        n_aside = counts["quarantined"]
        for lines in (self.sources, self.steps):
            if line["on"] in lines:
                lines[line["on"]]["quarantined"] += n_aside
        if n_aside:
            kept = self.kept[f"{line['on']}__quarantine"]
            kept["rows"] += n_aside
            kept["open"] += n_aside

    def _failed(self, on: str, facts: dict[str, Any]) -> None:
        """Take what the rule has found that stopped the run; its last epoch was undone."""
        line = self.expectations[f"{on}.{facts['rule']}"]
        line |= {"is_met": False, **{w: facts[w] for w in ("checked", "failed", "samples")}}
        gone = line["failed"] if line["on_fail"] != "warn" else 0
        line["passed"] = line["checked"] - gone

    def sinks(self) -> dict[str, dict[str, Any]]:
        """Give a line for each table: rows of this run and those that waited since the last one."""
        return {step.name: self._sink(step) for step in self.plan.tables}

    def _sink(self, step: Any) -> dict[str, Any]:
        offered, found = self.offered.get(step.name, 0), self.delivered.get(step.name)
        binding = step.sink
        line = {
            "kind": binding.type, "path": _place(binding), "files": 0, "bytes": 0,
            "already_there": 0, "pending": 0,
        }  # fmt: skip
        if found is None:
            # In the state file: there with its epoch. To a sink nothing was handed over yet.
            is_kept = binding.type == "state"
            return line | {
                "offered": offered, "committed": offered if is_kept else 0,
                "pending": 0 if is_kept else offered,
            }  # fmt: skip
        offered += found["carried"]
        totals = found.get("totals", {})
        return line | {
            "offered": offered, "committed": found["committed"],
            "already_there": found["already_there"],
            # What the sink got since the last event is told as waiting: it is the surer word.
            "pending": offered - found["committed"] - found["already_there"],
            "files": totals.get("files", 0), "bytes": totals.get("bytes", 0),
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Give the ledger as plain data."""
        return {
            "sources": self.sources, "steps": self.steps, "sinks": self.sinks(),
            "expectations": self.expectations, "kept": self.kept, "replay": {}, "epochs": self.epochs,
        }  # fmt: skip


def _source(
    read: int | None, admitted: Any, dead: int, skipped: Any, **more: Any
) -> dict[str, Any]:
    return {
        "read": read, "admitted": admitted, "dead": dead, "skipped": skipped, "late": 0,
        "quarantined": 0, "files": None, "bytes": None, "in_place": False, "unknown_fields": 0,
        "position": "", "watermark": None, "known": None, "new": None,
    } | more  # fmt: skip


def _rule(rule: Expectation) -> dict[str, Any]:
    """Give the line of a rule before any row has come."""
    words = ("checked", "passed", "failed", "quarantined", "dropped", "warned")
    return {
        "on": rule.on, "rule": rule.name, "kind": rule.kind, "on_fail": rule.on_fail,
        "text": rule.text, **dict.fromkeys(words, 0), "is_met": True, "found": "", "samples": [],
    }  # fmt: skip


def _place(binding: Any) -> str:
    """Give where a sink is, in one word: a path, a topic."""
    options = binding.as_dict()
    return str(options.get("path") or options.get("topic") or binding.type)


def refuse_bounded(past: tuple[RunRecord, ...], settings: RunSettings) -> None:
    """Refuse to close the windows of a stream that goes on, and to go on with one that was closed (T9).

    Raises
    ------
    StateError
        When an earlier run of the stream has left open state here and this one is bounded; when an
        earlier run was bounded, so that every row would come after the end of time.
    """
    streams = [run for run in past if run.stream]
    if not streams:
        return
    last = streams[-1]
    is_bounded = settings.stream is not None and settings.stream.ending == "bounded"
    # A script knows when its sources have ended, however many runs there were before.
    is_script = settings.stream is not None and settings.stream.script is not None
    if is_bounded and last.open_state and not is_script:
        raise StateError(
            f"run {last.run_id} left open stream state; a bounded run starts from none",
            code="OpenStreamState", fix="go on with the stream, or name another --state-dir",
        )  # fmt: skip
    if not last.open_state and last.stream.get("epochs"):
        raise StateError(
            f"run {last.run_id} was bounded and has closed every window: no row can follow",
            code="StreamClosed", fix="name another --state-dir, which reads the sources anew",
        )  # fmt: skip


def refuse_lost(past: tuple[RunRecord, ...], settings: RunSettings) -> None:
    """Refuse a directory whose state file is gone, though a stream has left epochs in it.

    Raises
    ------
    StateError
        Begun anew, a source that starts at its end would leave out what came since the last run.
    """
    path = settings.state_dir / "state.duckdb"
    left = [run for run in past if run.stream.get("epochs")]
    if left and not path.exists():
        raise StateError(
            f"the state file {path} is gone, in which run {left[-1].run_id} has left epoch "
            f"{left[-1].stream['epoch']}", code="StateDamaged",
            fix=f"move {settings.state_dir} away, and put a backup in its place "
            "(`mainstem state restore`) or compute everything anew",
        )  # fmt: skip


def started(settings: RunSettings) -> dict[str, Any]:
    """Give what the journal says more of a stream that begins.

    Without an end in the journal it was killed, and has left open what its last epoch left.
    """
    ending = settings.stream.ending if settings.stream is not None else ""
    return {"stream": {"ending": ending}, "open_state": True}


def stream_events(
    engine: Engine, plan: Plan, settings: RunSettings, journal: Journal, start: dict[str, Any]
) -> Generator[Event, None, None]:
    """Journal `start` and run a stream; the last event is ``run_ended``.

    A signal ends it between two epochs: what is committed stays, ``run_ended`` says so, and the
    signal is raised after it.
    """  # noqa: DOC501 - raised again
    from mainstem.engines.desk import Desk
    from mainstem.runtime.backups import Backups
    from mainstem.runtime.socket import answering

    journal.append(start)
    shown = {k: v for k, v in start.items() if k not in ("kind", "at", "plan")}
    endless = {s.name: _source(0, 0, 0, 0) for s in plan.sources if not s.bounded}
    rules = {f"{rule.on}.{rule.name}": _rule(rule) for rule in plan.expectations}
    totals, began = Totals(plan, endless, expectations=rules), time.monotonic()
    status, error, stop = "failed", None, None
    try:
        yield Event("run_started", plan.name, shown | {"state_dir": str(settings.state_dir)})
        with ExitStack() as stack:
            desk = Desk()
            stack.enter_context(answering(settings.state_dir, desk))
            events = engine.stream(plan, settings, desk)
            stack.enter_context(closing(cast("Any", events)))
            backups = stack.enter_context(
                Backups(settings.state_dir, settings.backups, lambda: totals.epoch)
            )
            for event in events:
                totals.take(event)
                yield event
                yield from backups.events(plan.name)
        status, totals.end = "succeeded", ENDS[settings.stream.ending if settings.stream else ""]
    except (StopSignal, GeneratorExit) as signal:
        # Between two epochs nothing is half done: the stream goes on where it stopped.
        status, totals.end = "stopped", "stopped"
        if isinstance(signal, GeneratorExit):
            raise
        stop = signal
    except BaseException as failure:
        error, totals.end = failure, "failed"
        raise
    finally:
        entry = _ended(settings, totals, status, error)
        entry["seconds"] = time.monotonic() - began
        journal.append(entry)
    yield Event(
        "run_ended", start["pipeline"], {k: v for k, v in entry.items() if k not in ("kind", "at")}
    )
    if stop is not None:
        raise stop


def _ended(
    settings: RunSettings, totals: Totals, status: str, error: BaseException | None
) -> dict[str, Any]:
    ending = settings.stream.ending if settings.stream is not None else ""
    return {
        "kind": "run_ended", "run_id": settings.run_id, "at": now_text(), "ended_at": now_text(),
        "status": status, "error": error_facts(error), "warnings": [], "ledger": totals.to_dict(),
        "open_state": not totals.is_final,
        "stream": {
            "ending": ending, "end": totals.end, "epochs": totals.epochs, "epoch": totals.epoch,
        },
    }  # fmt: skip
