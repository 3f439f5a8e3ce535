"""How a Mainstem type is spelled in DuckDB."""

from __future__ import annotations

from mainstem.errors import InternalError
from mainstem.plan.types import Type

# A timestamp is an instant (V7). DuckDB's plain TIMESTAMP has no zone, and a comparison of the two
# goes through the session's TimeZone; so every connection of ours sets TimeZone='UTC'.
PLAIN: dict[str, str] = {
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "smallint": "SMALLINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "bytes": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "null": "INTEGER",
}


def quoted(name: str) -> str:
    """Give a name as a quoted SQL identifier (V11: always quoted when SQL is printed)."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Give a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def duckdb_type(type_: Type) -> str:
    """Give the DuckDB type text of `type_`.

    Narrow integers keep their width here; inside expressions apply
    `mainstem.plan.types.in_expressions` first (V1).

    Parameters
    ----------
    type_ : Type
        Any type of the contract, nested ones included.

    Returns
    -------
    str
        Such as ``DECIMAL(12,2)``, ``STRUCT("a" BIGINT)[]`` or ``MAP(VARCHAR, DOUBLE)``.

    Raises
    ------
    InternalError
        For a type that only the binder knows.
    """
    if type_.kind == "decimal":
        return f"DECIMAL({type_.precision},{type_.scale})"
    if type_.kind == "list":
        return f"{duckdb_type(type_.items[0])}[]"
    if type_.kind == "map":
        return f"MAP({duckdb_type(type_.items[0])}, {duckdb_type(type_.items[1])})"
    if type_.kind == "struct":
        parts = zip(type_.names, type_.items, strict=True)
        return "STRUCT(" + ", ".join(f"{quoted(n)} {duckdb_type(t)}" for n, t in parts) + ")"
    if type_.kind not in PLAIN:
        raise InternalError(f"type {type_} has no spelling in DuckDB")
    return PLAIN[type_.kind]
