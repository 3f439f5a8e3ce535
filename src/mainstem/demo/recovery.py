"""Runs a stream in a process of its own, kills that with -9, and runs it again.

What is told of it is read from outside, as anybody could: the events that the process prints, and the
state file that it leaves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mainstem.errors import InternalError, OutsideError
from mainstem.record import record

# How long a run of the demo may take before it is taken for stuck, in seconds.
LIMIT_S = 60.0
# Between what was seen last and the kill, in seconds: somewhere inside an epoch, not behind one.
MOMENT_S = 0.3


@record
class Standing:
    """What the state file says: the last epoch that is committed, and what had been read by then.

    Parameters
    ----------
    epoch : int
        Its number.
    rows : int
        Records of the source that all epochs together have taken.
    watermark : datetime or None
        Of the source.
    """

    epoch: int
    rows: int
    watermark: datetime | None


@record
class Recovery:
    """A run that was killed, and the one after it.

    Parameters
    ----------
    killed, ended : Standing
        What the first run left behind, and how the second one ended.
    seconds : float
        From the start of the second process until its first epoch was committed.
    first_epoch : int
        That epoch's number.
    rows_before, rows_after : int
        Records that the epochs of each run took: the position in the state file at the kill, and
        what the second run counted itself. Together they are `ended.rows`, or some came twice.
    ledger : dict
        Of the second run (contract L1).
    """

    killed: Standing
    ended: Standing
    seconds: float
    first_epoch: int
    rows_before: int
    rows_after: int
    ledger: dict[str, Any]


@record
class Stream:
    """A stream that is to be run and killed.

    Parameters
    ----------
    file : Path
        The pipeline.
    name : str
        Its name.
    source : str
        The source whose records are counted.
    folder : Path
        Takes its state; nothing of an earlier demo is in it.
    options : tuple of str
        More words of ``mainstem run``.
    environ : mapping
        Variables of its process, beside those of this one.
    """

    file: Path
    name: str
    source: str
    folder: Path
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = MappingProxyType({})

    @property
    def state_dir(self) -> Path:
        """Give its state directory: the command line keeps one for each pipeline."""
        return self.folder / self.name


class Child:
    """``mainstem run`` in a process; ends with the ``with`` block, however that is left."""

    def __init__(self, stream: Stream, *options: str) -> None:
        words = ["run", stream.file.name, "--state-dir", str(stream.folder), "-o", "json"]
        stream.folder.mkdir(parents=True, exist_ok=True)
        self._errors = stream.folder / "errors.txt"
        self.began = time.monotonic()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mainstem", *words, *stream.options, *options],
                cwd=stream.file.parent, env=os.environ | dict(stream.environ), stdout=subprocess.PIPE,
                stderr=errors, encoding="utf-8",
            )  # fmt: skip
        # One that hangs would hang the demo: its output ends when it is killed.
        self._timer = threading.Timer(LIMIT_S, self._process.kill)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the events that it prints, until it ends; an error is no event."""
        for line in self._process.stdout or ():
            found = json.loads(line)
            if "event" in found:
                yield found

    def kill(self) -> None:
        """Kill it with -9, and wait until it is gone."""
        self._timer.cancel()
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def check(self) -> None:
        """Raise when it did not end as it should.

        Raises
        ------
        OutsideError
            With what it wrote to its standard error.
        """
        code = self._process.wait()
        self._timer.cancel()
        if code:
            said = self._errors.read_text("utf-8", errors="replace").strip()
            raise OutsideError(
                f"the stream ended with code {code}:\n{said}", code="DemoFailed",
                fix=f"look at {self._errors}",
            )  # fmt: skip


def standing(stream: Stream) -> Standing:
    """Read the state file of a stream that does not run."""
    from mainstem.runtime.saved import shown

    found = shown(stream.state_dir)
    watermark = found["sources"][stream.source]["watermark"]
    return Standing(found["epoch"], sum(positions(stream).values()), _instant(watermark))


def positions(stream: Stream) -> dict[str, int]:
    """Give for each partition how many of its records were read, from the state file."""
    from mainstem.runtime.saved import shown

    partitions = shown(stream.state_dir)["sources"][stream.source]["partitions"]
    return {name: _rows(one["position"]) for name, one in partitions.items()}


def _rows(position: Any) -> int:
    """Give how many records lie before a position: of the generator, or of a topic from its start."""
    if isinstance(position, Mapping):
        return int(position["row"] if "row" in position else position["offset"])
    return int(position or 0)


def _instant(mark: Any) -> datetime | None:
    return datetime.fromisoformat(mark) if isinstance(mark, str) else mark


def interrupted(
    stream: Stream, *, kill_after: int, run_on: timedelta, tell: Callable[[str], None]
) -> Recovery:
    """Run a stream, kill it, and run it again until its watermark has come further.

    Parameters
    ----------
    stream : Stream
        The stream.
    kill_after : int
        Records to see before the kill.
    run_on : timedelta
        How far the watermark has to come in the second run.
    tell : callable
        Gets a line of text whenever there is something to tell.

    Raises
    ------
    InternalError
        When the records of both runs are not those that the state file says were read.
    """
    _run_and_kill(stream, kill_after, tell)
    killed = standing(stream)
    tell(f"kill -9      at epoch {killed.epoch}, after {killed.rows:,} records")
    if killed.watermark is None:
        raise InternalError("the stream was killed before it had a watermark")
    until = (killed.watermark + run_on).isoformat()
    seconds, first, ledger = _run_again(stream, until, killed, tell)
    ended = standing(stream)
    rows_after = int(ledger["sources"][stream.source]["read"])
    tell(f"stopped      at epoch {ended.epoch}, after {ended.rows:,} records")
    return Recovery(killed, ended, seconds, first, killed.rows, rows_after, ledger)


def _run_and_kill(stream: Stream, kill_after: int, tell: Callable[[str], None]) -> None:
    rows = 0
    with Child(stream) as child:
        for event in child.events():
            rows += _told(event, rows, stream.source, tell)
            if rows >= kill_after:
                time.sleep(MOMENT_S)
                break
        else:
            child.check()
            raise OutsideError("the stream ended before it was killed", code="DemoFailed",
                               fix="look at its pipeline: has it an end?")  # fmt: skip


def _run_again(
    stream: Stream, until: str, killed: Standing, tell: Callable[[str], None]
) -> tuple[float, int, dict[str, Any]]:
    seconds, first, rows = 0.0, 0, killed.rows
    ledger: dict[str, Any] = {}
    with Child(stream, "--until", until) as child:
        for event in child.events():
            if event["event"] == "epoch_committed" and not first:
                seconds, first = time.monotonic() - child.began, event["epoch"]
                tell(f"run again    epoch {first} committed {seconds:.1f} s after the start")
            rows += _told(event, rows, stream.source, tell)
            ledger = event.get("ledger", ledger)
        child.check()
    return seconds, first, ledger


def _told(event: Mapping[str, Any], rows: int, source: str, tell: Callable[[str], None]) -> int:
    """Tell of epochs; give the records that they took."""
    if event["event"] != "epoch_committed":
        return 0
    read = int(event["sources"].get(source, {}).get("read", 0))
    if read:
        tell(f"running      epoch {event['epoch']}, {rows + read:,} records")
    return read


def recovery_text(recovery: Recovery, dead: int, late: int) -> str:
    """Give the figures that the comparison stands on."""
    first, last = recovery.killed, recovery.ended
    lines = [
        ("records read", f"{last.rows:,}", f"{dead:,} of them broken, kept aside; {late:,} late"),
        ("before the kill", f"{recovery.rows_before:,}", f"committed in epochs 1 to {first.epoch}"),
        ("after it", f"{recovery.rows_after:,}",
         f"epochs {recovery.first_epoch} to {last.epoch}"),
        ("recovered in", f"{recovery.seconds:.1f} s", "from the start of the process to its first epoch"),
    ]  # fmt: skip
    width = max(len(value) for _, value, _ in lines)
    return "\n".join(f"  {name:<15}  {value:>{width}}  {note}" for name, value, note in lines)


def is_balanced(recovery: Recovery) -> bool:
    """Say whether both runs together took each record once: positions against what was counted."""
    return recovery.rows_before + recovery.rows_after == recovery.ended.rows and (
        recovery.first_epoch == recovery.killed.epoch + 1
    )
