"""Where others ask a running stream: the engine's thread answers between two epochs.

The side that asks may be in any thread; what it gets is plain data. A question that only reads
committed tables need not wait for the engine's thread: it goes by a snapshot of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from mainstem.errors import BusyError, InternalError, MainstemError, StateError
from mainstem.record import mutable

Facts = dict[str, Any]
Answering = Callable[[Facts], Facts]
# How long the end of a run waits for questions under way, in seconds; they are interrupted before.
END_S = 5.0


@mutable
class _Question:
    """What was asked, and its answer or error once there is one."""

    kind: str
    facts: Facts
    answer: Facts | None = None
    error: MainstemError | None = None


class Desk:
    """Takes questions from any thread, and lets the engine answer them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[_Question] = deque()
        self.at_once: Mapping[str, Answering] = {}
        self.wake: Callable[[], None] = lambda: None
        self.interrupt: Callable[[], None] = lambda: None
        self.is_open = self.is_closed = False
        self.n_under_way = 0

    # The engine's side

    def open(
        self, at_once: Mapping[str, Answering], wake: Callable[[], None],
        interrupt: Callable[[], None],
    ) -> None:  # fmt: skip
        """Begin to answer.

        Parameters
        ----------
        at_once : mapping
            Kind of question to what answers it in the asker's own thread.
        wake : callable
            Brings the engine's thread to `serve` soon.
        interrupt : callable
            Ends the questions that are answered at once.
        """
        with self.changed:
            self.at_once, self.wake, self.interrupt = at_once, wake, interrupt
            self.is_open = True
            self.changed.notify_all()

    def serve(self, between: Mapping[str, Answering]) -> None:
        """Answer what waits; called by the engine's thread between two epochs."""
        while self.waiting:
            with self.changed:
                question = self.waiting.popleft()
            try:
                question.answer = between[question.kind](question.facts)
            except MainstemError as error:
                question.error = error
            except Exception as error:  # noqa: BLE001  a question must never end the stream
                question.error = InternalError(f"{type(error).__name__}: {error}")
                question.error.__cause__ = error
            with self.changed:
                self.changed.notify_all()

    def close(self) -> None:
        """Answer nothing any more, and wait until nobody uses what is about to be closed."""
        with self.changed:
            self.is_closed = True
            self.waiting.clear()
            self.changed.notify_all()
            ends = time.monotonic() + END_S
            while self.n_under_way and time.monotonic() < ends:
                # Repeated: a statement that is only just starting misses an interrupt.
                self.interrupt()
                self.changed.wait(0.05)

    # The asker's side

    def ask(self, kind: str, facts: Facts, wait_s: float = 10.0) -> Facts:
        """Give the answer to a question.

        Raises
        ------
        BusyError
            When there is none in time: an epoch takes longer.
        StateError
            When the run ends meanwhile.
        MainstemError
            What is wrong with the question.
        """
        ends = time.monotonic() + wait_s
        with self.changed:
            self.changed.wait_for(lambda: self.is_open or self.is_closed, wait_s)
            self._check()
            answering = self.at_once.get(kind)
            self.n_under_way += answering is not None
        if answering is not None:
            try:
                return answering(facts)
            finally:
                with self.changed:
                    self.n_under_way -= 1
                    self.changed.notify_all()
        return self._wait(_Question(kind, facts), ends)

    def _wait(self, question: _Question, ends: float) -> Facts:
        with self.changed:
            self.waiting.append(question)
        self.wake()
        with self.changed:
            while question.answer is None and question.error is None:
                self._check()
                if not self.changed.wait(max(0.0, ends - time.monotonic())):
                    raise BusyError(
                        "the run is in the middle of an epoch and has not answered",
                        code="RunBusy", fix="ask again; smaller epochs answer sooner: --epoch-rows",
                    )  # fmt: skip
        if question.error is not None:
            raise question.error
        return question.answer or {}

    def _check(self) -> None:
        if self.is_closed or not self.is_open:
            raise StateError(
                "the run is not answering: it is starting or ending", code="RunNotAnswering",
                fix="ask again in a moment",
            )  # fmt: skip
