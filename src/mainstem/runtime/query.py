"""Questions to the tables without a sink, which live in the state file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mainstem.errors import StateError
from mainstem.record import record
from mainstem.runtime.state import check_format, holder


@record
class Answer:
    """Rows with the names and types of their columns."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Tables:
    """The tables without a sink, as the last run left them, open for reading.

    Close it, or use it in a ``with``: no run can write while they are open.

    Attributes
    ----------
    duckdb : duckdb.DuckDBPyConnection
        The connection itself. Its client gives instants only where the package pytz is installed;
        `query` always does.
    """

    def __init__(self, connection: Any) -> None:
        self.duckdb = connection

    def query(self, sql: str) -> Answer:
        """Answer a question in DuckDB's SQL; instants are aware datetimes in UTC.

        Parameters
        ----------
        sql : str
            One SELECT over the pipeline's tables.

        Returns
        -------
        Answer
            Columns, DuckDB's types and rows.

        Raises
        ------
        DataError
            When the question is wrong.
        """
        from mainstem.engines.embedded.state_file import ask

        columns, types, rows = ask(self.duckdb, sql)
        return Answer(tuple(columns), tuple(types), tuple(rows))

    def close(self) -> None:
        """Close the connection."""
        self.duckdb.close()

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def query(state_dir: Path, sql: str) -> Answer:
    """Answer a question in DuckDB's SQL; nothing can be written.

    Raises
    ------
    StateError
        When there are no tables yet, or a run is writing them: DuckDB lets nobody read a file that
        is open for writing, and names whose pid holds it.
    DataError
        When the question is wrong.
    """
    with connect(state_dir) as tables:
        return tables.query(sql)


def connect(state_dir: Path) -> Tables:
    """Open the tables of the state file for reading; the caller closes them.

    Raises
    ------
    StateError
        As for `query`.
    """
    from mainstem.engines.embedded.state_file import open_tables

    _refuse_while_running(state_dir)
    return Tables(open_tables(state_dir))


def _refuse_while_running(state_dir: Path) -> None:
    check_format(state_dir)
    who = holder(state_dir)
    if who is not None:
        raise StateError(
            f"run {who.run_id} (pid {who.pid}) is writing the tables of {state_dir}",
            code="StateLocked", fix="wait until it ends; `mainstem status` works meanwhile",
            pid=who.pid,
        )  # fmt: skip
