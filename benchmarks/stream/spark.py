"""Spark Structured Streaming, its session in a process that stays."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.process import ProcessFailedError, python
from benchmarks.stream.jars import jars
from benchmarks.stream.usage import cpu_s


class Spark:
    """A running session."""

    def __init__(self, child: subprocess.Popen[str], log: Path) -> None:
        self._child, self._log = child, log

    def prepare(self, topic: str) -> None:
        """Do nothing: a sink needs no declaration."""

    def start(self, topic: str) -> None:
        """Start the query."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{topic}\n")
        self._child.stdin.flush()

    def is_alive(self) -> bool:
        """Say whether the process runs."""
        return self._child.poll() is None

    def complaint(self) -> str:
        """Give the end of what the process said."""
        return self._log.read_text()[-2000:]

    def cpu_s(self) -> float:
        """Give the CPU time so far."""
        return cpu_s(self._child.pid)

    def stop(self) -> None:
        """Wait until the query has ended, which it does by itself."""
        self.expect("started")
        self.expect("stopped")

    def expect(self, word: str) -> None:
        """Wait for a word of the process."""
        assert self._child.stdout is not None
        said = self._child.stdout.readline().strip()
        if said != word:
            raise ProcessFailedError(f"Spark: {said!r} instead of {word!r}\n{self.complaint()}")


@contextmanager
def spark(folder: Path, servers: str, topic: str) -> Iterator[Spark]:
    """Have a session on all cores for as long as a block runs."""
    home, log = folder / "spark", folder / "spark.log"
    home.mkdir()
    files = ",".join(map(str, sorted(jars("spark").glob("*.jar"))))
    command = python("stream/spark_session.py", servers, topic, home, files)
    with log.open("w") as complaints:
        child = subprocess.Popen(
            command, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints,
            text=True,
        )  # fmt: skip
        try:
            found = Spark(child, log)
            found.expect("ready")
            yield found
        finally:
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
