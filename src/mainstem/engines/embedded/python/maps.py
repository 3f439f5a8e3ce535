"""The maps of a step: rows out of DuckDB in batches, functions called, results into a file that it reads.

One connection runs one query at a time, and the tables of a run belong to one connection: so the results
are written to a file in the run's folder, while the query still gives rows, and read from there.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mainstem.engines.embedded.judging.keep import DEAD, Kept
from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluated, Evaluator, Failure
from mainstem.engines.embedded.python.pool import Pool, Setup
from mainstem.engines.embedded.python.values import arrow_type
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.session import Session, spill_dir
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, Statement
from mainstem.errors import DataError, InternalError, OutsideError, Place
from mainstem.plan.nodes import Plan, PythonFunction
from mainstem.record import mutable
from mainstem.sql.lift import Map

_POLL_S = 0.1
# Workers live as long as a run and know maps by number.
_NUMBERS = itertools.count()
_DEAD = pa.schema([(name, pa.string()) for name in ("__function", "__arguments", "__reason",
                                                   "__message")])  # fmt: skip
# How the messages of DuckDB's errors begin.
_ERRORS: dict[str, type[duckdb.Error]] = {
    "Conversion Error": duckdb.ConversionException,
    "Out of Range Error": duckdb.OutOfRangeException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Constraint Error": duckdb.ConstraintException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
    "INTERRUPT Error": duckdb.InterruptException,
}
_COLUMNS = (
    ("__id", "VARCHAR"), ("__run_id", "VARCHAR"), ("__at", "TIMESTAMPTZ"),
    ("__function", "VARCHAR"), ("__arguments", "VARCHAR"), ("__reason", "VARCHAR"),
    ("__message", "VARCHAR"), ("__status", "VARCHAR"),
)  # fmt: skip


def make_maps(
    session: Session, plan: Plan, settings: RunSettings, statement: Statement
) -> Generator[Event, None, Kept | None]:
    """Make the relations that a step reads the results of its Python functions from.

    Returns
    -------
    Kept or None
        The rows that no function could be called for; None when none of them is kept aside.

    Raises
    ------
    DataError
        When a function fails.
    """  # noqa: DOC501 - built by functions
    name = statement.step.name
    functions = {one.name: one for one in plan.functions}
    dead: list[tuple[str, int]] = []
    for made, sql in zip(statement.maps, statement.map_sql, strict=True):
        session.keep_order(is_ordered=True)
        run = _MapRun(session, plan, settings, made, sql, functions, next(_NUMBERS))
        try:
            yield from as_events(name, session.watch_call(run.all))
        except CallFailed as error:
            raise _explained(error.failure, functions, statement) from error
        except OSError as error:
            raise OutsideError(
                f"the results of Python functions cannot be written: {error}", step=name,
                code="InputOutput", fix="free some space beside the state directory",
            ) from error  # fmt: skip
        run.register()
        dead.append((f"{made.name}_dead", run.n_dead))
    called = {call.function for made in statement.maps for call in made.calls}
    if all(functions[one].on_error == "fail" for one in called):
        return None
    columns = ", ".join(field.name for field in _DEAD)
    union = " UNION ALL ".join(f"SELECT {columns} FROM {quoted(table)}" for table, n in dead if n)
    order = "__function, __arguments, __reason, __message"
    select = f"SELECT row_number() OVER (ORDER BY {order}) AS __nth, * FROM ({union})"
    return Kept(name, f"{name}{DEAD}", _COLUMNS, select if union else "", sum(n for _, n in dead))


@mutable
class _MapRun:
    """One map of one run."""

    session: Session
    plan: Plan
    settings: RunSettings
    made: Map
    sql: str
    functions: dict[str, PythonFunction]
    number: int
    n_rows: int = 0
    n_dead: int = 0
    used: dict[str, PythonFunction] = field(default_factory=dict)

    def all(self) -> None:
        """Call the functions for every row; stops at the first that fails."""
        self.used = {call.function: self.functions[call.function] for call in self.made.calls}
        size = min(one.batch_size for one in self.used.values())
        # A relation, because an executed statement would be held in memory as a whole.
        relation = self.session.connection.sql(self.sql)
        reader = relation.to_arrow_reader(size)
        n_kept = len(self.made.kept)
        kept = [pa.field(f"c{i}", reader.schema.field(i).type) for i in range(n_kept)]
        results = [pa.field(f"r{i}", arrow_type(x)) for i, x in enumerate(self.made.results)]
        schema = pa.schema([*kept, *results])
        with (
            pa.OSFile(str(self._file()), "wb") as file,
            pa.ipc.new_file(file, schema) as rows,
            pa.OSFile(str(self._file("_dead")), "wb") as dead_file,
            pa.ipc.new_file(dead_file, _DEAD) as dead,
        ):
            n_left = 0
            for batch, found in self._evaluated(_batches(reader), n_kept):
                left = batch.columns[:n_kept]
                if found.rows is not None:
                    left = [c.take(pa.array(found.rows, pa.int64())) for c in left]
                columns = [*left, *found.results]
                n_left += len(columns[0])
                rows.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                if found.dead:
                    dead.write_batch(_dead_batch(found.dead))
                    self.n_dead += len(found.dead)
        if self.n_rows != n_left + self.n_dead:
            raise InternalError(
                f"{self.n_rows} rows went to the functions of {self.made.name!r}, {n_left} came back "
                f"and {self.n_dead} are dead", code="LedgerUnbalanced",
                fix="report it with this line; nothing was committed by this run",
            )  # fmt: skip

    def _evaluated(
        self, reader: Iterator[pa.RecordBatch], n_kept: int
    ) -> Iterator[tuple[pa.RecordBatch, Evaluated]]:
        n_workers = self._workers()
        if not n_workers:
            evaluator = Evaluator(self.used, self.made.calls)
            for batch in reader:
                yield (
                    batch,
                    self._placed(
                        lambda b=batch: evaluator.batch(b.columns[n_kept:], b.num_rows),
                        batch.num_rows,
                    ),
                )
            return
        yield from self._asked(self._pool(), reader, n_kept, n_workers)

    def _pool(self) -> Pool:
        """Give the workers of the run; they end with its session."""
        if self.session.workers is None:
            self.session.workers = Pool(max(map(self._workers_of, self.plan.functions)))
        pool: Pool = self.session.workers
        return pool

    def _asked(
        self, pool: Pool, reader: Iterator[pa.RecordBatch], n_kept: int, n_workers: int
    ) -> Iterator[tuple[pa.RecordBatch, Evaluated]]:
        """Keep the workers busy, with a bound on the batches that are under way."""
        waiting: deque[tuple[pa.RecordBatch, Future[Evaluated]]] = deque()
        setup = self._setup()
        for batch in reader:
            given = pool.submit(setup, batch.columns[n_kept:], batch.num_rows)
            waiting.append((batch, given))
            # With one more than there are workers none waits while a result is written.
            if len(waiting) > n_workers:
                yield self._answered(*waiting.popleft())
        while waiting:
            yield self._answered(*waiting.popleft())

    def _answered(
        self, batch: pa.RecordBatch, future: Future[Evaluated]
    ) -> tuple[pa.RecordBatch, Evaluated]:
        def wait() -> Evaluated:
            while True:
                # In short waits: nothing else lets the end of a run in.
                try:
                    return future.result(_POLL_S)
                except NotYet:
                    if future.done():
                        raise

        return batch, self._placed(wait, batch.num_rows)

    def _placed(self, evaluate: Any, rows: int) -> Evaluated:
        """Evaluate, with positions that count from the first row of the map."""
        first, self.n_rows = self.n_rows, self.n_rows + rows
        try:
            found: Evaluated = evaluate()
        except CallFailed as error:
            if error.failure.row >= 0:
                facts = {n: getattr(error.failure, n) for n in Failure.__dataclass_fields__}
                raise CallFailed(Failure(**facts | {"row": first + error.failure.row})) from error
            raise
        return found

    def _workers(self) -> int:
        """Give how many processes work on the map; 0 when any function wants to be called here."""
        wanted = list(map(self._workers_of, self.used.values()))
        return 0 if 0 in wanted else max(wanted)

    def _workers_of(self, one: PythonFunction) -> int:
        return one.workers if one.workers is not None else self.settings.threads or _cores()

    def _setup(self) -> Setup:
        return Setup(
            self.number, tuple(_sent(one) for one in self.used.values()),
            tuple((call.function, call.args, call.reach) for call in self.made.calls),
            self.plan.name, tuple(sys.path),
        )  # fmt: skip

    def _file(self, part: str = "") -> Path:
        folder = spill_dir(self.settings).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.settings.run_id}{self.made.name}{part}.arrow"

    def register(self) -> None:
        """Make the results a relation of the session; the file is read where it lies."""
        for part in ("", "_dead"):
            table = pa.ipc.open_file(pa.memory_map(str(self._file(part)))).read_all()
            self.session.connection.register(f"{self.made.name}{part}", table)


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Give the batches; an error of DuckDB is one of DuckDB again, which Arrow calls one of a file."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            said = str(error)
            kinds = (kind for word, kind in _ERRORS.items() if said.startswith(word))
            raise next(kinds, duckdb.Error)(said) from error
        yield batch


def _cores() -> int:
    """Give how many cores this process may use: in a container fewer than the machine has."""
    allowed: Any = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _dead_batch(dead: tuple[Failure, ...]) -> pa.RecordBatch:
    columns = (
        [one.function for one in dead], [one.values for one in dead],
        [one.reason for one in dead], [one.message for one in dead],
    )  # fmt: skip
    return pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], schema=_DEAD)


def _sent(one: PythonFunction) -> dict[str, Any]:
    """Give a function as a worker can get it: by its file, else by value."""
    facts = {
        "name": one.name, "takes": list(map(str, one.takes)), "gives": str(one.gives),
        "is_batch": one.is_batch, "on_error": one.on_error, "null": one.null, "digest": one.digest,
        "home": one.home, "code": b"",
    }  # fmt: skip
    if not one.home:
        from mainstem.engines.embedded.python.by_value import pickled

        facts["code"] = pickled(one)
    return facts


def _explained(
    failure: Failure, functions: dict[str, PythonFunction], statement: Statement
) -> DataError:
    function = functions[failure.function]
    where = Place(failure.file, failure.line) if failure.file else function.where
    part = "open of the function" if failure.reason == "open" else "the Python function"
    row = f" on row {failure.row:,}" if failure.row >= 0 else ""
    given = f", called with ({', '.join(failure.arguments)})" if failure.arguments else ""
    return DataError(
        f"{part} {failure.function}{row}{given[:300]}: {failure.message}", where=where,
        step=statement.step.name, code="PythonFunctionFailed",
        fix='correct the function or the data; on_error="dead_letter" keeps such rows aside',
        function=failure.function, row=failure.row, arguments=failure.arguments,
    )  # fmt: skip
