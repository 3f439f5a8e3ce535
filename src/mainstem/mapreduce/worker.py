"""A worker process: does the tasks that come in, and ends with its run.

Started as ``python -m mainstem.mapreduce.worker``; it speaks on its standard input and output with the
run alone. What the user's code prints goes to standard error.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
from typing import IO, Any

from mainstem.mapreduce.code import Failed, dead_of
from mainstem.mapreduce.frames import Ended, receive, send
from mainstem.mapreduce.job import Job, MapTask, ReduceTask
from mainstem.mapreduce.mapper import run_map
from mainstem.mapreduce.reducer import run_reduce
from mainstem.mapreduce.runs import Damaged
from mainstem.mapreduce.splits import BadText


def main() -> None:
    """Work until the run closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Pairs are many objects without circles, which need not be looked through again and again.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    tasks, answers = private_pipes()
    waiting: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks, waiting), daemon=True).start()
    jobs: dict[str, Job] = {}
    while True:
        word, given = waiting.get()
        if word == "job":
            sys.path[:] = given["path"]
            jobs[given["job"].name] = given["job"]
            continue
        send(answers, answer(jobs[word], given))


def answer(job: Job, task: MapTask | ReduceTask) -> tuple[str, Any]:
    """Do a task; give a word for how it went, and what came of it."""
    try:
        return "done", run_map(job, task) if isinstance(task, MapTask) else run_reduce(job, task)
    except Failed as error:
        return "failed", error.dead
    except BadText as error:
        return "text", (error.index, error.offset, error.shown, str(error))
    except Damaged as error:
        return "damaged", str(error)
    except OSError as error:
        return "disk", (error.strerror or str(error), str(error.filename or ""))
    except Exception as error:  # noqa: BLE001 - the run tells it, with where it was raised
        return "failed", dead_of(error, "the task")


def private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Take the pipes away from the user's code, which may print and read."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return tasks, answers


def _read(tasks: IO[bytes], waiting: queue.SimpleQueue[tuple[str, Any]]) -> None:
    """Hand tasks on; the end of the pipe is the end of the run, and of this process at once."""
    try:
        while True:
            waiting.put(receive(tasks))
    except Ended:
        os._exit(0)


if __name__ == "__main__":
    main()
