"""Child processes, and what they cost: time from start to exit, CPU and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
CORES = len(os.sched_getaffinity(0))
_COMPLAINT_BYTES = 2000


class ProcessFailedError(Exception):
    """A measured process that did not end well, with the end of what it said."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a process.

    Parameters
    ----------
    wall_s : float
        From before its start to after its exit.
    cpu_s : float
        User and system time, of the children that it waited for too.
    peak_mb : float
        Largest resident memory of the process alone, in 10^6 bytes.
    begun : float
        Seconds since 1970, before its start.
    out : str
        What it printed.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    begun: float
    out: str


def python(
    script: str | Path, *arguments: str | Path, executable: str = sys.executable
) -> list[str]:
    """Give the command that runs a script of this package, named by its path under it."""
    return [executable, str(Path(__file__).parent / script), *map(str, arguments)]


def run(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Sample:
    """Run a process to its end and give what it cost.

    Raises
    ------
    ProcessFailedError
        When its exit code is not 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint:
        begun, start = time.time(), time.perf_counter()
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=complaint,
            cwd=cwd,
            env={**_environment(), **(environment or {})},
        )
        # wait4 and not Popen.wait: it alone gives the usage of this one child.
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise ProcessFailedError(
                f"exit code {child.returncode} from: {' '.join(command)}\n{_tail(complaint)}"
            )
        out.seek(0)
        # ru_maxrss is in KiB on Linux, in bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 1024
        peak_mb = usage.ru_maxrss * unit / 1e6
        cpu_s = usage.ru_utime + usage.ru_stime
        return Sample(wall_s, cpu_s, peak_mb, begun, out.read().decode(errors="replace"))


def _environment() -> dict[str, str]:
    """Give the environment of a user: with byte code kept, whatever this shell says.

    With PYTHONDONTWRITEBYTECODE every process compiles every module again, which doubled what a
    start costs, of duckdb as of mainstem, and says nothing about either.
    """
    return {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _COMPLAINT_BYTES))
    return file.read().decode(errors="replace").strip()


def in_turn(
    n_runs: int,
    commands: Mapping[str, Sequence[str]],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    warm_up: bool = True,
) -> dict[str, list[Sample]]:
    """Run several commands A B A B ..., so that a change of the machine's mood meets all of them.

    The warm-up round is not counted: it fills the page cache and writes the byte code.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for turn in range(n_runs + warm_up):
        for name, command in commands.items():
            sample = run(command, cwd=cwd, environment=environment)
            if turn or not warm_up:
                samples[name].append(sample)
    return samples


def median_wall_s(samples: Sequence[Sample]) -> float:
    """Give the median of the times from start to exit."""
    return statistics.median(sample.wall_s for sample in samples)


def median_cpu_s(samples: Sequence[Sample]) -> float:
    """Give the median of the CPU times."""
    return statistics.median(sample.cpu_s for sample in samples)
