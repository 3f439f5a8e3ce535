"""Judging the new rows of an epoch by the rules of their relation (L1), in one pass.

One statement looks at the rows once and keeps the numbers of those that any rule is not content with,
each with the rule that stops it; mostly there are none, and that was all. A source is judged as soon
as its slice is a table, a step when it was computed. Whoever reads the relation sees what passed; the
watermark of a source has seen all of its rows (T1).

What goes aside waits in temporary tables until the epoch is about to be committed: an epoch that is
computed again judges again, and its rows are kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.fallible import can_fail
from mainstem.engines.embedded.judging.expect import (
    LONGEST,
    SAMPLES,
    Line,
    condition,
)
from mainstem.engines.embedded.judging.expected import refuse
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.ledger import Counts
from mainstem.engines.embedded.stream.ruletests import AT, DEAD, STOP, tests_of
from mainstem.engines.embedded.stream.setaside import (
    Kept,
    make_quarantine,
    write_dead,
    write_quarantined,
)
from mainstem.engines.embedded.stream.spec import PART, PATH, ROW, Loaded, Part
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.spec import Event
from mainstem.errors import DataError, InternalError
from mainstem.plan.nodes import Expectation, Plan, Source, Step
from mainstem.plan.stream import STATIC, StreamPlan
from mainstem.plan.types import Schema, in_expressions
from mainstem.record import record


@record
class Verdict:
    """What the rules say of the rows of an epoch.

    Parameters
    ----------
    lines : tuple of Line
        One for each rule, in order.
    dead : int
        Rows on which a rule's condition failed.
    passed : int
        Rows that are left.
    """

    lines: tuple[Line, ...]
    dead: int
    passed: int

    @property
    def stopped(self) -> int:
        """Give how many rows readers do not see."""
        return self.dead + sum(line.stopped for line in self.lines)

    @property
    def quarantined(self) -> int:
        """Give how many rows are kept aside."""
        return sum(line.failed for line in self.lines if line.rule.on_fail == "quarantine")


class Judge:
    """Judges one relation, epoch by epoch.

    Parameters
    ----------
    session : Session
        The engine's.
    name, schema : str, Schema
        The relation.
    rules : sequence of Expectation
        Those about it, in declared order.
    is_source : bool
        Whether it is a source, whose rows have a position.
    """

    def __init__(
        self, session: Session, name: str, schema: Schema, rules: Sequence[Expectation], *,
        is_source: bool,
    ) -> None:  # fmt: skip
        self.session, self.name, self.schema, self.rules = session, name, schema, tuple(rules)
        self.is_source = is_source
        self.tests = tests_of(name, schema, rules)
        # The sums of this run, as far as it is committed, with the first rows that broke each rule.
        self.lines = [Line(rule) for rule in rules]
        self.verdict: Verdict | None = None
        self.before = 0
        # Gives the SQL of where a row stood: only asked when a rule speaks of one.
        self.locate: Callable[[], tuple[str, str]] = _nowhere
        self.place: tuple[str, str] = _nowhere()

    @property
    def raw(self) -> str:
        """Give the name of the rows of a step before they are judged."""
        return f"__raw_{self.name}"

    @property
    def found(self) -> str:
        """Give the quoted name of the table of rows that a rule speaks of."""
        return quoted(f"__found_{self.name}")

    @property
    def aside(self) -> str:
        """Give the quoted name of the table of rows that go into quarantine."""
        return quoted(f"__aside_{self.name}")

    @property
    def letters(self) -> str:
        """Give the quoted name of the table of rows on which a condition failed."""
        return quoted(f"__unjudged_{self.name}")

    def judge(self, table: str, total: int) -> Verdict:
        """Judge the rows of a table, and take out those that are stopped.

        Raises
        ------
        DataError
            When a rule stops the run.
        InternalError
            When other rows were taken out than counted.
        """
        self.verdict = None
        ((n_found,),) = self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {self.found} AS {self.tests.found(table)}"
        )
        counts, dead = self.counts() if n_found else ([0] * len(self.rules), 0)
        left, lines = total - dead, []
        for rule, failed in zip(self.rules, counts, strict=True):
            line = Line(rule, left, failed, is_met=not failed)
            left -= line.stopped
            lines.append(line)
        verdict = Verdict(tuple(lines), dead, left)
        if n_found:
            self.place = self.locate()
            self.samples(table, lines)
            self.refuse(lines)
            self.set_aside(table, verdict)
            self.take_out(table, total, left)
        self.verdict = verdict
        return verdict

    def counts(self) -> tuple[list[int], int]:
        """Give how many rows break each rule, and on how many a condition failed."""
        # Not count_if, which is NULL where its condition is NULL of all rows.
        tests = [f"{STOP} = {DEAD}", *map(self.broke, range(len(self.rules)))]
        items = [f"count(*) FILTER (WHERE {test})" for test in tests]
        ((dead, *counts),) = self.session.rows(f"SELECT {', '.join(items)} FROM {self.found}")
        return [int(n) for n in counts], int(dead)

    def broke(self, index: int) -> str:
        """Give what is TRUE of a found row that breaks a rule and was not stopped before it."""
        if index in self.tests.warned:
            return f"__w{index} AND ({STOP} IS NULL OR {STOP} > {index})"
        return f"{STOP} = {index}"

    def samples(self, table: str, lines: Sequence[Line]) -> None:
        """Keep the first rows of the run that broke each rule."""
        path, row = self.place
        shown = ", ".join(
            f"left(CAST(r.{quoted(n)} AS VARCHAR), {LONGEST})" for n in self.schema.names
        )
        for index, line in enumerate(lines):
            missing = SAMPLES - len(self.lines[index].samples)
            if not line.failed or missing <= 0:
                continue
            found = self.session.rows(
                f"SELECT {path}, CAST({row} AS VARCHAR), {shown} FROM {table} AS r JOIN {self.found} AS f "
                f"ON r.rowid = f.{AT} WHERE {self.broke(index)} ORDER BY r.rowid LIMIT {missing}"
            )
            for a_path, a_row, *values in found:
                place = {k: v for k, v in (("__path", a_path), ("__row", a_row)) if v is not None}
                line.samples.append(place | dict(zip(self.schema.names, values, strict=True)))

    def refuse(self, lines: Sequence[Line]) -> None:
        """Stop the run when a rule says so, by the rows of the whole run.

        Raises
        ------
        DataError
            Naming the rule, with the first rows that broke it.
        """
        refuse([_sum(own, new) for own, new in zip(self.lines, lines, strict=True)], self.name)

    def set_aside(self, table: str, verdict: Verdict) -> None:
        """Copy the rows that are kept: those in quarantine, and those that could not be judged."""
        joined = f"FROM {table} AS r JOIN {self.found} AS f ON r.rowid = f.{AT}"
        path, row = self.place
        own = ", ".join(f"r.{quoted(name)}" for name in self.schema.names)
        if verdict.quarantined:
            numbers = [i for i, rule in enumerate(self.rules) if rule.on_fail == "quarantine"]
            arms = " ".join(f"WHEN {i} THEN {literal(self.rules[i].name)}" for i in numbers)
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {self.aside} AS SELECT row_number() OVER (ORDER BY r.rowid) "
                f"AS __nth, CASE f.{STOP} {arms} END AS __rule, {path} AS __path, {row} AS __row, {own} "
                f"{joined} WHERE f.{STOP} IN ({', '.join(map(str, numbers))}) ORDER BY __nth"
            )
        if verdict.dead:
            texts = " ".join(
                f"WHEN __v{i} IS NULL THEN {literal(rule.text or rule.name)}"
                for i, rule in enumerate(self.rules)
                if rule.test is not None and can_fail(condition(rule.test))
            )
            layered = self.tests.layered(table)
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {self.letters} AS SELECT {path} AS __path, {row} AS __row, "
                f"{own}, CASE {texts} END AS __expression FROM {layered} AS r JOIN {self.found} AS f "
                f"USING ({AT}) WHERE f.{STOP} = {DEAD} ORDER BY {AT}"
            )

    @property
    def stopped(self) -> str:
        """Give the SELECT of the numbers of the rows that are stopped."""
        return _stopped(self.found)

    def take_out(self, table: str, total: int, left: int) -> None:
        """Take the rows that are stopped out of a table; what readers see is counted, not computed."""
        if left == total:
            return
        rest = f"FROM {table} WHERE rowid NOT IN ({self.stopped})"
        if self.is_source:
            # They stay in the slice, below the view that its readers have: they move the watermark (T1).
            ((seen,),) = self.session.rows(f"SELECT count(*) {rest}")
        else:
            seen = self._rebuild(table, rest)
        if seen != left:
            raise InternalError(
                f"readers of {self.name!r} see {seen} rows, and {left} passed its expectations",
                code="LedgerUnbalanced", fix="report it with this line; the epoch was not committed",
            )  # fmt: skip

    def strip(self, table: str) -> None:
        """Take out of a table what the rules would stop, and count nothing."""
        stopped = _stopped(f"({self.tests.found(table)})")
        self._rebuild(table, f"FROM {table} WHERE rowid NOT IN ({stopped})")

    def _rebuild(self, table: str, rest: str) -> int:
        """Make a table again of the rest of its rows; gives their number.

        DuckDB 2.0.0 corrupted memory in DELETE … WHERE rowid IN (SELECT …).
        """
        ((left,),) = self.session.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * {rest}")
        return int(left)

    def committed(self) -> None:
        """Add the epoch to the run."""
        if self.verdict is not None:
            self.lines = [
                _sum(own, new) for own, new in zip(self.lines, self.verdict.lines, strict=True)
            ]

    @property
    def keeps(self) -> bool:
        """Say whether it has a quarantine."""
        return any(rule.on_fail == "quarantine" for rule in self.rules)

    def kept(self) -> Kept:
        """Give what goes into the quarantine."""
        fields = [(f.name, duckdb_type(in_expressions(f.type))) for f in self.schema.fields]
        rows = self.verdict.quarantined if self.verdict else 0
        return Kept(self.name, tuple(fields), self.aside, rows, self.before)


def _nowhere() -> tuple[str, str]:
    """Give the path and number of rows that a step computed: they have none."""
    return "CAST(NULL AS VARCHAR)", "CAST(NULL AS BIGINT)"


def _sum(own: Line, new: Line) -> Line:
    """Give the line of a run with an epoch more."""
    samples = [*own.samples, *new.samples][:SAMPLES]
    failed = own.failed + new.failed
    return Line(own.rule, own.checked + new.checked, failed, not failed, own.found, samples)


class Judging:
    """The judges of a run, by relation.

    Parameters
    ----------
    judges : dict
        Those of the streamed relations that have rules; mostly none.
    """

    def __init__(self, session: Session, judges: dict[str, Judge]) -> None:
        self.session, self.judges = session, judges
        session.placed = frozenset(name for name, one in judges.items() if one.is_source)
        # Columns of the tables of slices: a reader gives the same ones each time.
        self.columns: dict[str, frozenset[str]] = {}
        # The rule that stopped the run, with the rows of the epoch that was undone.
        self.refused: dict[str, dict[str, Any]] = {}

    def create(self) -> dict[str, int]:
        """Make the tables of those that have a quarantine; give the open rows of each."""
        made = {}
        for judge in self.judges.values():
            if judge.keeps:
                kept = judge.kept()
                made[kept.name], judge.before = make_quarantine(self.session, kept)
        return made

    def begin(self) -> None:
        """Forget what was said of the last epoch."""
        for judge in self.judges.values():
            judge.verdict = None

    def source(self, name: str, found: Loaded, parts: Sequence[Part], table: str) -> Loaded:
        """Judge a slice that was just loaded; give its ledger as it is now."""
        judge = self.judges.get(name)
        if judge is None or not found.admitted:
            return found
        judge.locate = partial(self.place, table, parts)
        try:
            verdict = self.judged(judge, f"temp.{table}", found.admitted)
        except duckdb.Error as error:
            doing = f"judging {name!r} by its expectations"
            raise explained(error, None, doing=doing) from error
        if verdict.passed == found.admitted:
            return found
        admitted, dead = found.admitted - verdict.dead, found.dead + verdict.dead
        return replace(found, admitted=admitted, dead=dead)

    def stopped(self, name: str) -> str:
        """Give the SELECT of the numbers of a source's rows that its readers do not see; "" for none."""
        judge = self.judges.get(name)
        if judge is None or judge.verdict is None or not judge.verdict.stopped:
            return ""
        return judge.stopped

    def place(self, table: str, parts: Sequence[Part]) -> tuple[str, str]:
        """Give the SQL of where the rows ``r`` of a slice stood: the file or partition, the number there."""
        if table not in self.columns:
            described = self.session.rows(f"DESCRIBE temp.{table}")
            self.columns[table] = frozenset(row[0] for row in described)
        columns = self.columns[table]
        row = f"r.{quoted(ROW)}" if ROW in columns else "CAST(NULL AS BIGINT)"
        if PATH in columns:
            return f"r.{quoted(PATH)}", row
        names = ", ".join(literal(part.partition) for part in parts)
        return f"nullif((CAST([{names}] AS VARCHAR[]))[r.{quoted(PART)} + 1], '')", row

    def step(self, name: str, rows: int | None) -> int | None:
        """Judge what a node gave; give how many rows its readers see, None when nobody has counted.

        `rows` is None for a node that keeps nothing: what it gives is computed here, once.
        """
        judge = self.judges.get(name)
        if judge is None:
            return rows
        if rows is None:
            ((made,),) = self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS SELECT * FROM {quoted(judge.raw)}"
            )
            rows = int(made)
        judge.verdict = None
        return self.judged(judge, f"temp.{quoted(name)}", rows).passed if rows else 0

    def judged(self, judge: Judge, table: str, total: int) -> Verdict:
        """Judge rows, and remember the rule that stops the run.

        Raises
        ------
        DataError
            When one does.
        """
        try:
            return judge.judge(table, total)
        except DataError as error:
            words = ("rule", "failed", "checked", "samples")
            self.refused = {judge.name: {word: error.attributes[word] for word in words}}
            raise

    def told(self) -> Iterator[Event]:
        """Tell of the rule that has stopped the run; the epoch with those rows was undone."""
        for name, facts in self.refused.items():
            yield Event("expectation_failed", name, facts)

    def view(self, name: str) -> str:
        """Give the quoted name under which a node that keeps nothing gives its rows."""
        judge = self.judges.get(name)
        return quoted(name if judge is None else judge.raw)

    def empty(self, name: str) -> None:
        """Make what readers of such a node see, without rows."""
        if name in self.judges:
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS SELECT * FROM "
                f"{quoted(self.judges[name].raw)} LIMIT 0"
            )

    def strip(self, name: str, table: str) -> None:
        """Take out of other rows of a relation what its rules would stop."""
        if name in self.judges:
            self.judges[name].strip(f"temp.{table}")

    # An epoch's end

    def count(self, counts: Counts) -> None:
        """Add the epoch to its ledger: a line for each rule, and the rows that each relation has left."""
        for name, judge in self.judges.items():
            if judge.verdict is None:
                continue
            counts.passed[name] = judge.verdict.passed
            for line in judge.verdict.lines:
                facts = line.facts()
                words = ("checked", "passed", "failed", "quarantined", "dropped", "warned")
                counts.expectations[name, line.rule.name] = {word: facts[word] for word in words}

    def samples(self) -> dict[str, list[dict[str, str | None]]]:
        """Give the rows that broke rules in this epoch, as many as are missing of the run's first ones."""
        return {
            f"{name}.{line.rule.name}": line.samples
            for name, judge in self.judges.items()
            for line in (judge.verdict.lines if judge.verdict else ())
            if line.samples
        }

    def keep(self, epoch: int, run_id: str, counts: Counts) -> None:
        """Write what goes aside into the state file, in the epoch's transaction."""
        for name, judge in self.judges.items():
            if judge.verdict is None:
                continue
            if judge.verdict.quarantined:
                write_quarantined(self.session, judge.kept(), epoch, run_id)
            if judge.verdict.dead:
                write_dead(self.session, name, judge.letters, epoch, is_source=judge.is_source)
                if not judge.is_source:
                    counts.dead(name, judge.verdict.dead)

    def committed(self) -> None:
        """Add the epoch to the run."""
        for judge in self.judges.values():
            judge.committed()


def _stopped(found: str) -> str:
    return f"SELECT {AT} FROM {found} WHERE {STOP} IS NOT NULL"


def judging_of(session: Session, plan: Plan, stream: StreamPlan) -> Judging:
    """Give the judges of the streamed relations that have rules."""
    judges = {}
    relations: tuple[Source | Step, ...] = (*plan.sources, *plan.steps)
    for one in relations:
        rules = plan.expected_of(one.name)
        if rules and stream.shapes[one.name].kind != STATIC:
            is_source = one.name in stream.streams
            judges[one.name] = Judge(session, one.name, one.schema, rules, is_source=is_source)
    return Judging(session, judges)
