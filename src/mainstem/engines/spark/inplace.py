"""Parquet files that Spark may read itself, because they hold nothing that it would read otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.engines.spark.types import quoted, spark_type
from mainstem.plan.types import Type

# Stored types, by what DuckDB calls them, that Spark widens without loss.
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def selected(
    session: Session, paths: Sequence[str], columns: Sequence[tuple[str, Type]]
) -> list[str] | None:
    """Give Spark's text of each column of some files; None when one is not of a plain, equal type.

    Parameters
    ----------
    session : Session
        Its DuckDB reads the footers.
    paths : sequence of str
        The files.
    columns : sequence of (name, type)
        Those that are read, with their types in expressions.
    """
    listed = ", ".join(map(literal, paths))
    stored: dict[str, set[str]] = {}
    for name, type_ in session.rows(
        f"SELECT name, duckdb_type FROM parquet_schema([{listed}]) WHERE num_children IS NULL"
    ):
        stored.setdefault(name, set()).add(type_)
    texts = []
    for name, type_ in columns:
        found = stored.get(name, set())
        if type_.is_nested or len(found) != 1 or not _is_same(next(iter(found)), type_):
            return None
        texts.append(f"CAST({quoted(name)} AS {spark_type(type_)}) AS {quoted(name)}")
    return texts


def _is_same(stored: str, type_: Type) -> bool:
    if stored == "TIMESTAMP WITH TIME ZONE":
        return type_.kind == "timestamp"
    return stored in _WHOLE if type_.kind == "bigint" else stored == duckdb_type(type_)
