"""Running a program in this process: read, compute, stage, commit."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import duckdb

from mainstem.engines.embedded.commit import Commit
from mainstem.engines.embedded.culprit import culprit
from mainstem.engines.embedded.failures import explained, is_data
from mainstem.engines.embedded.outputs import Output, outputs, refuse_strangers
from mainstem.engines.embedded.session import Session, keep_order, open_session, spill_dir
from mainstem.engines.embedded.sources import as_events, load
from mainstem.engines.embedded.stage import (
    Staged,
    planned_targets,
    record_staging,
    remove_staged,
    stage,
    staging_dir,
    with_token,
)
from mainstem.engines.embedded.state_file import (
    attach_state,
    record_run,
    state_path,
    state_table,
)
from mainstem.engines.embedded.types import quoted
from mainstem.engines.embedded.write import sink_select
from mainstem.engines.spec import Event, Program, RunSettings, Statement
from mainstem.errors import InternalError
from mainstem.plan.nodes import fingerprint
from mainstem.storage.local import points
from mainstem.storage.local.durable import remove
from mainstem.storage.local.record import CommitRecord, Target, clear_record

TOKEN_FORMAT = 1


@dataclass(slots=True)
class Run:
    """One run of one program; its methods are the stages, in order."""

    program: Program
    settings: RunSettings
    session: Session
    outputs: dict[str, Output]
    targets: dict[str, Target]
    staged: list[Staged] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    is_state_open: bool = False
    is_deciding: bool = False

    def read(self) -> Iterator[Event]:
        """Make every source a table or a view of the session."""
        for read in self.program.reads:
            event = yield from load(self.session, read, self.settings)
            self.positions[read.source.name] = str(event.facts.get("position", ""))
            yield event

    def compute(self) -> Iterator[Event]:
        """Run the steps; every table is staged as soon as it is computed."""
        for statement in self.program.statements:
            try:
                yield from self._step(statement)
            except duckdb.Error as error:
                found = (
                    culprit(self.session, self.program, statement.step) if is_data(error) else ""
                )
                raise explained(error, statement.step, culprit=found) from error
            points.reached(points.COMPUTING)

    def _step(self, statement: Statement) -> Iterator[Event]:
        step, name = statement.step, statement.step.name
        if not step.is_table:
            self.session.rows(f"CREATE TEMP VIEW {quoted(name)} AS {statement.sql}")
            return
        yield Event("step_started", name)
        started = time.monotonic()
        has_order = bool(getattr(step.query, "order", ()))
        keep_order(self.session, is_ordered=has_order)
        staged = yield from self._table(statement, self.outputs[name])
        staged.seconds = time.monotonic() - started
        token = self._token(name)
        staged = with_token(staged, token, self.settings, self.program.plan.name)
        self.staged.append(staged)
        yield Event("step_finished", name, {"rows": staged.rows, "seconds": staged.seconds})
        yield Event("sink_staged", name, sink_facts(staged))

    def _table(self, statement: Statement, output: Output) -> Generator[Event, None, Staged]:
        """Compute a table once: straight into its sink, or kept when a later step reads it too."""
        name = statement.step.name
        is_read = bool(self.program.plan.readers(name))
        if output.kind == "state":
            return (yield from self._state_table(statement, output, is_read=is_read))
        relation = statement.sql
        if is_read:
            yield from self._watch(name, f"CREATE TEMP TABLE {quoted(name)} AS {relation}")
            relation = f"SELECT * FROM {quoted(name)}"
        watched = stage(self.session, relation, output, self.targets[name], self.settings)
        return (yield from as_events(name, watched))

    def _state_table(
        self, statement: Statement, output: Output, *, is_read: bool
    ) -> Generator[Event, None, Staged]:
        name = statement.step.name
        if not self.is_state_open:
            attach_state(self.session, self.settings.state_dir)
            self.is_state_open = True
        select = sink_select(statement.sql, output)
        sql = f"CREATE OR REPLACE TABLE {state_table(name)} AS {select}"
        result = yield from self._watch(name, sql)
        if is_read:
            columns = ", ".join(quoted(c) for c in statement.step.schema.names)
            self.session.rows(
                f"CREATE TEMP VIEW {quoted(name)} AS SELECT {columns} FROM {state_table(name)}"
            )
        return Staged(output, result[0][0], "")

    def _watch(self, name: str, sql: str) -> Generator[Event, None, list[tuple[int, ...]]]:
        return (yield from as_events(name, self.session.watch(sql)))

    def _token(self, table: str) -> str:
        """Give the commit token: what this output is a function of, and no process or run id."""
        return token(
            self.program.plan.name, table, self.settings.epoch, self.positions,
            self.settings.plan_fingerprint,
        )  # fmt: skip

    def commit(self) -> list[Event]:
        """Make everything visible; the events of it, in commit order."""
        plan = self.program.plan
        if self.is_state_open:
            given = self.settings
            facts = (given.run_id, given.epoch, given.started_at, given.plan_fingerprint)
            record_run(self.session, facts, [
                (plan.name, s.output.step.name, s.token, s.rows) for s in self.staged
            ])  # fmt: skip
        targets = tuple(s.target for s in self.staged if s.target is not None)
        record = CommitRecord(
            self.settings.run_id, plan.name, "committing", self.is_state_open, targets
        )
        commit = Commit(self.session, self.settings.state_dir, record)
        try:
            commit.run()
        finally:
            self.is_deciding = commit.is_deciding
        return [Event("sink_committed", s.output.step.name, sink_facts(s)) for s in self.staged]


def token(
    pipeline: str, table: str, epoch: int, positions: dict[str, str], plan_fingerprint: str
) -> str:
    """Give a commit token: JSON whose fields are listed in docs/running.md."""
    fields = {
        "format": TOKEN_FORMAT, "pipeline": pipeline, "table": table, "epoch": epoch,
        "positions": positions, "watermark": None, "plan": plan_fingerprint,
    }  # fmt: skip
    return json.dumps(fields | {"id": fingerprint(fields)}, sort_keys=True)


def sink_facts(staged: Staged) -> dict[str, object]:
    """Give what is known of a written table, as facts of an event."""
    output = staged.output
    return {
        "rows": staged.rows, "files": staged.files, "bytes": staged.bytes,
        "token": staged.token, "kind": output.kind, "path": str(output.path),
        "format": output.format, **staged.facts,
    }  # fmt: skip


def run(program: Program, settings: RunSettings) -> Iterator[Event]:
    """Run a program; nothing is visible outside before ``outputs_staged``.

    However the caller leaves before that event is resumed, what was staged is removed and every
    sink has its old content. The commit record stays until the caller has journaled
    ``outputs_committed`` and clears it.

    Raises
    ------
    InternalError
        When a table of the plan was not computed.
    MainstemError
        Whatever else ended the run.
    """
    plan = program.plan
    found = outputs(plan, settings.base_dir, state_path(settings.state_dir))
    for output in found:
        refuse_strangers(output)
    targets = planned_targets(found, settings)
    current: Run | None = None
    try:
        record_staging(targets, settings, plan.name)
        with open_session(settings, plan.params) as session:
            by_step = {o.step.name: o for o in found}
            current = Run(program, settings, session, by_step, targets)
            yield from current.read()
            yield from current.compute()
            if {s.output.step.name for s in current.staged} != set(by_step):
                raise InternalError("a table of the plan was not computed")
            points.reached(points.STAGED)
            yield Event("outputs_staged", plan.name, {"tables": len(by_step)})
            events = current.commit()
        yield from events
        yield Event("outputs_committed", plan.name)
        # Only now: until the caller has journaled the commit, the next start may need them.
        remove(staging_dir(settings).parent)
    finally:
        _clean(targets, settings, can_undo=current is None or not current.is_deciding)


def _clean(targets: dict[str, Target], settings: RunSettings, *, can_undo: bool) -> None:
    remove(spill_dir(settings).parent)
    if can_undo:
        remove_staged(targets, settings)
        if targets:
            clear_record(settings.state_dir)
