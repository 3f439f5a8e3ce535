"""How a Mainstem type is spelled in Spark."""

from __future__ import annotations

from mainstem.errors import InternalError
from mainstem.plan.types import Type

PLAIN: dict[str, str] = {
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "integer": "INT",
    "smallint": "SMALLINT",
    "double": "DOUBLE",
    "string": "STRING",
    "bytes": "BINARY",
    "date": "DATE",
    # With local time zone: an instant (V7). Every session of ours has UTC.
    "timestamp": "TIMESTAMP_LTZ",
    # What has no type yet; a column of it is an INTEGER on DuckDB too.
    "null": "INT",
}


def quoted(name: str) -> str:
    """Give a name as a quoted identifier (V11)."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Give a text as a literal: a backslash escapes there."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def spark_type(type_: Type) -> str:
    """Give the Spark type text of `type_`, such as ``ARRAY<STRUCT<`a`: DECIMAL(12,2)>>``.

    Raises
    ------
    InternalError
        For a type that only the binder knows.
    """
    if type_.kind == "decimal":
        return f"DECIMAL({type_.precision},{type_.scale})"
    if type_.kind == "list":
        return f"ARRAY<{spark_type(type_.items[0])}>"
    if type_.kind == "map":
        return f"MAP<{spark_type(type_.items[0])}, {spark_type(type_.items[1])}>"
    if type_.kind == "struct":
        parts = zip(type_.names, type_.items, strict=True)
        return "STRUCT<" + ", ".join(f"{quoted(n)}: {spark_type(x)}" for n, x in parts) + ">"
    if type_.kind not in PLAIN:
        raise InternalError(f"type {type_} has no spelling in Spark")
    return PLAIN[type_.kind]
