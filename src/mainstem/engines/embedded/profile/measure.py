"""Measuring a relation: one look at all columns together, then at each by itself.

The second look counts a column by its values, from which everything exact is made. Where there are
too many of them to keep, quantiles, distinct and the most frequent values are estimates, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.profile.column import (
    LONGEST,
    PLAIN,
    SHAPES,
    Column,
    double,
    pattern_of,
    rounded,
)
from mainstem.engines.embedded.profile.keys import Keys
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.profile import NUMBERS, PERCENTS, ColumnProfile, Dead, RelationProfile
from mainstem.plan.types import Schema
from mainstem.record import record

# Columns with more distinct values, or more text in those, are not counted by value.
MOST_VALUES = 2_000_000
MOST_BYTES = 200_000_000
# A column with at most so many distinct values has all of them in its profile, others the top ones.
ALL_VALUES = 100
TOP_VALUES = 10
# From so many texts a pattern is guessed; whether all match it is counted.
PATTERN_TEXTS = 10_000
# A shape of texts longer than this is no code.
PATTERN_LENGTH = 64
COUNTED = quoted("__profile_values")

Facts = dict[str, Any]


@record
class Relation:
    """What is measured.

    Parameters
    ----------
    name, kind : str
        As in `RelationProfile`.
    schema : Schema
        Its columns.
    sql : str
        The quoted name of a table or view of the session that has them.
    total_rows : int
        Rows of the source, table or file; `sql` may hold a sample of them.
    dead : Dead
        What could not be read.
    """

    name: str
    kind: str
    schema: Schema
    sql: str
    total_rows: int
    dead: Dead = Dead()


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement that may take long; Ctrl-C ends it."""
    watched = session.watch(sql)
    while True:
        try:
            next(watched)
        except StopIteration as end:
            found: list[tuple[Any, ...]] = end.value
            return found


def measure(session: Session, relation: Relation, *, has_values: bool = True) -> RelationProfile:
    """Give the profile of a relation.

    Parameters
    ----------
    session : Session
        Where it is.
    relation : Relation
        What is measured.
    has_values : bool, optional
        Whether values of texts, and the most frequent values, are told.

    Raises
    ------
    MainstemError
        DuckDB's error as one of ours.
    """  # noqa: DOC501 - built by a function
    try:
        return _measure(session, relation, has_values=has_values)
    except duckdb.Error as error:
        raise explained(error, None, doing=f"profiling {relation.name!r}") from error


def _measure(session: Session, relation: Relation, *, has_values: bool) -> RelationProfile:
    columns = [Column(field) for field in relation.schema.fields]
    n_rows, facts = _first_look(session, relation, columns)
    made = [
        _Second(session, relation, column, n_rows, own, has_values=has_values).profile()
        for column, own in zip(columns, facts, strict=True)
    ]
    keys = Keys(lambda sql: rows(session, sql), relation.sql, n_rows, made)
    made, found = keys.find()
    return RelationProfile(
        relation.name, relation.kind, relation.total_rows, n_rows,
        keys.duplicates() if not found else 0, tuple(found), tuple(made), relation.dead,
    )  # fmt: skip


def _first_look(
    session: Session, relation: Relation, columns: Sequence[Column]
) -> tuple[int, list[Facts]]:
    asked = [
        (index, name, sql)
        for index, column in enumerate(columns)
        for name, sql in replace(column, v=quoted(column.field.name)).first()
    ]
    parts = ", ".join(["count(*)", *(sql for _, _, sql in asked)])
    found = rows(session, f"SELECT {parts} FROM {relation.sql}")[0]
    facts: list[Facts] = [{} for _ in columns]
    for (index, name, _), value in zip(asked, found[1:], strict=True):
        facts[index][name] = value
    return found[0], facts


class _Second:
    """The second look, at one column; `counted` has its values `v` and how often each is there."""

    def __init__(
        self, session: Session, relation: Relation, column: Column, n_rows: int, facts: Facts,
        *, has_values: bool,
    ) -> None:  # fmt: skip
        self.session = session
        self.column = column
        self.facts = facts
        self.has_values = has_values
        self.n_rows = n_rows
        name = quoted(column.field.name)
        self.bare = f"(SELECT {name} AS v FROM {relation.sql} WHERE {name} IS NOT NULL)"
        self.counted = f"(SELECT v, 1 AS n FROM {self.bare})"
        mean = int(facts.get("bytes") or 0) / facts["filled"] if facts["filled"] else 0
        self.is_counted = (
            facts["distinct"] <= MOST_VALUES and mean * facts["distinct"] <= MOST_BYTES
        )

    def profile(self) -> ColumnProfile:
        """Give the column's profile."""
        field, column, facts = self.column.field, self.column, self.facts
        filled = facts["filled"]
        made = ColumnProfile(
            field.name, str(field.type), column.kind, field.nullable, self.n_rows,
            self.n_rows - filled, min(facts["distinct"], filled), is_distinct_exact=False,
        )  # fmt: skip
        if not filled:
            return replace(made, distinct=0, is_distinct_exact=True, has_all_values=True)
        if self.is_counted:
            made = self._counted(made)
        made = self._measured(made)
        if column.kind in PLAIN:
            made = self._valued(made)
        if column.has_numbers and self.facts["finite"]:
            made = self._distributed(made)
        if column.kind == "string":
            made = self._shaped(made)
        return self._nested(made)

    def _measured(self, made: ColumnProfile) -> ColumnProfile:
        column, asked = self.column, self.column.measures()
        if not asked:
            return made
        found = self._rows(f"SELECT {', '.join(sql for _, sql in asked)} FROM {self.counted}")[0]
        self.facts = facts = self.facts | dict(zip((name for name, _ in asked), found, strict=True))
        if column.has_numbers or (column.kind == "string" and self.has_values):
            made = replace(made, low=column.plain(facts["low"]), high=column.plain(facts["high"]))
        if column.has_numbers:
            made = replace(made, non_finite=made.filled - int(facts["finite"]))
        if column.kind in NUMBERS and facts["finite"]:
            made = self._spread(made, facts["sum"] / int(facts["finite"]), int(facts["finite"]))
        if column.size:
            mean = rounded(int(facts["items"]) / made.filled, 12)
            made = replace(made, length=(facts["shortest"], facts["longest"], mean))
        if column.kind in ("list", "map"):
            made = replace(made, elements=int(facts["items"]))
        return replace(made, trues=int(facts["trues"])) if column.kind == "boolean" else made

    def _spread(self, made: ColumnProfile, mean: float, finite: int) -> ColumnProfile:
        """Add mean and standard deviation, whose second look at the values keeps its digits."""
        if not math.isfinite(mean):
            # The sum left the range of DOUBLE.
            return made
        made = replace(made, mean=rounded(mean, 12))
        if finite < 2:
            return made
        squares = f"fsum(n * (CAST(v AS DOUBLE) - {double(mean)}) ** 2)"
        sql = f"SELECT {squares} FROM {self.counted} WHERE {self.column.is_finite}"
        stddev = math.sqrt(self._rows(sql)[0][0] / (finite - 1))
        return replace(made, stddev=rounded(stddev, 9)) if math.isfinite(stddev) else made

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return rows(self.session, sql)

    def _counted(self, made: ColumnProfile) -> ColumnProfile:
        self._rows(
            f"CREATE OR REPLACE TEMP TABLE {COUNTED} AS "
            f"SELECT v, count(*) AS n FROM {self.bare} GROUP BY v"
        )
        self.counted = COUNTED
        distinct = self._rows(f"SELECT count(*) FROM {COUNTED}")[0][0]
        return replace(made, distinct=distinct, is_distinct_exact=True)

    def _valued(self, made: ColumnProfile) -> ColumnProfile:
        """Add the most frequent values; those that are there once each say nothing."""
        if not self.has_values:
            return made
        is_all = self.is_counted and made.distinct <= ALL_VALUES
        if not is_all and self.is_counted and made.distinct == made.filled:
            return made
        among = self.counted if self.is_counted else self._candidates()
        found = self._rows(
            f"SELECT {self.column.told}, n, {self._is_cut()} FROM {among} "
            f"ORDER BY n DESC, v LIMIT {ALL_VALUES if is_all else TOP_VALUES}"
        )
        values = tuple((self.column.plain(value), int(n)) for value, n, _ in found)
        # A text that was cut is no value that could be looked for.
        is_whole = not any(is_cut for _, _, is_cut in found)
        return replace(made, values=values, has_all_values=is_all and is_whole)

    def _is_cut(self) -> str:
        return f"length(v) > {LONGEST}" if self.column.kind == "string" else "FALSE"

    def _candidates(self) -> str:
        """Give values that may be the most frequent, counted exactly."""
        top = f"(SELECT approx_top_k(v, {TOP_VALUES}) FROM {self.bare})"
        return (
            f"(SELECT v, count(*) AS n FROM {self.bare} SEMI JOIN (SELECT unnest({top}) AS top) "
            "ON v = top GROUP BY v)"
        )

    def _distributed(self, made: ColumnProfile) -> ColumnProfile:
        low, high = self.facts["low"], self.facts["high"]
        made = replace(
            made, quantiles=self._quantiles(), are_quantiles_exact=self.is_counted,
            gaps=self._gaps(),
        )  # fmt: skip
        bins = self.column.bins(low, high)
        if bins is None:
            return made
        edges, number = bins
        found = dict(self._rows(
            f"SELECT {number} AS bin, sum(n) FROM {self.counted} "
            f"WHERE {self.column.is_finite} GROUP BY bin"
        ))  # fmt: skip
        counts = tuple(int(found.get(i, 0)) for i in range(len(edges) - 1))
        shown = edges
        if self.column.is_whole:
            shown = tuple(self.column.plain(edge) for edge in edges)
        return replace(made, edges=shown, counts=counts)

    def _quantiles(self) -> tuple[tuple[int, Any], ...]:
        number, some = self.column.number, f"WHERE {self.column.is_finite}"
        if self.is_counted:
            total = int(self.facts["finite"])
            asked = ", ".join(
                f"min(x) FILTER (WHERE upto * 100 >= {p} * {total})" for p in PERCENTS
            )
            running = f"SELECT {number} AS x, sum(n) OVER (ORDER BY v) AS upto"
            found = self._rows(f"SELECT {asked} FROM ({running} FROM {self.counted} {some})")[0]
        else:
            shares = [p / 100 for p in PERCENTS]
            sql = f"SELECT approx_quantile(CAST({number} AS DOUBLE), {shares})"
            found = tuple(self._rows(f"{sql} FROM {self.counted} {some}")[0][0])
            found = tuple(round(x) for x in found) if self.column.is_whole else found
        plain = (self.column.plain(value) for value in found)
        return tuple(zip(PERCENTS, plain, strict=True))

    def _gaps(self) -> tuple[tuple[Any, Any, float], ...]:
        if self.column.kind not in ("date", "timestamp"):
            return ()
        sorted_ = (
            f"SELECT {self.column.number} AS x, lag({self.column.number}) OVER (ORDER BY v) AS before "
            f"FROM {self.counted} WHERE {self.column.is_finite}"
        )
        found = self._rows(
            f"SELECT before, x FROM ({sorted_}) WHERE x > before ORDER BY x - before DESC, x LIMIT 3"
        )
        scale = 86_400.0 if self.column.kind == "date" else 1e-6
        plain = self.column.plain
        return tuple((plain(a), plain(b), round((b - a) * scale, 6)) for a, b in found)

    def _shaped(self, made: ColumnProfile) -> ColumnProfile:
        asked = ", ".join(
            f"sum(CASE WHEN {cheap} THEN CASE WHEN {test} THEN n END END)"
            for _, cheap, test in SHAPES
        )
        found = self._rows(f"SELECT {asked} FROM {self.counted}")[0]
        names = (name for name, _, _ in SHAPES)
        shapes = tuple((name, int(n)) for name, n in zip(names, found, strict=True) if n)
        return replace(made, shapes=shapes, pattern=self._pattern(made))

    def _pattern(self, made: ColumnProfile) -> str:
        """Give an expression that all texts match; it is guessed from some and counted on all."""
        if not 1 <= made.length[0] <= made.length[1] <= PATTERN_LENGTH:
            return ""
        some = self._rows(f"SELECT v FROM {self.counted} ORDER BY hash(v) LIMIT {PATTERN_TEXTS}")
        is_all = self.is_counted and made.distinct <= PATTERN_TEXTS
        pattern = pattern_of([text for (text,) in some])
        if not pattern or is_all:
            return pattern
        test = f"regexp_full_match(v, {literal(pattern)})"
        return pattern if self._rows(f"SELECT bool_and({test}) FROM {self.counted}")[0][0] else ""

    def _nested(self, made: ColumnProfile) -> ColumnProfile:
        type_ = self.column.field.type
        if type_.kind == "struct":
            asked = ", ".join(f"count(v.{quoted(n)})" for n in type_.names)
            found = self._rows(f"SELECT {asked} FROM {self.bare}")[0]
            counts = tuple(int(n or 0) for n in found)
            return replace(made, keys=tuple(zip(type_.names, counts, strict=True)))
        if type_.kind == "map" and self.has_values:
            found_keys = self._rows(
                "SELECT left(CAST(k AS VARCHAR), 200), count(*) AS n FROM (SELECT unnest(map_keys(v)) "
                f"AS k FROM {self.bare}) GROUP BY 1 ORDER BY n DESC, 1 LIMIT {TOP_VALUES}"
            )
            return replace(made, keys=tuple((key, int(n)) for key, n in found_keys))
        return made
