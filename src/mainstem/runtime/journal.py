"""The journal: what every run did, one JSON object a line, only ever appended to.

Each line ends with a checksum of what stands before it. A line that a crash cut off at the end is
reported and taken away by the next run; damage anywhere else stops the run, because what stands
after it can no longer be trusted. Readers need no lock: `status` works while a run goes on.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from mainstem.errors import OutsideError, StateError
from mainstem.lazy import pattern
from mainstem.record import record
from mainstem.storage.local.durable import sync_folder

NAME = "journal.jsonl"
FORMAT = 1
_CHECK = pattern(rb'^(?P<text>.*),"crc":"(?P<crc>[0-9a-f]{8})"\}$', re.DOTALL)


def to_line(entry: Mapping[str, Any]) -> bytes:
    """Give an entry as a line with its checksum."""
    text = json.dumps(entry, separators=(",", ":"), default=str)[:-1].encode()
    return text + b',"crc":"%08x"}\n' % zlib.crc32(text)


def from_line(line: bytes) -> dict[str, Any] | None:
    """Give the entry of a line without its end, or None when the checksum does not fit."""
    match = _CHECK.match(line)
    if match is None or int(match["crc"], 16) != zlib.crc32(match["text"]):
        return None
    entry: dict[str, Any] = json.loads(match["text"] + b"}")
    return entry


@record
class Read:
    """What a journal holds: its entries, and where a torn tail begins (None: no such tail)."""

    entries: tuple[dict[str, Any], ...]
    torn_at: int | None = None
    torn_bytes: int = 0


def read(folder: Path) -> Read:
    """Read a journal; a torn tail is told, not raised.

    Raises
    ------
    StateError
        When a line is damaged that has a good line after it.
    """
    try:
        data = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return Read(())
    entries: list[dict[str, Any]] = []
    at, bad_at, bad_line = 0, None, 0
    # Not splitlines: what a crash left may hold any byte, and a lone \r ends no line here.
    for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+", data), 1):
        entry = from_line(line[:-1]) if line.endswith(b"\n") else None
        if entry is None and bad_at is None:
            bad_at, bad_line = at, number
        elif entry is not None and bad_at is not None:
            raise StateError(
                f"line {bad_line} of the journal {folder / NAME} is damaged", code="JournalDamaged",
                fix=f"keep a copy of {folder / NAME}, then remove the line", line=bad_line,
            )  # fmt: skip
        elif entry is not None:
            entries.append(entry)
        at += len(line)
    return Read(tuple(entries), bad_at, len(data) - bad_at if bad_at is not None else 0)


class Journal:
    """The journal of a state directory, open for appending; only under the lock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        found = read(folder)
        self.entries = list(found.entries)
        self.torn_bytes = found.torn_bytes
        is_new = not self.path.exists()
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if is_new:
            sync_folder(folder)
        if found.torn_at is not None:
            os.ftruncate(self._handle, found.torn_at)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append an entry and wait until it is on the disk.

        Raises
        ------
        OutsideError
            When the disk is full or broken; nothing may go on unjournaled.
        """
        line = to_line(entry)
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError as error:
            raise OutsideError(
                f"the journal {self.path} cannot be written: {error.strerror}", code="JournalWrite",
                fix="free some space and run again",
            ) from error  # fmt: skip
        self.entries.append(dict(entry))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


@record
class RunRecord:
    """One run, as the journal tells it.

    Parameters
    ----------
    run_id, pipeline, engine : str
        Which run of what, where.
    status : str
        ``running`` (started, no end), ``succeeded``, ``failed``, ``stopped``, ``killed``.
    started_at, ended_at : str
        ISO 8601, UTC; `ended_at` is "" while it is not known.
    epoch : int
        Number among the committed runs of its state directory, counting itself.
    plan : dict
        ``fingerprint``; ``steps`` and ``sources``, by name, each with ``fingerprint`` and ``text``.
    params : dict
        Values of the run's parameters.
    versions : dict
        Of mainstem, python and the engine.
    ledger : dict
        ``sources``, ``steps`` and ``sinks`` (L1).
    tokens : dict
        Commit token by table, of a run that committed.
    warnings : tuple of str
        What the run wants to be known.
    error : dict or None
        The finding that ended it.
    open_state : bool
        Whether stream state is open after it (T9).
    run_key : str
        The key that it was started with.
    tables : tuple of str
        The tables that it computed to commit them.
    replay : dict
        Which rows kept aside it replayed; empty for a run that reads its sources.
    stream : dict
        Of a stream: ``ending`` (what it was told), and once it has ended ``end`` (``caught up``,
        ``closed``, ``reached``, ``stopped``, ``failed``), ``epochs`` (that this run committed) and
        ``epoch`` (the last one); empty for other runs.
    """

    run_id: str
    pipeline: str = ""
    engine: str = ""
    status: str = "running"
    started_at: str = ""
    ended_at: str = ""
    epoch: int = 0
    plan: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
    is_committed: bool = False
    open_state: bool = False
    pid: int = 0
    run_key: str = ""
    tables: tuple[str, ...] = ()
    replay: dict[str, Any] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)

    @property
    def has_outputs(self) -> bool:
        """Say whether it left outputs: it committed, or is a stream with an epoch."""
        return self.is_committed or bool(self.stream.get("epochs"))

    def to_dict(self) -> dict[str, Any]:
        """Give the record as plain data for ``-o json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def records(entries: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> tuple[RunRecord, ...]:
    """Fold entries into runs, oldest first."""
    runs: dict[str, dict[str, Any]] = {}
    for entry in entries:
        run_id = entry.get("run_id", "")
        if entry["kind"] == "run_started":
            runs[run_id] = _facts(entry)
        elif run_id in runs:
            runs[run_id] |= _change(entry)
    return tuple(RunRecord(**facts) for facts in runs.values())


_FIELDS = frozenset(RunRecord.__dataclass_fields__)


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    facts = {k: v for k, v in entry.items() if k in _FIELDS}
    for name in ("warnings", "tables"):
        if name in facts:
            facts[name] = tuple(facts[name])
    return facts


def _change(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["kind"] == "run_committed":
        return _facts(entry) | {"is_committed": True, "status": "succeeded"}
    if entry["kind"] == "recovered":
        is_done = entry["outcome"] == "finished"
        return {"status": "succeeded" if is_done else "killed", "is_committed": is_done,
                "ended_at": entry["at"]}  # fmt: skip
    if entry["kind"] == "run_ended":
        return _facts(entry)
    return {}
