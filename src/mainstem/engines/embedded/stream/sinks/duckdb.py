"""A table of another DuckDB file: each epoch is one transaction, with the token in it.

The file is open for the commit only, as DuckDB locks every other process out of a file that is open
for writing. The row of ``mainstem_tokens`` says who may write (`run_id`, set by `open`) and what was
written last (`token`); both are compared inside of the transaction that replaces them, so of two
runs the one that opened earlier is refused, and no epoch is added twice.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from mainstem.connectors.duckdb.options import DuckdbSink
from mainstem.engines.embedded.failures import explained, outside, words
from mainstem.engines.embedded.session import plain_connection
from mainstem.engines.embedded.stream.sinks.duckdb_rows import TableRows
from mainstem.engines.embedded.stream.sinks.token import Owner, already_there, epoch_of
from mainstem.engines.embedded.stream.sinks.wire import checked, stream_output
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.duckdb_sink import TOKENS
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.spec import RunSettings
from mainstem.errors import BusyError, InternalError, MainstemError, StateError
from mainstem.plan.nodes import Plan, Step
from mainstem.storage.local import points

# How long a commit waits for another process that reads the file.
LOCK_WAIT_S = 10.0
_LOCK_POLL_S = 0.02

# DuckDB's file lock does not hold between two databases of one process.
_files: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def duckdb_sink(step: Step, plan: Plan, settings: RunSettings, key: tuple[str, ...]) -> DuckdbTable:
    """Give the sink of a table whose binding is ``ms.duckdb``."""
    output = stream_output(step, plan, settings)
    if output.duckdb is None:
        raise InternalError(f"{step.name!r} is not written to a DuckDB file")
    place = f"table {output.duckdb.table!r} of {output.path}"
    owner = Owner(plan.name, step.name, place, output.is_force, step.where)
    return DuckdbTable(output, output.duckdb, owner, settings.run_id, key)


class DuckdbTable:
    """One table of a stream in another DuckDB file."""

    def __init__(
        self, output: Output, options: DuckdbSink, owner: Owner, run_id: str, key: tuple[str, ...]
    ) -> None:
        self._output = output
        self._owner = owner
        self._run_id = run_id
        self._sink = options.table
        self._catalog = f"__mainstem_stream_{output.step.name}"
        self._rows = TableRows(output, options, self._catalog, key)
        # The token as text; "" before the first epoch, None before `open`.
        self._last: str | None = None

    def wire(self, select: str) -> str:
        """Give the rows with their checks."""
        return checked(select, self._output, is_updating=self._rows.is_updating)

    def open(self) -> dict[str, Any] | None:
        """Claim the table for this run, and give the token that is in the file."""
        connection = plain_connection()
        try:
            with self._attached(connection):
                token = self._claim(connection)
        finally:
            connection.close()
        self._last = self._owner.text(token) if token else ""
        return token

    def write(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Commit an epoch's rows and token."""
        if self._last is None:
            raise InternalError(f"the sink of {self._output.step.name!r} is not open")
        if batch.epoch <= epoch_of(self._owner.token(self._last)):
            return already_there(batch.rows)
        text = self._owner.text(batch.token)
        try:
            with self._attached(cursor):
                facts = self._commit(cursor, batch, text)
        except duckdb.Error as error:
            self._rows.is_set_up = False
            facts = self._asked(error, batch, text)
        self._last = text
        points.reached(points.SINK_DECIDED)
        return facts

    def close(self) -> None:
        """Nothing is held between two epochs."""

    def _claim(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._tokens} "
            '(pipeline VARCHAR, sink VARCHAR, token VARCHAR, run_id VARCHAR, "rows" BIGINT)'
        )
        _, left = self._mark(connection)
        token = self._owner.token(left)
        if token is None:
            self._refuse_strangers(connection)
        connection.execute(f"DELETE FROM {self._tokens} WHERE sink = $1", [self._sink])
        connection.execute(
            f"INSERT INTO {self._tokens} VALUES ($1, $2, $3, $4, 0)",
            [self._owner.pipeline, self._sink, left if token else "", self._run_id],
        )
        connection.execute("COMMIT")
        return token

    def _refuse_strangers(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._owner.is_force or self._output.mode == "append":
            return
        if self._rows.is_filled(connection):
            raise StateError(
                f"{self._owner.place} holds rows that Mainstem did not write",
                where=self._owner.where, step=self._owner.table, code="NotOurRows",
                fix="choose another table, add mode=\"append\" to the sink to keep them, or "
                "force=True to replace them",
            )  # fmt: skip

    def _commit(self, cursor: duckdb.DuckDBPyConnection, batch: Batch, text: str) -> dict[str, Any]:
        run_id, left = self._mark(cursor)
        if (run_id, left) != (self._run_id, self._last):
            raise self._owner.taken_over(f"run {run_id}" if run_id else "somebody who removed it")
        facts = self._rows.take(cursor, batch, is_first=not left)
        cursor.execute(
            f'UPDATE {self._tokens} SET token = $1, "rows" = $2 WHERE sink = $3',
            [text, batch.rows, self._sink],
        )
        points.reached(points.SINK_PREPARED)
        cursor.execute("COMMIT")
        return facts

    def _asked(self, error: duckdb.Error, batch: Batch, text: str) -> dict[str, Any]:
        """Find out from the file itself whether a failed commit is in it."""
        connection = plain_connection()
        try:
            with self._attached(connection):
                run_id, left = self._mark(connection)
        finally:
            connection.close()
        if (run_id, left) == (self._run_id, text):
            return {"rows": batch.rows, "already_there": 0}
        if (run_id, left) != (self._run_id, self._last):
            raise self._owner.taken_over(f"run {run_id}") from error
        raise self._explained(error) from error

    def _explained(self, error: duckdb.Error) -> MainstemError:
        return explained(error, self._output.step, doing=f"writing {self._owner.place}")

    @property
    def _tokens(self) -> str:
        return f'{quoted(self._catalog)}."main".{quoted(TOKENS)}'

    def _mark(self, connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
        """Give who may write, and the token; texts are empty when there is none."""
        found = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 "
            "AND schema_name = 'main' AND table_name = $2",
            [self._catalog, TOKENS],
        ).fetchall()
        if not found[0][0]:
            return "", ""
        rows = connection.execute(
            f"SELECT run_id, token FROM {self._tokens} WHERE sink = $1", [self._sink]
        ).fetchall()
        return (str(rows[0][0]), str(rows[0][1])) if rows else ("", "")

    @contextmanager
    def _attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Open the file and a transaction; without a COMMIT inside nothing has changed."""
        with _files[self._output.path]:
            self._attach(connection)
            try:
                # Instants are compared and printed in UTC; a cursor starts with the machine's zone.
                connection.execute("SET TimeZone = 'UTC'; BEGIN")
                yield
            finally:
                # After the COMMIT there is none to roll back; after a failed one there may be.
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                with suppress(duckdb.Error):
                    connection.execute(f"DETACH {quoted(self._catalog)}")

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        path = self._output.path
        end = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                connection.execute(f"ATTACH {literal(str(path))} AS {quoted(self._catalog)}")
                return
            except (duckdb.Error, OSError) as error:
                found = outside(words(error), where=self._owner.where, step=self._owner.table,
                                prefix=f"opening {path} to write: ")  # fmt: skip
                # A file that was detached stays open until the engine's transaction of then has ended.
                is_closing = "Unique file handle conflict" in str(error)
                is_transient = is_closing or isinstance(found, BusyError)
                if not is_transient or time.monotonic() > end:
                    raise found from error
            time.sleep(_LOCK_POLL_S)
