"""Holds DuckDB, with our own printer, against the reference on random whole queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.compile import step_sql
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import plain_connection
from mainstem.errors import MainstemError
from mainstem.plan import tree as t
from mainstem.plan.types import Schema, parse_schema
from mainstem.sql.bind import Bound, bind
from mainstem.testing.compare import assert_same_rows
from mainstem.testing.query_generator import LEFT, RIGHT, QueryGenerator
from mainstem.testing.reference import RowFails
from mainstem.testing.reference_query import answer
from mainstem.testing.rows import sql_of_value

if TYPE_CHECKING:
    import duckdb

SCHEMAS = {"l": parse_schema(LEFT), "r": parse_schema(RIGHT)}


@dataclass(slots=True)
class QueryOutcome:
    """What a seed gave; `n_failing` are the queries that the reference says fail, as they then must."""

    seed: int
    n_queries: int = 0
    n_refused: int = 0
    n_rows: int = 0
    n_failing: int = 0
    disagreements: list[str] = field(default_factory=list)


# Gives the rows of a bound query over the tables of a connection; raises when the engine fails.
Ask = Callable[[t.Query], Sequence[tuple[Any, ...]]]


def by_duckdb(connection: duckdb.DuckDBPyConnection) -> Ask:
    """Ask DuckDB itself."""
    return lambda query: fetch(connection, step_sql(query))[2]


def run_queries(
    seed: int, n_queries: int = 60, asking: Callable[[duckdb.DuckDBPyConnection], Ask] = by_duckdb
) -> QueryOutcome:
    """Compare random queries over two random tables.

    Parameters
    ----------
    seed : int
        Repeats tables and queries.
    n_queries : int
        How many.
    asking : callable
        Gives what asks an engine, for a connection that holds the tables ``l`` and ``r``.

    Returns
    -------
    QueryOutcome
        Each disagreement with the query and what was found.
    """
    generator = QueryGenerator(seed)
    tables = generator.tables()
    outcome = QueryOutcome(seed)
    connection = plain_connection()
    connection.execute("SET enable_progress_bar = false")
    for name, rows in tables.items():
        connection.execute(f"CREATE TABLE {name} AS {_values(SCHEMAS[name], rows)}")
    ask = asking(connection)
    for _ in range(n_queries):
        text = generator.query()
        try:
            bound = bind(text, SCHEMAS)
        except MainstemError:
            outcome.n_refused += 1
            continue
        assert bound is not None
        problem = _compared(ask, bound, tables, outcome)
        if problem:
            outcome.disagreements.append(f"{text}\n    {problem}\n    tables {_shown(tables)}")
    connection.close()
    return outcome


def _values(schema: Schema, rows: Sequence[tuple[Any, ...]]) -> str:
    types = [f.type for f in schema.fields]
    lines = ", ".join("(" + ", ".join(map(sql_of_value, row, types)) + ")" for row in rows)
    bound = bind(f"SELECT * FROM (VALUES {lines}) AS v({', '.join(schema.names)})", {})
    assert bound is not None
    return step_sql(bound.query)


def _compared(ask: Ask, bound: Bound, tables: Mapping[str, Any], outcome: QueryOutcome) -> str:
    outcome.n_queries += 1
    try:
        expected = answer(bound.query, tables)
    except RowFails:
        # Where a later filter or an operator's order decides, an engine may not reach the row (X1).
        outcome.n_failing += 1
        return ""
    try:
        found = ask(bound.query)
    except Exception as error:  # noqa: BLE001 - each engine has its own
        return f"the engine fails: {error}"
    outcome.n_rows += len(expected)
    try:
        assert_same_rows(found, expected, is_ordered=bool(bound.query.order))
    except AssertionError as error:
        return str(error)
    return ""


def _shown(tables: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {rows!r}" for name, rows in tables.items())
