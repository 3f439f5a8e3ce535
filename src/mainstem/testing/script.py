"""What a stream reads in a test: rows in the order in which they arrive, with marks among them.

One mechanism for cases and for `run_pipeline`. Marks cut the rows into epochs; a script gives these to
the engine in place of the sources' readers, moves a clock, and breaks runs off. Everything else is what
runs outside of tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.feed import Taken
from mainstem.engines.embedded.stream.ports import Ports
from mainstem.engines.embedded.stream.readers.loading import load_files
from mainstem.engines.embedded.stream.spec import PART, PATH, ROW, Loaded, Part, Sink, Slice
from mainstem.engines.embedded.types import quoted
from mainstem.errors import DefinitionError
from mainstem.plan.duration import parse_duration
from mainstem.plan.nodes import Plan, Source
from mainstem.record import mutable, record
from mainstem.storage.local import points
from mainstem.testing.case import Mark

# pytest shows the line of the test, not those here.
__tracebackhide__ = True

# Marks that end an epoch.
_CUTS = frozenset({"crash", "pause", "watermark", "idle", "stop"})
# What a partition is silent for that a mark calls idle, whatever its source's span is.
_LONG = timedelta(days=36_500)

# What arrives: the name of a source, and a mark or a record as a line of JSON.
Arrival = tuple[str, Mark | str]


class Crash(BaseException):
    """The process is killed here, as far as a test is concerned: nothing on the way may catch it."""


@mutable
class Epoch:
    """What comes between two marks, and the mark that ends it."""

    # Source, partition and record.
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    # New versions of lookups, which are there before its rows.
    versions: dict[str, list[str]] = field(default_factory=dict)
    # How far the clock moves before it, and whose partitions are idle in it whatever the clock says.
    pause: timedelta = timedelta()
    idle: tuple[tuple[str, str], ...] = ()
    end: Mark | None = None
    source: str = ""


def epochs_of(arrivals: Iterable[Arrival], lookups: frozenset[str]) -> list[Epoch]:
    """Cut what arrives into epochs at its marks; the last one has no end.

    Parameters
    ----------
    arrivals : iterable of (source, mark or record)
        In order.
    lookups : frozenset of str
        Those of the sources whose rows are versions.

    Raises
    ------
    DefinitionError
        For a mark behind ``-- stop``, and a span that is none.
    """
    made = [Epoch()]
    partitions: dict[str, str] = {}
    for source, item in arrivals:
        if len(made) > 1 and (ended := made[-2].end) is not None and ended.kind == "stop":
            raise DefinitionError(
                "something comes behind -- stop", code="CaseSyntax",
                fix="-- stop is the last line; what comes later is another run",
            )  # fmt: skip
        if not isinstance(item, Mark):
            if source in lookups:
                made[-1].versions.setdefault(source, []).append(item)
            else:
                made[-1].rows.append((source, partitions.get(source, ""), item))
        elif item.kind == "partition":
            partitions[source] = item.value
        elif item.kind in _CUTS:
            made[-1].end, made[-1].source = item, source
            if item.kind == "idle":
                made.append(Epoch(idle=((source, item.value),)))
            elif item.kind == "pause" and item.value:
                made.append(Epoch(pause=parse_duration(item.value, "-- pause")))
            made.append(Epoch())
    return made


def is_stopped(epochs: Sequence[Epoch]) -> bool:
    """Say whether the epochs end with a stop, which closes nothing, and not with the sources' end."""
    return any(epoch.end is not None and epoch.end.kind == "stop" for epoch in epochs)


class Script:
    """The feed of a stream in a test: gives epochs, and keeps what was given over several runs.

    Parameters
    ----------
    plan : Plan
        Its endless sources are bound to files of JSON lines, its lookups to one such file each.
    folder : Path
        Takes the records as files.
    now : datetime, optional
        Where the clock begins; without it, records are written when they are.
    """

    def __init__(self, plan: Plan, folder: Path, now: datetime | None = None) -> None:
        self.plan, self.folder, self.now = plan, folder, now
        folder.mkdir(parents=True, exist_ok=True)
        self.sources = [s for s in plan.sources if not s.bounded]
        self.is_timed = now is not None
        self.clock = now or datetime.now(UTC)
        # When the records of a source were written, where that is not when they arrive.
        self.written: dict[str, datetime] = {}
        # Records of each partition so far, and when it gave something last.
        self.given: dict[str, dict[str, int]] = {}
        self.heard: dict[tuple[str, str], datetime] = {}
        # Of each source, as the last epoch has committed it.
        self.watermarks: Mapping[str, datetime | None] = {}
        self.epochs: Sequence[Epoch] = ()
        self.at, self.n_files = 0, 0
        self.doomed: Epoch | None = None
        self.new: frozenset[str] = frozenset()

    # A run

    def begin(self, epochs: Sequence[Epoch], *, doomed: Epoch | None = None) -> None:
        """Take the epochs of the next run.

        Parameters
        ----------
        epochs : sequence of Epoch
            They are committed.
        doomed : Epoch, optional
            The run is broken off while it computes this one, and gives it again in the next run.
        """
        self.epochs, self.at, self.doomed = epochs, 0, doomed

    def end(self) -> None:
        """Let go of what breaks a run off."""
        if _break_off in points.listeners:
            points.listeners.remove(_break_off)

    def ports(self, sinks: Mapping[str, Sink]) -> Ports:
        """Give what a job is connected to."""
        return Ports(
            self, {s.name: ScriptLoader(s, self.folder) for s in self.sources}, sinks, self.due
        )

    def due(self) -> frozenset[str]:
        """Give the lookups that have a new version since the last epoch."""
        return self.new

    # What an engine asks of a feed

    def start(self, positions: Mapping[str, Mapping[str, Any]], until: Mapping[str, Any]) -> None:
        """Check that what was committed is what was given: nothing is lost, nothing comes again."""
        for source, found in positions.items():
            assert {k: v for k, v in found.items() if v} == self.given.get(source, {}), (
                f"the state stands at {found}, and was given {self.given.get(source, {})}"
            )

    def take(self, wait_s: float) -> Taken:
        """Give the next epoch.

        Raises
        ------
        Crash
            Behind the last one, when the run is to be broken off and nothing was under way.
        """
        del wait_s
        if self.at < len(self.epochs):
            epoch, self.at = self.epochs[self.at], self.at + 1
            is_end = self.at == len(self.epochs) and self.doomed is None
            return self._taken(epoch, is_end=is_end)
        if self.doomed is None or not self.doomed.rows:
            raise Crash
        return self._lost(self.doomed)

    def _lost(self, epoch: Epoch) -> Taken:
        """Give an epoch that is computed and not committed: what was given is then as before."""
        given, heard = deepcopy(self.given), dict(self.heard)
        taken = self._taken(epoch, is_end=False)
        self.given, self.heard = given, heard
        points.listeners.append(_break_off)
        return taken

    def _taken(self, epoch: Epoch, *, is_end: bool) -> Taken:
        self.clock += epoch.pause
        self.new = frozenset(epoch.versions)
        for name, lines in epoch.versions.items():
            self._replace(name, lines)
        slices = tuple(
            self._slice(source, own) for source in self.sources
            if (own := [(p, line) for name, p, line in epoch.rows if name == source.name])
        )  # fmt: skip
        names = frozenset(s.name for s in self.sources)
        return Taken(
            slices, {n: self._silences(n, epoch) for n in names}, names if is_end else frozenset()
        )

    def lag(self) -> dict[str, dict[str, int]]:
        """Give nothing."""
        return {}

    def committed(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Do nothing: what was committed is looked at when the next run starts."""

    def close(self) -> None:
        """Do nothing."""

    # Rows

    def _silences(self, name: str, epoch: Epoch) -> dict[str, float]:
        """Give for each partition of a source for how long it has given nothing, by the clock."""
        idle = {p for source, p in epoch.idle if source == name}
        found = {}
        for source, partition in self.heard:
            if source == name:
                is_idle = partition in idle or "" in idle
                silent = _LONG if is_idle else self.clock - self.heard[source, partition]
                found[partition] = silent.total_seconds()
        return found

    def _slice(self, source: Source, rows: list[tuple[str, str]]) -> Slice:
        parts: list[Part] = []
        files: list[tuple[str, int]] = []
        known = self.given.setdefault(source.name, {})
        for partition in dict.fromkeys(p for p, _ in rows):
            own = [line for p, line in rows if p == partition]
            start = known.get(partition, 0)
            known[partition] = start + len(own)
            self.heard[source.name, partition] = self.clock
            parts.append(Part(partition, start, start + len(own), len(own)))
            files.append((str(self._write(source, own)), len(files)))
        return Slice(source.name, tuple(parts), files)

    def _write(self, source: Source, lines: Sequence[str]) -> Path:
        self.n_files += 1
        path = self.folder / f"{source.name}-{self.n_files}.jsonl"
        path.write_text("".join(lines), encoding="utf-8")
        written = self.written.get(source.name, self.clock if self.is_timed else None)
        if written is not None:
            os.utime(path, (written.timestamp(), written.timestamp()))
        return path

    def _replace(self, name: str, lines: Sequence[str]) -> None:
        """Write a version of a lookup in place of the one before."""
        lookup = self.plan.source(name)
        assert lookup is not None
        path = Path(str(lookup.binding.as_dict()["path"]))
        new = path.with_suffix(".new")
        new.write_text("".join(lines), encoding="utf-8")
        new.replace(path)


@record
class ScriptLoader:
    """Loads what a script gives; a plain value, for shards that other processes compute."""

    source: Source
    folder: Path

    def __call__(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the table of a slice."""
        source = self.source
        found = load_files(session, source, taken.data, table, str(self.folder))
        if source.name in session.placed:
            for index, part in enumerate(taken.parts):
                session.rows(
                    f"UPDATE {table} SET {quoted(PATH)} = $1, {quoted(ROW)} = {quoted(ROW)} + $2 "
                    f"WHERE {quoted(PART)} = {index}", [part.partition, part.start],
                )  # fmt: skip
        if found.dead and found.dead_letters:
            # Dead letters say which record of its partition each was, as with readers of streams.
            for path, index in taken.data:
                part = taken.parts[index]
                session.rows(
                    f'UPDATE {found.dead_letters} SET "path" = $1, "row" = "row" + $2 '
                    'WHERE ends_with("path", $3)',
                    [part.partition, part.start, Path(path).name],
                )
        return found


def _break_off(point: str) -> None:
    if point == points.EPOCH_COMPUTED:
        raise Crash
