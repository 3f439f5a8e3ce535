"""Runs a random pipeline over random rows as a stream, cut and crashed at random, against the reference."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import Session, plain_connection
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.job import run_job
from mainstem.engines.embedded.stream.operators import log
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.program import Compiled, compile_stream
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.engines.spec import RunSettings, StreamSettings
from mainstem.plan.nodes import Plan, Source
from mainstem.plan.types import in_expressions
from mainstem.record import mutable, record
from mainstem.sql.stream.latest import with_latest
from mainstem.sql.stream.lower import lower
from mainstem.testing.compare import assert_same_rows
from mainstem.testing.reference_stream import END, Flow, Ledger, Row, judged, source_mark
from mainstem.testing.stream_generator import (
    COLUMNS,
    NAMES,
    SourceDraft,
    StepDraft,
    random_pipeline,
    random_rows,
)

Rows = list[tuple[str, dict[str, Any]]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Columns of the generated rows that are instants.
_INSTANTS = frozenset({"at", "t", "window_start", "window_end", "window_time"})


@record
class Outcome:
    """How much was compared: rows of tables, and late rows."""

    n_answers: int
    n_late: int


def run_seed(seed: int) -> Outcome:
    """Run the pipeline of a seed; raise AssertionError with its text when an answer is wrong."""
    with tempfile.TemporaryDirectory() as name:
        trial = _Trial(random.Random(seed), Path(name))  # noqa: S311 - not for secrets
        try:
            trial.run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{trial.draft}") from error
        return Outcome(trial.n_answers, trial.n_late)


def slice_of(
    source: str, rows: Sequence[tuple[str, tuple[Any, ...]]], at: dict[str, int]
) -> Slice:  # fmt: skip
    """Give the slice that rows of partitions make; ``at`` is where each partition stands, and moves."""
    parts, data = [], []
    for index, partition in enumerate(dict.fromkeys(p for p, _ in rows)):
        own = [values for p, values in rows if p == partition]
        start = at.get(partition, 0)
        at[partition] = start + len(own)
        parts.append(Part(partition, start, start + len(own), len(own)))
        data += [(*values, index) for values in own]
    return Slice(source, tuple(parts), data)


@mutable
class Script:
    """A feed that gives the epochs of one run; each is the rows by source, in order of arrival."""

    epochs: Sequence[Mapping[str, Rows]]
    drafts: Sequence[SourceDraft]
    given: dict[str, dict[str, int]]
    at: int = 0

    def start(
        self, positions: Mapping[str, Mapping[str, Any]], until: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Check that the state stands where the rows given so far end."""
        del until
        for source, found in positions.items():
            own = {k: v for k, v in self.given[source].items() if v}
            assert {k: v for k, v in found.items() if v} == own, f"the state stands at {found}"

    def take(self, wait_s: float) -> Taken:
        """Give the next epoch; every partition is known from the start."""
        del wait_s
        epoch, self.at = self.epochs[self.at], self.at + 1
        slices = tuple(
            slice_of(name, [(p, (*values.values(),)) for p, values in rows], self.given[name])
            for name, rows in epoch.items()
            if rows
        )
        silences = {s.name: dict.fromkeys(s.partitions, 0.0) for s in self.drafts}
        is_end = self.at == len(self.epochs)
        return Taken(slices, silences, frozenset(silences) if is_end else frozenset())

    def lag(self) -> dict[str, dict[str, int]]:
        """Give nothing."""
        return {}

    def committed(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Trial:
    """One pipeline and its rows."""

    def __init__(self, rng: random.Random, folder: Path) -> None:
        self.rng, self.folder = rng, folder
        self.draft = random_pipeline(rng)
        self.is_beyond = rng.random() < 0.5
        self.rows: dict[str, Rows] = {}
        first = 1
        for source in self.draft.sources:
            n_rows = rng.choice((0, 1, 12, 30, 60))
            self.rows[source.name] = random_rows(
                rng, source, n_rows, beyond=self.is_beyond, first_id=first
            )
            first += n_rows
        self.n_late = self.n_answers = 0

    # The plan

    def pipeline(self) -> Pipeline:
        from mainstem.connectors.files import files

        pipeline = Pipeline("trial")
        for source in self.draft.sources:
            pipeline.source(
                source.name, files(str(self.folder / f"{source.name}.jsonl")), schema=COLUMNS,
                event_time="at", watermark=timedelta(microseconds=source.bound),
            )  # fmt: skip
        if self.draft.has_names:
            path = self.folder / "names.csv"
            if not path.exists():
                # Once: written again, it would be another version of the lookup.
                rows = "".join(f"{k},{v}\n" for k, v in NAMES.items())
                path.write_text(f"key,city\n{rows}", "utf-8")
            pipeline.lookup("names", files(str(path)), schema="key string, city string", key="key")
        for step in self.draft.steps:
            words: dict[str, Any] = dict(step.words)
            add: Any = pipeline.table if step.is_table else pipeline.view
            add(step.name, step.sql, **words)
        return pipeline

    def compiled(self) -> Compiled:
        resolved = self.pipeline()._resolved("", (), {})
        plan = resolved.plan
        assert plan is not None, [str(f) for f in resolved.findings.items]
        self.batch_plan: Plan = with_latest(plan).plan
        names = {s.name for s in self.draft.sources}
        sources = tuple(replace(s, bounded=s.name not in names) for s in plan.sources)
        plan = replace(plan, sources=sources)
        lowered = lower(plan)
        assert not lowered.findings, [str(f) for f in lowered.findings]
        return compile_stream(plan, lowered.plan)

    # The run

    def run(self) -> None:
        """Compare what the stream gives, at each stop and at its end, and its ledger."""
        compiled = self.compiled()
        given: dict[str, dict[str, int]] = {s.name: {} for s in self.draft.sources}
        ledger: dict[str, dict[str, int]] = {}
        self.seen: dict[str, Rows] = {name: [] for name in self.rows}
        runs = self.runs()
        for number, epochs in enumerate(runs):
            is_last = number == len(runs) - 1
            script = Script([*epochs, {}], self.draft.sources, given)
            self.part(compiled, script, "bounded" if is_last else "caught_up", ledger)
            for epoch in epochs:
                for name, rows in epoch.items():
                    self.seen[name] += rows
            if is_last or self.rng.random() < 0.7:
                self.check(is_end=is_last, ledger=ledger)

    def runs(self) -> list[list[dict[str, Rows]]]:
        """Cut the rows into runs of epochs; partitions are mixed anew, each keeps its order."""
        epochs: list[dict[str, Rows]] = []
        n_epochs = self.rng.choice((1, 2, 4, 8))
        epochs += [{name: [] for name in self.rows} for _ in range(n_epochs)]
        for name, rows in self.rows.items():
            for partition in dict.fromkeys(p for p, _ in rows):
                own = [row for row in rows if row[0] == partition]
                places = sorted(self.rng.randrange(n_epochs) for _ in own)
                for place, row in zip(places, own, strict=True):
                    epochs[place][name].append(row)
        made: list[list[dict[str, Rows]]] = [[]]
        for epoch in epochs:
            made[-1].append(epoch)
            if self.rng.random() < 0.3:
                made.append([])
        return made

    def part(
        self, compiled: Compiled, script: Script, ending: str, ledger: dict[str, dict[str, int]]
    ) -> None:
        settings = RunSettings(
            "trial", self.folder / "state", self.folder, started_at=datetime.now(UTC).isoformat(),
            stream=StreamSettings(ending=ending),
        )  # fmt: skip
        (self.folder / "state").mkdir(exist_ok=True)
        sources = {s.name: s for s in compiled.sources}
        loaders = {name: _loader(source) for name, source in sources.items()}
        # Parts are put together after a handful in half of the trials, and never in the others.
        with patch.object(log, "LOG_ROWS", self.rng.choice((0, 1_000_000))):
            for event in run_job(compiled, settings, Ports(script, loaders, {})):
                if event.kind == "epoch_committed":
                    _add(ledger, event.facts["steps"])

    # What it should be

    def flows(
        self, given: Mapping[str, Rows], *, is_end: bool, is_batch: bool = False
    ) -> tuple[dict[str, Flow], dict[str, Ledger]]:
        flows: dict[str, Flow] = {}
        for source in self.draft.sources:
            rows = judged(given[source.name], "at", source.bound)
            if is_batch:
                rows = [Row(row.values) for row in rows]
            mark = source_mark(given[source.name], "at", source.bound, source.partitions)
            flows[source.name] = Flow(tuple(rows), END if is_end else mark)
        ledgers: dict[str, Ledger] = {}
        for step in self.draft.steps:
            ledgers[step.name] = Ledger()
            flows[step.name] = step.compute(flows, ledgers[step.name])
        return flows, ledgers

    def check(self, *, is_end: bool, ledger: Mapping[str, Mapping[str, int]]) -> None:
        flows, ledgers = self.flows(self.seen, is_end=is_end)
        for step in self.draft.steps:
            what = f"{step.name} {'at the end' if is_end else 'at a stop'}"
            if step.is_table:
                found = self.table(step.name)
                wanted = _expected(step.columns, flows[step.name].rows)
                # Before the first epoch of all there is not even the one group of everything.
                _compare(what, found, wanted if is_end or any(self.seen.values()) else [])
                self.n_answers += len(found)
            if step.late:
                self.check_late(step, ledgers[step.name])
            self.check_ledger(what, ledger.get(step.name), ledgers[step.name])
        if is_end:
            self.check_batch()

    def check_late(self, step: StepDraft, ledger: Ledger) -> None:
        self.n_late += len(ledger.late)
        found = self.late_rows(step.name)
        wanted = [
            (
                *_values(step.late, one.row),
                _instant(one.row.mark),
                [_instant(e) for e in one.missed],
            )
            for one in ledger.late
        ]
        _compare(f"{step.name}__late", found, wanted)

    def check_ledger(self, what: str, found: Mapping[str, int] | None, ledger: Ledger) -> None:
        """Compare the counts: in + late + partly late, each row once (L1)."""
        line = found or {}
        counts = tuple(line.get(word, 0) for word in ("arrived", "late", "partly_late"))
        assert counts == ledger.counts, f"ledger of {what}: {counts}, not {ledger.counts}"

    def check_batch(self) -> None:
        """Compare the batch answers, and the stream's with them where no row is beyond the bound."""
        flows, _ = self.flows(self.rows, is_end=True, is_batch=True)
        # Such a row stops a batch.
        for step, found in () if self.draft.has_failing else self.batch_rows():
            wanted = _expected(step.columns, flows[step.name].rows)
            _compare(f"batch of {step.name}", found, wanted)
        for step in self.draft.steps:
            if step.is_table and not self.is_beyond:
                wanted = _expected(step.columns, flows[step.name].rows)
                _compare(f"batch of {step.name} as a stream", self.table(step.name), wanted)

    def batch_rows(self) -> Iterator[tuple[StepDraft, list[tuple[Any, ...]]]]:
        """Give what each step is in a batch, as the engine compiles it."""
        connection = plain_connection()
        rows = {
            name: [(*values.values(), 0) for _, values in own] for name, own in self.rows.items()
        }
        rows["names"] = [(*pair, 0) for pair in NAMES.items()]
        for source in self.batch_plan.sources:
            for sql in _filling(source, quoted(source.name), rows[source.name]):
                connection.execute(sql)
        for step in self.draft.steps:
            planned = self.batch_plan.step(step.name)
            assert planned is not None
            connection.execute(f"CREATE TABLE {quoted(step.name)} AS {step_sql(planned.query)}")
            yield step, fetch(connection, f"FROM {quoted(step.name)}")[2]
        connection.close()

    # What is there

    def table(self, name: str) -> list[tuple[Any, ...]]:
        return self.fetched(f'SELECT * FROM main."{name}"')

    def late_rows(self, name: str) -> list[tuple[Any, ...]]:
        return self.fetched(f'SELECT * FROM main."{name}__late"')

    def fetched(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        path = self.folder / "state" / "state.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return fetch(connection, sql)[2]


def _add(ledger: dict[str, dict[str, int]], steps: Mapping[str, Mapping[str, int]]) -> None:
    for step, counts in steps.items():
        line = ledger.setdefault(step, {})
        for word, number in counts.items():
            line[word] = line.get(word, 0) + number


def _loader(source: Source) -> Any:
    """Give the loader of a source whose slices hold tuples of values."""

    def load(session: Session, taken: Slice, table: str) -> Loaded:
        for sql in _filling(source, table, taken.data):
            session.rows(sql)
        return Loaded(taken.rows, taken.rows)

    return load


def _filling(source: Source, table: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Give the statements that make a table of rows; the last value of each is its part."""
    fields = source.schema.fields
    columns = "".join(f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}, " for f in fields)
    yield f"CREATE OR REPLACE TEMP TABLE {table} ({columns}__part INTEGER)"
    shown = [
        ", ".join(_literal(v, f.type.kind) for v, f in zip(one, fields, strict=False))
        for one in rows
    ]
    if rows:
        values = ", ".join(f"({s}, {one[-1]})" for s, one in zip(shown, rows, strict=True))
        yield f"INSERT INTO {table} VALUES {values}"


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return "NULL"
    if kind == "timestamp":
        return f"make_timestamptz({value})"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _values(columns: Sequence[str], row: Row) -> tuple[Any, ...]:
    return tuple(_instant(row[c]) if c in _INSTANTS else row[c] for c in columns)


def _expected(columns: Sequence[str], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [_values(columns, row) for row in rows]


def _compare(what: str, found: Sequence[Sequence[Any]], wanted: Sequence[Sequence[Any]]) -> None:
    try:
        assert_same_rows(
            [list(map(_plain, r)) for r in found], [list(map(_plain, r)) for r in wanted]
        )
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from None


def _plain(value: Any) -> Any:
    """Give a decimal in one spelling: 1.0 is 1.00."""
    return value.normalize() if isinstance(value, Decimal) else value
