"""A slow reference of streams in plain Python: what an operator gives, row by row (contract T).

Nothing here knows of epochs. Which rows are late follows from each row's own partition alone (T6),
and which windows are complete from the watermarks of the sources, so that an answer cannot depend on
how the rows were cut. Instants are whole microseconds since 1970.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import field
from typing import Any

from mainstem.record import mutable, record

# Later than every instant: the watermark of what has ended (T9).
END = 10**30
ONE_MS = 1000
MINUTE = 60_000_000


@record
class Row:
    """A row with its watermark W; None where it cannot be late (T3)."""

    values: dict[str, Any]
    mark: int | None = None

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@record
class Late:
    """A row that came too late, and the ends of the windows that it missed."""

    row: Row
    missed: tuple[int, ...] = ()
    is_partly: bool = False


@record
class Flow:
    """What is there of a relation: its rows so far, and its watermark; None while nothing is known."""

    rows: tuple[Row, ...]
    mark: int | None


@mutable
class Ledger:
    """What a stateful step did with its rows, each once (L1).

    With `is_by_window` what arrives are the rows of another relation, one for each window.
    """

    arrived: int = 0
    late: list[Late] = field(default_factory=list)
    is_by_window: bool = False

    @property
    def counts(self) -> tuple[int, int, int]:
        """Give how many arrived, were late, and were partly late."""
        if self.is_by_window:
            return self.arrived, sum(len(one.missed) or 1 for one in self.late), 0
        partly = sum(one.is_partly for one in self.late)
        return self.arrived, len(self.late) - partly, partly


def judged(rows: Sequence[tuple[str, dict[str, Any]]], time: str, bound: int) -> list[Row]:
    """Give the rows (partition, values) of a source with W: what its partition has seen, less the bound."""
    latest: dict[str, int] = {}
    made = []
    for partition, values in rows:
        before = latest.get(partition)
        made.append(Row(values, None if before is None else before - bound))
        latest[partition] = values[time] if before is None else max(before, values[time])
    return made


def source_mark(
    rows: Sequence[tuple[str, dict[str, Any]]], time: str, bound: int, partitions: Iterable[str]
) -> int | None:
    """Give a source's watermark: the smallest of its partitions; None while one has no row (T1)."""
    latest = {
        p: max((v[time] for q, v in rows if q == p), default=None) for p in partitions
    }  # fmt: skip
    known = [at for at in latest.values() if at is not None]
    return min(known) - bound if known and len(known) == len(latest) else None


def lowest(marks: Iterable[int | None]) -> int | None:
    """Give the smallest of watermarks; None when one is unknown."""
    found = list(marks)
    return None if any(m is None for m in found) else min(m for m in found if m is not None)


def held(mark: int | None, span: int) -> int | None:
    """Give a watermark held back by a span; the end stays the end."""
    return mark if mark is None or mark >= END else mark - span


@record
class Window:
    """TUMBLE, HOP, CUMULATE or SESSION; `size` is the gap of a session, `keys` what parts sessions."""

    kind: str
    size: int
    step: int = 0
    offset: int = 0
    keys: tuple[str, ...] = ()

    def of(self, at: int) -> list[tuple[int, int]]:
        """Give the windows [start, end) that an instant is in (T4)."""
        if self.kind == "tumble":
            start = (at - self.offset) // self.size * self.size + self.offset
            return [(start, start + self.size)]
        if self.kind == "cumulate":
            start = (at - self.offset) // self.size * self.size + self.offset
            ends = range(start + self.step, start + self.size + 1, self.step)
            return [(start, end) for end in ends if at < end]
        last = (at - self.offset) // self.step * self.step + self.offset
        starts = range(last, last - self.size, -self.step)
        return [(start, start + self.size) for start in starts]


def in_windows(flow: Flow, window: Window, time: str, lateness: int, ledger: Ledger) -> Flow:
    """Put rows into windows; give those of the complete ones, and what holds the watermark back."""
    if window.kind == "session":
        return _in_sessions(flow, window, time, lateness, ledger)
    made: list[Row] = []
    for row in flow.rows:
        windows = window.of(row[time])
        ledger.arrived += len(windows) if ledger.is_by_window else 1
        missed = [end for _, end in windows if row.mark is not None and end + lateness <= row.mark]
        if missed:
            ledger.late.append(Late(row, tuple(sorted(missed)), len(missed) < len(windows)))
        made += [_placed(row, *one) for one in windows if one[1] not in missed]
    limit = held(flow.mark, lateness)
    closed = [row for row in made if limit is not None and row["window_end"] <= limit]
    return Flow(tuple(closed), limit)


def _placed(row: Row, start: int, end: int) -> Row:
    bounds = {"window_start": start, "window_end": end, "window_time": end - ONE_MS}
    return Row({**row.values, **bounds})


def _in_sessions(flow: Flow, window: Window, time: str, lateness: int, ledger: Ledger) -> Flow:
    used: dict[Hashable, list[Row]] = defaultdict(list)
    for row in flow.rows:
        ledger.arrived += 1
        if row.mark is not None and row[time] < row.mark - lateness:
            ledger.late.append(Late(row))
        else:
            used[tuple(row[k] for k in window.keys)].append(row)
    limit = held(flow.mark, lateness)
    closed: list[Row] = []
    hold = limit
    for rows in used.values():
        for session in sessions(rows, time, window.size):
            start, end = session[0][time], session[-1][time] + window.size
            if limit is not None and (limit >= END or end < limit):
                closed += [_placed(row, start, end) for row in session]
            elif hold is not None:
                hold = min(hold, end - ONE_MS)
    return Flow(tuple(closed), hold)


def sessions(rows: Sequence[Row], time: str, gap: int) -> list[list[Row]]:
    """Cut rows where more than the gap lies between two (T4)."""
    made: list[list[Row]] = []
    for row in sorted(rows, key=lambda r: r[time]):
        if made and row[time] - made[-1][-1][time] <= gap:
            made[-1].append(row)
        else:
            made.append([row])
    return made


def grouped(
    flow: Flow, keys: Callable[[Row], dict[str, Any]],
    results: Callable[[list[Row]], dict[str, Any]],
) -> Flow:  # fmt: skip
    """Give a row for each group; NULL is a key like others."""
    found: dict[Hashable, tuple[dict[str, Any], list[Row]]] = {}
    for row in flow.rows:
        own = keys(row)
        found.setdefault(tuple(own.values()), (own, []))[1].append(row)
    rows = tuple(Row({**own, **results(members)}) for own, members in found.values())
    return Flow(rows, flow.mark)


def latest_sessions(
    flow: Flow, keys: Sequence[str], time: str, ttl: int, ledger: Ledger
) -> Flow:  # fmt: skip
    """Give the rows of each key's latest session (C3)."""
    used: dict[Hashable, list[Row]] = defaultdict(list)
    for row in flow.rows:
        ledger.arrived += 1
        if row.mark is not None and row[time] < row.mark:
            ledger.late.append(Late(row))
        else:
            used[tuple(row[k] for k in keys)].append(row)
    rows = [row for one in used.values() for row in sessions(one, time, ttl)[-1]]
    return Flow(tuple(Row(row.values) for row in rows), flow.mark)


def first_rows(
    flow: Flow, part: Callable[[Row], Hashable], order: Callable[[Row], Any], n: int
) -> Flow:
    """Give the first rows of each part."""
    found: dict[Hashable, list[Row]] = defaultdict(list)
    for row in flow.rows:
        found[part(row)].append(row)
    rows = [row for one in found.values() for row in sorted(one, key=order)[:n]]
    return Flow(tuple(rows), flow.mark)
