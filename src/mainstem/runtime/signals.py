"""Ctrl-C and SIGTERM during a run: never in the middle of a commit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from mainstem.errors import Stopped, Terminated

T = TypeVar("T")
# How long an epoch may go on after a signal: a function that never returns would hold the run for ever.
GRACE_S = 5.0


class StopSignal(KeyboardInterrupt):
    """A signal asked the run to stop; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stops:
    """Notes SIGINT and SIGTERM, and ends the run with `StopSignal` at its next event.

    Nothing is raised where the signal arrives: inside a call of DuckDB the exception becomes another
    one, and inside a destructor it is dropped (both seen). A running statement gives an event every
    tenth of a second, so no signal waits longer.

    A commit takes milliseconds and can only be finished once it is decided. A signal that arrives
    during it changes nothing any more: the run ends as one that succeeded.
    """

    def __init__(self) -> None:
        self.is_shielded = False
        self.pending = 0
        self.since = 0.0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Be the handler of the signals."""
        if not self.is_shielded:
            self.since = self.since or time.monotonic()
            self.pending = number

    def hurry(self) -> None:
        """End a stream in the middle of an epoch that has had `GRACE_S` to come to its end.

        Raises
        ------
        StopSignal
            The epoch is undone; the next run computes it again.
        """
        if self.pending and not self.is_shielded and time.monotonic() - self.since > GRACE_S:
            raise StopSignal(self.pending)

    def outside(self, events: Generator[T, None, None]) -> Iterator[T]:
        """Give events to the caller; when a signal came, raise `StopSignal` where the run stands."""
        for event in events:
            yield event
            if self.pending and not self.is_shielded:
                last = events.throw(StopSignal(self.pending))
                # A stream says how it ended, and then raises what was thrown.
                self.is_shielded = True
                yield last


@contextmanager
def catching() -> Iterator[Stops]:
    """Install the handlers; outside of the main thread Python allows none: none are installed."""
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stops.handle) for number in numbers]
    try:
        yield stops
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def ending() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does: at once, and whatever was made is cleaned up.

    Of itself Python dies of it where it stands. Runs inside have their own way with both (`catching`).

    Raises
    ------
    Terminated
        After SIGTERM.
    """  # noqa: DOC501 - built by a function
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise StopSignal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except StopSignal as error:
        raise stopped(error) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped(error: KeyboardInterrupt, *, is_stream: bool = False) -> Stopped:
    """Give the error that ends the command, with its exit code: 130, or 143 after SIGTERM.

    Of a stream every committed epoch stays; of another run nothing.
    """
    is_term = isinstance(error, StopSignal) and error.number == signal.SIGTERM
    kind = Terminated if is_term else Stopped
    by = "SIGTERM" if is_term else "Ctrl-C"
    if is_stream:
        return kind(
            f"the stream was stopped by {by} between two epochs; what is committed stays",
            code="Stopped", fix="run again: it goes on where it stopped",
        )  # fmt: skip
    return kind(
        f"the run was stopped by {by}; every output is as it was before", code="Stopped",
        fix="run again; nothing has to be cleaned up",
    )  # fmt: skip
