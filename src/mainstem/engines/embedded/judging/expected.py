"""Which relations of a run are judged when, and what their readers then see."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import duckdb

from mainstem.engines.embedded.failures import explained, is_data
from mainstem.engines.embedded.reading.sources import as_events, rooted
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, Statement
from mainstem.errors import NOWHERE, DataError, InternalError, listing
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan
from mainstem.record import mutable

if TYPE_CHECKING:
    from mainstem.engines.embedded.judging.expect import Judgement, Line, Rows
    from mainstem.engines.embedded.judging.keep import Kept
    from mainstem.engines.embedded.judging.replay import Replaying


@mutable
class Expected:
    """The judging of one run.

    A source waits until somebody reads it: its rules may look into a step. A step is judged when it
    has been computed, and is computed once: computed again, other rows could tie or be sampled.
    """

    session: Session
    plan: Plan
    settings: RunSettings
    replaying: Replaying | None = None
    waiting: dict[str, Rows] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)

    def has_rules(self, name: str) -> bool:
        """Say whether a relation is judged."""
        return bool(self.plan.expected_of(name))

    def source(self, name: str) -> None:
        """Take a source that was just made readable; until it is judged its rows are hidden."""
        source = self.plan.source(name)
        if source is not None and source.on_bad == "dead_letter":
            from mainstem.engines.embedded.judging.keep import dead
            from mainstem.engines.embedded.judging.letters import headers

            is_table = source.binding.type == "duckdb"
            rooted_source = rooted(source, self.settings.base_dir)
            names = headers(self.session, rooted_source)
            self.kept.append(dead(self.session, name, is_whole=is_table, headers=names))
        if source is None or not self.has_rules(name):
            return
        # Not at the top, nor below: most runs have no rules, and start without what judges them.
        from mainstem.engines.embedded.judging.expect import Rows

        files = [(f.path, f.first_row) for f in self.session.files.get(name, ()) if f.rows]
        raw = quoted(f"__raw_{name}")
        self.session.rows(f"ALTER VIEW {quoted(name)} RENAME TO {raw}")
        rows = Rows(name, source.schema, raw, is_placed=True, files=tuple(files))
        # A rule may look at the relation itself: it sees the rows as they came.
        self._show(rows, f"{raw} AS r")
        self.waiting[name] = rows

    def given(self, replaying: Replaying) -> Generator[Event, None, None]:
        """Make the rows of a replay those of its relation; until they are judged they are hidden."""
        rows = yield from replaying.rows()
        self._show(rows, f"{rows.table} AS r")
        if self.has_rules(rows.name):
            self.waiting[rows.name] = rows

    def ready(self, names: Iterable[str]) -> Generator[Event, None, None]:
        """Judge what is still to be judged of the relations that somebody is about to read."""
        for name in names:
            rows = self.waiting.pop(name, None)
            if rows is not None:
                yield from self.ready(self._behind(name))
                yield from self._judged(rows)

    def all(self) -> Generator[Event, None, None]:
        """Judge the sources that no step reads."""
        yield from self.ready(list(self.waiting))

    def step(self, statement: Statement) -> Generator[Event, None, None]:
        """Compute a step and judge it; its rows that pass are then a view of its name."""
        from mainstem.engines.embedded.judging.expect import Rows

        name, schema = statement.step.name, statement.step.schema
        made = quoted(f"__made_{name}")
        watched = self.session.watch(f"CREATE TEMP TABLE {made} AS {statement.sql}")
        yield from as_events(name, watched)
        raw = quoted(f"__raw_{name}")
        self.session.rows(f"CREATE TEMP VIEW {raw} AS SELECT *, rowid AS __row FROM {made}")
        rows = Rows(name, schema, raw, is_ordered=bool(statement.step.query.order))
        self._show(rows, f"{raw} AS r")
        yield from self.ready(self._behind(name))
        yield from self._judged(rows)

    def _behind(self, name: str) -> list[str]:
        """Give the relations that the rules of one look into."""
        tests = [e.test for e in self.plan.expected_of(name) if e.test is not None]
        tables = [n for test in tests for n in t.walk(test) if isinstance(n, t.Table)]
        return [n.name for n in tables if not n.is_cte and n.name != name]

    def _judged(self, rows: Rows) -> Generator[Event, None, None]:
        from mainstem.engines.embedded.judging.expect import Judgement
        from mainstem.engines.embedded.judging.keep import quarantined
        from mainstem.engines.embedded.judging.wholes import judge_wholes

        rules = self.plan.expected_of(rows.name)
        judgement = Judgement(self.session, rows, rules)
        try:
            lines = yield from as_events(rows.name, judgement.run())
            yield from as_events(rows.name, judge_wholes(judgement, self.settings))
            if judgement.has_stopped:
                self._show(rows, judgement.let_through())
            self._balance(rows, judgement)
        except duckdb.Error as error:
            from mainstem.engines.embedded.culprit import culprit_of_rules

            rule, found = culprit_of_rules(self.session, rules) if is_data(error) else (None, "")
            by = f"expectation {rule.name!r}" if rule else "its expectations"
            where = rule.where if rule else NOWHERE
            doing = f"judging {rows.name!r} by {by}"
            raise explained(error, None, doing=doing, culprit=found, where=where) from error
        for line in lines:
            yield Event("expectation_checked", rows.name, line.facts())
        refuse(lines, rows.name)
        is_given = self.replaying is not None and self.replaying.name == rows.name
        if self.replaying is not None and is_given:
            self.replaying.judgement = judgement
            if not self.replaying.is_dead:
                # These rows are in the quarantine already: those that fail again stay there.
                return
        if any(rule.on_fail == "quarantine" for rule in rules):
            self.kept.append(quarantined(judgement))

    def _show(self, rows: Rows, relation: str) -> None:
        columns = ", ".join(f"r.{quoted(name)}" for name in rows.schema.names)
        self.session.rows(
            f"CREATE OR REPLACE TEMP VIEW {quoted(rows.name)} AS SELECT {columns} FROM {relation}"
            + (" ORDER BY r.__row" if rows.is_ordered else "")
        )

    def _balance(self, rows: Rows, judgement: Judgement) -> None:
        """Count what readers see: the books are not to be made of one and the same number."""
        seen = self.session.rows(f"SELECT count(*) FROM {quoted(rows.name)}")[0][0]
        last = judgement.lines[-1]
        if seen != last.checked - last.stopped:
            raise InternalError(
                f"readers of {rows.name!r} see {seen} rows, and {last.checked - last.stopped} "
                "passed its expectations", code="LedgerUnbalanced",
                fix="report it with this line; nothing was committed by this run",
            )  # fmt: skip


def refuse(lines: Sequence[Line], name: str) -> None:
    """Stop the run when a rule says so.

    Raises
    ------
    DataError
        With the first such rule; the others stand in its text.
    """
    wrong = [(line, said) for line in lines if (said := _broken(line))]
    if not wrong:
        return
    line, said = wrong[0]
    also = "".join(f"\n       also: {more}" for _, more in wrong[1:])
    code, fix = (
        "ExpectationFailed",
        ('correct the data or the rule; on_fail="quarantine" keeps such rows aside and goes on'),
    )
    if line.rule.on_fail != "fail":
        code, fix = "TooManyBad", "correct the data, or raise max_bad"
    elif not line.failed:
        fix = 'correct the data or the rule; on_fail="warn" goes on'
    raise DataError(
        said + _shown(line) + also, where=line.rule.where, step=name, code=code,
        fix=fix, rule=line.rule.name, failed=line.failed, checked=line.checked,
        samples=line.samples,
    )  # fmt: skip


def _broken(line: Line) -> str:
    """Say why a rule stops the run; "" when it does not."""
    rule = line.rule
    about = f"expectation {rule.name!r} of {rule.on!r}"
    if not line.failed:
        return "" if line.is_met or rule.on_fail != "fail" else f"{about} is not met: {line.found}"
    rows = f"{line.failed:,} of {line.checked:,} row{'s' if line.checked != 1 else ''}"
    verb = "breaks" if line.failed == 1 else "break"
    if rule.on_fail == "fail":
        return f"{rows} {verb} {about}"
    if rule.max_bad is None:
        return ""
    bound = rule.max_bad if isinstance(rule.max_bad, int) else rule.max_bad * line.checked
    if line.failed <= bound:
        return ""
    return f"{rows} {verb} {about}, and max_bad is {rule.max_bad}"


def _shown(line: Line) -> str:
    shown = []
    for sample in line.samples:
        row = f"row {sample['__row']}" if sample.get("__row") else ""
        place = " ".join(filter(None, (sample.get("__path"), row)))
        values = [
            f"{name}={'NULL' if value is None else value}"
            for name, value in sample.items()
            if not name.startswith("__")
        ]
        shown.append(f"\n       {place + ': ' if place else ''}{listing(values)}")
    return "".join(shown)
