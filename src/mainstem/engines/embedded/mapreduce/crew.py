"""Hands tasks to worker processes: each is done once, whoever dies meanwhile.

A worker that dies is replaced, and its task goes back to the end of the queue. The first attempt that
is finished wins: what other attempts have written has other names, and nobody looks there. A task that
two workers have died of is done record by record, with the number of the record at work in a file;
when two more die at the same one, that record is to blame.
"""

from __future__ import annotations

import selectors
import statistics
import time
from collections import Counter, deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.python.process import WorkerProcess
from mainstem.mapreduce.frames import Ended
from mainstem.mapreduce.job import Dead, Done, Job, Task
from mainstem.mapreduce.mapper import Mark
from mainstem.record import mutable

MODULE = "mainstem.mapreduce.worker"
ATTEMPTS = 4
# From the third attempt on the number of the record at work is kept.
PLAIN_ATTEMPTS = 2
# A task is given to a second worker when it takes this many times the median, and this much longer.
SLOW_TIMES, SLOW_S = 2.0, 1.0
POLL_S = 0.1


class TaskFailed(Exception):
    """A task said that it cannot be done; `word` is the kind, `said` the facts."""

    def __init__(self, task: Task, word: str, said: Any) -> None:
        super().__init__(word)
        self.task, self.word, self.said = task, word, said


class WorkersLost(Exception):
    """The workers of a task died, `ATTEMPTS` times; `record` is the one at which they did, or -1."""

    def __init__(self, task: Task, how: str, record: int) -> None:
        super().__init__(how)
        self.task, self.how, self.record = task, how, record


@mutable
class _Story:
    """What became of a task so far."""

    task: Task
    attempts: int = 0
    deaths: int = 0
    last_mark: int = -1
    skip: dict[int, str] = field(default_factory=dict)
    # At how many records the task had to be taken record by record.
    is_marked: bool = False


class _Worker(WorkerProcess):
    def __init__(self, setup: dict[str, Any], environment: Mapping[str, str] | None) -> None:
        super().__init__(MODULE, environment)
        self.task: Task | None = None
        self.began = 0.0
        self.send("job", setup)

    def give(self, job: Job, task: Task) -> None:
        self.task, self.began = task, time.monotonic()
        self.send(job.name, task)


class Crew:
    """The workers of one job.

    Parameters
    ----------
    most : int
        Processes at a time.
    job : Job
        What they work on.
    path : sequence of str
        Where they import from.
    environment : mapping, optional
        Variables that they have besides those of this process.
    """

    def __init__(
        self, most: int, job: Job, path: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.most, self.job, self.environment = most, job, environment
        self.setup = {"job": job, "path": list(path)}
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        # Facts for whoever wants to know what it took.
        self.deaths = self.speculations = 0

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker, whatever it is doing, and wait for its end."""
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.end()
        self.workers.clear()
        self.selector.close()

    def done(self, tasks: Sequence[Task]) -> Generator[float, None, list[Done]]:
        """Do tasks, in any order; yield the fraction that is done, and give what they have made.

        Raises
        ------
        TaskFailed
            When one cannot be done.
        WorkersLost
            When the workers of one keep dying.
        """
        stage = _Stage(self, tasks)
        while not stage.is_over:
            stage.start()
            stage.listen()
            yield len(stage.results) / len(tasks)
        stage.drop_losers()
        return [stage.results[task.number] for task in tasks]

    def started(self) -> _Worker:
        """Start one more worker."""
        worker = _Worker(self.setup, self.environment)
        self.workers.append(worker)
        self.selector.register(worker, selectors.EVENT_READ)
        return worker

    def lost(self, worker: _Worker) -> str:
        """Forget a worker; give how it ended."""
        self.workers.remove(worker)
        self.selector.unregister(worker)
        return worker.end()


class _Stage:
    """Tasks that do not depend on one another."""

    def __init__(self, crew: Crew, tasks: Sequence[Task]) -> None:
        self.crew = crew
        self.stories = {task.number: _Story(task) for task in tasks}
        self.waiting: deque[int] = deque(self.stories)
        self.results: dict[int, Done] = {}
        self.seconds: list[float] = []

    @property
    def is_over(self) -> bool:
        return len(self.results) == len(self.stories)

    def start(self) -> None:
        """Give every free worker something to do."""
        while True:
            free = [w for w in self.crew.workers if w.task is None]
            if not free and len(self.crew.workers) >= self.crew.most:
                return
            number = self.waiting.popleft() if self.waiting else self._slow()
            if number is None:
                return
            try:
                worker = free[0] if free else self.crew.started()
                worker.give(self.crew.job, self._attempt(self.stories[number]))
            except Ended:
                # It died while it had nothing to do: nobody is to blame.
                if free:
                    self.crew.lost(free[0])
                else:
                    self.crew.lost(self.crew.workers[-1])
                self.waiting.appendleft(number)

    def _attempt(self, story: _Story) -> Task:
        task = replace(story.task, attempt=story.attempts, skip=frozenset(story.skip))
        story.attempts += 1
        if story.is_marked:
            task = replace(task, mark=f"{task.folder}/mark{task.number}.{task.attempt}")
        return task

    def _slow(self) -> int | None:
        """Give a task that takes much longer than others did, and has one worker."""
        if len(self.seconds) < 1:
            return None
        bound = max(SLOW_S, SLOW_TIMES * statistics.median(self.seconds))
        running = Counter(w.task.number for w in self.crew.workers if w.task is not None)
        now = time.monotonic()
        slow = [
            (w.began, w.task.number) for w in self.crew.workers
            if w.task is not None and running[w.task.number] == 1 and now - w.began > bound
        ]  # fmt: skip
        if not slow:
            return None
        self.crew.speculations += 1
        return min(slow)[1]

    def listen(self) -> None:
        """Take what workers say, for a short while at most."""
        for key, _ in self.crew.selector.select(POLL_S):
            worker: Any = key.fileobj
            if worker in self.crew.workers:
                self._answer(worker)

    def _answer(self, worker: _Worker) -> None:
        task = worker.task
        try:
            word, said = worker.receive()
        except Ended:
            how = self.crew.lost(worker)
            if task is not None:
                self._died(task, how)
            return
        worker.task = None
        if task is None or task.number in self.results:
            return
        if word != "done":
            raise TaskFailed(task, word, said)
        self.seconds.append(time.monotonic() - worker.began)
        self.results[task.number] = self._told(said, self.stories[task.number])
        for other in list(self.crew.workers):
            if other.task is not None and other.task.number == task.number:
                self.crew.lost(other)

    def _told(self, done: Done, story: _Story) -> Done:
        """Say of the records that were passed over how workers had died of them."""
        if not story.skip:
            return done
        dead = tuple(
            replace(one, message=f"the worker {_how(one, story)}")
            if one.reason == "killed"
            else one
            for one in done.dead
        )
        return replace(done, dead=dead)

    def _died(self, task: Task, how: str) -> None:
        self.crew.deaths += 1
        story = self.stories[task.number]
        if task.number in self.results:
            return
        story.deaths += 1
        is_same = False
        if task.mark:
            at = Mark.read(task.mark)
            is_same, story.last_mark = at >= 0 and at == story.last_mark, at
            Path(task.mark).unlink(missing_ok=True)
        if is_same and self.crew.job.on_error != "fail":
            story.skip[story.last_mark] = how
            # Another record may be as bad, and is looked for in the same way.
            story.deaths, story.last_mark = PLAIN_ATTEMPTS, -1
        elif is_same or story.deaths >= ATTEMPTS:
            raise WorkersLost(task, how, story.last_mark if is_same else -1)
        story.is_marked = story.deaths >= PLAIN_ATTEMPTS
        others = any(w.task is not None and w.task.number == task.number for w in self.crew.workers)
        if not others:
            self.waiting.append(task.number)

    def drop_losers(self) -> None:
        """End the workers that are at tasks which others have done."""
        for worker in [w for w in self.crew.workers if w.task is not None]:
            self.crew.lost(worker)


def _how(one: Dead, story: _Story) -> str:
    hows = list(dict.fromkeys(story.skip.values()))
    return story.skip.get(one.index, hows[0])
