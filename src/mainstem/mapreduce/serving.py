"""What every worker process does: it takes tasks off a pipe, and ends with the run at its other end."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import IO, Any

from mainstem.mapreduce.frames import Ended, receive


def serving() -> tuple[Callable[[], Any], IO[bytes]]:
    """Make this process a worker.

    Returns
    -------
    next_task : callable
        Waits for the next task, and gives it.
    answers : file
        Where answers are sent to.
    """
    # Ctrl-C is for the run, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks, answers = _private_pipes()
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks, waiting), daemon=True).start()
    return waiting.get, answers


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Take the pipes away from the user's code, which may print and read."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return tasks, answers


def _read(tasks: IO[bytes], waiting: queue.SimpleQueue[Any]) -> None:
    """Hand tasks on; the end of the pipe is the end of the run, and of this process at once."""
    try:
        while True:
            waiting.put(receive(tasks))
    except Ended:
        os._exit(0)
