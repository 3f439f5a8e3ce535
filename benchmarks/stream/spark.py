"""Sessions of Spark in processes that stay: Structured Streaming by hand, and Mainstem on Spark."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


def spark(folder: Path, servers: str, topic: str) -> AbstractContextManager[Spark]:
    """Have a session of Structured Streaming on all cores for as long as a block runs."""
    files = ",".join(map(str, sorted(jars("spark").glob("*.jar"))))
    return _session("stream/spark_session.py", folder / "spark", (servers, topic), (files,))


def own_spark(folder: Path, servers: str, topic: str) -> AbstractContextManager[Spark]:
    """Have a session on all cores in which Mainstem runs its pipeline."""
    return _session("stream/own_spark_session.py", folder / "own-spark", (servers, topic), ())


@contextmanager
def _session(
    script: str, home: Path, before: tuple[str, ...], behind: tuple[str, ...]
) -> Iterator[Spark]:
    home.mkdir()
    log = home.with_suffix(".log")
    command = python(script, *before, home, *behind)
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
