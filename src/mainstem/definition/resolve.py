"""From declarations to a `Plan`: settings applied, every step bound in dependency order.

Nothing stops at the first mistake: each source and step is taken as far as it goes, and all
findings come together.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Mapping, Sequence

from mainstem.connectors.spec import Connector, connector, read_options
from mainstem.connectors.state import state
from mainstem.definition.binding import (
    Row,
    binding_rows,
    bound,
    check_names,
    is_text,
    options_of,
    run_rows,
)
from mainstem.definition.declaration import SourceDeclaration, StepDeclaration
from mainstem.definition.graph import Reads, circles, reads_of, sorted_steps
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.place import Located
from mainstem.errors import (
    CheckFailed,
    Finding,
    Findings,
    MainstemError,
    Place,
    UnsupportedError,
    listing,
    nearest,
)
from mainstem.plan.nodes import Binding, Plan, Source, Step
from mainstem.plan.types import Schema, in_expressions, parse_schema
from mainstem.record import record
from mainstem.settings.file import read
from mainstem.settings.values import Settings
from mainstem.sql.bind import Bound, bind
from mainstem.sql.parse import parse
from mainstem.sql.tokens import Text

# Findings of a right pipeline that this version cannot run.
UNSUPPORTED = frozenset({"StreamNotYet"})

# A text file has columns of its own; `line` is what nearly everybody wants of them.
TEXT_SCHEMA = "line string"


@record
class Resolved:
    """What became of a pipeline: the plan when all is well, and everything that was found."""

    pipeline: Pipeline
    plan: Plan | None
    findings: Findings
    settings: Settings

    def raise_errors(self) -> None:
        """Raise everything that was found when any of it is an error.

        Raises
        ------
        UnsupportedError
            When every error is something that this version cannot run.
        CheckFailed
            Otherwise.
        """
        errors = self.findings.errors
        if errors and all(found.code in UNSUPPORTED for found in errors):
            first = errors[0]
            raise UnsupportedError(
                first.what, where=first.where, fix=first.fix, code=first.code, step=first.step,
                findings=tuple(errors),
            )  # fmt: skip
        self.findings.raise_errors()

    def checked_plan(self) -> Plan:
        """Give the plan.

        Raises
        ------
        CheckFailed
            When anything is wrong, with all findings.
        """
        self.raise_errors()
        if self.plan is None:
            raise CheckFailed(self.findings.items)
        return self.plan

    def config(self) -> list[Row]:
        """Give every value of every binding and of the run, with who set it."""
        plan = self.checked_plan()
        rows = run_rows(self.settings)
        for source in plan.sources:
            rows += binding_rows("sources", source.name, source.binding)
        for step in plan.tables:
            if step.sink is not None:
                rows += binding_rows("sinks", step.name, step.sink)
        return rows


def resolve(
    pipeline: Pipeline, *, env: str = "", flags: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Resolved:  # fmt: skip
    """Check a pipeline and build its plan.

    Parameters
    ----------
    pipeline : Pipeline
        What was declared; it is not changed.
    env : str
        Environment of mainstem.toml.
    flags : sequence of str
        Overrides such as ``sources.orders.path=other.csv``.
    environ : mapping, optional
        Environment variables; those of the process when absent.

    Returns
    -------
    Resolved
        Plan and findings; nothing is raised for a wrong pipeline.
    """
    findings = Findings(list(pipeline.findings.items))
    settings = read(pipeline.file, env=env, flags=flags, environ=environ, findings=findings)
    work = _Work(pipeline, settings, findings)
    plan = work.plan()
    return Resolved(pipeline, None if findings.errors else plan, findings, settings)


class _Work:
    """One resolution; holds what has been found so far."""

    def __init__(self, pipeline: Pipeline, settings: Settings, findings: Findings) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.findings = findings
        self.sources: dict[str, Source] = {}
        self.sinks: dict[str, Binding | None] = {}
        self.steps: dict[str, Step] = {}
        # Names that exist and could not be resolved: who reads them is not to blame.
        self.failed: set[str] = set()
        self.reads: dict[str, Reads] = {}

    def plan(self) -> Plan:
        self._pending()
        tables = [step.name for step in self.pipeline.steps if step.is_table]
        names = [source.name for source in self.pipeline.sources]
        check_names(self.settings, names, tables, self.findings)
        for declaration in self.pipeline.sources:
            source = self.source(declaration)
            if source is None:
                self.failed.add(declaration.name)
            else:
                self.sources[declaration.name] = source
        for declared in self.pipeline.steps:
            if declared.is_table:
                self.sinks[declared.name] = bound(
                    "sinks", declared.name, declared.sink or state(), self.settings,
                    where=declared.where, findings=self.findings,
                )  # fmt: skip
        self.all_steps()
        self._refs()
        self._unused()
        if not self.pipeline.steps and not self.findings.errors:
            self._add("NothingDeclared", "the pipeline has no tables", self.pipeline.where,
                      'add p.table("name", "SELECT …")')  # fmt: skip
        return Plan(
            self.pipeline.name, tuple(self.sources.values()), tuple(self.steps.values()),
            tuple(self.pipeline.params), str(self.pipeline.file or ""),
        )  # fmt: skip

    # Sources

    def source(self, declared: SourceDeclaration) -> Source | None:
        binding = bound(
            "sources", declared.name, declared.binding, self.settings, where=declared.where,
            findings=self.findings,
        )  # fmt: skip
        schema = self.schema(declared, binding)
        if binding is None or schema is None:
            return None
        refused = refused_stream(declared.name, connector(binding), declared.where)
        if refused is not None:
            self.findings.add(refused)
        self.event_time(declared, schema)
        self.key(declared, schema)
        return Source(
            declared.name, binding, schema, declared.event_time, declared.watermark, declared.idle,
            declared.max_ahead, bounded=connector(binding).bounded, key=declared.key,
            refresh=declared.refresh, where=declared.where,
        )  # fmt: skip

    def schema(self, declared: SourceDeclaration, binding: Binding | None) -> Schema | None:
        if declared.schema is not None:
            return declared.schema if len(declared.schema) else None
        if binding is not None and is_text(binding):
            return parse_schema(TEXT_SCHEMA)
        self._add(
            "SchemaMissing", f"source {declared.name!r} has no schema", declared.where,
            "run mainstem check --infer, which writes it into the file", declared.name,
        )  # fmt: skip
        return None

    def event_time(self, declared: SourceDeclaration, schema: Schema) -> None:
        where, name = declared.where, declared.name
        spans = {
            "watermark": declared.watermark, "idle": declared.idle, "max_ahead": declared.max_ahead,
        }  # fmt: skip
        if not declared.event_time:
            for word, span in spans.items():
                if span is not None:
                    self._add(
                        "EventTimeMissing", f"{name!r} has {word} and no event_time", where,
                        f'add event_time="column", or remove {word}', name,
                    )  # fmt: skip
            return
        column = self.column(declared, schema, declared.event_time, "event_time")
        if column is not None and schema.fields[column].type.kind != "timestamp":
            kind = schema.fields[column].type
            self._add(
                "EventTimeType", f"event_time {declared.event_time!r} of {name!r} is {kind}", where,
                "declare the column as timestamp", name,
            )  # fmt: skip

    def key(self, declared: SourceDeclaration, schema: Schema) -> None:
        if declared.is_lookup and not declared.key:
            self._add(
                "KeyMissing", f"lookup {declared.name!r} has no key", declared.where,
                f'add key="{schema.names[0]}"', declared.name,
            )  # fmt: skip
        for name in declared.key:
            self.column(declared, schema, name, "key")

    def column(
        self, declared: SourceDeclaration, schema: Schema, name: str, word: str
    ) -> int | None:
        lowered = [known.lower() for known in schema.names]
        if name.lower() in lowered:
            return lowered.index(name.lower())
        close = nearest(name, schema.names)
        self._add(
            "ColumnNotFound",
            f"no column {name!r} for {word} of {declared.name!r} (columns: "
            f"{listing(schema.names)})", declared.where,
            f"write {close}" if close else "add it to the schema", declared.name,
        )  # fmt: skip
        return None

    # Steps

    def all_steps(self) -> None:
        texts: dict[str, tuple[StepDeclaration, Text]] = {}
        for declared in self.pipeline.steps:
            text = self.statement(declared)
            if text is not None:
                texts[declared.name] = (declared, text)
        known = [declared.name for declared in self.pipeline.declarations()]
        broken = {name.lower() for name in self.pipeline.broken} - {n.lower() for n in known}
        read = {name for reads in self.reads.values() for name in reads.names}
        self.failed |= {name for name in read if name.lower() in broken}
        # Spelled as declared, whatever the case in the SQL.
        self.reads = {name: reads.spelled(known) for name, reads in self.reads.items()}
        for circle in circles(self.reads):
            self._circle(circle)
        for name in sorted_steps(self.reads, known):
            step = None
            if name not in self.failed and not self.failed & set(self.reads[name].names):
                step = self.step(*texts[name])
            if step is None:
                self.failed.add(name)
            else:
                self.steps[name] = step

    def statement(self, declared: StepDeclaration) -> Text | None:
        try:
            text = declared.statement()
        except MainstemError as error:
            self.findings.add(error.finding)
            self.failed.add(declared.name)
            return None
        except Exception as error:  # noqa: BLE001 - the user's function, whatever it raises
            self.findings.add(_function_failed(declared, error))
            self.failed.add(declared.name)
            return None
        try:
            self.reads[declared.name] = reads_of(parse(text))
        except MainstemError:
            self.failed.add(declared.name)
            self.placed_syntax(declared, text)
            return None
        return text

    def placed_syntax(self, declared: StepDeclaration, text: Text) -> None:
        """Read a wrong text again, now that its place in the user's file is worth finding."""
        text, located = declared.located(text)
        try:
            parse(text)
        except MainstemError as error:
            self.findings.add(_placed(error.finding, declared, located))

    def step(self, declared: StepDeclaration, text: Text) -> Step | None:
        tables = {name: source.schema for name, source in self.sources.items()}
        tables |= {name: step.schema for name, step in self.steps.items()}
        params = {param.name: param.type for param in self.pipeline.params}
        own = Findings()
        bound_query = bind(text, tables, params=params, findings=own)
        if own.items:
            text, located = declared.located(text)
            own = Findings()
            bind(text, tables, params=params, findings=own)
            for finding in own.items:
                if not self._follows(finding):
                    self.findings.add(_placed(finding, declared, located))
        return None if bound_query is None else self.built(declared, text, bound_query)

    def _follows(self, finding: Finding) -> bool:
        """Say whether a parameter is missing only because its declaration is wrong, which is told."""
        named = [f"no parameter :{name}" for name in self.pipeline.broken]
        return finding.code == "ParamNotFound" and finding.what in named

    def built(self, declared: StepDeclaration, text: Text, query: Bound) -> Step | None:
        sink = self.sinks.get(declared.name)
        if sink is not None:
            self.sink_columns(declared, sink, query.schema)
        self.mode(declared)
        self.sink_schema(declared, query.schema)
        return Step(
            declared.name, query.query, query.schema, tuple(query.inputs), sink,
            declared.sink_schema, is_total_order=query.is_total_order, text=text.text,
            where=declared.where,
        )  # fmt: skip

    def mode(self, declared: StepDeclaration) -> None:
        # C1: only an aggregate, top-N or DISTINCT over a stream updates, and no stream runs yet.
        if declared.mode == "updating":
            self._add(
                "KindMismatch", f"{declared.name!r} is an append table: over inputs that end every "
                "row is final (contract C1)", declared.where,
                'write mode="append" or remove it', declared.name,
            )  # fmt: skip

    def sink_columns(self, declared: StepDeclaration, sink: Binding, schema: Schema) -> None:
        """Check the columns that a sink's options name."""
        options = options_of("sinks", connector(sink))
        if options is None:
            return
        names = getattr(read_options(options, sink), "partition_columns", ())
        lowered = {known.lower() for known in schema.names}
        for name in names:
            if name.lower() not in lowered:
                close = nearest(name, schema.names)
                self._add(
                    "ColumnNotFound", f"no column {name!r} to partition {declared.name!r} by "
                    f"(columns: {listing(schema.names)})", declared.where,
                    f"write {close}" if close else "select it", declared.name,
                )  # fmt: skip

    def sink_schema(self, declared: StepDeclaration, schema: Schema) -> None:
        """Check that the declared columns of a sink are the query's, narrower at the most."""
        wanted = declared.sink_schema
        if wanted is None or not len(wanted):
            return
        given = {field.name.lower(): field for field in schema.fields}
        for field in wanted.fields:
            own = given.pop(field.name.lower(), None)
            if own is None:
                close = nearest(field.name, schema.names)
                self._add(
                    "ColumnNotFound", f"{declared.name!r} declares column {field.name!r}, which "
                    f"its query does not give (columns: {listing(schema.names)})", declared.where,
                    f"write {close}" if close else "select it", declared.name,
                )  # fmt: skip
            elif in_expressions(field.type) != in_expressions(own.type):
                self._add(
                    "TypeMismatch", f"{declared.name!r} declares {field.name} as {field.type}; its "
                    f"query gives {own.type}", declared.where,
                    f"write CAST({field.name} AS {field.type}) in the query", declared.name,
                )  # fmt: skip
        if given:
            names = listing(field.name for field in given.values())
            self._add(
                "ColumnNotFound", f"{declared.name!r} gives {names}, which its schema does not "
                "declare", declared.where, "add them to the schema, or leave them out",
                declared.name,
            )  # fmt: skip

    # What only the whole shows

    def _pending(self) -> None:
        for declared in self.pipeline.pending():
            self._add(
                "SqlMissing", f"{declared.kind} {declared.name!r} has no SQL", declared.where,
                f'write p.{declared.kind}("{declared.name}", "SELECT …") or decorate a function',
            )  # fmt: skip

    def _circle(self, circle: tuple[str, ...]) -> None:
        first = next(step for step in self.pipeline.steps if step.name == circle[0])
        self.failed |= set(circle)
        self._add(
            "CircularSteps", f"steps read one another in a circle: {' → '.join(circle)}",
            first.where, "take one of them out of the circle; WITH RECURSIVE iterates in one step",
            circle[0],
        )  # fmt: skip

    def _refs(self) -> None:
        known = [declared.name for declared in self.pipeline.declarations()]
        for ref in self.pipeline.refs:
            if str(ref.name).lower() not in {name.lower() for name in known}:
                close = nearest(str(ref.name), known)
                self._add(
                    "TableNotFound", f"no source, view or table {ref.name!r} (known: "
                    f"{listing(known)})", ref.where, f"write {close}" if close else "declare it",
                )  # fmt: skip

    def _unused(self) -> None:
        used = {name for reads in self.reads.values() for name in reads.names}
        # The reads of a step that cannot be parsed are not known: nothing can be called unused.
        if len(self.reads) < len(self.pipeline.steps):
            return
        for declared in self.pipeline.declarations():
            is_kept = isinstance(declared, StepDeclaration) and declared.is_table
            if declared.name not in used and not is_kept:
                kind = declared.kind if isinstance(declared, StepDeclaration) else "source"
                self._add(
                    "Unused", f"{kind} {declared.name!r} is read by nothing", declared.where,
                    "remove it, or read it in a table", declared.name, severity="warning",
                )  # fmt: skip

    def _add(
        self, code: str, what: str, where: Place, fix: str, step: str = "", *,
        severity: str = "error",
    ) -> None:  # fmt: skip
        self.findings.add(Finding(code, what, where, fix, severity, step))


def _function_failed(declared: StepDeclaration, error: Exception) -> Finding:
    """Point at the line of the user's function that raised; frames of libraries say less."""
    file = declared.where.file
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = Place(file, frames[-1].lineno or 0) if frames else declared.where
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Finding(
        "FunctionFailed", f"the function of {declared.kind} {declared.name!r} failed: {said}",
        where, "correct the line; the function takes nothing and returns SQL", step=declared.name,
    )  # fmt: skip


def refused_stream(name: str, row: Connector, where: Place) -> Finding | None:
    """Give the finding for a source that never ends, as nothing runs it yet; None for others."""
    if row.bounded:
        return None
    return Finding(
        "StreamNotYet",
        f"source {name!r} never ends ({row.name}): streams arrive in a later version", where,
        "bind it to files for now", step=name,
    )  # fmt: skip


def _placed(finding: Finding, declared: StepDeclaration, located: Located) -> Finding:
    """Give a finding the place that is known of its SQL: exact, by lines, or only the call's."""
    where = finding.where
    if not located.is_exact:
        at = f" (line {where.line}, column {where.column} of its SQL)" if where.line else ""
        return dataclasses.replace(
            finding, where=located.place, what=finding.what + at, step=declared.name
        )
    if not located.has_columns:
        where = Place(where.file, where.line)
    return dataclasses.replace(finding, where=where, step=declared.name)
