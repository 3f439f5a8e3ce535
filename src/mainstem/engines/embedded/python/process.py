"""A worker process of a run, and how to talk with it.

A fresh interpreter, never a copy of this one: DuckDB and Arrow have threads, and a forked process has
their locks without the threads that would open them. It ends when its standard input does, which
happens however this process ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mainstem.mapreduce.frames import receive, send


class WorkerProcess:
    """One process that was started by the name of its module."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        # A session of its own: Ctrl-C goes to the run, which then ends its workers.
        self.process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, env=_environment() | dict(environment or {}),
        )  # fmt: skip

    def send(self, word: str, given: Any) -> None:
        """Tell it something; raises `Ended` when it is gone."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        send(self.process.stdin, (word, given))

    def receive(self) -> Any:
        """Wait for what it says; raises `Ended` when it is gone."""
        assert self.process.stdout is not None  # noqa: S101
        return receive(self.process.stdout)

    def fileno(self) -> int:
        """Give what to wait for."""
        assert self.process.stdout is not None  # noqa: S101
        return self.process.stdout.fileno()

    def kill(self) -> None:
        """End the process without waiting for its end."""
        self.process.kill()

    def end(self) -> str:
        """End the process, and say how it had ended when it was not by us."""
        code = self.process.poll()
        if code is None:
            with suppress(subprocess.TimeoutExpired):
                # It may be dying already: then its own reason is the one to tell.
                code = self.process.wait(0.05)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        if code is None:
            return "stopped answering"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def _environment() -> dict[str, str]:
    # One thread each: the workers already take every core.
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    } | os.environ


def cores() -> int:
    """Give how many cores this process may use: in a container fewer than the machine has."""
    allowed: Any = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
