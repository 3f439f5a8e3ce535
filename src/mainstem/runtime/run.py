"""One run: lock, repair, journal, engine, commit, journal.

The engine says what happens; the journal is written here, and only here.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from mainstem.definition.parameter import read_params
from mainstem.engines.spec import (
    BackupSettings,
    Engine,
    Event,
    Program,
    Replay,
    RunSettings,
    StreamSettings,
)
from mainstem.errors import (
    CheckFailed,
    Finding,
    Findings,
    InternalError,
    SettingsError,
    UnsupportedError,
)
from mainstem.plan.nodes import Plan, is_stream
from mainstem.plan.selection import chosen_tables
from mainstem.record import mutable, record
from mainstem.runtime import streaming
from mainstem.runtime.entries import (
    error_facts,
    marked_run,
    now_text,
    refuse_open_state,
    shown_entry,
    start_entry,
    status_of,
)
from mainstem.runtime.fingerprints import described
from mainstem.runtime.journal import Journal, records
from mainstem.runtime.ledger import Ledger
from mainstem.runtime.quality import history
from mainstem.runtime.scope import (
    Scope,
    prints,
    refuse_stream_replay,
    refuse_unsafe,
    replay_plan,
    replay_tables,
    scope,
)
from mainstem.runtime.signals import Stops, catching, stopped
from mainstem.runtime.state import locked, prepare, state_dir
from mainstem.storage.local import points
from mainstem.storage.local.record import clear_record


@record
class RunOptions:
    """How to run a plan.

    Parameters
    ----------
    base_dir : Path
        What relative paths are relative to: the folder of the definition.
    state_dir : Path or None
        ``<base_dir>/.mainstem/<pipeline>`` when None.
    params : mapping
        Values of the run's parameters, or their texts.
    engine : str
        Name of the engine.
    memory_limit : str
        Such as ``"2GB"``; what does not fit goes to disk. DuckDB's own default (80 % of the
        machine) when empty.
    threads : int
        0 for one a core.
    run_key : str
        A name that at most one run may commit each table under: with the same key again nothing is
        written.
    select : tuple of str
        Tables to commit, as ``orders``, ``orders+``, ``+orders``; all when empty.
    resume : bool
        Whether to go on where the last failed run stopped.
    now : datetime or None
        The instant that ``now()`` and rules of freshness take for the start of the run: for tests.
    replay : Replay or None
        Rows kept aside, which then are the rows of their relation: what is made of it is computed
        and committed, and nothing else.
    stream : StreamSettings
        How a plan over sources that never end runs.
    backups : BackupSettings or None
        Copies of its state that are made meanwhile.
    """

    base_dir: Path = field(default_factory=Path.cwd)
    state_dir: Path | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "embedded"
    memory_limit: str = ""
    threads: int = 0
    run_key: str = ""
    select: tuple[str, ...] = ()
    resume: bool = False
    now: datetime | None = None
    replay: Replay | None = None
    stream: StreamSettings = field(default_factory=StreamSettings)
    backups: BackupSettings | None = None


def load_engine(name: str) -> Engine:
    """Give the engine of a name, or of an address such as ``spark://host:7077``.

    Raises
    ------
    SettingsError
        When there is none; when it is at no such address.
    """  # noqa: DOC501 - built by a function
    kind, has_address, _ = name.partition("://")
    path = f"mainstem.engines.{kind}.engine"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if not path.startswith(error.name or " "):
            raise
        raise SettingsError(
            f"no engine {name!r}", code="EngineNotFound", fix="use --engine embedded or spark"
        ) from error
    return cast("Engine", module.ENGINE.at(name) if has_address else module.ENGINE)


def new_run_id(now: datetime) -> str:
    """Give a name that sorts by time and that no other run has."""
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}-{os.urandom(3).hex()}"


def run(plan: Plan, options: RunOptions | None = None) -> Iterator[Event]:
    """Run a plan and tell what happens; the last event is ``run_ended``.

    Close the iterator (``contextlib.closing``) when leaving it early: that stops the run, and every
    output is as it was before.

    Parameters
    ----------
    plan : Plan
        A checked plan.
    options : RunOptions, optional
        Where and with what.

    Yields
    ------
    Event
        ``journal_repaired``, ``recovered``, ``run_started``, the engine's events, ``run_ended``.

    Raises
    ------
    UnsupportedError, CheckFailed
        When the engine cannot run the plan; nothing has been touched.
    StateError
        When another run holds the state directory, or it is damaged.
    Stopped
        After Ctrl-C or SIGTERM.
    MainstemError
        Whatever ended the run; it is in the journal by then.
    """  # noqa: DOC501 - built by a function
    options = options or RunOptions()
    engine = load_engine(options.engine)
    refuse_gaps(engine, plan)
    Findings(engine.faults(plan, options.base_dir.absolute())).raise_errors()
    params = read_params(plan.params, options.params)
    if options.replay is None:
        tables = chosen_tables(plan, options.select)
        if is_stream(plan):
            streaming.refuse_batch_words(options.run_key, options.select, is_resumed=options.resume)
        else:
            refuse_unsafe(plan, tables, options.run_key)
    else:
        tables = replay_tables(plan, options.replay.relation)
    folder = options.state_dir or state_dir(options.base_dir, plan.name)
    prepare(folder)
    run_id = new_run_id(datetime.now(UTC))
    with catching() as stops:
        try:
            with locked(folder, run_id):
                settings = _settings(run_id, folder, params, options)
                facts = described(plan)
                settings = replace(
                    settings, prints=prints(facts, params), plan_fingerprint=facts["fingerprint"],
                    hurry=stops.hurry,
                )  # fmt: skip
                inner = _locked_run(engine, (plan, facts), tables, settings, stops)
                with closing(cast("Any", inner)):
                    yield from stops.outside(inner)
        except KeyboardInterrupt as error:
            raise stopped(error, is_stream=is_stream(plan)) from error


def refuse_gaps(engine: Engine, plan: Plan, *, but: str = "") -> None:
    """Refuse a plan that the engine cannot run, naming everything; findings with the code `but` pass.

    Raises
    ------
    UnsupportedError
        With the first gap; the rest stand in its text.
    """
    gaps = [gap for gap in engine.gaps(plan) if gap.code != but]
    if not gaps:
        return
    first, rest = gaps[0], gaps[1:]
    more = "".join(f"\n  also: {f.what} ({f.where})" for f in rest)
    raise UnsupportedError(
        first.what + more, where=first.where, fix=first.fix, code=first.code, step=first.step,
        gaps=CheckFailed(gaps).findings,
    )  # fmt: skip


def _settings(
    run_id: str, folder: Path, params: dict[str, Any], options: RunOptions
) -> RunSettings:
    # An absolute base: the run must not depend on the folder that it happens to be started in.
    return RunSettings(
        run_id, folder.absolute(), options.base_dir.absolute(), params, options.memory_limit,
        options.threads, (options.now or datetime.now(UTC)).isoformat(timespec="microseconds"),
        run_key=options.run_key, is_resumed=options.resume, replay=options.replay,
        stream=options.stream, backups=options.backups,
    )  # fmt: skip


def _locked_run(
    engine: Engine, described_plan: tuple[Plan, dict[str, Any]], tables: frozenset[str],
    settings: RunSettings, stops: Stops,
) -> Generator[Event, None, None]:  # fmt: skip
    plan, facts = described_plan
    with closing(Journal(settings.state_dir)) as journal:
        yield from _mended(journal)
        yield from _repair(engine, journal, settings.state_dir)
        if is_stream(plan):
            yield from _streamed(engine, described_plan, settings, journal)
            return
        if settings.replay is not None:
            part = Scope(replay_plan(plan, settings.replay.relation, tables), {})
        else:
            key = (engine, settings.state_dir, settings.run_key)
            part = scope(plan, tables, settings.prints, key)
        current = _Run(
            engine, engine.compile(part.plan), settings, journal, stops, plan, facts, part
        )
        yield from current.events()


def _streamed(
    engine: Engine, described_plan: tuple[Plan, dict[str, Any]], settings: RunSettings,
    journal: Journal,
) -> Generator[Event, None, None]:  # fmt: skip
    """Run a stream in a state directory that is locked and repaired."""
    plan, facts = described_plan
    past = records(journal.entries)
    streaming.refuse_bounded(past, settings)
    streaming.refuse_lost(past, settings)
    settings = replace(settings, epoch=1 + sum(r.is_committed for r in past))
    tables = [s.name for s in plan.tables]
    start = start_entry(engine, settings, plan.name, tables, facts) | streaming.started(settings)
    yield from streaming.stream_events(engine, plan, settings, journal, start)


def _mended(journal: Journal) -> Iterator[Event]:
    """Journal that the end of the journal was cut off."""
    if journal.torn_bytes:
        journal.append({"kind": "journal_repaired", "at": now_text(), "bytes": journal.torn_bytes})
        yield Event("journal_repaired", "", {"bytes": journal.torn_bytes})


@contextmanager
def at_rest(folder: Path, engine: Engine, name: str) -> Iterator[Journal]:
    """Hold a state directory in which no run is open; give its journal.

    Parameters
    ----------
    folder : Path
        The state directory.
    engine : Engine
        What finishes or undoes the commit of a run that was killed.
    name : str
        What the holder is called in the lock.
    """
    prepare(folder)
    with locked(folder, name), closing(Journal(folder)) as journal:
        list(_mended(journal))
        list(_repair(engine, journal, folder))
        yield journal


def preview(plan: Plan, options: RunOptions) -> list[Event]:
    """Judge the rows of ``options.replay`` as a replay would, and write nothing.

    Returns
    -------
    list of Event
        The last one is ``rows_replayed``: what would become of the rows, and their ``digest``.

    Raises
    ------
    InternalError
        When nothing is to be replayed.
    """
    if options.replay is None:
        raise InternalError("a preview of nothing")
    refuse_stream_replay(plan)
    engine = load_engine(options.engine)
    refuse_gaps(engine, plan)
    params = read_params(plan.params, options.params)
    folder = options.state_dir or state_dir(options.base_dir, plan.name)
    run_id = new_run_id(datetime.now(UTC))
    with at_rest(folder, engine, run_id) as journal:
        settings = replace(
            _settings(run_id, folder, params, options), prints=prints(described(plan), params),
            marked_run=marked_run(records(journal.entries)),
        )  # fmt: skip
        part = replay_plan(plan, options.replay.relation, frozenset())
        events = engine.preview(engine.compile(part), settings)
        return [event for event in events if event.kind != "progress"]


def try_jobs(plan: Plan, options: RunOptions) -> list[Finding]:
    """Try the map/reduce steps of a plan on a sample of their rows; nothing is written.

    Returns
    -------
    list of Finding
        One for each step whose answer depends on what must not matter.
    """
    engine = load_engine(options.engine)
    refuse_gaps(engine, plan)
    if not any(step.job is not None for step in plan.steps):
        return []
    folder = options.state_dir or state_dir(options.base_dir, plan.name)
    run_id = new_run_id(datetime.now(UTC))
    settings = _settings(run_id, folder, read_params(plan.params, options.params), options)
    with at_rest(folder, engine, run_id):
        return engine.try_jobs(plan, settings)


def _repair(engine: Engine, journal: Journal, folder: Path) -> Iterator[Event]:
    """Finish or undo what a killed run left, journal it, and only then forget it."""
    open_runs = [r for r in records(journal.entries) if r.status == "running"]
    last = open_runs[-1].run_id if open_runs else ""
    found = engine.recover(folder, last)
    if open_runs and open_runs[-1].stream:
        found = [replace(e, facts={**e.facts, "is_stream": True}) for e in found]
    for event in found:
        journal.append({"kind": "recovered", "run_id": event.name, "at": now_text(), **event.facts})
    clear_record(folder)
    yield from found


def repair(folder: Path, engine: str = "embedded") -> list[Event]:
    """Finish or undo what a killed run left, without running anything.

    Every run does this first. Alone it brings the outputs to rest when no further run is wanted.

    Parameters
    ----------
    folder : Path
        The state directory.
    engine : str, optional
        Name of the engine that ran.

    Returns
    -------
    list of Event
        At most one ``recovered``.
    """
    prepare(folder)
    with locked(folder, ""), closing(Journal(folder)) as journal:
        return list(_repair(load_engine(engine), journal, folder))


@mutable
class _Run:
    engine: Engine
    program: Program
    settings: RunSettings
    journal: Journal
    stops: Stops
    # The whole plan and what the journal keeps of it, though only a part may be computed.
    plan: Plan
    described: dict[str, Any]
    scope: Scope
    ledger: Ledger = field(default_factory=Ledger)
    tokens: dict[str, str] = field(default_factory=dict)
    is_committed: bool = False
    began: float = field(default_factory=time.monotonic)

    def events(self) -> Iterator[Event]:
        past = records(self.journal.entries)
        refuse_open_state(past)
        epoch = 1 + sum(r.is_committed for r in past)
        self.settings = replace(
            self.settings, epoch=epoch, marked_run=marked_run(past), history=history(past)
        )
        tables = [s.name for s in self.scope.plan.tables]
        start = start_entry(self.engine, self.settings, self.plan.name, tables, self.described)
        self.journal.append(start)
        points.reached(points.RUN_STARTED)
        yield Event("run_started", start["pipeline"], shown_entry(start) | {
            "state_dir": str(self.settings.state_dir)
        })  # fmt: skip
        try:
            yield from self._engine_events()
        except BaseException as error:
            self._journal_end(error)
            raise
        yield Event("run_ended", start["pipeline"], self._journal_end(None))

    def _engine_events(self) -> Iterator[Event]:
        for event in self._already():
            self.ledger.take(event)
            yield event
        if not self.scope.plan.tables:
            return
        events = self.engine.run(self.program, self.settings)
        with closing(cast("Any", events)):
            for event in events:
                self.ledger.take(event)
                if event.kind == "sink_committed":
                    self.tokens[event.name] = event.facts["token"]
                elif event.kind == "outputs_committed":
                    self._journal_commit()
                yield event
                if event.kind == "outputs_staged":
                    # From here to the end of the commit no signal may come in between.
                    self.ledger.check()
                    self.stops.is_shielded = True

    def _already(self) -> Iterator[Event]:
        for name, found in self.scope.already.items():
            step = self.plan.step(name)
            binding = step.sink if step else None
            yield Event("sink_already_there", name, {
                "rows": found.rows, "run_id": found.run_id,
                "kind": binding.type if binding else "",
                "path": str(binding.as_dict().get("path", "")) if binding else "",
            })  # fmt: skip

    def _journal_commit(self) -> None:
        """Journal the commit, and only then forget the record that could repeat it."""
        self.is_committed = True
        self.ledger.check()
        self.journal.append({
            "kind": "run_committed", "run_id": self.settings.run_id, "at": now_text(),
            "tokens": self.tokens, "ledger": self.ledger.to_dict(),
        })  # fmt: skip
        clear_record(self.settings.state_dir)
        points.reached(points.RECORD_CLEARED)

    def _journal_end(self, error: BaseException | None) -> dict[str, Any]:
        self.stops.is_shielded = True
        entry: dict[str, Any] = {
            "kind": "run_ended", "run_id": self.settings.run_id, "at": now_text(), "ended_at": now_text(),
            "status": status_of(error, is_committed=self.is_committed),
            "error": error_facts(error), "warnings": [], "ledger": self.ledger.to_dict(),
            "open_state": False, "seconds": time.monotonic() - self.began,
        }  # fmt: skip
        self.journal.append(entry)
        return shown_entry(entry)
