"""Runs cases on an engine and says whether the answers are right."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainstem.definition.pipeline import Pipeline
from mainstem.errors import MainstemError
from mainstem.formats.coercion import coerce_text
from mainstem.plan.types import Schema, in_expressions, parse_schema
from mainstem.testing.case import Case, CaseSource, Mark, Row
from mainstem.testing.compare import assert_same_rows

RESULT = "result"


def case_pipeline(case: Case, folder: Path) -> Pipeline:
    """Build the pipeline of a case; its rows become JSON lines files in `folder`."""
    from mainstem.connectors.files import files

    pipeline = Pipeline("case", where=case.place)
    for source in case.sources:
        path = folder / f"{source.name}.jsonl"
        path.write_text("".join(_json_lines(source)), encoding="utf-8")
        pipeline.source(source.name, files(str(path)), schema=source.schema, **_words(source.words))
    for param in case.params:
        declaration, _, default = param.partition("=")
        name, type_ = declaration.split(maxsplit=1)
        pipeline.param(name, type_.strip(), default=default.strip())
    for kind, name, sql in case.steps:
        getattr(pipeline, kind)(name, sql)
    pipeline.table(RESULT, case.query)
    return pipeline


def _words(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        for key in ("event time", "watermark", "idle", "max ahead"):
            if part.startswith(key):
                found[key.replace(" ", "_")] = part[len(key) :].strip()
    return found


def _json_lines(source: CaseSource) -> list[str]:
    fields = parse_schema(source.schema).fields
    lines = []
    for row in source.rows:
        if isinstance(row, Mark):
            continue
        if len(row) != len(fields):
            raise MainstemError(
                f"row {row} has {len(row)} cells, the source {len(fields)} columns",
                code="CaseSyntax",
            )
        cells = {
            f.name: _json(cell, nested=f.type.is_nested)
            for f, cell in zip(fields, row, strict=True)
        }
        lines.append("{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in cells.items()) + "}\n")
    return lines


def _json(cell: str | None, *, nested: bool) -> str:
    if cell is None:
        return "null"
    return cell if nested else json.dumps(cell)


def run_case(case: Case, engine: str = "embedded") -> None:
    """Run a case as a batch and raise AssertionError when its answer is another.

    Parameters
    ----------
    case : Case
        From `mainstem.testing.case.read_cases`.
    engine : str
        Name of the engine.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = case_pipeline(case, folder)
        resolved = pipeline._resolved("", (), {})
        _check_findings(case, resolved.findings.items)
        if case.errors:
            return
        plan = resolved.checked_plan()
        step = plan.step(RESULT)
        assert step is not None
        if case.columns:
            assert str(step.schema) == str(parse_schema(case.columns)), f"columns are {step.schema}"
        rows = _answer(case, pipeline, engine, folder)
        if rows is not None and case.batch is not None:
            assert_same_rows(
                rows, expected_rows(case.batch, step.schema), is_ordered=case.is_ordered
            )


def _check_findings(case: Case, items: Sequence[Any]) -> None:
    for severity, wanted in (("error", case.errors), ("warning", case.warnings)):
        found = [f for f in items if f.severity == severity and f.code != "StepUnused"]
        left = list(found)
        for text in wanted:
            code, _, at = text.partition(" at ")
            match = next((f for f in left if f.code == code and (not at or _place(f) == at)), None)
            shown = [(f.code, _place(f), f.what) for f in found]
            assert match is not None, f"no {severity} {text!r}; found {shown}"
            left.remove(match)
        shown = [(f.code, _place(f), f.what) for f in left]
        assert not left, f"{severity} that the case does not name: {shown}"


def _place(finding: Any) -> str:
    """Give line:column inside the query, which has no place in a file of its own."""
    match = re.search(r"line (\d+), column (\d+) of its SQL", finding.what)
    return f"{match[1]}:{match[2]}" if match else ""


def _answer(
    case: Case, pipeline: Pipeline, engine: str, folder: Path
) -> list[tuple[Any, ...]] | None:
    from mainstem.runtime.query import query
    from mainstem.runtime.start import run_pipeline

    said = ""
    try:
        run_pipeline(pipeline, base_dir=folder, engine=engine)
    except MainstemError as error:
        said = str(error)
    if said or case.fails:
        is_expected = bool(case.fails) and case.fails.lower() in said.lower()
        assert is_expected, (
            f"the run should fail with {case.fails!r}; it said: {said or 'nothing, it succeeded'}"
        )
        return None
    return list(query(folder / ".mainstem" / "case", f'SELECT * FROM "{RESULT}"').rows)


def expected_rows(rows: Sequence[Row], schema: Schema) -> list[tuple[Any, ...]]:
    """Read the expected cells as values of the schema's types."""
    types = [in_expressions(f.type) for f in schema.fields]
    made = []
    for row in rows:
        assert len(row) == len(types), (
            f"expected row {row} has {len(row)} cells, the answer {len(types)} columns"
        )
        made.append(
            tuple(None if c is None else coerce_text(c, x) for c, x in zip(row, types, strict=True))
        )
    return made
