"""Runs the stream of a case: its sources never end, rows arrive and crashes happen as the case says."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.errors import MainstemError
from mainstem.formats.coercion import coerce_text
from mainstem.plan.nodes import Plan, Source
from mainstem.plan.stream import UPDATING, StreamPlan
from mainstem.plan.types import TIMESTAMP
from mainstem.runtime.run import RunOptions
from mainstem.sql.stream.lower import lower
from mainstem.testing.aside import check_aside
from mainstem.testing.case import Case, Mark, Row
from mainstem.testing.compare import assert_same_rows
from mainstem.testing.play import play
from mainstem.testing.run import (
    RESULT,
    case_pipeline,
    check_failure,
    check_ledger,
    expected_rows,
    row_lines,
    source_words,
)
from mainstem.testing.script import Script, epochs_of


def run_stream_case(case: Case, engine: str = "embedded") -> None:
    """Run a case as a stream and raise AssertionError when its answer is another."""
    with tempfile.TemporaryDirectory() as name:
        _StreamRun(case, Path(name), engine).run()


class _StreamRun:
    """One case as a stream."""

    def __init__(self, case: Case, folder: Path, engine: str = "embedded") -> None:
        self.case, self.folder, self.engine = case, folder, engine
        resolved = case_pipeline(case, folder)._resolved("", (), {})
        plan = resolved.plan
        assert plan is not None, [str(f) for f in resolved.findings.items]
        self.plan = unbounded_plan(case, plan)
        lowered = lower(self.plan)
        assert not lowered.findings, lowered.findings
        self.stream: StreamPlan = lowered.plan

    def run(self) -> None:
        script = Script(self.plan, self.folder / "rows")
        for source in self.case.sources:
            words = source_words(self.case, source.name)
            if "written" in words:
                script.written[source.name] = coerce_text(words["written"], TIMESTAMP)
        lookups = frozenset(s.name for s in self.plan.sources if s.is_lookup)
        options = RunOptions(self.folder, self.folder / "state", engine=self.engine)
        said, ledger = "", {}
        try:
            ledger = play(self.plan, script, epochs_of(self.arrivals(), lookups), options)["ledger"]
        except MainstemError as error:
            if not self.case.fails:
                raise
            said = str(error)
        if self.case.fails:
            check_failure(self.case, said)
            return
        check_ledger(self.case, ledger)
        check_aside(self.case, self.folder / "state", self.plan)
        self.check()

    def arrivals(self) -> list[tuple[str, Mark | str]]:
        """Give what the case says, rows as lines of JSON."""
        schemas = {s.name: s.schema for s in self.plan.sources}
        return [
            (name, item if isinstance(item, Mark) else row_lines(schemas[name], [item])[0])
            for name, item in self.case.arrivals
        ]

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
