"""DuckDB inside Spark's workers: an expression that Spark has not, or has with another meaning.

Such an expression goes to a worker as an Arrow UDF, whose arguments are the columns that it reads.
So it means the same as on the embedded engine, because it is the same. One that can fail gives a
struct of value and error: Spark computes a UDF for whole batches, before the CASE or AND that may
never reach a row (V10).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mainstem.lazy import pattern
from mainstem.plan.types import Type
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb

VALUE, ERROR = "v", "e"
# Names that only the kernel knows, in DuckDB's words.
_PLACE = pattern(r" when casting from source column a\d+")
_LONGEST = 200


@record
class Kernel:
    """An expression for DuckDB.

    Parameters
    ----------
    name : str
        Of the function in Spark; equal for equal expressions.
    sql : str
        DuckDB's text of it, over the columns ``a0``, ``a1`` and so on.
    takes : tuple of Type
        Types of those.
    gives : Type
        Of its value.
    can_fail : bool
        Whether its result is a struct of value and error.
    is_deterministic : bool
        Whether equal arguments give equal results.
    """

    name: str
    sql: str
    takes: tuple[Type, ...]
    gives: Type
    can_fail: bool
    is_deterministic: bool = True


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """Give the one of this process: Spark keeps its workers, a task a process."""
    import duckdb

    from mainstem.engines.embedded.session import OFFLINE

    connection = duckdb.connect(config={**OFFLINE, "threads": 1})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def evaluate(sql: str, kind: str, can_fail: bool, *arrays: Any) -> Any:  # noqa: FBT001 - one call, by Spark
    """Give the values of a batch as an Arrow array.

    Parameters
    ----------
    sql, kind : str
        The expression, and DuckDB's name of its type.
    can_fail : bool
        Give a struct of value and error.
    *arrays : pyarrow.Array
        The columns.
    """
    import pyarrow as pa

    table = pa.table({f"a{i}": array for i, array in enumerate(arrays)})
    if not can_fail:
        return _values(sql, kind, table)
    values, errors = _judged(sql, kind, table)
    return pa.StructArray.from_arrays([values, errors], names=[VALUE, ERROR])


def _values(sql: str, kind: str, table: Any) -> Any:
    connection = _connection()
    connection.register("batch", table)
    try:
        found: Any = connection.sql(f"SELECT CAST({sql} AS {kind}) FROM batch").to_arrow_table()
    finally:
        connection.unregister("batch")
    column = found.column(0)
    return column.combine_chunks()


def _judged(sql: str, kind: str, table: Any) -> tuple[Any, Any]:
    """Give the values and the errors of a batch: halved until a row that fails stands alone."""
    import duckdb
    import pyarrow as pa

    from mainstem.engines.embedded.failures import is_data, row_words

    try:
        values = _values(sql, kind, table)
    except duckdb.Error as error:
        if not is_data(error):
            raise
        if len(table) == 1:
            empty = _values("NULL", kind, table)
            said = _PLACE.sub("", row_words(error)) + " (of " + _shown(table) + ")"
            return empty, pa.array([said], pa.string())
        half = len(table) // 2
        parts = [_judged(sql, kind, part) for part in (table[:half], table[half:])]
        values, errors = (pa.concat_arrays(both) for both in zip(*parts, strict=True))
        return values, errors
    return values, pa.nulls(len(table), pa.string())


def _shown(row: Any) -> str:
    """Give the arguments of the one row of a table, as people read them."""
    texts = [repr(column[0].as_py()) for column in row.columns]
    return ", ".join(x if len(x) <= _LONGEST else x[:_LONGEST] + "…" for x in texts)
