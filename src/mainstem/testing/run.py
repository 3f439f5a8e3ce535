"""Runs cases on an engine and says whether the answers are right."""

from __future__ import annotations

import inspect
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.definition.pipeline import Pipeline
from mainstem.definition.sqlfile import read_sql_file
from mainstem.errors import CheckFailed, MainstemError, UnsupportedError, listing
from mainstem.formats.coercion import coerce_text
from mainstem.plan.nodes import Plan
from mainstem.plan.types import TIMESTAMP, Schema, in_expressions, parse_schema
from mainstem.runtime.run import load_engine
from mainstem.testing.aside import check_aside
from mainstem.testing.case import Case, CaseSource, Mark, Row
from mainstem.testing.compare import assert_same_rows

RESULT = "result"


_TABLE_WORDS = ("mode", "ttl", "state", "allowed lateness")
_SOURCE_WORDS = (
    "event time", "watermark", "idle", "max ahead", "written", "bounded", "lookup by", "refresh",
    "on bad", "max bad",
)  # fmt: skip


def case_pipeline(case: Case, folder: Path) -> Pipeline:
    """Build the pipeline of a case; its rows become JSON lines files in `folder`.

    Raises
    ------
    UnsupportedError
        When the case uses a word that pipelines do not have yet.
    """
    pipeline = Pipeline("case", where=case.place)
    for source in case.sources:
        _add_source(pipeline, source, folder)
    for param in case.params:
        declaration, _, default = param.partition("=")
        name, type_ = declaration.split(maxsplit=1)
        pipeline.param(name, type_.strip(), default=default.strip())
    for kind, name, sql in case.steps:
        if kind == "dedupe":
            _add_dedupe(pipeline, name, sql)
        else:
            getattr(pipeline, kind)(name, sql)
    words: dict[str, Any] = {**split_words(case.words, _TABLE_WORDS)}
    pipeline.table(RESULT, case.query, **words)
    add_expectations(case, pipeline)
    return pipeline


def add_expectations(case: Case, pipeline: Pipeline) -> None:
    """Add the expectations of a case to a pipeline."""
    for text in case.expects:
        # Read as a file has it: the grammar of expectations is the same on every engine.
        read = read_sql_file(f"CREATE EXPECTATION {text};", str(case.place))
        pipeline.expectations += read.expectations
        for finding in read.findings.items:
            pipeline.findings.add(finding)


def not_yet(what: str) -> UnsupportedError:
    """Give the error for a word of a case that pipelines do not have."""
    return UnsupportedError(f"{what} arrives in a later version", code="ReservedWord")


def split_words(text: str, known: Sequence[str]) -> dict[str, str]:
    """Give the words behind a source or of a table with their values, by name.

    Raises
    ------
    MainstemError
        For a word that is none: a typing error must not change what a case proves.
    """
    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        word = next((w for w in known if part == w or part.startswith(f"{w} ")), "")
        if not word:
            raise MainstemError(
                f"{part!r} is no word here (words: {listing(known, limit=20)})", code="CaseSyntax"
            )
        found[word.replace(" ", "_")] = part[len(word) :].strip()
    return found


def _add_source(pipeline: Pipeline, source: CaseSource, folder: Path) -> None:
    from mainstem.connectors.files import files

    path = _write_source(source, folder)
    words: dict[str, Any] = {**split_words(source.words, _SOURCE_WORDS)}
    words.pop("bounded", "")
    if "max_bad" in words:
        words["max_bad"] = json.loads(words["max_bad"])
    written = words.pop("written", "")
    if written:
        at = coerce_text(written, TIMESTAMP).timestamp()
        os.utime(path, (at, at))
    binding = files(str(path), **(json.loads(source.options) if source.options else {}))
    key = words.pop("lookup_by", "")
    if key:
        pipeline.lookup(source.name, binding, schema=source.schema, key=key.split(), **words)
    else:
        pipeline.source(source.name, binding, schema=source.schema, **words)


def _write_source(source: CaseSource, folder: Path) -> Path:
    if source.parquet:
        import duckdb

        path = folder / f"{source.name}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({source.parquet}) TO '{path}' (FORMAT parquet)")
    elif source.file:
        path = folder / source.file
        path.write_bytes(source.content)
    else:
        path = folder / f"{source.name}.jsonl"
        path.write_text("".join(_json_lines(source)), encoding="utf-8")
    return path


def _add_dedupe(pipeline: Pipeline, name: str, text: str) -> None:
    match = re.fullmatch(r"(\w+) by (.+) within (.+?)(?: keep (any|first))?", text)
    if match is None:
        raise MainstemError(f"{text!r} is no dedupe", code="CaseSyntax")
    source = pipeline.ref(match[1])
    verb: Any = source.dedupe
    # Without a span in event time it is another verb: the first row of each key for ever.
    if "within" not in inspect.signature(verb).parameters:
        raise not_yet("the word 'within' of dedupe")
    keys = [key.strip() for key in match[2].split(",")]
    pipeline.view(name, verb(*keys, within=match[3], keep=match[4] or "first"))


def source_words(case: Case, name: str) -> dict[str, str]:
    """Give the words behind a source's schema."""
    source = next(s for s in case.sources if s.name == name)
    return split_words(source.words, _SOURCE_WORDS)


def _json_lines(source: CaseSource) -> list[str]:
    rows = [row for row in source.rows if not isinstance(row, Mark)]
    return row_lines(parse_schema(source.schema), rows)


def row_lines(schema: Schema, rows: Sequence[Row]) -> list[str]:
    """Give the rows of a case as JSON lines."""
    fields = schema.fields
    lines = []
    for row in rows:
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
    if case.pipeline:
        from mainstem.testing.filecase import run_file_case

        run_file_case(case, engine)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = case_pipeline(case, folder)
        resolved = pipeline._resolved("", (), {})
        check_findings(case, resolved.findings.items)
        if case.errors:
            return
        plan = resolved.checked_plan()
        step = plan.step(RESULT)
        assert step is not None
        if case.columns:
            assert str(step.schema) == str(parse_schema(case.columns)), f"columns are {step.schema}"
        if case.kind and not case.is_stream:
            assert step.kind == case.kind, f"kind is {step.kind}"
        rows = _answer(case, pipeline, engine, folder, plan)
        if rows is not None and case.batch is not None:
            assert_same_rows(
                rows, expected_rows(case.batch, step.schema), is_ordered=case.is_ordered
            )


def refusals(case: Case, engine: str = "embedded") -> set[str]:
    """Give the codes by which check or engine refuse a case, or the words that pipelines do not have."""
    with tempfile.TemporaryDirectory() as name:
        try:
            plan = case_pipeline(case, Path(name)).plan()
        except CheckFailed as failed:
            return {finding.code for finding in failed.findings if finding.severity == "error"}
        except UnsupportedError as error:
            return {error.finding.code}
    return {gap.code for gap in load_engine(engine).gaps(plan)}


def stream_refusals(case: Case, engine: str = "embedded") -> set[str]:
    """Give the codes by which an engine refuses a case whose sources never end.

    A source that is a lookup or has the word ``bounded`` ends in a stream too.
    """
    with tempfile.TemporaryDirectory() as name:
        try:
            resolved = case_pipeline(case, Path(name))._resolved("", (), {})
        except UnsupportedError as error:
            return {error.finding.code}
    plan = resolved.plan
    if plan is None:
        return {finding.code for finding in resolved.findings.errors}
    _read_answers(case, plan)
    ends = {s.name for s in case.sources if {"bounded", "lookup_by"} & {
        *split_words(s.words, _SOURCE_WORDS)
    }}  # fmt: skip
    sources = tuple(s if s.name in ends else replace(s, bounded=False) for s in plan.sources)
    return {one.code for one in load_engine(engine).gaps(replace(plan, sources=sources))}


def _read_answers(case: Case, plan: Plan) -> None:
    """Read the rows that a stream should give, so that a mistyped one does not wait for its engine."""
    step = plan.step(RESULT)
    assert step is not None
    expected_rows(case.stream or (), step.schema)
    for name, rows in case.lates:
        late = plan.step(name or RESULT)
        assert late is not None, f"late {name}: there is no such step"
        whole = [plan.source(i) or plan.step(i) for i in late.inputs[:1]]
        for row in rows:
            width = len(whole[0].schema) if whole[0] else 0
            assert len(row) in (width, width + 2), f"late row {row} has {len(row)} cells"


def check_findings(case: Case, items: Sequence[Any]) -> None:
    """Raise AssertionError unless the findings are those that the case names, no more and no less."""
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
    case: Case, pipeline: Pipeline, engine: str, folder: Path, plan: Plan
) -> list[tuple[Any, ...]] | None:
    from mainstem.runtime.query import query
    from mainstem.runtime.start import run_pipeline

    said = ""
    try:
        result = run_pipeline(pipeline, base_dir=folder, engine=engine)
    except MainstemError as error:
        said = str(error)
    if said or case.fails or case.bad:
        check_failure(case, said.replace(f"{folder}{os.sep}", ""))
        return None
    check_ledger(case, result.ledger)
    check_aside(case, folder / ".mainstem" / "case", plan)
    return list(query(folder / ".mainstem" / "case", f'SELECT * FROM "{RESULT}"').rows)


def check_failure(case: Case, said: str) -> None:
    """Raise AssertionError unless the run failed with the words of the case."""
    shown = said or "nothing, it succeeded"
    for part in case.fails.splitlines():
        assert part.lower() in said.lower(), f"the run should fail with {part!r}; it said: {shown}"
    if case.bad:
        found = [line.strip() for line in said.splitlines()]
        rows = f"{len(case.bad)} bad row{'s' * (len(case.bad) > 1)} in source"
        assert rows in said, f"{rows} was expected; it said: {shown}"
        missing = [line for line in case.bad if line not in found]
        assert not missing, f"{missing} is not in: {shown}"
    assert case.fails or case.bad, f"the run failed: {said}"


def check_ledger(case: Case, ledger: Mapping[str, Any]) -> None:
    """Compare the counts that the case names; `source t` is read from the ledger's sources."""
    for line in case.ledger:
        what, _, counts = line.partition(":")
        kind, name = what.split()
        found = ledger[f"{kind}s"][name]
        for pair in counts.split(","):
            word, expected = pair.rsplit(maxsplit=1)
            count = found[word.strip().replace(" ", "_")]
            assert str(count) == expected, f"{what}: {word.strip()} is {count}, not {expected}"


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
