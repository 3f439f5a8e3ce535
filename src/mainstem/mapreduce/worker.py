"""A worker process: does the tasks that come in, and ends with its run.

Started as ``python -m mainstem.mapreduce.worker``; it speaks on its standard input and output with the
run alone. What the user's code prints goes to standard error.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from mainstem.mapreduce.code import Failed, dead_of
from mainstem.mapreduce.frames import send
from mainstem.mapreduce.job import Job, MapTask, ReduceTask
from mainstem.mapreduce.mapper import run_map
from mainstem.mapreduce.reducer import run_reduce
from mainstem.mapreduce.runs import Damaged
from mainstem.mapreduce.serving import serving
from mainstem.mapreduce.splits import BadText


def main() -> None:
    """Work until the run closes the pipe."""
    # Pairs are many objects without circles, which need not be looked through again and again.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    next_task, answers = serving()
    jobs: dict[str, Job] = {}
    while True:
        word, given = next_task()
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


if __name__ == "__main__":
    main()
