"""A stream as it runs: one line a second for programs, one line that changes for people."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mainstem.cli.numbers import count, plural, rate, size, whole_seconds
from mainstem.engines.spec import Event

if TYPE_CHECKING:
    from mainstem.plan.nodes import Plan

# A line of epochs at most this often, and the live line, in seconds.
PAUSE_S, DRAW_S = 1.0, 0.125
# Over how long the speed is measured, in seconds.
SPAN_S = 5.0
# What a program needs no line about: nothing has happened.
SILENT = frozenset({"waiting", "progress"})


class Epochs:
    """Puts the epochs of a second together, so that a program can add up its lines."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.told_at = 0.0

    def lines(self, event: Event) -> Iterator[Event]:
        """Give what is to be told when an event has come: never more than one a second of epochs."""
        if event.kind == "epoch_committed":
            self._add(event)
        is_end = event.kind in ("stream_stopped", "run_ended")
        now = time.monotonic()
        if self.facts and (is_end or now - self.told_at >= PAUSE_S):
            facts, self.facts, self.told_at = self.facts, {}, now
            yield Event("epoch_committed", facts.pop("name"), facts)
        if event.kind != "epoch_committed" and event.kind not in SILENT:
            yield event

    def _add(self, event: Event) -> None:
        facts = event.facts
        if not self.facts:
            self.facts = {
                "name": event.name, "epoch": 0, "epochs": 0, "sources": {}, "steps": {}, "sinks": {},
                "seconds": 0.0,
            }  # fmt: skip
        own = self.facts
        own |= {name: facts[name] for name in ("epoch", "watermarks", "lag")}
        own["epochs"] += 1
        own["seconds"] += facts["seconds"]
        for part in ("sources", "steps", "expectations"):
            for name, line in facts.get(part, {}).items():
                _sum(own.setdefault(part, {}).setdefault(name, {}), line)
        _sum(own["sinks"], facts["sinks"])


def _sum(into: dict[str, int], counts: Mapping[str, int]) -> None:
    for word, number in counts.items():
        into[word] = into.get(word, 0) + number


class Standing:
    """How a stream stands, from its events."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.began = time.monotonic()
        # When, rows read and rows given so far; for the speed.
        self.past: deque[tuple[float, int, int]] = deque([(self.began, 0, 0)])
        self.read = self.given = self.epoch = 0
        # Where nothing can be quarantined it has no word: the line is short.
        self.aside = {"late": 0, "dead": 0} | ({"quarantined": 0} if plan.expectations else {})
        self.lag: dict[str, int] = {}
        self.watermarks: dict[str, datetime | None] = {}
        self.state: Path | None = None

    def take(self, event: Event, now: float) -> None:
        """Take what an event says."""
        facts = event.facts
        if event.kind == "run_started":
            self.state = Path(facts["state_dir"]) / "state.duckdb"
        elif event.kind == "stream_started":
            self.epoch = facts["epoch"]
        elif event.kind == "waiting":
            self.lag = facts.get("lag", {})
        elif event.kind == "epoch_committed":
            self.epoch, self.lag, self.watermarks = (
                facts["epoch"], facts["lag"], facts["watermarks"]
            )  # fmt: skip
            self.read += sum(line["read"] for line in facts["sources"].values())
            self.given += sum(facts["sinks"].values())
            for word, rows in aside(facts).items():
                self.aside[word] = self.aside.get(word, 0) + rows
        self.past.append((now, self.read, self.given))
        while now - self.past[0][0] > SPAN_S and len(self.past) > 2:
            self.past.popleft()

    def speeds(self, now: float) -> tuple[str, str]:
        """Give rows read and rows given a second, over the last seconds."""
        at, read, given = self.past[0]
        return rate(self.read - read, now - at) or "0 rows/s", rate(
            self.given - given, now - at
        ) or "0 rows/s"

    def state_bytes(self) -> int:
        """Give how large the state file is."""
        if self.state is None:
            return 0
        found = (self.state, self.state.with_name(f"{self.state.name}.wal"))
        return sum(path.stat().st_size for path in found if path.exists())

    def line(self, now: float) -> str:
        """Give it in one line."""
        speed_in, speed_out = self.speeds(now)
        parts = [f"epoch {count(self.epoch)}", f"in {speed_in}", f"out {speed_out}"]
        return "  ".join([*parts, *standing_words(
            sum(self.lag.values()), self.watermarks, self.state_bytes(), self.aside,
        )])  # fmt: skip


def aside(facts: Mapping[str, Any]) -> dict[str, int]:
    """Give how many rows went aside, of those that a source read and those that a step computed."""
    steps = facts["steps"].values()
    found = {
        "late": sum(line["late"] + line["partly_late"] for line in steps),
        "dead": sum(line["dead"] for line in (*facts["sources"].values(), *steps)),
    }
    if facts.get("expectations"):
        found["quarantined"] = sum(line["quarantined"] for line in facts["expectations"].values())
    return found


def standing_words(
    lag: int, watermarks: Mapping[str, datetime | None], state_bytes: int,
    aside: Mapping[str, int],
) -> list[str]:  # fmt: skip
    """Give lag, watermark gap, state size and the rows that went aside in words."""
    return [
        f"lag {count(lag)}", f"watermark {gap(watermarks)}", f"state {size(state_bytes)}",
        *(f"{word} {count(rows)}" for word, rows in aside.items()),
    ]  # fmt: skip


def is_end_of_time(mark: datetime) -> bool:
    """Say whether a watermark is that of a source that has ended."""
    return mark.year == MAXYEAR


def gap(watermarks: Mapping[str, datetime | None], now: datetime | None = None) -> str:
    """Give how far the lowest watermark is behind the clock of this machine."""
    marks = list(watermarks.values())
    if not marks or any(mark is None for mark in marks):
        return "not known"
    lowest = min(mark for mark in marks if mark is not None)
    if is_end_of_time(lowest):
        return "at the end"
    behind = ((now or datetime.now(UTC)) - lowest).total_seconds()
    if behind >= 2 * 86400:
        return f"{plural(int(behind // 86400), 'day')} behind"
    return f"{whole_seconds(behind)} behind" if behind >= 0 else "ahead of the clock"


class LiveLine:
    """Draws the line below the cursor, and takes it away at the end."""

    def __init__(self, plan: Plan) -> None:
        self.standing = Standing(plan)
        self.drawn_at = 0.0
        self.is_drawn = False

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        where: TracebackType | None,
    ) -> None:  # fmt: skip
        self.clear()

    def take(self, event: Event) -> None:
        """Show what an event says."""
        now = time.monotonic()
        self.standing.take(event, now)
        if event.kind == "run_ended":
            self.clear()
        elif now - self.drawn_at >= DRAW_S:
            self.drawn_at = now
            self._draw(self.standing.line(now))

    def clear(self) -> None:
        """Take the line away."""
        if self.is_drawn:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self.is_drawn = False

    def _draw(self, text: str) -> None:
        import shutil

        width = shutil.get_terminal_size().columns
        # A line that wraps could not be taken back.
        sys.stdout.write(f"\r\x1b[K{text[: width - 1]}")
        sys.stdout.flush()
        self.is_drawn = True


def end_words(name: str, end: Mapping[str, Any], pace: str) -> str:
    """Give how a stream ended: what it has, and whether it goes on."""
    stream = end["stream"]
    word = {
        "caught up": "has caught up", "closed": "is closed", "reached": "has reached its time",
        "stopped": "was stopped",
    }.get(stream["end"], stream["end"])  # fmt: skip
    epochs = plural(stream["epochs"], "epoch")
    on = "" if not end["open_state"] else "; the next run goes on there"
    return (
        f"{name} {word} in {pace} at epoch {stream['epoch']:,} ({epochs}, run {end['run_id']}){on}"
    )
