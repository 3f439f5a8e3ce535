"""The user's code in a task: its functions, and the context that it is given."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from mainstem.mapreduce.job import Dead, Job
from mainstem.plan.values import shown

# Besides ordinary exceptions: code that ends the program must not end the task without a word.
RAISED = (Exception, SystemExit)
LONGEST = 300

PARTS = (
    "map", "map_block", "combine", "reduce", "partition", "sort_key", "setup", "teardown",
)  # fmt: skip


class Failed(Exception):
    """The user's code failed, and the job says that this ends it; `dead` says on what."""

    def __init__(self, dead: Dead) -> None:
        super().__init__(dead.message)
        self.dead = dead


class Context:
    """What `setup` of a job is given: parameters, side files and counters.

    Parameters
    ----------
    params : mapping
        Values of the run's parameters, by name.
    files : mapping
        Paths of the side files, by the names that the job gave them.
    """

    def __init__(self, params: Mapping[str, Any], files: Mapping[str, str]) -> None:
        self.params = dict(params)
        self.files = dict(files)
        self.counters: dict[str, int] = {}

    def param(self, name: str) -> Any:
        """Give the value of a parameter of the run.

        Raises
        ------
        KeyError
            When the pipeline declares no such parameter.
        """
        if name not in self.params:
            raise KeyError(f"no parameter {name!r} (declared: {', '.join(self.params) or 'none'})")
        return self.params[name]

    def file(self, name: str) -> str:
        """Give the path of a side file, by the name that ``files=`` has for it.

        Raises
        ------
        KeyError
            When ``files=`` has no such name.
        """
        if name not in self.files:
            raise KeyError(f"no side file {name!r} (files: {', '.join(self.files) or 'none'})")
        return self.files[name]

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter; those of all tasks are added up, and shown with the run."""
        self.counters[name] = self.counters.get(name, 0) + n


class Code:
    """The user's class or functions, for one task.

    Each task makes the class anew: what one task leaves in its object is not seen by another one.
    """

    def __init__(self, job: Job) -> None:
        self.context = Context(job.params, job.files)
        given = pickle.loads(job.code)  # noqa: S301 - from the run that started this process
        found = given if isinstance(given, dict) else self._made(given)
        self.parts: dict[str, Callable[..., Any]] = found

    def _made(self, cls: Any) -> dict[str, Callable[..., Any]]:
        one = cls() if isinstance(cls, type) else cls
        every = {name: getattr(one, name, None) for name in PARTS}
        return {name: part for name, part in every.items() if callable(part)}

    def get(self, name: str) -> Any:
        """Give a part of the code, None when it has none of that name."""
        return self.parts.get(name)

    def begin(self) -> None:
        """Call `setup`.

        Raises
        ------
        Failed
            When it raises; nothing can be said of any record then.
        """
        self._call("setup", self.context)

    def end(self) -> None:
        """Call `teardown`.

        Raises
        ------
        Failed
            When it raises.
        """
        self._call("teardown")

    def _call(self, name: str, *args: Any) -> None:
        part = self.get(name)
        if part is None:
            return
        try:
            part(*args)
        except RAISED as error:
            raise Failed(dead_of(error, name)) from error


def dead_of(
    error: BaseException, function: str, *, index: int = -1, offset: int = -1, given: Any = None,
    reason: str = "exception",
) -> Dead:  # fmt: skip
    """Give what is told of an exception of the user's code, with the last line of it outside of ours."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_own(f.filename)]
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if reason == "result":
        said = str(error)
    where = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
    text = "" if given is None else shown(given, LONGEST)
    return Dead(function, index, offset, text, reason, said[:LONGEST], *where)


def killed(function: str, given: Any, *, index: int = -1, offset: int = -1) -> Dead:
    """Give what is told of a record that is passed over, because workers die of it."""
    return Dead(function, index, offset, shown(given, LONGEST), "killed", "")


def _is_own(file: str) -> bool:
    return "/mainstem/mapreduce/" in file
