"""Mainstem on the same work: a process for each run, nothing of an earlier one is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.process import ProcessFailedError

PIPELINE = Path(__file__).with_name("pipeline.py")


class Mainstem:
    """A way to run the pipeline; `reader` is ``compiled`` or ``python``."""

    def __init__(self, folder: Path, servers: str, topic: str, reader: str) -> None:
        self._folder, self._reader = folder / f"mainstem-{reader}", reader
        self._given = {"BENCH_SERVERS": servers, "BENCH_IN": topic}
        self._child: subprocess.Popen[bytes] | None = None
        self._cpu_s = 0.0

    def prepare(self, topic: str) -> None:
        """Make the folder of the run."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        shutil.copy(PIPELINE, self._folder)
        self._log = self._folder / "log"

    def start(self, topic: str) -> None:
        """Start the process: durable, exactly once, with its ledger, late rows and dead letters."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {**self._given, "BENCH_OUT": topic}
        if self._reader == "python":
            environment["MAINSTEM_COMPILED"] = "no"
        command = [sys.executable, "-m", "mainstem", "run", "pipeline.py", "--until-caught-up"]
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """Give the process."""
        assert self._child is not None
        return self._child

    def is_alive(self) -> bool:
        """Say whether the process runs; leaves it to `stop` to collect it."""
        return os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def complaint(self) -> str:
        """Give the end of what the process said."""
        # What DuckDB's binding says of itself when a process ends hides the reason.
        lines = self._log.read_text().splitlines()
        said = [line for line in lines if not line.startswith(("nanobind:", " - "))]
        return "\n".join(said)[-2000:]

    def cpu_s(self) -> float:
        """Give the CPU time of all processes that have ended."""
        return self._cpu_s

    def stop(self) -> None:
        """Wait for the end of the process, and count its CPU time."""
        until = time.perf_counter() + 30
        while self.is_alive():
            if time.perf_counter() > until:
                self.child.kill()
            time.sleep(0.01)
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self._cpu_s += usage.ru_utime + usage.ru_stime
        if self.child.returncode:
            raise ProcessFailedError(
                f"mainstem ended with {self.child.returncode}: {self.complaint()}"
            )
