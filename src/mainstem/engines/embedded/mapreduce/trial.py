"""`mainstem check --jobs`: a sample of rows, mapped and reduced in several ways that must not matter.

How rows are cut into splits, in which order they come, whether values are combined before, and the seed
of Python's hashing are nobody's to choose. Code whose answer depends on one of them is wrong on the day
when the data grow.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import field, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.judging.expected import Expected
from mainstem.engines.embedded.mapreduce.inputs import line_of, staged_rows
from mainstem.engines.embedded.mapreduce.step import JobRun, Reduced, over
from mainstem.engines.embedded.reading.arrivals import Arrivals
from mainstem.engines.embedded.run import Run
from mainstem.engines.embedded.session import open_session, spill_dir
from mainstem.engines.embedded.writing.resume import Resume
from mainstem.engines.spec import Event, Program, RunSettings, Statement
from mainstem.errors import Finding, InternalError
from mainstem.mapreduce.frames import read_all, write
from mainstem.mapreduce.job import Done, RowSplit, Split
from mainstem.mapreduce.splits import blocks
from mainstem.plan.nodes import Plan
from mainstem.plan.selection import above
from mainstem.plan.values import shown
from mainstem.record import mutable, record
from mainstem.storage.local.durable import remove

SAMPLE = 2000
SPLITS = 7
_CLOSE = 1e-9

Rows = list[tuple[Any, ...]]


@record
class Way:
    """One way to do the same, and what is wrong with code that then gives another answer."""

    mistake: str = ""
    fix: str = ""
    n_splits: int = 1
    is_reversed: bool = False
    uses_combiner: bool = False
    seed: str = "1"


_FIRST = Way()
_WAYS = (
    Way(
        "gives another answer for the same rows: it asks a clock, a random number or something outside",
        "make the answer a function of the rows, the parameters and the side files",
    ),
    Way(
        "depends on hash(), which differs from process to process",
        "use zlib.crc32 of the text, and no order of a set", seed="2",
    ),
    Way(
        "depends on how the rows are cut: something is kept from one record to the next",
        "keep nothing in self between records; yield it, and let reduce put it together",
        n_splits=SPLITS,
    ),
    Way(
        "depends on the order of the values, which is not defined",
        "give sort= and sort_key, or a reduce that any order suits", is_reversed=True,
    ),
    Way(
        "has a combiner that changes the answer",
        "combine must be associative and give what reduce takes: sums and counts, not their average",
        n_splits=SPLITS, uses_combiner=True,
    ),
)  # fmt: skip


def jobs_plan(plan: Plan) -> Plan:
    """Give the part of a plan that its map/reduce steps need, without sinks and rules."""
    jobs = [step.name for step in plan.steps if step.job is not None]
    names = above(plan, jobs) | set(jobs)
    steps = tuple(
        replace(step, sink=None, sink_schema=None, delete_test=None)
        for step in plan.steps if step.name in names
    )  # fmt: skip
    sources = tuple(source for source in plan.sources if source.name in names)
    return replace(plan, sources=sources, steps=steps, expectations=())


def try_jobs(program: Program, settings: RunSettings) -> list[Finding]:
    """Try every map/reduce step of a program on a sample; nothing is written.

    Parameters
    ----------
    program : Program
        Without sinks and rules: see `jobs_plan`.
    settings : RunSettings
        Those of a run that will not be.
    """
    plan = program.plan
    try:
        with open_session(settings, plan.params) as session:
            arrivals = Arrivals.of(session, settings, plan)
            trial = _Trial(
                program, settings, session, {}, {}, arrivals, Expected(session, plan, settings),
                Resume(settings, plan),
            )  # fmt: skip
            for events in (trial.read(), trial.steps(frozenset(s.name for s in plan.steps))):
                deque(events, maxlen=0)
            return trial.findings
    finally:
        remove(spill_dir(settings).parent)


@mutable
class _Trial(Run):
    """A run whose jobs are tried."""

    findings: list[Finding] = field(default_factory=list)

    def _reduced(self, statement: Statement) -> Generator[Event, None, Statement]:
        step = statement.step
        text = self.texts.get(step.inputs[0]) if step.inputs else None
        if step.job is None:
            raise InternalError(f"step {step.name!r} has no job")
        plan, name = self.program.plan, step.name
        job = _JobTrial(self.session, plan, self.settings, statement, step.job, text)
        tried = yield from job.tried()
        if tried.way is not None:
            self.findings.append(Finding(
                "JobNotStable", f"map/reduce step {name!r} {tried.way.mistake}: {tried.difference}",
                step.where, tried.way.fix, step=name,
            ))  # fmt: skip
        return over(statement, tried.reduced)


@record
class _Tried:
    """The rows of the first way, and the way that gave others."""

    reduced: Reduced
    way: Way | None = None
    difference: str = ""


@mutable
class _JobTrial(JobRun):
    """One job, done in several ways on the same rows."""

    def tried(self) -> Generator[Event, None, _Tried]:
        """Compare the ways; the rows of the first go to whoever reads the step."""
        rows, columns = yield from self._sample()
        first = yield from self._done_so(_FIRST, rows, columns)
        right, wrong, difference = _rows_of(first), None, ""
        for way in _WAYS:
            if way.uses_combiner and "combine" not in self.job.parts:
                continue
            other = yield from self._done_so(way, rows, columns)
            difference = _difference(right, _rows_of(other))
            if difference:
                wrong = way
                break
        facts = {"rows": sum(done.rows for done in first)}
        return _Tried((yield from self.given(first, facts)), wrong, difference)

    def _sample(self) -> Generator[Event, None, tuple[Rows, tuple[str, ...]]]:
        splits: Sequence[Split]
        if self.text is not None:
            splits = self.text.splits(self.job, line_of(self.statement.step), 1)
        else:
            sql = f"SELECT * FROM ({self.statement.sql}) LIMIT {SAMPLE}"
            limited, folder = replace(self.statement, sql=sql), self._folder()
            splits, _ = yield from staged_rows(self.session, limited, self.job, folder)
        every = (
            row for split in splits for block in blocks(split)
            for row in zip(*block.columns.values(), strict=True)
        )  # fmt: skip
        return list(islice(every, SAMPLE)), self.job.reads.names

    def _done_so(
        self, way: Way, rows: Rows, columns: tuple[str, ...]
    ) -> Generator[Event, None, list[Done]]:
        """Do the job in one way, in a process of its own."""
        folder = self._folder() / f"way{id(way)}"
        folder.mkdir()
        splits = _written(rows[::-1] if way.is_reversed else rows, way.n_splits, columns, folder)
        job = replace(self.described(splits), uses_combiner=way.uses_combiner)
        seed = {"PYTHONHASHSEED": way.seed}
        mapped, reduced, _ = yield from self.worked(job, splits, folder, seed)
        return mapped if self.job.is_map_only else reduced


def _written(rows: Rows, n: int, columns: tuple[str, ...], folder: Path) -> list[RowSplit]:
    """Cut rows into splits of different sizes, in their order: so only the cuts are another thing."""
    splits = []
    for i in range(n):
        path = folder / f"in{i}.rows"
        own = rows[len(rows) * i * i // (n * n) : len(rows) * (i + 1) ** 2 // (n * n)]
        with path.open("wb") as file:
            if own:
                write(file, [list(values) for values in zip(*own, strict=True)])
        splits.append(RowSplit(str(path), columns))
    return splits


def _rows_of(found: Sequence[Done]) -> Rows:
    """Give the rows, in an order that the last digits of doubles do not change."""
    rows = [
        row for done in found for columns in read_all(done.rows_path)
        for row in zip(*columns, strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: repr(tuple(map(_rough, row))))


def _rough(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _difference(left: Rows, right: Rows) -> str:
    """Give the first row in which two answers differ, "" for none; doubles agree to 1e-9 (V5)."""
    for one, other in zip_longest(left, right):
        if one is None or other is None or not all(map(_agree, one, other)):
            return f"{shown(one) if one else 'no row'} became {shown(other) if other else 'no row'}"
    return ""


def _agree(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        is_nan = math.isnan(left) and math.isnan(right)
        return is_nan or math.isclose(left, right, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return bool(left == right)
