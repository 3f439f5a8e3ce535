"""From the outbox to the sinks: each sink in a thread of its own, epoch by epoch, in order.

The rows of an epoch wait in the state file, written in the epoch's own transaction, until the sink
has committed them with their token. After a crash the sink says how far it is, and what is missing is
sent again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import HOUSE
from mainstem.engines.embedded.stream.spec import Batch, Sink
from mainstem.engines.embedded.stream.statefile import columns_of, make_like, outbox_table
from mainstem.engines.embedded.types import quoted

if TYPE_CHECKING:
    import duckdb

EPOCH, ORDER = "__epoch", "__order"
_WAITING = f'{HOUSE}."outbox"'


class Delivery:
    """One sink: its outbox, its thread, and how far it is."""

    def __init__(self, table: str, sink: Sink, max_pending: int) -> None:
        self.table, self.sink, self.max_pending = table, sink, max_pending
        self.changed = threading.Condition()
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None
        self.is_stopping = False
        # The last epoch that the sink has, and the ones that wait: (epoch, rows, token).
        self.done = 0
        self.pending: list[tuple[int, int, dict[str, Any]]] = []
        self.facts: dict[str, Any] = {}
        self.rows = 0
        self.is_open = False
        # What the sink had committed last when this run began.
        self.found: dict[str, Any] | None = None
        self.forgotten = 0
        # Rows that waited since an earlier run, and those of them that the sink turned out to have.
        self.carried, self.already_there = 0, 0
        self.totals: dict[str, int] = {}

    # In the engine's thread

    def create(self, session: Session, select: str) -> None:
        """Make the outbox, and see what waits in it since an earlier run."""
        self.select = self.sink.wire(select)
        session.rows(
            f'CREATE TABLE IF NOT EXISTS {_WAITING} ("table" VARCHAR, epoch BIGINT, "rows" BIGINT, '
            "token VARCHAR)"
        )
        box = outbox_table(self.table)
        if columns_of(session, box) and not session.rows(f"SELECT 1 FROM {box} LIMIT 1"):
            # Nothing waits in it: its columns may be others from now on.
            session.rows(f"DROP TABLE {box}")
        make_like(
            session, box, f"SELECT CAST(0 AS BIGINT) AS {EPOCH}, * FROM ({self.select})",
            f"what waits for the sink of {self.table!r}",
        )  # fmt: skip
        found = session.rows(
            f'SELECT epoch, "rows", token FROM {_WAITING} WHERE "table" = $1 ORDER BY epoch',
            [self.table],
        )
        self.pending = [(epoch, rows, json.loads(token)) for epoch, rows, token in found]
        self.carried = sum(rows for _, rows, _ in self.pending)

    def put(self, session: Session, epoch: int, token: dict[str, Any]) -> int:
        """Write an epoch's rows to the outbox, and forget those that the sink has; not sent yet."""
        ((n_rows,),) = session.rows(
            f"INSERT INTO {outbox_table(self.table)} SELECT {epoch}, * FROM ({self.select})"
        )
        if n_rows:
            session.rows(
                f"INSERT INTO {_WAITING} VALUES ($1, $2, $3, $4)",
                [self.table, epoch, n_rows, json.dumps(token)],
            )
        self.forget(session)
        return int(n_rows)

    def forget(self, session: Session) -> None:
        """Remove what the sink has; in the caller's transaction."""
        done = self.done
        if done > self.forgotten:
            session.rows(f"DELETE FROM {outbox_table(self.table)} WHERE {EPOCH} <= {done}")
            session.rows(
                f'DELETE FROM {_WAITING} WHERE "table" = $1 AND epoch <= {done}', [self.table]
            )
            self.forgotten = done

    def committed(self, epoch: int, n_rows: int, token: dict[str, Any]) -> None:
        """Let the sink have an epoch."""
        if not n_rows:
            return
        with self.changed:
            self.pending.append((epoch, n_rows, token))
            self.changed.notify_all()
            self._raise()

    def has_room(self, wait_s: float) -> bool:
        """Wait for a while that few enough epochs wait for the sink: no more are made (back-pressure)."""
        return self._wait(lambda: len(self.pending) <= self.max_pending, wait_s)

    def suppress(self, session: Session) -> int:
        """Count an epoch's rows that the sink has already, and give none of them to it."""
        # Every value is computed as for the sink: a row on which one fails is a dead letter (V10).
        ((n_rows,),) = session.rows(
            f"CREATE OR REPLACE TEMP TABLE __suppressed AS SELECT * FROM ({self.select})"
        )
        session.rows("DROP TABLE temp.__suppressed")
        with self.changed:
            self.already_there += int(n_rows)
        return int(n_rows)

    def start(self, session: Session) -> None:
        """Start the sink's thread, which opens it first."""
        cursor = session.connection.cursor()
        self.thread = threading.Thread(
            target=self._run, args=(cursor,), name=f"mainstem-sink-{self.table}", daemon=True
        )
        self.thread.start()

    def is_drained(self, wait_s: float) -> bool:
        """Wait for a while that the sink has everything; raise what ended it."""
        return self._wait(lambda: self.is_open and not self.pending, wait_s)

    def _wait(self, test: Callable[[], bool], wait_s: float) -> bool:
        with self.changed:
            self.changed.wait_for(lambda: test() or self.error is not None, wait_s)
            self._raise()
            return test()

    def opened(self, wait_s: float) -> bool:
        """Wait for a while that the sink has said how far it is; raise what ended it."""
        return self._wait(lambda: self.is_open, wait_s)

    def check(self) -> None:
        """Raise what ended the sink."""
        with self.changed:
            self._raise()

    def counted(self) -> dict[str, Any]:
        """Give the rows that the sink got in this run, those that wait, and what it said of them."""
        with self.changed:
            return {
                "committed": self.rows, "pending": sum(rows for _, rows, _ in self.pending),
                "carried": self.carried, "already_there": self.already_there,
                "epoch": self.done, "totals": dict(self.totals),
            }  # fmt: skip

    def stop(self) -> None:
        """End the thread after the epoch that it is at."""
        with self.changed:
            self.is_stopping = True
            self.changed.notify_all()
        if self.thread is not None:
            self.thread.join()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    # In the sink's thread

    def _run(self, cursor: duckdb.DuckDBPyConnection) -> None:
        try:
            self._open()
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: bool(self.pending) or self.is_stopping)
                    if self.is_stopping:
                        return
                    number, n_rows, token = self.pending[0]
                select = (
                    f"SELECT * EXCLUDE ({EPOCH}) FROM {outbox_table(self.table)} WHERE {EPOCH} = {number} "
                    "ORDER BY rowid"
                )
                facts = self.sink.write(cursor, Batch(number, select, n_rows, token))
                with self.changed:
                    self.done, self.facts = number, facts
                    self.rows += n_rows
                    for word, count in facts.items():
                        if isinstance(count, int):
                            self.totals[word] = self.totals.get(word, 0) + count
                    self.pending.pop(0)
                    self.changed.notify_all()
        except BaseException as error:  # noqa: BLE001  it is raised again in the engine's thread
            with self.changed:
                self.error = error
                self.changed.notify_all()
        finally:
            self.sink.close()
            cursor.close()

    def _open(self) -> None:
        found = self.sink.open()
        last = int(found["epoch"]) if found else 0
        with self.changed:
            self.done, self.found = last, found
            self.already_there = sum(rows for epoch, rows, _ in self.pending if epoch <= last)
            self.pending = [one for one in self.pending if one[0] > last]
            self.is_open = True
            self.changed.notify_all()


def table_select(table: str, columns: str) -> str:
    """Give the SELECT of what a table step gave in this epoch."""
    return f"SELECT {columns} FROM {quoted(table)}"
