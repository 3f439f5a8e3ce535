"""Rows of a query as Python values.

DuckDB's Python client cannot hand over an instant without the package pytz (measured with 2.0.0), so
instants are fetched as plain timestamps in UTC and get their zone here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_INSTANT = "TIMESTAMP WITH TIME ZONE"


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, most: int | None = None,
    statement: duckdb.Statement | None = None,
) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:  # fmt: skip
    """Give the column names, their DuckDB types and the rows of a query.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Its TimeZone must be UTC.
    sql : str
        One statement without parameters.
    most : int, optional
        Rows that are fetched at most.
    statement : Statement, optional
        What DuckDB made of `sql` when it was parsed before.

    Returns
    -------
    tuple
        Names, types as text, and rows; instants are aware datetimes in UTC.
    """
    cursor = connection.execute(sql if statement is None else statement)
    columns = cursor.description or []
    names, types = [c[0] for c in columns], [str(c[1]) for c in columns]
    if not any(_INSTANT in x for x in types):
        return names, types, cursor.fetchall() if most is None else cursor.fetchmany(most)
    aliases = [f"c{i}" for i in range(len(names))]
    casts = [f"CAST({a} AS {x.replace(_INSTANT, 'TIMESTAMP')}) AS {a}" if _INSTANT in x else a
             for a, x in zip(aliases, types, strict=True)]  # fmt: skip
    # On a line of its own, the bracket is no part of a comment that ends the query.
    rows = connection.execute(
        f"SELECT {', '.join(casts)} FROM ({_body(sql)}\n) AS q({', '.join(aliases)})"
    )
    zoned = [_INSTANT in x for x in types]
    return (
        names,
        types,
        [
            tuple(_aware(v) if z else v for v, z in zip(row, zoned, strict=True))
            for row in (rows.fetchall() if most is None else rows.fetchmany(most))
        ],
    )


def _body(sql: str) -> str:
    """Give a statement without its semicolon and what stands behind that."""
    import duckdb

    raw = sql.encode()
    # DuckDB counts bytes; a semicolon in a text or comment is no token of its own.
    ends = (at for at, _ in duckdb.tokenize(sql) if raw[at : at + 1] == b";")
    return raw[: next(ends, len(raw))].decode()


def _aware(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, list):
        return [_aware(v) for v in value]
    if isinstance(value, dict):
        return {k: _aware(v) for k, v in value.items()}
    return value
