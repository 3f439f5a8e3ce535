"""The functions of one map, called batch by batch: in this process, or in the workers of the run."""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from mainstem.engines.embedded.python.by_value import facts, pickled
from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluated, Evaluator, Failure
from mainstem.engines.embedded.python.pool import Pool, Setup
from mainstem.engines.embedded.python.process import cores
from mainstem.engines.embedded.session import Session
from mainstem.engines.spec import RunSettings
from mainstem.errors import DataError, Place
from mainstem.plan.nodes import Plan, PythonFunction
from mainstem.sql.lift import Map

_POLL_S = 0.1
# Workers live as long as a run and know maps by number.
_NUMBERS = itertools.count()


def decided(plan: Plan, on_error: str) -> dict[str, PythonFunction]:
    """Give the functions of a plan by name; `on_error` holds for those that do not say it."""
    return {
        one.name: one if one.on_error else replace(one, on_error=on_error)
        for one in plan.functions
    }  # fmt: skip


class Caller:
    """Calls the functions of one map; what they `open` is opened once in each process.

    Parameters
    ----------
    session : Session
        Of the run, with which its workers end.
    plan : Plan
        Whose functions they are.
    settings : RunSettings
        Those of the run.
    made : Map
        What is called.
    functions : dict
        Those of the plan by name, as `decided`.
    """

    def __init__(
        self, session: Session, plan: Plan, settings: RunSettings, made: Map,
        functions: Mapping[str, PythonFunction],
    ) -> None:  # fmt: skip
        self.session, self.plan, self.settings, self.made = session, plan, settings, made
        self.used = {call.function: functions[call.function] for call in made.calls}
        self.batch_size = min(one.batch_size for one in self.used.values())
        self.number = next(_NUMBERS)
        self.n_workers = self._workers()
        # Rows so far: a message has the number of the row that failed.
        self.n_rows = 0
        self._evaluator: Evaluator | None = None
        self._known_setup: Setup | None = None

    def evaluated(
        self, batches: Iterable[pa.RecordBatch], n_kept: int
    ) -> Iterator[tuple[pa.RecordBatch, Evaluated]]:
        """Give what came of each batch, in order; the arguments stand behind `n_kept` columns.

        Raises
        ------
        CallFailed
            When a function with ``on_error="fail"`` fails; its row counts from the first of all.
        """
        if self.n_workers:
            yield from self._asked(self._pool(), batches, n_kept)
            return
        if self._evaluator is None:
            self._evaluator = Evaluator(self.used, self.made.calls)
        evaluator = self._evaluator
        for batch in batches:
            self._hurry()
            evaluate = partial(evaluator.batch, batch.columns[n_kept:], batch.num_rows)
            yield batch, self._placed(evaluate, batch.num_rows)

    def begin(self, arguments: list[pa.Array]) -> Future[Evaluated] | None:
        """Get ready before there is a row: start a worker that loads and opens what it needs.

        Parameters
        ----------
        arguments : list of Array
            Without rows, of the types of the arguments.

        Returns
        -------
        Future or None
            What tells when it is done; None when it was done here.
        """
        if self.n_workers:
            return self._pool().submit(self._setup(), arguments, 0)
        self._evaluator = Evaluator(self.used, self.made.calls)
        self._evaluator.batch(arguments, 0)
        return None

    def _pool(self) -> Pool:
        """Give the workers of the run; they end with its session."""
        if self.session.workers is None:
            self.session.workers = Pool(max(map(self._workers_of, self.plan.functions)))
        pool: Pool = self.session.workers
        return pool

    def _asked(
        self, pool: Pool, batches: Iterable[pa.RecordBatch], n_kept: int
    ) -> Iterator[tuple[pa.RecordBatch, Evaluated]]:
        """Keep the workers busy, with a bound on the batches that are under way."""
        waiting: deque[tuple[pa.RecordBatch, Future[Evaluated]]] = deque()
        setup = self._setup()
        for batch in batches:
            given = pool.submit(setup, batch.columns[n_kept:], batch.num_rows)
            waiting.append((batch, given))
            # With one more than there are workers none waits while a result is written.
            if len(waiting) > self.n_workers:
                yield self._answered(*waiting.popleft())
        while waiting:
            yield self._answered(*waiting.popleft())

    def _answered(
        self, batch: pa.RecordBatch, future: Future[Evaluated]
    ) -> tuple[pa.RecordBatch, Evaluated]:
        return batch, self._placed(lambda: self.waited(future), batch.num_rows)

    def waited(self, future: Future[Evaluated]) -> Evaluated:
        """Wait for a batch, in short waits: nothing else lets the end of a run in."""
        while True:
            try:
                return future.result(_POLL_S)
            except NotYet:
                if future.done():
                    raise
            self._hurry()

    def _hurry(self) -> None:
        # A run that is no stream tells how far it is meanwhile, and ends there.
        if self.settings.stream is not None and self.settings.hurry is not None:
            self.settings.hurry()

    def _placed(self, evaluate: Callable[[], Evaluated], rows: int) -> Evaluated:
        """Evaluate, with positions that count from the first row of the map."""
        first, self.n_rows = self.n_rows, self.n_rows + rows
        try:
            return evaluate()
        except CallFailed as error:
            if error.failure.row >= 0:
                row = first + error.failure.row
                raise CallFailed(replace(error.failure, row=row)) from error
            raise

    def _workers(self) -> int:
        """Give how many processes work on the map; 0 when any function wants to be called here."""
        wanted = list(map(self._workers_of, self.used.values()))
        return 0 if 0 in wanted else max(wanted)

    def _workers_of(self, one: PythonFunction) -> int:
        return one.workers if one.workers is not None else self.settings.threads or cores()

    def _setup(self) -> Setup:
        if self._known_setup is None:
            self._known_setup = Setup(
                self.number, tuple(_sent(one) for one in self.used.values()),
                tuple((call.function, call.args, call.reach) for call in self.made.calls),
                self.plan.name, tuple(sys.path),
            )  # fmt: skip
        return self._known_setup


def _sent(one: PythonFunction) -> dict[str, Any]:
    """Give a function as a worker can get it: by its file, else by value."""
    return facts(one) | ({} if one.home else {"code": pickled(one)})


def explained(failure: Failure, functions: Mapping[str, PythonFunction], step: str) -> DataError:
    """Give a function that failed as an error of ours."""
    function = functions[failure.function]
    where = Place(failure.file, failure.line) if failure.file else function.where
    part = "open of the function" if failure.reason == "open" else "the Python function"
    row = f" on row {failure.row:,}" if failure.row >= 0 else ""
    given = f", called with ({', '.join(failure.arguments)})" if failure.arguments else ""
    return DataError(
        f"{part} {failure.function}{row}{given[:300]}: {failure.message}", where=where,
        step=step, code="PythonFunctionFailed",
        fix='correct the function or the data; on_error="dead_letter" keeps such rows aside',
        function=failure.function, row=failure.row, arguments=failure.arguments,
    )  # fmt: skip
