"""What the footer of a Parquet file says before any of its rows is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.engines.embedded.types import literal
from mainstem.errors import DataError
from mainstem.plan.nodes import Source

if TYPE_CHECKING:
    import duckdb


def row_group_rows(connection: duckdb.DuckDBPyConnection, path: str, source: Source) -> list[int]:
    """Give the rows of each row group of a file, in order.

    Raises
    ------
    DataError
        When the footer cannot be read; names the file.
    """
    import duckdb

    try:
        rows = connection.execute(
            "SELECT row_group_id, any_value(row_group_num_rows) FROM "
            f"parquet_metadata({literal(path)}) GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    except duckdb.Error as error:
        raise DataError(
            f"source {source.name!r}: the Parquet footer of {path} cannot be read: "
            f"{str(error).splitlines()[0]}",
            where=source.where, code="FileDamaged", fix="write the file again",
        ) from error  # fmt: skip
    return [int(n) for _, n in rows]
