"""Holds DuckDB, with our own printer, against the reference on random expressions, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.compile import expression_sql, step_sql
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import plain_connection
from mainstem.errors import MainstemError
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import parse_schema
from mainstem.record import record
from mainstem.sql.bind import bind
from mainstem.sql.text import Printer
from mainstem.testing.compare import same
from mainstem.testing.generator import KINDS, SCHEMA, Generator
from mainstem.testing.reference import Row, RowFails, evaluate
from mainstem.testing.reference_values import TooLarge
from mainstem.testing.rows import sql_of_value

if TYPE_CHECKING:
    import duckdb

TABLE = "r"
_SHAPE = parse_schema({"i": "bigint", **SCHEMA})
# One failing row is run by itself; more than this many of one expression say nothing new.
_MOST_FAILING = 2


@record
class Trial:
    """One expression with what the reference makes of each row; a failing row is a `RowFails`."""

    text: str
    tree: t.Expr
    bound: t.Expr
    expected: tuple[Any, ...]


@record
class Disagreement:
    """Where the engine says something else."""

    text: str
    row: tuple[Any, ...]
    expected: Any
    found: Any

    def __str__(self) -> str:
        cells = dict(zip(_SHAPE.names, self.row, strict=True))
        used = {k: v for k, v in cells.items() if f'"{k}"' in self.text}
        return f"{self.text}\n    row {used}\n    reference {self.expected!r}\n    engine    {self.found!r}"


@dataclass(slots=True)
class Outcome:
    """What a seed gave."""

    seed: int
    n_expressions: int = 0
    n_refused: int = 0
    n_cells: int = 0
    n_failing: int = 0
    used: set[str] = field(default_factory=set)
    disagreements: list[Disagreement] = field(default_factory=list)


class Laboratory:
    """One random table in DuckDB and in Python."""

    # Columns of one query. DuckDB 2.0.0 was seen to plan for minutes over 200 long ones.
    together_at_most = 20

    def __init__(self, seed: int, n_rows: int = 16) -> None:
        self.seed = seed
        self.generator = Generator(seed)
        self.rows = [(i, *cells) for i, cells in enumerate(self.generator.table(n_rows))]
        self.connection: duckdb.DuckDBPyConnection = plain_connection()
        self.connection.execute("SET enable_progress_bar = false")
        self._load(TABLE, self.rows)

    def _load(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        types = [f.type for f in _SHAPE.fields]
        lines = ", ".join("(" + ", ".join(map(sql_of_value, row, types)) + ")" for row in rows)
        names = ", ".join(f'"{n}"' for n in _SHAPE.names)
        bound = bind(f"SELECT * FROM (VALUES {lines}) AS v({names})", {})
        assert bound is not None
        self.connection.execute(f"CREATE TABLE {name} AS {step_sql(bound.query)}")

    def trial(self, tree: t.Expr) -> Trial | None:
        """Bind an expression by the front door and compute it by the reference; None when it is refused."""
        text = Printer().expr(tree)
        try:
            query = bind(f"SELECT {text} AS v FROM {TABLE}", {TABLE: _SHAPE})
        except MainstemError:
            return None
        assert query is not None
        bound = item_of(query.query)
        return Trial(text, tree, bound, tuple(self.expected(bound, row) for row in self.rows))

    def expected(self, bound: t.Expr, row: tuple[Any, ...], *, is_lenient: bool = False) -> Any:
        """Give what the reference makes of a row: a value or a `RowFails`."""
        columns = {(TABLE, n): v for n, v in zip(_SHAPE.names, row, strict=True)}
        try:
            return evaluate(bound, Row(columns, is_lenient=is_lenient))
        except RowFails as error:
            return error

    def check(self, trials: Sequence[Trial]) -> Iterator[Disagreement]:
        """Give every row on which DuckDB and the reference disagree."""
        for first in range(0, len(trials), self.together_at_most):
            yield from self.check_values(trials[first : first + self.together_at_most])
        for trial in trials:
            failing = [
                row
                for row, value in zip(self.rows, trial.expected, strict=True)
                if _must_fail(value)
            ]
            for row in failing[:_MOST_FAILING]:
                found = self.alone(trial, row)
                if isinstance(found, Exception):
                    continue
                # Where an operand is NULL DuckDB may know the result without a look at the others.
                lenient = self.expected(trial.bound, row, is_lenient=True)
                if isinstance(lenient, RowFails) or not same(found, lenient):
                    yield Disagreement(trial.text, row, trial.expected[row[0]], found)

    def check_values(self, trials: Sequence[Trial]) -> Iterator[Disagreement]:
        """Compare the rows that must not fail, many expressions in one query."""
        if not trials:
            return
        found = self.together(trials)
        if found is None and len(trials) > 1:
            half = len(trials) // 2
            yield from self.check_values(trials[:half])
            yield from self.check_values(trials[half:])
            return
        for number, trial in enumerate(trials):
            for row, value in zip(self.rows, trial.expected, strict=True):
                if isinstance(value, RowFails):
                    continue
                got = self.alone(trial, row) if found is None else found[row[0]][number]
                if not same(got, value):
                    yield Disagreement(trial.text, row, value, got)

    def together(self, trials: Sequence[Trial]) -> list[tuple[Any, ...]] | None:
        """Give the values of all trials by row; None when the query fails."""
        import duckdb

        try:
            columns = self.guarded(trials, expression_sql)
            return fetch(self.connection, f"SELECT {columns} FROM {TABLE} ORDER BY i")[2]
        except (duckdb.Error, OverflowError, ValueError):
            return None

    def guarded(self, trials: Sequence[Trial], text: Callable[[t.Expr], str]) -> str:
        """Give the select list of some trials, each NULL on the rows for which it fails."""
        columns = []
        for number, trial in enumerate(trials):
            sql = text(trial.bound)
            failing = [str(i) for i, v in enumerate(trial.expected) if isinstance(v, RowFails)]
            guarded = (
                f"CASE WHEN i NOT IN ({', '.join(failing)}) THEN {sql} END" if failing else sql
            )
            columns.append(f"{guarded} AS c{number}")
        return ", ".join(columns)

    def alone(self, trial: Trial, row: tuple[Any, ...]) -> Any:
        """Give the value of a trial on one row, or the error."""
        import duckdb

        try:
            sql = expression_sql(trial.bound)
            # A filter, not a table of one row: from that DuckDB would know every value when it plans.
            return fetch(self.connection, f"SELECT {sql} AS v FROM {TABLE} WHERE i = {row[0]}")[2][
                0
            ][0]
        except (duckdb.Error, OverflowError, ValueError) as error:
            return error

    def shrunk(self, disagreement: Disagreement, trial: Trial) -> Disagreement:
        """Give the smallest part of an expression that disagrees by itself."""
        texts = {Printer().expr(n): n for n in t.walk(trial.tree) if isinstance(n, t.Expr)}
        parts = [texts[x] for x in sorted(texts, key=lambda x: (len(x), x))]
        for part in parts:
            if isinstance(part, t.Literal | t.Lambda | t.Interval):
                continue
            smaller = self.trial(part)
            found = next(self.check([smaller]), None) if smaller is not None else None
            if found is not None:
                return found
        return disagreement


def _must_fail(value: Any) -> bool:
    return isinstance(value, RowFails) and not isinstance(value, TooLarge)


def item_of(query: t.Query) -> t.Expr:
    """Give the only item of a query's SELECT."""
    assert isinstance(query.body, t.Select)
    return query.body.items[0].expr


def run_seed(
    seed: int, n_expressions: int = 300, depth: int = 3,
    laboratory: Callable[[int], Laboratory] = Laboratory,
) -> Outcome:  # fmt: skip
    """Compare random expressions over a random table.

    Parameters
    ----------
    seed : int
        Repeats table and expressions.
    n_expressions : int
        How many are made; those that the binder refuses are counted apart.
    depth : int
        How deep they nest.
    laboratory : callable
        Gives what asks the engine, for a seed.

    Returns
    -------
    Outcome
        With each disagreement, shrunk.
    """
    lab = laboratory(seed)
    outcome = Outcome(seed)
    trials = []
    for _ in range(n_expressions):
        tree = lab.generator.expr(
            lab.generator.pick(KINDS), lab.generator.random.randrange(1, depth + 1)
        )
        trial = lab.trial(tree)
        if trial is None:
            outcome.n_refused += 1
            continue
        trials.append(trial)
        outcome.used |= {
            catalogue()[n.name].name for n in t.walk(trial.bound) if isinstance(n, t.Call)
        }
    outcome.n_expressions = len(trials)
    outcome.n_cells = sum(len(x.expected) for x in trials)
    outcome.n_failing = sum(isinstance(v, RowFails) for x in trials for v in x.expected)
    by_text = {x.text: x for x in trials}
    seen: set[str] = set()
    for found in lab.check(trials):
        if found.text not in seen:
            seen.add(found.text)
            outcome.disagreements.append(lab.shrunk(found, by_text[found.text]))
    lab.connection.close()
    return outcome
