"""Readers in threads of their own: the next slice is read while this one is computed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from mainstem.engines.embedded.stream.spec import Reader, Slice
from mainstem.record import record

# How long a reader waits for a first record before it looks whether the run goes on, in seconds.
POLL_S = 0.05
# Rows of the first slice; each full one is followed by one of twice as many. So the engine has something
# to do soon, instead of waiting until the reader has all that it wants.
FIRST_ROWS = 50_000


@record
class Taken:
    """What the readers had: slices, and for how long each partition has been silent."""

    slices: tuple[Slice, ...]
    silences: Mapping[str, Mapping[str, float]]
    # Sources that were read to their end.
    ended: frozenset[str] = frozenset()


class Feed(Protocol):
    """Where an engine gets its slices from."""

    def start(
        self, positions: Mapping[str, Mapping[str, Any]], until: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Start behind these positions, by source and partition."""
        ...

    def take(self, wait_s: float) -> Taken:
        """Give what is there, at most one slice of each source; waits for the first."""
        ...

    def lag(self) -> dict[str, dict[str, int]]:
        """Give how much is not read yet, by source and partition."""
        ...

    def committed(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Take positions that were just committed, by source and partition."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class _Reading:
    """One reader and its thread; holds at most one slice, so that memory is bounded."""

    def __init__(
        self, name: str, reader: Reader, most_rows: int, changed: threading.Condition
    ) -> None:
        self.name, self.reader, self.most_rows, self.changed = name, reader, most_rows, changed
        self.limit = min(FIRST_ROWS, most_rows)
        self.waiting: Slice | None = None
        self.silences: Mapping[str, float] = {}
        self.lag: Mapping[str, int] = {}
        self.is_ended = False
        self.error: BaseException | None = None
        self.is_stopping = False
        self.thread: threading.Thread | None = None

    def start(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None) -> None:
        self.thread = threading.Thread(
            target=self._run,
            args=(positions, until),
            name=f"mainstem-read-{self.name}",
            daemon=True,
        )
        self.thread.start()

    def _run(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None) -> None:
        try:
            self.reader.open(positions, until)
            while not self.is_stopping:
                found = self.reader.read(self.limit, POLL_S)
                if found is not None and sum(part.rows for part in found.parts) >= self.limit:
                    self.limit = min(2 * self.limit, self.most_rows)
                silences, lag = self.reader.silences(), self.reader.lag()
                with self.changed:
                    self.silences, self.lag = silences, lag
                    if found is not None:
                        self._offer(found)
        except BaseException as error:  # noqa: BLE001  it is raised again in the engine's thread
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def _offer(self, found: Slice) -> None:
        self.changed.wait_for(lambda: self.waiting is None or self.is_stopping)
        if not self.is_stopping:
            self.waiting = found
            self.changed.notify_all()

    def stop(self) -> None:
        self.reader.stop()
        with self.changed:
            self.is_stopping = True
            self.changed.notify_all()
        if self.thread is not None:
            self.thread.join()
        self.reader.close()


class Threads:
    """A feed over readers."""

    def __init__(self, readers: Mapping[str, Reader], most_rows: int) -> None:
        self.changed = threading.Condition()
        self.is_woken = False
        self.readings = {
            name: _Reading(name, reader, most_rows, self.changed)
            for name, reader in readers.items()
        }

    def start(
        self, positions: Mapping[str, Mapping[str, Any]], until: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Start a thread for each reader."""
        for name, reading in self.readings.items():
            reading.start(positions.get(name, {}), until.get(name))

    def take(self, wait_s: float) -> Taken:
        """Give what is there; raise what ended a reader."""
        readings = self.readings.values()
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self.is_woken
                    or any(r.waiting is not None or r.error is not None for r in readings)
                ),
                wait_s,
            )
            self.is_woken = False
            for reading in readings:
                if reading.error is not None and reading.waiting is None:
                    raise reading.error
            slices = tuple(r.waiting for r in readings if r.waiting is not None)
            # Of busy sources too: one of their partitions may be silent, or not have begun yet.
            silences = {r.name: r.silences for r in readings}
            for reading in readings:
                if reading.waiting is not None:
                    reading.is_ended = reading.waiting.is_end
                    reading.waiting = None
            self.changed.notify_all()
            ended = frozenset(r.name for r in readings if r.is_ended)
        return Taken(slices, silences, ended)

    def wake(self) -> None:
        """Let `take` return now: somebody asks something between two epochs."""
        with self.changed:
            self.is_woken = True
            self.changed.notify_all()

    def lag(self) -> dict[str, dict[str, int]]:
        """Give how much is not read yet."""
        with self.changed:
            return {name: dict(reading.lag) for name, reading in self.readings.items()}

    def committed(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand the positions on to the readers."""
        for name, found in positions.items():
            self.readings[name].reader.committed(found)

    def close(self) -> None:
        """Stop all threads, and close the readers."""
        for reading in self.readings.values():
            reading.stop()
