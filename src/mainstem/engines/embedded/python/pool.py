"""Worker processes that call functions; they never outlive the run.

One that dies is replaced, and its batch given to another.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from mainstem.engines.embedded.python.evaluate import CallFailed, Evaluated, Failure
from mainstem.engines.embedded.python.process import WorkerProcess
from mainstem.engines.embedded.python.wire import packed, unpacked
from mainstem.errors import EngineError
from mainstem.mapreduce.frames import Ended
from mainstem.record import record

RETRIES = 3
# Above the engine, because it loads pipelines; started by its name alone.
_MODULE = "mainstem.runtime.worker"


@record
class Setup:
    """What a worker has to know of a map before its first batch, as plain data."""

    number: int
    functions: tuple[dict[str, Any], ...]
    calls: tuple[tuple[str, tuple[int, ...], int], ...]
    pipeline: str
    path: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Give it as a dict."""
        return {name: getattr(self, name) for name in type(self).__dataclass_fields__}


class _Closed(Exception):
    """The pool is being closed."""


class _Worker(WorkerProcess):
    """One process, and the maps that it knows."""

    def __init__(self) -> None:
        super().__init__(_MODULE)
        self.known: set[int] = set()

    def ask(self, setup: Setup, task: bytes) -> Any:
        """Give a batch of a map and wait for what came of it."""
        if setup.number not in self.known:
            self.send("map", setup.plain())
            word, said = self.receive()
            if word != "ready":
                raise EngineError(said, code="WorkerNotStarted",
                                  fix="correct the file, or run with workers=0")  # fmt: skip
            self.known.add(setup.number)
        self.send("batch", (setup.number, task))
        return self.receive()


class Pool:
    """The workers of a run: each started when there is a batch that nobody is free for."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free: list[_Worker] = []
        self._all: list[_Worker] = []
        self._is_closed = False
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="mainstem-worker")

    def submit(self, setup: Setup, columns: list[pa.Array], rows: int) -> Future[Evaluated]:
        """Give a batch of a map to a worker."""
        return self._threads.submit(self._evaluate, setup, columns, rows)

    def _evaluate(self, setup: Setup, columns: list[pa.Array], rows: int) -> Evaluated:
        task = packed(columns, rows)
        said = ""
        for _ in range(1 + RETRIES):
            worker = self._taken()
            try:
                answer = worker.ask(setup, task)
            except Ended:
                said = self._lost(worker)
            except EngineError:
                self._lost(worker)
                raise
            else:
                self._given_back(worker)
                return _read(answer)
        names = " and ".join(dict.fromkeys(call[0] for call in setup.calls))
        raise EngineError(
            f"the worker that called {names} {said}, {1 + RETRIES} times on the same {rows} rows",
            code="WorkerLost", fix="look at what the function does with memory and compiled code; "
            "batch_size= makes batches smaller, workers=1 needs less memory",
        )  # fmt: skip

    def _taken(self) -> _Worker:
        with self._lock:
            if self._is_closed:
                raise _Closed
            if self._free:
                return self._free.pop()
            worker = _Worker()
            self._all.append(worker)
            return worker

    def _given_back(self, worker: _Worker) -> None:
        with self._lock:
            self._free.append(worker)

    def _lost(self, worker: _Worker) -> str:
        with self._lock:
            if worker in self._all:
                self._all.remove(worker)
        return worker.end()

    def close(self) -> None:
        """End every worker, whatever it is doing, and wait for its end."""
        with self._lock:
            self._is_closed = True
            every, self._all = self._all, []
        for worker in every:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in every:
            worker.end()


def _read(answer: tuple[str, Any]) -> Evaluated:
    word, said = answer
    if word == "failed":
        raise CallFailed(Failure(**said))
    results, _ = unpacked(said["results"])
    dead = tuple(Failure(**one) for one in said["dead"])
    return Evaluated(tuple(results), dead, said["rows"])
