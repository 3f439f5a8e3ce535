"""One map of a stream: rows out of DuckDB as Arrow, functions called, the results readable by a name.

An epoch is held in memory as a whole anyway, so no file stands between, as in a batch. What DuckDB reads
afterwards is the Arrow table itself: a third of the cost of a temporary table, measured.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pyarrow as pa

from mainstem.engines.embedded.python.caller import Caller, explained
from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluated, Failure
from mainstem.engines.embedded.python.values import arrow_type
from mainstem.engines.embedded.session import Session
from mainstem.errors import InternalError, MainstemError
from mainstem.record import record
from mainstem.sql.stream.calls import IS_DEAD, Calling

# The columns of a dead letter behind those of its row.
_TOLD = ("__function", "__expression", "__arguments", "__reason", "__message")
# What a worker should have to do at a time, in seconds: less is not worth handing over.
_WORTH_S = 0.01


@record
class Result:
    """What came of the rows of an epoch: the relation, the rows that failed, and what was said of each."""

    rows: pa.Table
    dead: tuple[tuple[list[pa.Array], tuple[Failure, ...]], ...] = ()


class CallRun:
    """One map of one run.

    Parameters
    ----------
    session : Session
        The engine's.
    calling : Calling
        What is called.
    caller : Caller
        Who calls it.
    sql : str
        Gives the columns that are kept, and the arguments.
    """

    def __init__(self, session: Session, calling: Calling, caller: Caller, sql: str) -> None:
        self.session, self.calling, self.caller, self.sql = session, calling, caller, sql
        self.n_kept = len(calling.made.kept)
        self.functions = caller.used
        self.result: Result | None = None
        # Of this epoch: what was given for which rows. An epoch that is computed again has them still.
        self.known: list[tuple[pa.Table, Result]] = []
        self.beginning: Future[Evaluated] | None = None
        # Seconds a row, of late.
        self.row_s = 0.0

    def fill(self, sql: str = "") -> None:
        """Call the functions for the rows of now, and make the relation of what they give."""
        # Not an executed statement: DuckDB would copy its rows once more.
        arguments = self.session.connection.sql(sql or self.sql).to_arrow_table()
        try:
            self.result = self._result(arguments)
        except CallFailed as error:
            raise explained(error.failure, self.functions, self.calling.step) from error
        except MainstemError as error:
            # A worker was lost, or not started: for this step.
            error.finding = replace(error.finding, step=self.calling.step)
            raise
        self.session.connection.register(self.calling.made.name, self.result.rows)

    def _result(self, arguments: pa.Table) -> Result:
        if self.result is None:
            # Loading a model takes longer than an epoch should: it begins with the run.
            columns = [column.combine_chunks() for column in arguments.columns[self.n_kept :]]
            self.beginning = self.caller.begin([c.slice(0, 0) for c in columns])
        for known, result in self.known:
            if known.equals(arguments):
                return result
        if not arguments.num_rows:
            return Result(self._table(arguments, []))
        self._check_begun()
        result = self._called(arguments)
        self.known.append((arguments, result))
        return result

    def _check_begun(self) -> None:
        if self.beginning is not None:
            self.caller.waited(self.beginning)
            self.beginning = None

    def _called(self, arguments: pa.Table) -> Result:
        self.caller.n_rows = 0
        dead: list[tuple[list[pa.Array], tuple[Failure, ...]]] = []
        parts = []
        began = time.monotonic()
        batches = arguments.combine_chunks().to_batches(
            max_chunksize=self._size(arguments.num_rows)
        )
        for batch, found in self.caller.evaluated(batches, self.n_kept):
            parts.append(self._part(batch, found))
            if found.dead:
                gone = pa.array([failure.row for failure in found.dead], pa.int64())
                dead.append(([c.take(gone) for c in batch.columns[: self.n_kept]], found.dead))
        self.row_s = (time.monotonic() - began) * self._share(len(batches)) / arguments.num_rows
        made = self._table(arguments, parts)
        n_gone = 0 if self.calling.keeps_dead else sum(len(failures) for _, failures in dead)
        if made.num_rows + n_gone != arguments.num_rows:
            raise InternalError(
                f"{arguments.num_rows} rows went to {self.calling.texts[0]}, {made.num_rows} came back "
                f"and {n_gone} are dead", code="LedgerUnbalanced",
                fix="report it with this line; the epoch was not committed",
            )  # fmt: skip
        return Result(made, tuple(dead))

    def _share(self, n_batches: int) -> int:
        return max(1, min(n_batches, self.caller.n_workers))

    def _size(self, n_rows: int) -> int:
        """Give how many rows go to a worker at a time: all have something to do, and enough."""
        most = self.caller.batch_size
        n_parts = min(self.caller.n_workers, int(n_rows * self.row_s / _WORTH_S))
        return min(most, -(-n_rows // n_parts)) if n_parts > 1 else most

    def _part(self, batch: pa.RecordBatch, found: Evaluated) -> list[pa.Array]:
        """Give the columns of a batch: without its dead rows, or with them and without their results."""
        kept, results = batch.columns[: self.n_kept], list(found.results)
        if not self.calling.keeps_dead:
            if found.rows is not None:
                left = pa.array(found.rows, pa.int64())
                kept = [column.take(left) for column in kept]
            return [*kept, *results]
        is_dead = [False] * batch.num_rows
        if found.rows is not None:
            places: list[int | None] = [None] * batch.num_rows
            for place, row in enumerate(found.rows):
                places[row] = place
            taken = pa.array(places, pa.int64())
            results = [column.take(taken) for column in results]
            is_dead = [place is None for place in places]
        return [*kept, *results, pa.array(is_dead, pa.bool_())]

    def _table(self, arguments: pa.Table, parts: list[list[pa.Array]]) -> pa.Table:
        """Give the relation, typed also when it has no rows."""
        types: list[Any] = [arguments.schema.types[i] for i in range(self.n_kept)]
        types += map(arrow_type, self.calling.made.results)
        names = list(self.calling.columns)
        if self.calling.keeps_dead:
            types, names = [*types, pa.bool_()], [*names, IS_DEAD]
        schema = pa.schema(list(zip(names, types, strict=True)))
        batches = [pa.RecordBatch.from_arrays(columns, schema=schema) for columns in parts]
        return pa.Table.from_batches(batches, schema=schema)

    def dead_letters(self) -> pa.Table | None:
        """Give the rows that no function could be called for, with what was said; None for none."""
        if self.result is None or not self.result.dead:
            return None
        columns: dict[str, Any] = {
            name: pa.chunked_array([own[i] for own, _ in self.result.dead])
            for i, name in enumerate(self.calling.columns[: self.n_kept]) if not name.startswith("__")
        }  # fmt: skip
        failures = [failure for _, found in self.result.dead for failure in found]
        told = (
            [one.function for one in failures], [self._text(one.function) for one in failures],
            [one.values for one in failures], [one.reason for one in failures],
            [one.message for one in failures],
        )  # fmt: skip
        texts = (pa.array(values, pa.string()) for values in told)
        return pa.table(columns | dict(zip(_TOLD, texts, strict=True)))

    def _text(self, function: str) -> str:
        """Give the call of a function as SQL; of several calls its name."""
        calls = zip(self.calling.made.calls, self.calling.texts, strict=True)
        found = {text for call, text in calls if call.function == function}
        return found.pop() if len(found) == 1 else function

    def done(self) -> None:
        """Forget what was known of an epoch that is committed."""
        self.known.clear()
        if self.result is not None and self.result.dead:
            self.result = Result(self.result.rows)
