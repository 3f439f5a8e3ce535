"""One map/reduce step of a run: splits, map tasks, reduce tasks, rows for DuckDB, dead letters.

Tasks write into the folder of the run, under names with the number of their attempt; the first one that
is finished is taken, and everything there is removed with the run. Nothing of it is visible outside: the
rows go the way of every other step's, to where the run stages them and commits.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from mainstem.engines.embedded.failures import outside
from mainstem.engines.embedded.judging.keep import DEAD, Kept
from mainstem.engines.embedded.mapreduce.crew import ATTEMPTS, Crew, TaskFailed, WorkersLost
from mainstem.engines.embedded.mapreduce.inputs import TextInput, line_of, staged_rows
from mainstem.engines.embedded.python.by_value import dumped, project_modules
from mainstem.engines.embedded.python.process import cores
from mainstem.engines.embedded.python.values import arrow_type, arrow_values
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.session import Session, spill_dir
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, Statement
from mainstem.errors import DataError, EngineError, InternalError, OutsideError, Place
from mainstem.mapreduce.frames import read_all
from mainstem.mapreduce.job import (
    Dead,
    Done,
    Job,
    MapTask,
    ReduceTask,
    Section,
    Split,
    Task,
    TextSplit,
)
from mainstem.plan.map_reduce import MapReduce
from mainstem.plan.nodes import Plan
from mainstem.plan.size import parse_size
from mainstem.record import mutable, record

MEMORY_BYTES, LEAST_MEMORY_BYTES = 64 << 20, 4 << 20
# A reduce task should have its part in memory.
REDUCE_BYTES = 64 << 20
MOST_PARTITIONS = 256
# How much of the bar each phase takes.
_MAPPED = 0.75

_COLUMNS = (
    ("__id", "VARCHAR"), ("__run_id", "VARCHAR"), ("__at", "TIMESTAMPTZ"),
    ("__function", "VARCHAR"), ("__path", "VARCHAR"), ("__row", "BIGINT"), ("__offset", "BIGINT"),
    ("__arguments", "VARCHAR"), ("__reason", "VARCHAR"), ("__message", "VARCHAR"),
    ("__status", "VARCHAR"),
)  # fmt: skip
_TOLD = ("__function", "__path", "__row", "__offset", "__arguments", "__reason", "__message")


@record
class Letter:
    """A record or group that is kept aside, with its place: `row` counts from 1 in its file or relation."""

    dead: Dead
    path: str | None
    row: int | None


@record
class Reduced:
    """What a step has made: the relation of its rows, what was counted, what is kept aside."""

    relation: str
    facts: dict[str, Any]
    kept: Kept | None
    text: TextInput | None = None


@mutable
class JobRun:
    """One map/reduce step of one run."""

    session: Session
    plan: Plan
    settings: RunSettings
    statement: Statement
    job: MapReduce
    text: TextInput | None = None
    letters: list[Letter] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Give the name of the step."""
        return self.statement.step.name

    @property
    def workers(self) -> int:
        """Give how many processes work on it."""
        return self.job.workers or self.settings.threads or cores()

    def all(self) -> Generator[Event, None, Reduced]:
        """Do all of it.

        Raises
        ------
        DataError
            When the user's code fails on a record or group, or a line is no text.
        EngineError
            When workers keep dying.
        OutsideError
            When the disk is full.
        """
        folder = self._folder()
        splits, rows = yield from self._splits(folder)
        mapped, reduced, crew = yield from self.worked(self.described(splits), splits, folder)
        facts = self._facts(mapped, reduced, crew) | {"maps": len(splits)}
        self._balance(rows, facts, mapped)
        return (yield from self.given(mapped if self.job.is_map_only else reduced, facts))

    def worked(
        self, job: Job, splits: Sequence[Split], folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Generator[Event, None, tuple[list[Done], list[Done], Crew]]:  # fmt: skip
        """Do the tasks of a job; give what its map and its reduce tasks have made."""
        try:
            with Crew(self.workers, job, tuple(sys.path), environment) as crew:
                mapped, reduced = yield from self._done(crew, splits, folder)
            return mapped, reduced, crew
        except TaskFailed as failed:
            raise self._failed(failed) from failed
        except WorkersLost as lost:
            raise self._lost(lost, splits) from lost

    def _folder(self) -> Path:
        folder = spill_dir(self.settings).parent / f"{self.settings.run_id}{self.name}__job"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # Before

    def _splits(self, folder: Path) -> Generator[Event, None, tuple[Sequence[Split], int | None]]:
        if self.text is not None:
            column = line_of(self.statement.step)
            return self.text.splits(self.job, column, self.workers), None
        return (yield from staged_rows(self.session, self.statement, self.job, folder))

    def described(self, splits: Sequence[Split]) -> Job:
        """Give the job as its tasks know it."""
        job, step = self.job, self.statement.step
        code = dumped(
            job.code, project_modules(step.where.file), where=step.where,
            what=f"map/reduce step {step.name}", fix="make what it holds in setup(self, context)",
        )  # fmt: skip
        params = {p.name: self.settings.params.get(p.name, p.default) for p in self.plan.params}
        return Job(
            step.name, job.key, job.value, job.returns, job.sort, job.word, code, job.on_error,
            self._partitions(splits), self._memory_bytes(), params, self._files(),
        )  # fmt: skip

    def _partitions(self, splits: Sequence[Split]) -> int:
        if self.job.is_map_only:
            return 1
        if self.job.reducers is not None:
            return self.job.reducers
        size = sum(_size_bytes(split) for split in splits)
        return min(MOST_PARTITIONS, max(self.workers, -(-size // REDUCE_BYTES)))

    def _memory_bytes(self) -> int:
        """Give about how much a worker holds: a part of the run's memory limit, where there is one."""
        try:
            limit = parse_size(self.settings.memory_limit.replace("iB", "B"))
        except ValueError:
            return MEMORY_BYTES
        # Beside the interpreter, and what Python's own objects take while they are written.
        return max(LEAST_MEMORY_BYTES, min(MEMORY_BYTES, limit // (4 * self.workers)))

    def _files(self) -> dict[str, str]:
        found = {}
        for name, path in self.job.files:
            full = self.settings.base_dir / Path(path).expanduser()
            if not full.is_file():
                raise OutsideError(
                    f"there is no side file {full}", where=self.statement.step.where, step=self.name,
                    code="SideFileMissing", fix="correct files=; paths are relative to the pipeline",
                )  # fmt: skip
            found[name] = str(full)
        return found

    # Meanwhile

    def _done(
        self, crew: Crew, splits: Sequence[Split], folder: Path
    ) -> Generator[Event, None, tuple[list[Done], list[Done]]]:
        maps: list[Task] = [MapTask(i, 0, split, str(folder)) for i, split in enumerate(splits)]
        share = 1.0 if self.job.is_map_only else _MAPPED
        mapped = yield from self._phase(crew, "map", maps, (0.0, share))
        self._count(mapped, splits)
        if self.job.is_map_only:
            return mapped, []
        n = crew.job.partitions
        sections = [tuple(s for done in mapped for s in _of(done, i)) for i in range(n)]
        tasks: list[Task] = [
            ReduceTask(i, 0, own, str(folder)) for i, own in enumerate(sections) if own
        ]
        reduced = yield from self._phase(crew, "reduce", tasks, (share, 1 - share))
        self._count(reduced, ())
        return mapped, reduced

    def _phase(
        self, crew: Crew, phase: str, tasks: Sequence[Task], part: tuple[float, float]
    ) -> Generator[Event, None, list[Done]]:
        if not tasks:
            return []
        work = crew.done(tasks)
        begin, share = part
        while True:
            try:
                fraction = next(work)
            except StopIteration as end:
                return list(end.value)
            yield Event("progress", self.name, {
                "fraction": begin + share * fraction, "phase": phase,
                "tasks_done": round(fraction * len(tasks)), "tasks": len(tasks),
            })  # fmt: skip

    def _count(self, found: Sequence[Done], splits: Sequence[Split]) -> None:
        """Add up counters, and give each dead record its line."""
        before: dict[str, int] = {}
        for i, done in enumerate(found):
            for name, n in done.counters.items():
                self.counters[name] = self.counters.get(name, 0) + n
            split = splits[i] if splits else None
            path = split.path if isinstance(split, TextSplit) else ""
            # Rows of a relation are numbered through all of its splits, lines through those of a file.
            first = before.get(path, 0)
            before[path] = first + done.records
            for dead in done.dead:
                row = first + dead.index + 1 if split is not None and dead.index >= 0 else None
                self.letters.append(Letter(dead, path or None, row))

    # After

    def _facts(self, mapped: list[Done], reduced: list[Done], crew: Crew) -> dict[str, Any]:
        dead_maps = sum(1 for letter in self.letters if letter.dead.function.startswith("map"))
        records = sum(done.records for done in mapped)
        groups = sum(done.records for done in reduced)
        dead_groups = len(self.letters) - dead_maps
        return {
            "records": records, "mapped": records - dead_maps, "dead_records": dead_maps,
            "pairs": sum(done.pairs for done in mapped), "groups": groups,
            "reduced": groups - dead_groups, "dead_groups": dead_groups,
            "rows": sum(done.rows for done in (reduced or mapped)),
            "shuffle_bytes": sum(done.bytes for done in mapped), "reduces": len(reduced),
            "counters": dict(sorted(self.counters.items())), "worker_deaths": crew.deaths,
            "speculations": crew.speculations,
        }  # fmt: skip

    def _balance(self, rows: int | None, facts: dict[str, Any], mapped: list[Done]) -> None:
        """Check that every record was given to a map, and every one that died is kept (L1)."""
        lost = rows is not None and rows != facts["records"]
        if lost or (self.letters and self.job.on_error == "fail"):
            raise InternalError(
                f"step {self.name!r} was given {rows} rows, and its maps have seen {facts['records']}",
                code="LedgerUnbalanced", fix="report it with this line; nothing was committed",
            )  # fmt: skip
        if any(done.records < len({d.index for d in done.dead}) for done in mapped):
            raise InternalError(
                f"step {self.name!r} has more dead records than records", code="LedgerUnbalanced",
                fix="report it with this line; nothing was committed",
            )  # fmt: skip

    def given(self, found: list[Done], facts: dict[str, Any]) -> Generator[Event, None, Reduced]:
        """Make the rows a relation of the session; a file that is read where it lies."""
        relation = f"{self.name}__rows"
        path = self._folder() / "rows.arrow"
        work = self.session.watch_call(lambda: self._converted(found, path))
        n_rows = yield from as_events(self.name, work)
        if n_rows != facts["rows"]:
            raise InternalError(
                f"the tasks of {self.name!r} gave {facts['rows']} rows, and {n_rows} came here",
                code="LedgerUnbalanced", fix="report it with this line; nothing was committed",
            )  # fmt: skip
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.session.connection.register(relation, table)
        return Reduced(relation, facts, self._kept(), self.text)

    def _converted(self, found: list[Done], path: Path) -> int:
        fields = self.job.returns.fields
        schema = pa.schema([(f.name, arrow_type(f.type)) for f in fields])
        n = 0
        try:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                for done in found:
                    for columns in read_all(done.rows_path):
                        arrays = [
                            arrow_values(values, f.type)
                            for values, f in zip(columns, fields, strict=True)
                        ]
                        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                        n += len(columns[0])
                    Path(done.rows_path).unlink(missing_ok=True)
        except OSError as error:
            raise self._disk(str(error)) from error
        return n

    def _kept(self) -> Kept | None:
        if self.job.on_error == "fail":
            return None
        told = f"{self.name}__told"
        texts = [
            (
                one.dead.function, one.path, one.row, one.dead.offset if one.dead.offset >= 0 else None,
                one.dead.shown or None, one.dead.reason, one.dead.message,
            )
            for one in self.letters
        ]  # fmt: skip
        kinds = [pa.string(), pa.string(), pa.int64(), pa.int64(), *[pa.string()] * 3]
        arrays = [
            pa.array(values, kind)
            for values, kind in zip(
                zip(*texts, strict=True) if texts else [()] * len(kinds), kinds, strict=True
            )
        ]
        table = pa.table(dict(zip(_TOLD, arrays, strict=True)))
        self.session.connection.register(told, table)
        names = ", ".join(_TOLD)
        order = "__path NULLS FIRST, __row, __offset, __function, __arguments, __message"
        select = (
            f"SELECT row_number() OVER (ORDER BY {order}) AS __nth, {names} FROM {quoted(told)}"
        )
        n = len(self.letters)
        return Kept(self.name, f"{self.name}{DEAD}", _COLUMNS, select if n else "", n)

    # What goes wrong

    def _failed(self, failed: TaskFailed) -> Exception:
        where = self.statement.step.where
        if failed.word == "disk":
            said, file = failed.said
            return self._disk(f"{said} ({file})" if file else said)
        if failed.word == "text":
            index, offset, shown, said = failed.said
            split: Any = getattr(failed.task, "split", None)
            return DataError(
                f"{split.path}, the line at byte {offset}: {said}: {shown}", where=where,
                step=self.name, code="BadRow", fix='correct the file, or read it with '
                'on_bad="dead_letter"', offset=offset, index=index,
            )  # fmt: skip
        if failed.word == "damaged":
            return OutsideError(
                f"what the map tasks of {self.name!r} had written is damaged: {failed.said}",
                step=self.name, code="SpillDamaged", fix="run again; look at the disk if it comes again",
            )  # fmt: skip
        return self._code_failed(failed.said, failed.task)

    def _code_failed(self, dead: Dead, task: Task) -> DataError:
        where = Place(dead.file, dead.line) if dead.file else self.statement.step.where
        given = f", given {dead.shown}" if dead.shown else ""
        split = getattr(task, "split", None)
        place = f" ({split.path}, byte {dead.offset})" if split and dead.offset >= 0 else ""
        return DataError(
            f"{dead.function} of {self.name}{place}{given}: {dead.message}", where=where,
            step=self.name, code="MapReduceFailed",
            fix='correct the code or the data; on_error="dead_letter" keeps such records aside',
            function=dead.function,
        )  # fmt: skip

    def _lost(self, lost: WorkersLost, splits: Sequence[Split]) -> EngineError:
        kind = "map" if isinstance(lost.task, MapTask) else "reduce"
        if lost.record >= 0:
            what = f"at {'record' if kind == 'map' else 'group'} {lost.record + 1:,} of it"
            fix = 'look at what it does with compiled code and memory; on_error="dead_letter" passes over it'
        else:
            what, fix = (
                f"{ATTEMPTS} times",
                "look at what it does with memory; workers=1 needs less",
            )
        split = splits[lost.task.number] if kind == "map" else None
        place = f" of {split.path}" if isinstance(split, TextSplit) else ""
        return EngineError(
            f"the worker at {kind} task {lost.task.number + 1}{place} of {self.name!r} {lost.how}, {what}",
            where=self.statement.step.where, step=self.name, code="WorkerLost", fix=fix,
        )  # fmt: skip

    def _disk(self, said: str) -> OutsideError:
        return outside(
            said, step=self.name, prefix=f"the tasks of {self.name!r} cannot write or read: "
        )


def _of(done: Done, partition: int) -> tuple[Section, ...]:
    return done.sections[partition]


def _size_bytes(split: Split) -> int:
    if isinstance(split, TextSplit) and split.end >= 0:
        return split.end - split.start
    return Path(split.path).stat().st_size


def made(
    session: Session, plan: Plan, settings: RunSettings, statement: Statement,
    text: TextInput | None,
) -> Generator[Event, None, Reduced]:  # fmt: skip
    """Do the job of a step; its rows are then a relation of the session."""
    job = statement.step.job
    if job is None:
        raise InternalError(f"step {statement.step.name!r} has no job")
    return (yield from JobRun(session, plan, settings, statement, job, text).all())


def over(statement: Statement, reduced: Reduced) -> Statement:
    """Give the statement whose rows are those of the job."""
    return replace(statement, sql=f"SELECT * FROM {quoted(reduced.relation)}", maps=(), map_sql=())
