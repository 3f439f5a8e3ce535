"""Judging the rows of a relation by its rules (L1), in declared order, as sets.

Every row has a number: of a source its position, of a step any. One look over the columns that the
rules need, and one for each rule that looks into another relation, tell whether anything fails. When
nothing does, that was all, and readers see the relation itself.
Otherwise one temporary table of (row number, rule) says which row broke which rule; counts, samples,
the quarantine and what readers see all come from it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import field
from typing import Any, cast

from mainstem.engines.embedded.compile import expression_sql
from mainstem.engines.embedded.fallible import can_fail
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal, quoted
from mainstem.plan import tree as t
from mainstem.plan.nodes import Expectation
from mainstem.plan.types import Schema
from mainstem.record import mutable, record

# A row that breaks such a rule goes no further.
STOPPING = ("drop", "quarantine", "fail")
SAMPLES = 5
LONGEST = 200
# So many tell whether a key may be stored in its order.
FIRST_ROWS = 100_000

Watched = Generator[float, None, list[tuple[Any, ...]]]


@record
class Rows:
    """The rows of a relation before its rules, as a relation of the session.

    Parameters
    ----------
    name : str
        The relation, as users call it.
    schema : Schema
        Its columns.
    table : str
        The quoted name of what holds them; besides the columns it has ``__row``.
    is_placed : bool
        Whether ``__row`` is the row's position; else "first" means by the values of the row.
    is_ordered : bool
        Whether readers get the rows in the order of ``__row``.
    files : tuple of (path, first row)
        Which row numbers belong to which file, in order; empty files are left out.
    place : tuple of (path, row), optional
        The columns that say where a row came from, of rows that were kept aside before.
    """

    name: str
    schema: Schema
    table: str
    is_placed: bool = False
    is_ordered: bool = False
    files: tuple[tuple[str, int], ...] = ()
    place: tuple[str, str] | None = None

    @property
    def failed(self) -> str:
        """Give the quoted name of the table of (row number, rule)."""
        return quoted(f"__failed_{self.name}")

    @property
    def order(self) -> str:
        """Give what orders the rows ``r`` by position."""
        if self.is_placed:
            return "r.__row"
        return ", ".join(f"r.{quoted(name)}" for name in self.schema.names)

    def placed(self) -> tuple[str, str]:
        """Give the SQL of a row's path and of its number there, both NULL for a step."""
        if self.place is not None:
            return self.place
        if not self.is_placed:
            return "CAST(NULL AS VARCHAR)", "CAST(NULL AS BIGINT)"
        if not self.files:
            return "CAST(NULL AS VARCHAR)", "r.__row"
        starts = "[" + ", ".join(str(first) for _, first in self.files) + "]::BIGINT[]"
        paths = "[" + ", ".join(literal(path) for path, _ in self.files) + "]"
        # How many files begin at or before the row: the starts are sorted.
        at = f"len(list_filter({starts}, lambda first: first <= r.__row))"
        return f"({paths})[{at}]", f"r.__row - ({starts})[{at}]"


@mutable
class Line:
    """What came of one rule: its line of the ledger.

    `found` is what a rule about the whole relation saw, as text, and `is_met` whether that is right.
    """

    rule: Expectation
    checked: int = 0
    failed: int = 0
    is_met: bool = True
    found: str = ""
    samples: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def stopped(self) -> int:
        """Give how many rows went no further."""
        return self.failed if self.rule.on_fail in STOPPING else 0

    def facts(self) -> dict[str, Any]:
        """Give the line as facts of an event."""
        action = self.rule.on_fail
        return {
            "rule": self.rule.name, "kind": self.rule.kind, "on_fail": action,
            "text": self.rule.text,
            "checked": self.checked, "passed": self.checked - self.stopped,
            "failed": self.failed, "quarantined": self.failed if action == "quarantine" else 0,
            "dropped": self.failed if action == "drop" else 0,
            "warned": self.failed if action == "warn" else 0, "is_met": self.is_met,
            "found": self.found, "samples": self.samples,
        }  # fmt: skip


class Judgement:
    """Judges one relation; the methods are the stages, in order."""

    def __init__(self, session: Session, rows: Rows, rules: Sequence[Expectation]) -> None:
        self.session = session
        self.rows = rows
        self.rules = rules
        self.lines = [Line(rule) for rule in rules]
        self.total = 0
        self.bad: dict[int, int] = {}

    def run(self) -> Generator[float, None, list[Line]]:
        """Judge, and give a line for each rule."""
        yield from self._first_look()
        for index, rule in enumerate(self.rules):
            if rule.kind == "unique" and not (yield from self._is_rising(rule)):
                found = yield from self._watch(f"SELECT count(*) FROM ({self._twice(rule)})")
                if found[0][0]:
                    self.bad[index] = found[0][0]
        if self.bad:
            yield from self._collect()
        self._count()
        yield from self._samples()
        return self.lines

    @property
    def has_stopped(self) -> bool:
        """Say whether any row goes no further."""
        return any(line.stopped for line in self.lines)

    def let_through(self, before: int | None = None) -> str:
        """Give the rows that the rules before one let through (by default all rules), as FROM."""
        rows = self.rows
        lines = self.lines[:before]
        if not any(line.stopped for line in lines):
            return f"{rows.table} AS r"
        return (
            f"{rows.table} AS r ANTI JOIN ({self._stopped(len(lines))}) AS s ON r.__row = s.__row"
        )

    def _watch(self, sql: str) -> Watched:
        return self.session.watch(sql)

    def _first_look(self) -> Generator[float, None, None]:
        """Count the rows, and how many break each rule; a broken rule may be one too many here.

        A row counts for each rule that it breaks, also behind one that stops it.
        """
        tests = self._tests()
        self.total = (yield from self._watch(f"SELECT count(*) FROM {self.rows.table}"))[0][0]
        for group in self._groups(tests):
            # Whether a row breaks any of them costs two thirds of counting for each, and is mostly all.
            passes = " AND ".join(tests[index] for index in group)
            broken = f"FROM {self._from()} WHERE NOT ({passes})"
            found = (yield from self._watch(f"SELECT count(*) {broken}"))[0]
            if not found[0]:
                continue
            if len(group) > 1:
                counts = ", ".join(f"count_if(NOT {tests[index]})" for index in group)
                found = (yield from self._watch(f"SELECT {counts} {broken}"))[0]
            self.bad |= {index: n for index, n in zip(group, found, strict=True) if n}

    def _groups(self, tests: Iterable[int]) -> list[list[int]]:
        """Give the rules that are looked at together: all about one row alone, and each other alone.

        A rule that looks into another relation is a join, which would carry the columns of all others.
        """
        tests = list(tests)
        joins = [
            index
            for index in tests
            if any(
                isinstance(n, t.Table)
                for n in t.walk(condition(cast("t.Query", self.rules[index].test)))
            )
        ]
        plain = [index for index in tests if index not in joins]
        return [group for group in (plain, *([index] for index in joins)) if group]

    def _is_rising(self, rule: Expectation) -> Generator[float, None, bool]:
        """Say whether each key is above the one before it, in the order in which rows are stored.

        Then no key is there twice, whatever that order is. It costs a tenth of grouping, and most
        tables with a key are written in its order; the first rows tell those that are not.
        """
        names = [quoted(name) for name in rule.columns]
        known = " AND ".join(f"{name} IS NOT NULL" for name in names)
        before = ", ".join(f"lag({name}) OVER () AS p{i}" for i, name in enumerate(names))
        rises = "FALSE"
        for i, name in reversed(list(enumerate(names))):
            rises = f"({name} > p{i} OR ({name} = p{i} AND {rises}))"
        for most in (f" LIMIT {FIRST_ROWS}", ""):
            rows = f"SELECT {', '.join(names)} FROM {self.rows.table} WHERE {known}{most}"
            found = yield from self._watch(
                f"SELECT count_if(p0 IS NOT NULL AND NOT {rises}) FROM (SELECT *, {before} FROM ({rows}))"
            )
            if found[0][0]:
                return False
        return True

    def _from(self) -> str:
        alias = next((alias_of(rule.test) for rule in self.rules if rule.test), self.rows.name)
        return f"{self.rows.table} AS {quoted(alias)}"

    def _tests(self) -> dict[int, str]:
        """Give the SQL of each row rule that has a condition; TRUE for rows that pass.

        A condition that can fail is asked of the rows that earlier rules let through only (V10).
        """
        tests: dict[int, str] = {}
        for index, rule in enumerate(self.rules):
            if rule.test is None:
                continue
            expr = condition(rule.test)
            test = f"coalesce({expression_sql(expr)}, FALSE)"
            earlier = [s for i, s in tests.items() if self.rules[i].on_fail in STOPPING]
            if can_fail(expr) and earlier:
                test = f"CASE WHEN {' AND '.join(earlier)} THEN {test} ELSE TRUE END"
            tests[index] = test
        return tests

    def _collect(self) -> Generator[float, None, None]:
        """Make the table of (row number, rule), without what was stopped by an earlier rule."""
        tests = {i: test for i, test in self._tests().items() if i in self.bad}
        failed = self.rows.failed
        self.session.rows(f"CREATE OR REPLACE TEMP TABLE {failed} (__row BIGINT, rule INTEGER)")
        if tests:
            named = ", ".join(f"{test} AS t{i}" for i, test in tests.items())
            numbers = ", ".join(f"CASE WHEN NOT t{i} THEN {i} END" for i in tests)
            yield from self._watch(
                f"INSERT INTO {failed} SELECT __row, unnest(list_filter([{numbers}], "
                "lambda x: x IS NOT NULL)) FROM (SELECT __row, "
                f"{named} FROM {self._from()}) WHERE NOT ({' AND '.join(f't{i}' for i in tests)})"
            )
        for index, rule in enumerate(self.rules):
            if rule.kind == "unique" and index in self.bad:
                yield from self._later(index, rule)
        yield from self._watch(
            f"DELETE FROM {failed} USING (SELECT __row, min(rule) AS first FROM {failed} WHERE "
            f"rule IN ({self._stopping(len(self.rules))}) GROUP BY ALL) AS s "
            f"WHERE {failed}.__row = s.__row AND {failed}.rule > s.first"
        )

    def _twice(self, rule: Expectation) -> str:
        """Give the keys that more than one row has."""
        keys = ", ".join(quoted(name) for name in rule.columns)
        known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in rule.columns)
        return (
            f"SELECT {keys} FROM {self.rows.table} WHERE {known} GROUP BY ALL HAVING count(*) > 1"
        )

    def _later(self, index: int, rule: Expectation) -> Watched:
        """Add all rows but the first of each key, among those that earlier rules let through."""
        keys = [quoted(name) for name in rule.columns]
        same = " AND ".join(f"r.{key} = k.{key}" for key in keys)
        mine = ", ".join(f"r.{key}" for key in keys)
        numbered = (
            f"SELECT r.__row, row_number() OVER (PARTITION BY {mine} ORDER BY {self.rows.order}) "
            f"AS place FROM {self.rows.table} AS r SEMI JOIN ({self._twice(rule)}) AS k ON {same} "
            f"ANTI JOIN ({self._stopped(index)}) AS s ON r.__row = s.__row"
        )
        return self._watch(
            f"INSERT INTO {self.rows.failed} "
            f"SELECT __row, {index} FROM ({numbered}) WHERE place > 1"
        )

    def _stopping(self, before: int) -> str:
        """Give the numbers of the rules that stop rows, before one; -1 stands for none."""
        found = [i for i, r in enumerate(self.rules[:before]) if r.on_fail in STOPPING]
        return ", ".join(map(str, found or [-1]))

    def _stopped(self, before: int) -> str:
        return f"SELECT __row FROM {self.rows.failed} WHERE rule IN ({self._stopping(before)})"

    def _count(self) -> None:
        counts: dict[int, int] = {}
        if self.bad:
            counts = dict(
                self.session.rows(f"SELECT rule, count(*) FROM {self.rows.failed} GROUP BY ALL")
            )
        left = self.total
        for index, line in enumerate(self.lines):
            line.checked, line.failed = left, counts.get(index, 0)
            line.is_met = not line.failed
            left -= line.stopped

    def _samples(self) -> Generator[float, None, None]:
        """Keep the first rows that broke each rule, by position, cut to what a journal can bear."""
        path, row = self.rows.placed()
        names = self.rows.schema.names
        shown = ", ".join(f"left(CAST({quoted(n)} AS VARCHAR), {LONGEST})" for n in names)
        for index, line in enumerate(self.lines):
            if not line.failed:
                continue
            broke = f"SELECT __row FROM {self.rows.failed} WHERE rule = {index}"
            if self.rows.is_placed:
                # Chosen before they are fetched: a scan in place then decodes hardly anything else.
                broke += f" ORDER BY __row LIMIT {SAMPLES}"
            found = yield from self._watch(
                f"SELECT __path, __place, {shown} FROM (SELECT r.*, {path} AS __path, {row} AS "
                f"__place FROM {self.rows.table} AS r SEMI JOIN ({broke}) AS f ON r.__row = f.__row "
                f"ORDER BY {self.rows.order} LIMIT {SAMPLES}) AS r ORDER BY {self.rows.order}"
            )
            line.samples = [
                _place(one[0], one[1]) | dict(zip(names, one[2:], strict=True)) for one in found
            ]


def _place(path: str | None, row: int | None) -> dict[str, str | None]:
    given = {"__path": path, "__row": None if row is None else str(row)}
    return {name: value for name, value in given.items() if value is not None}


def condition(test: t.Query) -> t.Expr:
    """Give the condition of a row rule."""
    return cast("t.Select", test.body).items[0].expr


def alias_of(test: t.Query) -> str:
    """Give what a row rule calls the row's relation."""
    return cast("t.Relation", cast("t.Select", test.body).source).alias
