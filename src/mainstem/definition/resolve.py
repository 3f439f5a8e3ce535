"""From declarations to a `Plan`: settings applied, every step bound in dependency order.

Nothing stops at the first mistake: each source and step is taken as far as it goes, and all
findings come together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from mainstem.connectors.state import state
from mainstem.definition.binding import (
    Row,
    binding_rows,
    bound,
    check_names,
    run_rows,
)
from mainstem.definition.declaration import StepDeclaration, tree_of
from mainstem.definition.expectation import ExpectationWork
from mainstem.definition.graph import Reads, circles, reads_of, sorted_steps
from mainstem.definition.keyed import bound_keyed
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.place import Located
from mainstem.definition.source import SourceWork
from mainstem.definition.spot import Spot, VerbText
from mainstem.definition.table import TableWork
from mainstem.errors import (
    CheckFailed,
    Finding,
    Findings,
    MainstemError,
    Place,
    listing,
    nearest,
)
from mainstem.plan.map_reduce import MapReduce
from mainstem.plan.nodes import Binding, Expectation, Plan, Source, Step
from mainstem.plan.tree import Query
from mainstem.plan.types import Schema
from mainstem.record import record
from mainstem.settings.file import read
from mainstem.settings.values import Settings
from mainstem.sql.bind import Bound, bind_tree
from mainstem.sql.delta import refusals
from mainstem.sql.tokens import Text


@record
class Resolved:
    """What became of a pipeline: the plan when all is well, and everything that was found.

    `schemas` are the columns of every source and step that is right, whatever the others are.
    """

    pipeline: Pipeline
    plan: Plan | None
    findings: Findings
    settings: Settings
    schemas: Mapping[str, Schema] = dataclasses.field(default_factory=dict)

    def raise_errors(self) -> None:
        """Raise everything that was found when any of it is an error.

        Raises
        ------
        CheckFailed
            With all findings.
        """
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
    schemas = {name: source.schema for name, source in work.sources.items()}
    schemas |= {name: step.schema for name, step in work.steps.items()}
    return Resolved(pipeline, None if findings.errors else plan, findings, settings, schemas)


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
        # Sources that never end, and the steps that read them at some point.
        self.endless: set[str] = set()
        self.reads: dict[str, Reads] = {}
        self.rules = ExpectationWork(pipeline.expectations, findings)

    def plan(self) -> Plan:
        self._pending()
        tables = [step.name for step in self.pipeline.steps if step.is_table]
        names = [source.name for source in self.pipeline.sources]
        check_names(self.settings, names, tables, self.findings)
        sources = SourceWork(self.settings, self.findings)
        for declaration in self.pipeline.sources:
            source = sources.source(declaration)
            if source is None:
                self.failed.add(declaration.name)
            else:
                self.sources[declaration.name] = source
                if not source.bounded:
                    self.endless.add(source.name)
        for declared in self.pipeline.steps:
            if declared.is_table:
                self.sinks[declared.name] = bound(
                    "sinks", declared.name, declared.sink or state(), self.settings,
                    where=declared.where, findings=self.findings,
                )  # fmt: skip
        self.all_steps()
        expectations = self._expectations()
        self._functions_out_of_place()
        self._refs()
        self._unused()
        if not self.pipeline.steps and not self.findings.errors:
            is_sql = self.pipeline.where.file.endswith(".sql")
            words = "CREATE TABLE name AS SELECT …" if is_sql else 'p.table("name", "SELECT …")'
            self._add("NothingDeclared", "the pipeline has no tables", self.pipeline.where,
                      f"add {words}")  # fmt: skip
        plan = Plan(
            self.pipeline.name, tuple(self.sources.values()), tuple(self.steps.values()),
            tuple(self.pipeline.params), expectations, str(self.pipeline.file or ""),
            tuple(self.pipeline.functions),
        )  # fmt: skip
        self._undetermined(plan)
        self._growth(plan)
        return plan

    # Steps

    def all_steps(self) -> None:
        read_steps: dict[str, tuple[StepDeclaration, Text, Query]] = {}
        for declared in self.pipeline.steps:
            found = self.statement(declared)
            if found is not None:
                read_steps[declared.name] = (declared, *found)
        known = [declared.name for declared in self.pipeline.declarations()]
        broken = {name.lower() for name in self.pipeline.broken} - {n.lower() for n in known}
        read = {name for reads in self.reads.values() for name in reads.names}
        self.failed |= {name for name in read if name.lower() in broken}
        # Spelled as declared, whatever the case in the SQL.
        self.reads = {name: reads.spelled(known) for name, reads in self.reads.items()}
        order = self._order(self.rules.reads(known))
        for circle in circles(order):
            self._circle(circle)
        for name in sorted_steps(order, known):
            if name not in self.reads:
                continue
            step = None
            if name not in self.failed and not self.failed & set(self.reads[name].names):
                step = self.step(*read_steps[name])
            if step is None:
                self.failed.add(name)
            else:
                self.steps[name] = step

    def _order(self, rules: Mapping[str, Reads]) -> dict[str, Reads]:
        """Give what has to be there before each relation: a rule may look into another one."""
        named = dict.fromkeys([*self.sources, *self.reads])
        own = {name: self.reads[name].names if name in self.reads else () for name in named}
        return {
            name: Reads(tuple(dict.fromkeys((*own[name], *rules[name].names))))
            if name in rules
            else Reads(own[name])
            for name in named
            if own[name] or name in rules or name in self.reads
        }

    def statement(self, declared: StepDeclaration) -> tuple[Text, Query] | None:
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
            tree = tree_of(text)
        except MainstemError:
            self.failed.add(declared.name)
            self.placed_syntax(declared, text)
            return None
        self.reads[declared.name] = reads_of(tree)
        return text, tree

    def placed_syntax(self, declared: StepDeclaration, text: Text) -> None:
        """Read a wrong text again, now that its place in the user's file is worth finding."""
        text, located = declared.located(text)
        try:
            tree_of(text)
        except MainstemError as error:
            self.findings.add(_placed(error.finding, declared, located))

    def step(self, declared: StepDeclaration, text: Text, tree: Query) -> Step | None:
        tables = {name: source.schema for name, source in self.sources.items()}
        tables |= {name: step.schema for name, step in self.steps.items()}
        params = {param.name: param.type for param in self.pipeline.params}
        own = Findings()
        # A misspelt name may mean a step that is wrong itself, or one that comes later.
        known = [other.name for other in self.pipeline.declarations() if other is not declared]
        bound_query = bind_tree(
            tree, tables, source=text, params=params, declared=known, findings=own,
            functions=self.pipeline.functions,
        )  # fmt: skip
        if own.items:
            text, located = declared.located(text)
            own = Findings()
            bind_tree(
                tree, tables, source=text, params=params, declared=known, findings=own,
                functions=self.pipeline.functions,
            )  # fmt: skip
            for finding in own.items:
                if not self._follows(finding):
                    self.findings.add(_placed(finding, declared, located))
        if bound_query is None:
            return None
        job = declared.job
        if job is not None:
            job = dataclasses.replace(job, reads=bound_query.schema)
            bound_query = dataclasses.replace(bound_query, schema=job.returns, is_total_order=False)
        return self.built(declared, text, bound_query, job)

    def _follows(self, finding: Finding) -> bool:
        """Say whether something is missing only because its declaration is wrong, which is told."""
        named = [f"no parameter :{name}" for name in self.pipeline.broken]
        named += [f"no function {name.lower()!r}" for name in self.pipeline.broken]
        return finding.code in ("ParamNotFound", "FunctionNotFound") and finding.what in named

    def built(
        self, declared: StepDeclaration, text: Text, query: Bound, job: MapReduce | None
    ) -> Step | None:
        sink = self.sinks.get(declared.name)
        table = TableWork(declared, query.schema, self.findings)
        if sink is not None:
            table.columns(sink)
        # C1: over a stream the analysis of streams judges, which knows what the plan derives.
        is_stream = not self.endless.isdisjoint(query.inputs)
        if is_stream:
            self.endless.add(declared.name)
        else:
            table.mode()
        table.declared_schema()
        self.liftable(declared, text, query)
        params = {param.name: param.type for param in self.pipeline.params}
        test = sink and bound_keyed(declared, sink, query.schema, params, self.findings)
        return Step(
            declared.name, query.query, query.schema, tuple(query.inputs), sink,
            declared.sink_schema, is_total_order=query.is_total_order, delete_test=test or None,
            declared_kind=declared.mode, allowed_lateness=declared.allowed_lateness,
            ttl=declared.ttl, state=declared.state, job=job, text=text.text,
            where=declared.where,
        )  # fmt: skip

    def liftable(self, declared: StepDeclaration, text: Text, query: Bound) -> None:
        """Report a call of a Python function that no engine could take out of its query."""
        functions = self.pipeline.functions
        if not functions:
            return
        from mainstem.sql.lift import lifted

        problem = lifted(query.query, functions, declared.name).problem
        if problem is not None:
            self._add_placed("FunctionPlace", problem, declared, text)

    def _undetermined(self, plan: Plan) -> None:
        if all(one.is_deterministic for one in plan.functions):
            return
        from mainstem.sql.determinism import misplaced

        declared = {step.name: step for step in self.pipeline.steps}
        for one in misplaced(plan):
            what = f"{one.call.name} is not deterministic and stands too early: {one.why} (V9)"
            fix = "call it in the last step, after every group, join, window and sort"
            own = declared[one.step.name]
            self._add_placed("NotDeterministic", (what, one.call.at, fix), own,
                             own.statement())  # fmt: skip

    def _add_placed(
        self, code: str, problem: tuple[str, int, str], declared: StepDeclaration, text: Text
    ) -> None:
        what, at, fix = problem
        text, located = declared.located(text)
        self.findings.add(_placed(text.finding(code, what, at, fix), declared, located))

    def _expectations(self) -> tuple[Expectation, ...]:
        schemas = {name: source.schema for name, source in self.sources.items()}
        schemas |= {name: step.schema for name, step in self.steps.items()}
        params = {param.name: param.type for param in self.pipeline.params}
        known = [declared.name for declared in self.pipeline.declarations()]
        whole = {n: s for n, s in schemas.items() if n not in self.failed}
        return self.rules.expectations(whole, params, known)

    def _functions_out_of_place(self) -> None:
        """Say of a Python function in a rule or `delete_when` that it is none of theirs.

        Steps know it, so a function that was declared and not found stands in a condition.
        """
        names = tuple(f"no function {one.name!r}" for one in self.pipeline.functions)
        for i, found in enumerate(self.findings.items):
            if found.code == "FunctionNotFound" and found.what.endswith(names):
                self.findings.items[i] = dataclasses.replace(
                    found, what=f"{found.what} in a condition: it is a Python function",
                    fix="call it in a view, and write the condition about that column",
                )  # fmt: skip

    # What only the whole shows

    def _pending(self) -> None:
        for declared in self.pipeline.pending():
            self._add(
                "SqlMissing", f"{declared.kind} {declared.name!r} has no SQL", declared.where,
                f'write p.{declared.kind}("{declared.name}", "SELECT …") or decorate a function',
            )  # fmt: skip

    def _circle(self, circle: tuple[str, ...]) -> None:
        first = next(one for one in self.pipeline.declarations() if one.name == circle[0])
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

    def _growth(self, plan: Plan) -> None:
        """Find what appending, or reading only new rows, would get wrong."""
        declared = {step.name: step for step in self.pipeline.steps}

        def locate(step: Step, at: int) -> tuple[Place, str]:
            if isinstance(at, Spot):
                verbs = VerbText(step.text, query=step.query)
                return verbs.locate(at), verbs.snippet(at)
            own = declared[step.name]
            place = own.text_at or Place(own.where.file, 1, 1)
            text, located = own.located(Text(step.text, place, step.name))
            if not located.is_exact or at < 0:
                return located.place, ""
            found = text.locate(at)
            return (found if located.has_columns else Place(found.file, found.line)), text.snippet(
                at
            )

        for finding in refusals(plan, locate):
            self.findings.add(finding)

    def _unused(self) -> None:
        used = {name for reads in self.reads.values() for name in reads.names}
        # What a rule looks at is used: the rule is what it is there for.
        known = [declared.name for declared in self.pipeline.declarations()]
        for name, reads in self.rules.reads(known).items():
            used |= {name, *reads.names}
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
    import traceback

    file = declared.where.file
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = Place(file, frames[-1].lineno or 0) if frames else declared.where
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Finding(
        "FunctionFailed", f"the function of {declared.kind} {declared.name!r} failed: {said}",
        where, "correct the line; the function takes nothing and returns SQL", step=declared.name,
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
