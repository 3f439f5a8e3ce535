"""Dead letters of sources that are read in place: the rows whose values break the declaration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mainstem.engines.embedded.reading.deadletters import SCHEMA, DeadLetters, fix_of
from mainstem.engines.embedded.types import literal, quoted
from mainstem.errors import DataError
from mainstem.formats.coercion import NULL_REFUSED
from mainstem.plan.nodes import Source

if TYPE_CHECKING:
    import duckdb


def bury(
    connection: duckdb.DuckDBPyConnection, source: Source, place: str,
    tests: Sequence[tuple[str, str, str]],
) -> None:  # fmt: skip
    """Make a dead letter of every bad row; `tests` are (column, SQL that is TRUE if bad, reason).

    A row has one letter, for the first test that it breaks. There are no bytes of a record in such
    a file: the letter holds the row's declared columns as JSON.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Of the run.
    source : Source
        Whose rows they are.
    place : str
        The SQL of path and row number, and FROM with the relation.
    tests : sequence of (column, SQL, reason)
        In the order in which they are asked.
    """
    letters = DeadLetters(connection, source.name)
    where, _, relation = place.partition(" FROM ")
    path, _, row = where.partition(", ")
    columns = ", ".join(f"{literal(n)}: {quoted(n)}" for n in source.schema.names)

    def first(values: Sequence[str]) -> str:
        arms = " ".join(f"WHEN {t[1]} THEN {v}" for t, v in zip(tests, values, strict=True))
        return f"CASE {arms} END"

    messages = [
        f"coalesce(left('''' || CAST({quoted(name)} AS VARCHAR), 80) || ''' ', '') || "
        f"{literal(reason)}"
        for name, _, reason in tests
    ]
    connection.execute(
        f"INSERT INTO {letters.table} ({', '.join(SCHEMA.names)}) "
        f"SELECT {literal(source.name)}, {path}, {row}, NULL, NULL, "
        f"encode(CAST(to_json({{{columns}}}) AS VARCHAR)), "
        f"{first([literal(name) for name, _, _ in tests])}, "
        f"{first([literal(_reason(reason)) for _, _, reason in tests])}, {first(messages)} "
        f"FROM {relation} WHERE {' OR '.join(test for _, test, _ in tests)}"
    )


def _reason(said: str) -> str:
    """Give the stable name of a reason."""
    if said == NULL_REFUSED:
        return "NullValue"
    return "EventTime" if "(T2)" in said else "OutOfRange"


def refuse_many(
    connection: duckdb.DuckDBPyConnection, source: Source, bad: int, read: int
) -> None:  # fmt: skip
    """Stop the run when there are more dead letters than the source allows.

    Raises
    ------
    DataError
        With the first of them.
    """
    if source.max_bad is None or not bad:
        return
    most = source.max_bad * read if isinstance(source.max_bad, float) else source.max_bad
    if bad <= most:
        return
    shown = connection.execute(
        f"SELECT path, row, column_name, message FROM {DeadLetters(connection, source.name).table} "
        "WHERE source = ? ORDER BY path, row LIMIT 5", [source.name],
    ).fetchall()  # fmt: skip
    text = "\n".join(
        f"       {path} row {row}: column {name!r}: {said}" for path, row, name, said in shown
    )
    rows = "1 bad row" if bad == 1 else f"{bad} bad rows"
    raise DataError(
        f"{rows} in source {source.name!r} (max_bad allows {math.floor(most)}):\n{text}",
        where=source.where, code="BadRow", fix=fix_of(source.where, is_kept=True),
        source=source.name, count=bad,
    )  # fmt: skip
