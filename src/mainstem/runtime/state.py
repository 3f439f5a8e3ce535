"""The state directory, version 1: ``.mainstem/<pipeline>``.

======================  ===========================================================================
``format``              the number of this layout
``lock``                held by the run that is going on; who it is stands inside
``journal.jsonl``       every run, append-only, a checksum in each line
``commit.json``         only while a run is staging or committing
``state.duckdb``        tables without a sink, and the runs that committed into it
``staging/``, ``tmp/``  rows on their way to other DuckDB files; what spilled from memory
======================  ===========================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from mainstem.errors import OutsideError, StateError
from mainstem.record import record
from mainstem.storage.local.durable import write_durably

FORMAT = 1
FOLDER = ".mainstem"
# A reader that looks whether the lock is held holds it for an instant itself.
LOCK_TRIES = 5
LOCK_PAUSE_S = 0.05


def state_dir(base_dir: Path, pipeline: str) -> Path:
    """Give a pipeline's state directory; any name is a safe folder name there."""
    # A name of dots alone would be the folder itself or the one above it.
    safe = quote(pipeline, safe="")
    if not pipeline.strip("."):
        safe = safe.replace(".", "%2E")
    return base_dir / FOLDER / safe


def prepare(folder: Path) -> None:
    """Make the state directory, or check that this version knows its layout.

    Raises
    ------
    StateError
        When another version made it.
    OutsideError
        When it cannot be made.
    """
    marker = folder / "format"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            _ignore(folder.parent)
            write_durably(marker, f"{FORMAT}\n".encode())
    except OSError as error:
        raise OutsideError(
            f"the state directory {folder} cannot be made: {error.strerror}", code="StateNoRights",
            fix="run where you may write, or name another place with --state-dir",
        ) from error  # fmt: skip
    check_format(folder)


def _ignore(parent: Path) -> None:
    """Keep state out of the user's repository."""
    ignore = parent / ".gitignore"
    if parent.name == FOLDER and not ignore.exists():
        ignore.write_text("*\n")


def check_format(folder: Path) -> None:
    """Refuse a state directory of another version.

    Raises
    ------
    StateError
        When its ``format`` is not the one of this version.
    """
    marker = folder / "format"
    if not marker.exists():
        return
    text = marker.read_text().strip()
    if text != str(FORMAT):
        raise StateError(
            f"the state directory {folder} has format {text!r}, this version knows {FORMAT}",
            code="StateFormat", fix="use the version that made it, or name another --state-dir",
        )  # fmt: skip


@record
class Holder:
    """Who holds the lock of a state directory."""

    pid: int
    host: str
    since: str
    run_id: str = ""


def holder(folder: Path) -> Holder | None:
    """Give who holds the lock now, or None. A file that a killed run left holds nothing."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(handle)
    else:
        return None
    finally:
        os.close(handle)


def _read_holder(handle: int) -> Holder:
    text = os.pread(handle, 4096, 0)
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        # Locked an instant ago and not described yet.
        return Holder(0, "", "")


@contextmanager
def locked(folder: Path, run_id: str) -> Iterator[Holder | None]:
    """Hold the lock of a state directory; give the holder of a lock that a killed run left.

    The kernel lets go of the lock when its process dies, so a stale file never blocks a run.

    Raises
    ------
    StateError
        When another run holds it; names its pid, host and start.
    OutsideError
        When it cannot be written: no rights, no room.
    """  # noqa: DOC501 - built by a function
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritten(folder, error) from error
    try:
        _take(handle, folder)
        stale = _read_holder(handle) if os.fstat(handle).st_size else None
        now = datetime.now(UTC).isoformat(timespec="seconds")
        mine = Holder(os.getpid(), os.uname().nodename, now, run_id)
        _describe(handle, folder, mine)
        yield stale
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _describe(handle: int, folder: Path, mine: Holder) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(asdict(mine)).encode(), 0)
    except OSError as error:
        raise _unwritten(folder, error) from error


def _unwritten(folder: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"the lock {folder / 'lock'} cannot be written: {error.strerror}", code="FileRefused",
        fix="give this user the right to it and the disk room, or name another place",
    )  # fmt: skip


def _take(handle: int, folder: Path) -> None:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
        else:
            return
    who = _read_holder(handle)
    raise StateError(
        f"another run holds {folder}: pid {who.pid} on {who.host}, since {who.since}",
        code="StateLocked", fix=f"wait for it, or stop it: kill {who.pid}",
        pid=who.pid, host=who.host, since=who.since,
    )  # fmt: skip
