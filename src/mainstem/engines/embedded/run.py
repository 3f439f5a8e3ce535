"""Running a program in this process: read, compute, stage, commit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import duckdb

from mainstem.engines.embedded.counting import check_written, unbalanced
from mainstem.engines.embedded.failures import explained, is_data
from mainstem.engines.embedded.judging.expected import Expected
from mainstem.engines.embedded.reading.arrivals import Arrivals
from mainstem.engines.embedded.reading.marks import make_tables, write_keys
from mainstem.engines.embedded.reading.rowgroups import named
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.session import Session, open_session, spill_dir
from mainstem.engines.embedded.state_file import (
    attach_state,
    record_run,
    state_path,
    state_table,
)
from mainstem.engines.embedded.types import quoted
from mainstem.engines.embedded.writing.commit import Commit
from mainstem.engines.embedded.writing.outputs import Output, outputs, refuse_strangers
from mainstem.engines.embedded.writing.resume import Resume, forget
from mainstem.engines.embedded.writing.stage import (
    planned_targets,
    record_staging,
    remove_staged,
    stage,
    staging_dir,
)
from mainstem.engines.embedded.writing.staged import Staged, Staging
from mainstem.engines.embedded.writing.write import sink_select
from mainstem.engines.spec import Event, Program, RunSettings, SourceRead, Statement, Written
from mainstem.errors import InternalError, MainstemError
from mainstem.plan.nodes import Plan, fingerprint
from mainstem.plan.selection import replay_needs
from mainstem.record import mutable
from mainstem.sql.delta import STATIC, growths
from mainstem.storage.local import points
from mainstem.storage.local.durable import remove
from mainstem.storage.local.record import CommitRecord, Target, clear_record

if TYPE_CHECKING:
    from mainstem.engines.embedded.judging.replay import Replaying
    from mainstem.engines.embedded.mapreduce.inputs import TextInput

TOKEN_FORMAT = 1


@mutable
class Run:
    """One run of one program; its methods are the stages, in order."""

    program: Program
    settings: RunSettings
    session: Session
    outputs: dict[str, Output]
    targets: dict[str, Target]
    arrivals: Arrivals
    expected: Expected
    resume: Resume
    replaying: Replaying | None = None
    staged: list[Staged] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    is_state_open: bool = False
    is_deciding: bool = False
    # Sources whose files the map tasks of steps read themselves.
    texts: dict[str, TextInput] = field(default_factory=dict)

    def read(self) -> Iterator[Event]:
        """Make every source a table or a view of the session."""
        reads = self.program.reads
        if self.settings.is_resumed:
            reads = yield from self._still_needed()
        if self.replaying is not None:
            needed = self.needed()
            reads = tuple(r for r in reads if r.source.name in needed)
        for read in reads:
            yield from self._load(read)

    def needed(self) -> frozenset[str]:
        """Give the sources and steps that have to be there."""
        if self.replaying is None:
            return self.resume.needed()
        return replay_needs(self.program.plan, self.replaying.name, self.outputs)

    def _replayed(self, read: SourceRead, replaying: Replaying) -> Iterator[Event]:
        """Give the rows of the replay, or none: what is new is for the next run."""
        name = read.source.name
        if name == replaying.name:
            yield from self.expected.given(replaying)
            event = replaying.read_event()
        else:
            event = self.arrivals.nothing(read)
        self.positions[name] = str(event.facts["position"])
        yield event

    def _load(self, read: SourceRead) -> Iterator[Event]:
        if self.replaying is not None and read.source.name in self.arrivals.names | {
            self.replaying.name
        }:
            yield from self._replayed(read, self.replaying)
            return
        if (yield from self._is_left_to_tasks(read)):
            return
        event = yield from self.arrivals.load(read)
        self.positions[read.source.name] = str(event.facts.get("position", ""))
        yield event
        self.expected.source(read.source.name)

    def _is_left_to_tasks(self, read: SourceRead) -> Generator[Event, None, bool]:
        """Say whether map tasks read the files of a source; then they are only looked at here."""
        readers = self.program.plan.readers(read.source.name)
        if self.replaying is not None or not any(step.job is not None for step in readers):
            return False
        from mainstem.engines.embedded.mapreduce.inputs import text_input

        found = yield from text_input(self.session, self.program, read.source, self.settings)
        if found is None:
            return False
        self.texts[read.source.name] = found
        self.positions[read.source.name] = found.position
        return True

    def _still_needed(self) -> Generator[Event, None, tuple[SourceRead, ...]]:
        """Choose what is taken over from a failed run; give the files that are read all the same."""
        in_files = [r for r in self.program.reads if r.source.binding.type == "files"]
        for read in self.program.reads:
            if read in in_files:
                self.positions[read.source.name] = self.arrivals.position(read)
            else:
                yield from self._load(read)
        yield from self.resume.choose(self.outputs, self.positions)
        needed = self.resume.needed()
        return tuple(r for r in in_files if r.source.name in needed)

    def take_over(self) -> Iterator[Event]:
        """Make the chosen tables of a failed run tables that this run has staged."""
        for name in sorted(self.resume.chosen):
            found = self.resume.found[name]
            staged = self.resume.adopt(self._staging(self.outputs[name]), self.session)
            self.staged.append(staged)
            yield Event("step_kept", name, {"rows": found.rows, "run_id": found.run_id})
            yield Event("step_finished", name, {"rows": found.rows, "seconds": 0.0})
            yield Event("sink_staged", name, sink_facts(staged))
        self.resume.adopted()

    def compute(self) -> Iterator[Event]:
        """Run the steps; every table is staged as soon as it is computed."""
        yield from self.take_over()
        yield from self.steps(self.needed() - self.resume.chosen)
        yield from self.expected.all()

    def steps(self, names: frozenset[str]) -> Iterator[Event]:
        """Run some steps, in order."""
        for statement in (s for s in self.program.statements if s.step.name in names):
            try:
                yield from self._step(statement)
            except duckdb.Error as error:
                self.session.check_still()
                # Only for an error; a run that goes well starts without them.
                from mainstem.engines.embedded.culprit import culprit

                damaged = named(error, self.session.in_place)
                if damaged is not None:
                    raise damaged from error
                found = (
                    culprit(self.session, self.program, statement.step) if is_data(error) else ""
                )
                raise explained(error, statement.step, culprit=found) from error
            points.reached(points.COMPUTING)

    def keep(self) -> Iterator[Event]:
        """Write what did not go the usual way into the transaction of the state file."""
        if self.expected.kept:
            self._open_state()
            yield from self._kept()
        if self.replaying is not None:
            self._open_state()
            yield from self.replaying.keep()

    def _kept(self) -> Iterator[Event]:
        from mainstem.engines.embedded.judging.keep import keep

        # Whether a relation holds all rows each time; else those of this run only.
        grown = growths(self.program.plan)
        for kept in self.expected.kept:
            is_whole = kept.is_whole or grown[kept.relation].kind == STATIC
            yield keep(self.session, self.settings, kept, is_whole=is_whole)

    def _step(self, statement: Statement) -> Iterator[Event]:
        step, name = statement.step, statement.step.name
        if self._is_given(name):
            yield from self._given_step(name)
            if not step.is_table:
                return
            statement = replace(statement, sql=f"SELECT * FROM {quoted(name)}", maps=())
        else:
            yield from self.expected.ready(step.inputs)
        if statement.maps:
            yield from self._maps(statement)
        began = time.monotonic()
        if step.job is not None and not self._is_given(name):
            statement = yield from self._reduced(statement)
        if not step.is_table and self.expected.has_rules(name):
            yield from self.expected.step((yield from self.computed(statement)))
            return
        if not step.is_table:
            self.session.rows(f"CREATE TEMP VIEW {quoted(name)} AS {statement.sql}")
            return
        yield Event("step_started", name)
        # What was done in Python is the step's work; what its input waited for is not.
        started = began if step.job is not None else time.monotonic()
        statement = yield from self.computed(statement)
        has_order = bool(getattr(step.query, "order", ()))
        self.session.keep_order(is_ordered=has_order)
        staged = yield from self._table(statement, self.outputs[name])
        staged.seconds = time.monotonic() - started
        self.staged.append(staged)
        self.resume.note(staged, self.positions, is_last=len(self.staged) == len(self.outputs))
        yield Event("step_finished", name, {"rows": staged.rows, "seconds": staged.seconds})
        yield Event("sink_staged", name, sink_facts(staged))

    def computed(self, statement: Statement) -> Generator[Event, None, Statement]:
        """Give the SELECT that DuckDB is to run for a step: of other engines, over what they gave."""
        yield from ()
        return statement

    def _is_given(self, name: str) -> bool:
        return self.replaying is not None and self.replaying.name == name

    def _given_step(self, name: str) -> Iterator[Event]:
        """Let the rows of the replay be those of a step, which is not computed."""
        if self.replaying is not None:
            yield from self.expected.given(self.replaying)
            yield from self.expected.ready([name])
            self.positions[name] = self.replaying.position

    def _maps(self, statement: Statement) -> Generator[Event, None, None]:
        """Call the Python functions of a step, whose results its SELECT then reads."""
        from mainstem.engines.embedded.python.maps import make_maps

        plan = self.program.plan
        kept = yield from make_maps(self.session, plan, self.settings, statement)
        if kept is not None:
            self.expected.kept.append(kept)

    def _reduced(self, statement: Statement) -> Generator[Event, None, Statement]:
        """Do the map/reduce of a step, whose rows its statement then gives."""
        from mainstem.engines.embedded.mapreduce.step import made, over

        text = self.texts.get(statement.step.inputs[0]) if statement.step.inputs else None
        plan, name = self.program.plan, statement.step.name
        reduced = yield from made(self.session, plan, self.settings, statement, text)
        if reduced.text is not None:
            yield reduced.text.read_event(reduced.facts["records"])
        if reduced.kept is not None:
            self.expected.kept.append(reduced.kept)
        yield Event("job_finished", name, reduced.facts)
        return over(statement, reduced)

    def _table(self, statement: Statement, output: Output) -> Generator[Event, None, Staged]:
        """Compute a table once: straight into its sink, or kept when a later step reads it too."""
        name = statement.step.name
        is_read = bool(self.program.plan.readers(name))
        if self._is_given(name):
            is_read = False  # it is there already
        elif self.expected.has_rules(name):
            yield from self.expected.step(statement)
            statement, is_read = replace(statement, sql=f"SELECT * FROM {quoted(name)}"), False
        if output.kind == "state":
            return (yield from self._state_table(statement, output, is_read=is_read))
        relation = statement.sql
        if is_read:
            made = yield from self._watch(name, f"CREATE TEMP TABLE {quoted(name)} AS {relation}")
            relation = f"SELECT * FROM {quoted(name)}"
        watched = stage(self.session, relation, self._staging(output))
        staged = yield from as_events(name, watched)
        if is_read and made[0][0] != staged.rows:
            raise unbalanced(
                f"step {name!r} gave {made[0][0]} rows, and {staged.rows} went to its sink"
            )
        if staged.written is not None:
            wrong = staged.written.count(self.session) - staged.written.rows
            staged.offered = staged.rows + wrong
        return staged

    def _staging(self, output: Output) -> Staging:
        name = output.step.name
        return Staging(
            output, self.targets[name], self.settings, self.program.plan.name, self._token(name)
        )

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
        return Staged(output, result[0][0], self._token(name), offered=self._state_rows(name))

    def _state_rows(self, name: str) -> int:
        return int(self.session.rows(f"SELECT count(*) FROM {state_table(name)}")[0][0])

    def _watch(self, name: str, sql: str) -> Generator[Event, None, list[tuple[int, ...]]]:
        return (yield from as_events(name, self.session.watch(sql)))

    def _token(self, table: str) -> str:
        """Give the commit token: what this output is a function of, and no process or run id."""
        return token(
            self.program.plan.name, table, self.settings.epoch, self.positions,
            self.settings.plan_fingerprint, params=self.settings.params,
        )  # fmt: skip

    def finish(self) -> None:
        """Check that every table is there, and that what was read did not change meanwhile."""
        if {s.output.step.name for s in self.staged} != set(self.outputs):
            raise InternalError("a table of the plan was not computed")
        self.arrivals.verify()
        self.session.check_still()
        check_written(self.session, [s.written for s in self.staged if s.written is not None])
        for staged in self.staged:
            name = staged.output.step.name
            if staged.target is None and self._state_rows(name) != staged.rows:
                raise unbalanced(f"table {name!r} of the state file has other rows than its step")

    def commit(self) -> list[Event]:
        """Make everything visible; the events of it, in commit order."""
        plan = self.program.plan
        self._open_state()
        if self.is_state_open:
            given = self.settings
            facts = (given.run_id, given.epoch, given.started_at, given.plan_fingerprint)
            record_run(self.session, facts, [
                (plan.name, s.output.step.name, s.token, s.rows) for s in self.staged
            ])  # fmt: skip
            self._remember()
        targets = tuple(s.target for s in self.staged if s.target is not None)
        record = CommitRecord(
            self.settings.run_id, plan.name, "committing", self.is_state_open, targets
        )
        commit = Commit(self.session, self.settings.state_dir, record)
        try:
            commit.run()
        finally:
            self.is_deciding = commit.is_deciding
        for staged in self.staged:
            staged.facts |= commit.facts.get(staged.output.step.name, {})
        return [Event("sink_committed", s.output.step.name, sink_facts(s)) for s in self.staged]

    def _open_state(self) -> None:
        """Begin the transaction of the state file when there is something to remember in it."""
        given = self.settings
        is_needed = self.arrivals.is_needed or given.run_key or given.replay or self.expected.kept
        if not self.is_state_open and is_needed:
            attach_state(self.session, self.settings.state_dir)
            self.is_state_open = True

    def _remember(self) -> None:
        """Write what was read and under which key, in the transaction that decides the run."""
        given = self.settings
        if self.arrivals.is_needed:
            self.arrivals.write()
        if given.run_key:
            make_tables(self.session)
            write_keys(self.session, given.run_key, [
                Written(s.output.step.name, given.prints[s.output.step.name], given.run_id, s.rows)
                for s in self.staged
            ])  # fmt: skip


def token(
    pipeline: str, table: str, epoch: int, positions: dict[str, str], plan_fingerprint: str,
    *, params: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """Give a commit token: JSON whose fields are listed in docs/running.md."""
    fields = {
        "format": TOKEN_FORMAT, "pipeline": pipeline, "table": table, "epoch": epoch,
        "positions": positions, "watermark": None, "plan": plan_fingerprint,
        "params": {name: str(value) for name, value in (params or {}).items()},
    }  # fmt: skip
    return json.dumps(fields | {"id": fingerprint(fields)}, sort_keys=True)


def sink_facts(staged: Staged) -> dict[str, object]:
    """Give what is known of a written table, as facts of an event."""
    output = staged.output
    return {
        "rows": staged.rows if staged.offered is None else staged.offered,
        "files": staged.files, "bytes": staged.bytes,
        "token": staged.token, "kind": output.kind, "path": output.place,
        "format": output.format, **staged.facts,
    }  # fmt: skip


def run(program: Program, settings: RunSettings, kind: Callable[..., Run] = Run) -> Iterator[Event]:
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
            arrivals = Arrivals.of(session, settings, plan)
            replaying = _replaying(session, settings, plan)
            expected = Expected(session, plan, settings, replaying)
            resume = Resume.of(settings, plan)
            current = kind(
                program, settings, session, by_step, targets, arrivals, expected, resume, replaying
            )
            yield from current.read()
            yield from current.compute()
            yield from current.keep()
            current.finish()
            points.reached(points.STAGED)
            yield Event("outputs_staged", plan.name, {"tables": len(by_step)})
            events = current.commit()
        yield from events
        yield Event("outputs_committed", plan.name)
        # Only now: until the caller has journaled the commit, the next start may need them.
        remove(staging_dir(settings).parent)
        forget(settings.state_dir)
    except BaseException as error:
        if current is not None and not current.is_deciding:
            _keep_finished(current.resume, error)
        raise
    finally:
        _clean(targets, settings, can_undo=current is None or not current.is_deciding)


def _replaying(session: Session, settings: RunSettings, plan: Plan) -> Replaying | None:
    if settings.replay is None:
        return None
    from mainstem.engines.embedded.judging.replay import Replaying

    return Replaying(session, settings, plan, settings.replay)


def preview(
    program: Program, settings: RunSettings, kind: Callable[..., Run] = Run
) -> Iterator[Event]:
    """Judge the rows of a replay as its run would, and write nothing.

    The last event is ``rows_replayed``, with what would become of them and their ``digest``.

    Raises
    ------
    InternalError
        When nothing is to be replayed.
    """
    plan = program.plan
    try:
        with open_session(settings, plan.params) as session:
            replaying = _replaying(session, settings, plan)
            if replaying is None:
                raise InternalError("nothing is to be replayed")
            arrivals = Arrivals.of(session, settings, plan)
            expected = Expected(session, plan, settings, replaying)
            current = kind(
                program, settings, session, {}, {}, arrivals, expected, Resume(settings, plan),
                replaying,
            )  # fmt: skip
            yield from current.read()
            yield from current.steps(current.needed())
            yield from expected.ready([replaying.name])
            facts = replaying.settle() | {"digest": replaying.digest}
            yield Event("rows_replayed", replaying.name, facts)
    finally:
        remove(spill_dir(settings).parent)


def _keep_finished(resume: Resume, error: BaseException) -> None:
    """Keep the tables of a run that fails, but never at the cost of a disk that is full."""
    if isinstance(error, MainstemError) and error.finding.code == "DiskFull":
        forget(resume.settings.state_dir)
        return
    try:
        resume.keep()
    except OSError:
        # What cannot be kept is computed again; the error that ended the run is the one to tell.
        forget(resume.settings.state_dir)


def _clean(targets: dict[str, Target], settings: RunSettings, *, can_undo: bool) -> None:
    remove(spill_dir(settings).parent)
    if can_undo:
        remove_staged(targets, settings)
        if targets:
            clear_record(settings.state_dir)
