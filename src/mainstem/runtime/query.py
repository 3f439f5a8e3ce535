"""Questions to the tables without a sink, which live in the state file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any

from mainstem.errors import StateError
from mainstem.record import record
from mainstem.runtime.state import check_format, holder
from mainstem.runtime.stream import Stream, Streamed, html_table


@record
class Answer(Streamed):
    """Rows with the names and types of their columns; `Streamed` has the ways to dataframes.

    As a stream the question is asked again, so the tables must still be open.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    make: Callable[[], Any] | None = field(default=None, compare=False, repr=False)

    def _open(self) -> Any:
        if self.make is None:
            raise _closed()
        return self.make()

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.types, self.rows)


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
        self._is_closed = False

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
        from mainstem.engines.embedded.question import ask

        columns, types, rows = ask(self.duckdb, sql)
        return Answer(tuple(columns), tuple(types), tuple(rows), lambda: self._stream(sql))

    def arrow(self, sql: str) -> Stream:
        """Ask a question whose rows go to another library and never become Python values.

        Parameters
        ----------
        sql : str
            One SELECT over the pipeline's tables, in DuckDB's SQL.

        Returns
        -------
        Stream
            With ``to_arrow``, ``to_polars``, ``to_pandas`` and ``__arrow_c_stream__``. A wrong
            question is a DataError when the rows are asked for.
        """
        return Stream(lambda: self._stream(sql))

    def _stream(self, sql: str) -> Any:
        from mainstem.engines.embedded.question import stream

        if self._is_closed:
            raise _closed()
        return stream(self.duckdb, sql)

    def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        self.duckdb.close()

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def query(state_dir: Path, sql: str) -> Answer:
    """Answer a question in DuckDB's SQL; nothing can be written.

    A stream that runs answers itself: what its last epoch has committed.

    Raises
    ------
    StateError
        When there are no tables yet, or a run that ends is writing them: DuckDB lets nobody read a
        file that is open for writing, and names whose pid holds it.
    DataError
        When the question is wrong.
    """
    check_format(state_dir)
    if holder(state_dir) is not None:
        from mainstem.runtime.socket import ask

        found = ask(state_dir, "query", sql=sql)
        if found is not None:
            rows = tuple(tuple(row) for row in found["rows"])
            return Answer(tuple(found["columns"]), tuple(found["types"]), rows)
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

    refuse_while_running(state_dir)
    return Tables(open_tables(state_dir))


def refuse_while_running(state_dir: Path) -> None:
    """Refuse to read the tables of the state file while a run writes them.

    Raises
    ------
    StateError
        Names who holds it.
    """
    check_format(state_dir)
    who = holder(state_dir)
    if who is not None:
        raise StateError(
            f"run {who.run_id} (pid {who.pid}) is writing the tables of {state_dir}",
            code="StateLocked", fix="wait until it ends; `mainstem status` works meanwhile",
            pid=who.pid,
        )  # fmt: skip


def _closed() -> StateError:
    return StateError(
        "the tables are closed", code="TablesClosed",
        fix="ask and convert inside of: with p.connect() as tables",
    )  # fmt: skip
