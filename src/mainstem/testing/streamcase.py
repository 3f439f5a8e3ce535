"""Runs the stream of a case: rows arrive as the case says, epochs end at its marks, crashes happen."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.job import run_job
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.program import compile_stream
from mainstem.engines.embedded.stream.readers.loading import load_files
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.engines.spec import RunSettings, StreamSettings
from mainstem.formats.coercion import coerce_text
from mainstem.plan.nodes import Plan, Source
from mainstem.plan.stream import UPDATING, StreamPlan
from mainstem.plan.types import TIMESTAMP, Schema
from mainstem.record import mutable
from mainstem.sql.stream.lower import lower
from mainstem.testing.case import Case, Mark, Row
from mainstem.testing.compare import assert_same_rows
from mainstem.testing.run import (
    RESULT,
    case_pipeline,
    expected_rows,
    row_lines,
    source_words,
)

# Marks that end an epoch.
_CUTS = frozenset({"crash", "pause", "watermark", "idle", "stop"})


@mutable
class Epoch:
    """What comes between two marks, and the mark that ends it."""

    rows: list[tuple[str, str, Row]] = field(default_factory=list)
    idle: dict[str, dict[str, float]] = field(default_factory=dict)
    # New versions of lookups, which are there before its rows.
    versions: dict[str, list[Row]] = field(default_factory=dict)
    end: Mark | None = None
    source: str = ""


def epochs_of(case: Case) -> list[Epoch]:
    """Cut the arrivals of a case into epochs, each row with its source and partition."""
    made = [Epoch()]
    partitions: dict[str, str] = {}
    lookups = {s.name for s in case.sources if "lookup_by" in source_words(case, s.name)}
    for source, item in case.arrivals:
        if source in lookups and not isinstance(item, Mark):
            made[-1].versions.setdefault(source, []).append(item)
        elif not isinstance(item, Mark):
            made[-1].rows.append((source, partitions.get(source, ""), item))
        elif item.kind == "partition":
            partitions[source] = item.value
        elif item.kind in _CUTS:
            made[-1].end, made[-1].source = item, source
            made.append(Epoch())
    return made


class Script:
    """A feed that gives what a case says, epoch by epoch."""

    def __init__(
        self, epochs: Sequence[Epoch], plan: Plan, folder: Path, given: dict[str, dict[str, int]]
    ) -> None:
        self.epochs, self.folder = epochs, folder
        self.sources = [s for s in plan.sources if not s.bounded]
        self.schemas = {s.name: s.schema for s in plan.sources}
        self.given = given
        self.at = 0
        self.new: frozenset[str] = frozenset()

    def due(self) -> frozenset[str]:
        """Give the lookups that have a new version since the last epoch."""
        return self.new

    def start(self, positions: Mapping[str, Mapping[str, Any]], until: Mapping[str, Any]) -> None:
        """Check that what was committed is what was given: nothing is lost, nothing comes again."""
        for source, found in positions.items():
            assert {k: v for k, v in found.items() if v} == self.given.get(source, {}), (
                f"the state stands at {found}, and was given {self.given.get(source, {})}"
            )

    def take(self, wait_s: float) -> Taken:
        """Give the next epoch."""
        del wait_s
        epoch, self.at = self.epochs[self.at], self.at + 1
        self.new = frozenset(epoch.versions)
        for name, rows in epoch.versions.items():
            write_lookup(self.folder.parent, self.schemas[name], name, rows)
        slices = tuple(
            self._slice(source, own) for source in self.sources
            if (own := [(p, r) for name, p, r in epoch.rows if name == source.name])
        )  # fmt: skip
        ended = (
            frozenset(s.name for s in self.sources) if self.at == len(self.epochs) else frozenset()
        )
        return Taken(slices, {s.name: epoch.idle.get(s.name, {}) for s in self.sources}, ended)

    def _slice(self, source: Source, rows: list[tuple[str, Row]]) -> Slice:
        parts: list[Part] = []
        files: list[tuple[str, int]] = []
        for partition in dict.fromkeys(p for p, _ in rows):
            own = [row for p, row in rows if p == partition]
            known = self.given.setdefault(source.name, {})
            start = known.get(partition, 0)
            known[partition] = start + len(own)
            parts.append(Part(partition, start, start + len(own), len(own)))
            path = self.folder / f"{source.name}-{len(list(self.folder.iterdir()))}.jsonl"
            path.write_text("".join(row_lines(source.schema, own)), encoding="utf-8")
            files.append((str(path), len(files)))
        return Slice(source.name, tuple(parts), files)

    def lag(self) -> dict[str, dict[str, int]]:
        """Give nothing."""
        return {}

    def committed(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Do nothing: what was committed is looked at after the run."""

    def close(self) -> None:
        """Do nothing."""


def run_stream_case(case: Case) -> None:
    """Run a case as a stream and raise AssertionError when its answer is another."""
    with tempfile.TemporaryDirectory() as name:
        _StreamRun(case, Path(name)).run()


class _StreamRun:
    """One case as a stream on the embedded engine."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        for part in ("rows", "state"):
            (folder / part).mkdir()
        resolved = case_pipeline(case, folder)._resolved("", (), {})
        plan = resolved.plan
        assert plan is not None, [str(f) for f in resolved.findings.items]
        self.plan = unbounded_plan(case, plan)
        lowered = lower(self.plan)
        assert not lowered.findings, lowered.findings
        self.stream: StreamPlan = lowered.plan
        self.given: dict[str, dict[str, int]] = {}
        self.watermarks: dict[str, datetime | None] = {}

    def run(self) -> None:
        epochs = epochs_of(self.case)
        known: dict[str, dict[str, None]] = {}
        runs: list[list[Epoch]] = [[]]
        for epoch in epochs:
            for source, partition, _ in epoch.rows:
                known.setdefault(source, {}).setdefault(partition)
            runs[-1].append(epoch)
            if epoch.end is not None and epoch.end.kind == "idle":
                runs[-1].append(self.idle_epoch(epoch, known))
            if epoch.end is not None and epoch.end.kind == "crash":
                runs.append([])
        is_stopped = (
            bool(epochs[-2:-1]) and epochs[-2].end is not None and epochs[-2].end.kind == "stop"
        )
        for number, part in enumerate(runs):
            is_last = number == len(runs) - 1
            self.run_part(part, "bounded" if is_last and not is_stopped else "caught_up")
        self.check()

    def idle_epoch(self, epoch: Epoch, known: Mapping[str, Mapping[str, None]]) -> Epoch:
        assert epoch.end is not None
        value, source = epoch.end.value, epoch.source
        names = [value] if value else list(known.get(source, {}))
        return Epoch(idle={source: dict.fromkeys(names, float("inf"))})

    def run_part(self, epochs: list[Epoch], ending: str) -> None:
        feed = Script([*epochs, Epoch()], self.plan, self.folder / "rows", self.given)
        settings = RunSettings(
            "case",
            self.folder / "state",
            self.folder,
            started_at=datetime.now(UTC).isoformat(),
            stream=StreamSettings(ending=ending),
        )
        marks = [e.end for e in epochs]
        loaders = {s.name: self.loader(s) for s in feed.sources}
        ports = Ports(feed, loaders, {}, feed.due)
        job = run_job(compile_stream(self.plan, self.stream), settings, ports)
        done = 0
        for event in job:
            if event.kind == "epoch_committed":
                self.watermarks = event.facts["watermarks"]
            if event.kind in ("epoch_committed", "waiting"):
                if done < len(marks):
                    self.check_mark(epochs[done])
                done += 1

    def loader(self, source: Source) -> Any:
        words = source_words(self.case, source.name)

        def load(session: Session, taken: Slice, table: str) -> Loaded:
            if "written" in words:
                at = coerce_text(words["written"], TIMESTAMP).timestamp()
                for path, _ in taken.data:
                    os.utime(path, (at, at))
            return load_files(session, source, taken.data, table, str(self.folder))

        return load

    def check_mark(self, epoch: Epoch) -> None:
        mark = epoch.end
        if mark is None or mark.kind != "watermark":
            return
        expected = None if mark.value == "none" else coerce_text(mark.value, TIMESTAMP)
        found = self.watermarks.get(epoch.source)
        assert found == expected, f"the watermark is {found}, not {expected}"

    def check(self) -> None:
        case, step = self.case, self.plan.step(RESULT)
        assert step is not None
        rows = self.table(RESULT)
        if case.stream is not None or case.batch is not None:
            wanted = case.stream if case.stream is not None else case.batch
            assert_same_rows(rows, expected_rows(wanted or (), step.schema))
        for name, expected in case.lates:
            self.check_late(name or RESULT, expected)
        if case.kind:
            shape = self.stream.shapes[RESULT]
            kind = f"updating by {' '.join(shape.key)}" if shape.kind == UPDATING else "append"
            assert kind == case.kind, f"kind is {kind}"

    def check_late(self, name: str, expected: Sequence[Row]) -> None:
        found = self.table(f"{name}__late", is_needed=False)
        late = self.plan.step(name)
        assert late is not None
        schema = (self.plan.source(late.inputs[0]) or self.plan.step(late.inputs[0])).schema  # type: ignore[union-attr]
        width = len(schema)
        wanted = expected_rows([row[:width] for row in expected], schema)
        assert_same_rows([row[:width] for row in found], wanted)
        marks = [(row[width], row[width + 1]) for row in expected if len(row) > width]
        if marks:
            texts = [
                (coerce_text(mark or '', TIMESTAMP),
                 [coerce_text(one, TIMESTAMP) for one in json.loads(missed or "[]")])
                for mark, missed in marks
            ]  # fmt: skip
            assert_same_rows([row[width:] for row in found], texts)

    def table(self, name: str, *, is_needed: bool = True) -> list[tuple[Any, ...]]:
        import duckdb

        from mainstem.engines.embedded.fetch import fetch

        with duckdb.connect(
            str(self.folder / "state" / "state.duckdb"), read_only=True
        ) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            known = {
                r[0]
                for r in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            }
            if name not in known and not is_needed:
                return []
            return fetch(connection, f'SELECT * FROM main."{name}"')[2]


def write_lookup(folder: Path, schema: Schema, name: str, rows: Sequence[Row]) -> None:
    """Write a version of a lookup in place of the one before."""
    path = folder / f"{name}.jsonl"
    path.with_suffix(".new").write_text("".join(row_lines(schema, rows)), encoding="utf-8")
    path.with_suffix(".new").replace(path)


def unbounded_plan(case: Case, plan: Plan) -> Plan:
    """Give the plan of a case whose sources never end; lookups and sources that are bounded do."""
    ends = {
        s.name for s in case.sources if {"bounded", "lookup_by"} & set(source_words(case, s.name))
    }
    sources = tuple(
        s if s.name in ends else replace(s, bounded=False, on_bad=_on_bad(case, s))
        for s in plan.sources
    )
    return replace(plan, sources=sources)


def _on_bad(case: Case, source: Source) -> str:
    """Give what becomes of bad rows: a stream keeps them aside unless it is told otherwise (V10)."""
    return source.on_bad if "on_bad" in source_words(case, source.name) else "dead_letter"
