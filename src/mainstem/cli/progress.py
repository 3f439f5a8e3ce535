"""What a run is doing, drawn on a terminal while it does it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mainstem.cli.numbers import count, rate, seconds, whole_seconds

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from mainstem.engines.spec import Event
    from mainstem.plan.nodes import Plan, Step

# A run that is over sooner draws nothing: no flicker, and no time spent on loading what draws.
QUIET_S = 0.3
# Before this the speed is a guess, and a guess that jumps is worse than none.
SURE_S, SURE_FRACTION = 0.5, 0.02
# On a narrow screen the numbers go before the bar.
WIDE, WIDE_BAR, NARROW_BAR = 90, 24, 8


@dataclass(slots=True)
class Line:
    """One source or table of the run."""

    name: str
    verb: str
    began: float = 0.0
    ended: float = 0.0
    fraction: float = -1.0
    rows: int | None = None

    def time_left_s(self, now: float) -> float | None:
        """Give how long it takes yet, or None when nobody can say."""
        spent = now - self.began
        if self.ended or not self.began or spent < SURE_S or self.fraction < SURE_FRACTION:
            return None
        return spent * (1 - self.fraction) / self.fraction

    def spent_s(self, now: float) -> float:
        """Give how long it has taken so far."""
        return (self.ended or now) - self.began if self.began else 0.0


@dataclass(slots=True)
class Board:
    """The state of a run, from its plan and its events."""

    lines: dict[str, Line] = field(default_factory=dict)
    is_committing: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Board:
        """Give the board of a run that has not begun."""
        read = [s.name for s in plan.sources if plan.readers(s.name)]
        lines = [Line(name, "read") for name in read]
        lines += [Line(step.name, _verb(step)) for step in plan.tables]
        return cls({line.name: line for line in lines})

    def take(self, event: Event, now: float) -> None:
        """Take what an event says."""
        if event.kind == "outputs_staged":
            self.is_committing = True
        line = self.lines.get(event.name)
        if line is None:
            return
        line.began = line.began or now
        if event.kind == "progress":
            # An estimate may step back; a bar that does looks broken.
            line.fraction = max(line.fraction, float(event.facts.get("fraction", -1.0)))
            line.rows = event.facts.get("rows", line.rows)
            line.verb = event.facts.get("phase", line.verb)
        elif event.kind in ("source_read", "step_finished"):
            line.ended, line.fraction = now, 1.0
            line.rows = event.facts.get("rows")


def _verb(step: Step) -> str:
    return "keep" if step.sink is not None and step.sink.type == "state" else "write"


class Progress:
    """Draws a `Board` below the cursor, and takes it away at the end."""

    def __init__(self, plan: Plan) -> None:
        self.board = Board.of(plan)
        self.began = time.monotonic()
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        where: TracebackType | None,
    ) -> None:  # fmt: skip
        if self.live is not None:
            self.live.stop()

    def take(self, event: Event) -> None:
        """Show what an event says."""
        now = time.monotonic()
        self.board.take(event, now)
        if self.live is None and now - self.began > QUIET_S:
            self._start()

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        self.live = Live(
            get_renderable=lambda: drawn(
                self.board, time.monotonic(), self.began, columns=console.width
            ),
            console=console, transient=True, refresh_per_second=8,
            redirect_stderr=False, redirect_stdout=False,
        )  # fmt: skip
        self.live.start()


def drawn(board: Board, now: float, began: float, *, columns: int = 100) -> Table:
    """Give the board as something that rich can print on a screen of so many columns."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for at in range(6):
        grid.add_column(no_wrap=True, justify="right" if at in (3, 4) else "left")
    for line in board.lines.values():
        bar: Any = ""
        if line.began:
            is_known = line.fraction >= 0
            bar = ProgressBar(
                total=1.0,
                completed=max(line.fraction, 0.0),
                pulse=not is_known,
                width=WIDE_BAR if columns >= WIDE else NARROW_BAR,
            )
        grid.add_row(line.verb, line.name, bar, *facts(line, now))
    grid.add_row("commit" if board.is_committing else "", "", "", "", "", seconds(now - began))
    return grid


def facts(line: Line, now: float) -> tuple[str, str, str]:
    """Give rows, speed and time of a line."""
    rows = "" if line.rows is None else f"{count(line.rows)} rows"
    speed = rate(line.rows or 0, line.spent_s(now))
    if line.ended:
        return rows, speed, seconds(line.spent_s(now))
    left = line.time_left_s(now)
    return rows, speed, "" if left is None else f"{whole_seconds(left)} left"
