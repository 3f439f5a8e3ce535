"""What a running stream says of itself, and questions to its committed tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mainstem.engines.desk import Answering, Desk, Facts
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG, state_path
from mainstem.engines.embedded.stream.copies import size_of
from mainstem.engines.embedded.stream.times import Clocks, told
from mainstem.engines.embedded.types import quoted
from mainstem.errors import BusyError, DataError

if TYPE_CHECKING:
    import duckdb

    from mainstem.engines.embedded.question import Known
    from mainstem.engines.embedded.stream.job import Job

# An answer through the socket has at most so many rows and takes at most so long, in seconds.
MOST_ROWS, MOST_S = 100_000, 30.0
# Cursors that are kept for the next questions.
MOST_IDLE = 4
T = TypeVar("T")


class Answers:
    """Connects a job with the desk at which others ask."""

    def __init__(self, desk: Desk, wake: Callable[[], None]) -> None:
        self.desk, self.wake = desk, wake
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.path: Path | None = None
        self.under_way: set[duckdb.DuckDBPyConnection] = set()
        self.lock = threading.Lock()
        # Cursors that have answered and wait for the next question, and questions that came before.
        self.idle: list[duckdb.DuckDBPyConnection] = []
        self.known: Known | None = None

    def tick(self, job: Job) -> None:
        """Answer what waits; `Ports.on_tick`."""
        if self.connection is None:
            # Made in the engine's thread, which is the only one that may use the run's connection.
            self.connection = job.session.connection.cursor()
            self.path = state_path(job.settings.state_dir)
            at_once: dict[str, Answering] = {
                "query": self.query, "backup": self.backup, "state": self.state,
            }  # fmt: skip
            self.desk.open(at_once, self.wake, self.interrupt)
        self.desk.serve({"status": partial(standing, job), "time": partial(explained, job)})

    def stop(self) -> None:
        """Answer nothing any more; `Ports.on_stop`."""
        self.desk.close()
        with self.lock:
            idle, self.idle = self.idle, []
        for cursor in idle:
            cursor.close()
        if self.connection is not None:
            self.connection.close()

    def interrupt(self) -> None:
        """End the questions under way."""
        with self.lock:
            for cursor in self.under_way:
                cursor.interrupt()

    def query(self, facts: Facts) -> Facts:
        """Answer a question to the committed tables: whole epochs, whatever the run is doing."""
        from mainstem.engines.embedded.question import Known, ask_live, open_live

        if self.known is None:
            self.known = Known()
        known, sql = self.known, facts["sql"]
        with self.lock:
            cursor = self.idle.pop() if self.idle else None
        if cursor is None:
            cursor = open_live(self._own)
        began = time.monotonic()
        found = self._watched(cursor, lambda: ask_live(cursor, sql, MOST_ROWS, known))
        # One that has failed is closed. What a seed does stays with who has set it, and an interrupt that
        # comes at the last moment with whom it was meant for.
        is_clean = time.monotonic() - began < MOST_S / 2 and "setseed" not in sql.lower()
        with self.lock:
            is_kept = is_clean and len(self.idle) < MOST_IDLE
            if is_kept:
                self.idle.append(cursor)
        if not is_kept:
            cursor.close()
        return _rows(found)

    def backup(self, facts: Facts) -> Facts:
        """Write the committed state into a new file."""
        from mainstem.engines.embedded.stream.copies import copy_state

        return self._with_cursor(lambda cursor: copy_state(cursor, facts["path"]), most_s=3600.0)

    def state(self, facts: Facts) -> Facts:
        """Give what the state file holds."""
        del facts
        from mainstem.engines.embedded.stream.copies import shown_in

        assert self.path is not None  # noqa: S101 - the desk is open
        path = self.path
        return self._with_cursor(lambda cursor: shown_in(Session(cursor), path))

    def _with_cursor(
        self, work: Callable[[duckdb.DuckDBPyConnection], Facts], most_s: float | None = None
    ) -> Facts:
        cursor = self._own.cursor()

        def worked() -> Facts:
            cursor.execute("SET TimeZone = 'UTC'")
            return work(cursor)

        found = self._watched(cursor, worked, most_s)
        cursor.close()
        return found

    @property
    def _own(self) -> duckdb.DuckDBPyConnection:
        assert self.connection is not None  # noqa: S101 - the desk is open
        return self.connection

    def _watched(
        self, cursor: duckdb.DuckDBPyConnection, work: Callable[[], T], most_s: float | None = None
    ) -> T:
        """Work with a cursor for so long at most; it is closed after an error."""
        most_s, is_done = MOST_S if most_s is None else most_s, False
        with self.lock:
            self.under_way.add(cursor)
        watch = threading.Timer(most_s, cursor.interrupt)
        watch.daemon = True
        watch.start()
        try:
            found = work()
            is_done = True
        except Exception as error:
            if "INTERRUPT" in str(error).upper():
                raise BusyError(
                    f"the question took longer than {most_s:.0f} s, or the run has ended",
                    code="RunBusy", fix="ask for less, or ask when the run has ended",
                ) from error  # fmt: skip
            raise
        finally:
            watch.cancel()
            with self.lock:
                self.under_way.discard(cursor)
            if not is_done:
                cursor.close()
        return found


def _rows(found: tuple[list[str], list[str], list[tuple[Any, ...]]]) -> Facts:
    names, types, rows = found
    if len(rows) > MOST_ROWS:
        raise DataError(
            f"the answer has more than {MOST_ROWS:,} rows, the most that a running stream gives",
            code="AnswerTooLarge", fix="add LIMIT or GROUP BY, or ask when the run has ended",
        )  # fmt: skip
    return {"columns": names, "types": types, "rows": rows}


def standing(job: Job, _: Facts) -> Facts:
    """Give how a stream stands between two epochs."""
    path = state_path(job.settings.state_dir)
    return {
        "run_id": job.settings.run_id, "epoch": job.epoch, "lag": job.lag(),
        "watermarks": {name: clock.watermark for name, clock in job.clocks.items()},
        "ledger": job.total.to_dict(), "sinks": job.outputs.delivered(),
        "state_bytes": size_of(path),
    }  # fmt: skip


def explained(job: Job, _: Facts) -> Facts:
    """Give the watermarks of every operator, and what holds which window."""
    lags = job.ports.feed.lag()
    clocks = Clocks(job.clocks, job.marks, job.epoch, lags)
    return told(job.compiled.plan, job.compiled.meant, clocks, job.session, quoted(CATALOG))
