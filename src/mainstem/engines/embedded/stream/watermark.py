"""Watermarks of sources: pure values, judged per partition (contract T1, T6, T8).

A partition's watermark is the largest event time seen in it less the declared bound. A source's is
the smallest of its partitions that are awake, and it never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.record import mutable

# After the last row of a source that ends (T9).
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_START_OF_TIME = datetime.min.replace(tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (END_OF_TIME - _EPOCH) // timedelta(microseconds=1)


@mutable
class Partition:
    """What is known of one partition.

    Parameters
    ----------
    position : JSON-like
        Behind the last record that is committed; None before the first.
    latest : datetime or None
        The largest event time seen.
    floor : datetime or None
        The source's watermark when the partition joined or woke: its rows are judged by no less.
    is_idle : bool
        Whether it holds nothing back at the moment.
    decision : int
        Number of the decision that gave it its floor; 0 for none (`cuts.History`).
    """

    position: Any = None
    latest: datetime | None = None
    floor: datetime | None = None
    is_idle: bool = False
    decision: int = 0

    def watermark(self, bound: timedelta) -> datetime | None:
        """Give its own watermark; None before its first row."""
        return less(self.latest, bound)


@mutable
class SourceClock:
    """The event time of one source.

    Parameters
    ----------
    bound : timedelta
        Of disorder, as declared.
    idle : timedelta
        Silence after which a partition holds nothing back.
    watermark : datetime or None
        Committed; None while nothing is known.
    partitions : dict
        By name.
    decided : list
        Partitions that have got a floor by which rows may be judged otherwise than without, since
        somebody last took note of them: name, position, floor.
    is_held : bool
        Whether nothing is decided here: what was read once is read again, and an earlier run has
        decided about it.
    """

    bound: timedelta
    idle: timedelta
    watermark: datetime | None = None
    partitions: dict[str, Partition] = field(default_factory=dict)
    decided: list[tuple[str, Any, datetime]] = field(default_factory=list)
    is_held: bool = False

    def joined(self, names: Iterable[str]) -> bool:
        """Take partitions that have appeared; they are judged from the watermark of now. Say if any."""
        new = [name for name in names if name not in self.partitions]
        for name in new:
            floor = None if self.is_held else self.watermark
            self.partitions[name] = Partition(floor=floor)
            if floor is not None:
                self.decided.append((name, None, floor))
        return bool(new)

    def silent(self, silences: Mapping[str, float]) -> list[str]:
        """Let partitions that have been silent for long enough go idle; give their names."""
        limit = self.idle.total_seconds()
        if self.is_held:
            return []
        found = [
            name for name, seconds in silences.items()
            if seconds >= limit and name in self.partitions and not self.partitions[name].is_idle
        ]  # fmt: skip
        for name in found:
            self.partitions[name].is_idle = True
        return found

    def woken(self, names: Iterable[str]) -> list[str]:
        """Wake partitions that have rows again; they are judged from the watermark of now."""
        if self.is_held:
            return []
        found = [name for name in names if self.partitions[name].is_idle]
        for name in found:
            one, floor = self.partitions[name], self.watermark
            own = one.watermark(self.bound)
            one.is_idle, one.floor = False, floor
            if floor is not None and (own is None or own < floor):
                self.decided.append((name, one.position, floor))
        return found

    def saw(self, name: str, latest: datetime | None) -> None:
        """Take the largest event time of a partition's new rows."""
        partition = self.partitions[name]
        if latest is not None and (partition.latest is None or latest > partition.latest):
            partition.latest = latest

    def advance(self) -> datetime | None:
        """Give the watermark that the partitions allow; it never goes back (T1)."""
        if self.is_held:
            return self.watermark
        own = [(p, p.watermark(self.bound)) for p in self.partitions.values()]
        awake = [mark for p, mark in own if not p.is_idle]
        known = [mark for _, mark in own if mark is not None]
        if awake:
            allowed = None if any(mark is None for mark in awake) else min(filter(None, awake))
        else:
            # All idle: as far as the furthest of them, and there it stays (T8).
            allowed = max(known, default=None)
        if allowed is not None and (self.watermark is None or allowed > self.watermark):
            self.watermark = allowed
        return self.watermark

    def ended(self) -> None:
        """Take that nothing comes any more: every window closes (T9)."""
        self.watermark = END_OF_TIME


def from_micros(value: int | None) -> datetime | None:
    """Give the instant of microseconds since 1970; DuckDB's client cannot fetch one without pytz.

    A window may end after the last instant that a row can have: then only the end of time closes it.
    """
    if value is None:
        return None
    return END_OF_TIME if value >= _LAST else _EPOCH + timedelta(microseconds=value)


def to_micros(mark: datetime) -> int:
    """Give an instant as microseconds since 1970."""
    return micros(mark - _EPOCH)


def micros(span: timedelta) -> int:
    """Give a span as microseconds."""
    return span // timedelta(microseconds=1)


def lowest(marks: Iterable[datetime | None]) -> datetime | None:
    """Give the smallest of watermarks; None when one of them is unknown."""
    found = list(marks)
    return None if not found or any(mark is None for mark in found) else min(filter(None, found))


def less(mark: datetime | None, span: timedelta) -> datetime | None:
    """Give a watermark that is held back by a span; the end of time stays, and its start is the first."""
    if mark is None or mark == END_OF_TIME:
        return mark
    # Nothing is before the first instant, so nothing is late there either.
    return _START_OF_TIME if mark - _START_OF_TIME < span else mark - span


def later(mark: datetime, span: timedelta) -> datetime:
    """Give an instant that is later by a span; the end of time is the last."""
    return END_OF_TIME if END_OF_TIME - mark < span else mark + span
