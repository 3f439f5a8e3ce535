"""Calls the command line: in this process, in one of its own, or on a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

from mainstem.cli.dispatch import dispatch

PROGRAM = [sys.executable, "-W", "error", "-c",
           "import sys; from mainstem.cli.main import entry; sys.exit(entry())"]  # fmt: skip
WAIT_S = 60

# Ordinary settings of whoever runs the tests must not decide what is printed.
OUTSIDE = {"NO_COLOR", "TERM", "COLUMNS", "SHELL"}


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


def call(capsys, *arguments) -> Said:
    """Call a command in this process."""
    capsys.readouterr()
    code = dispatch([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Said(code, said.out, said.err)


def start(*arguments, cwd: Path, **variables) -> Said:
    """Call a command in a process of its own, whose late warnings are text on stderr too."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)], cwd=cwd, env=environment(variables), text=True,
        capture_output=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def environment(variables) -> dict[str, str]:
    """Give the variables of a command."""
    usual = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    return usual | variables


class Screen:
    """A command on a terminal; `text` is everything that it has drawn."""

    def __init__(self, *arguments, cwd: Path, **variables) -> None:
        self.text = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
            env=environment({"TERM": "xterm-256color"} | variables), start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read_until(self, pattern: str) -> None:
        """Read until the screen has shown a pattern."""
        while not re.search(pattern, self.text):
            assert self._read(), f"the command ended, and {pattern!r} was not shown:\n{self.text}"

    def end(self) -> int:
        """Read to the end; give the exit code."""
        while self._read():
            pass
        return self.process.wait(WAIT_S)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], WAIT_S)
        assert ready, f"nothing happens any more:\n{self.text}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
