"""What a run is doing, shown below the cell of a notebook while it does it.

Nothing here is imported by a notebook's own packages, and nothing of theirs is needed elsewhere: where
no notebook runs, `watcher` gives a function that does nothing.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any

from mainstem.engines.spec import Event
from mainstem.record import mutable

# How often the picture is drawn again, in seconds; a run sends a progress event every tenth.
EVERY_S = 0.25


def watcher() -> Callable[[Event], None]:
    """Give what takes the events of a run: it draws them in a notebook, else it drops them."""
    display = _display()
    if display is None:
        return lambda event: None
    handle = display(Picture(""), display_id=True)
    return Board(handle.update).take


def _display() -> Any:
    """Give IPython's `display` inside of a notebook's kernel, else None; imports nothing by itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    return display


class Picture:
    """HTML that a notebook shows."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text


@mutable
class Line:
    """One source or table: how far it is (0 to 1, below 0 not known), its rows, and what became of it."""

    fraction: float = -1.0
    rows: int | None = None
    state: str = "…"


class Board:
    """The lines of a run, drawn by `show` at most every `EVERY_S` seconds and at its end."""

    def __init__(self, show: Callable[[Picture], object]) -> None:
        self.show = show
        self.lines: dict[str, Line] = {}
        self.drawn_at = 0.0

    def take(self, event: Event) -> None:
        """Take an event, and draw when it is time."""
        self._note(event)
        now = time.monotonic()
        if event.kind == "run_ended" or now - self.drawn_at >= EVERY_S:
            self.drawn_at = now
            self.show(Picture(self.html()))

    def _note(self, event: Event) -> None:
        kind, facts = event.kind, event.facts
        if kind == "progress":
            line = self.lines.setdefault(event.name, Line())
            line.fraction = float(facts.get("fraction", -1.0))
        elif kind == "step_started":
            self.lines.setdefault(event.name, Line())
        elif kind in ("source_read", "step_finished"):
            word = "read" if kind == "source_read" else "computed"
            self.lines[event.name] = Line(1.0, facts.get("rows"), word)
        elif kind == "sink_committed":
            self.lines[event.name] = Line(1.0, facts.get("rows"), "written")

    def html(self) -> str:
        """Give the table of all lines."""
        rows = "".join(_row(name, line) for name, line in self.lines.items())
        return f"<table>{rows}</table>"


def _row(name: str, line: Line) -> str:
    bar = f"<progress max='1' value='{max(line.fraction, 0.0):.3f}'></progress>"
    n_rows = "" if line.rows is None else f"{line.rows:,} rows"
    return (
        f"<tr><td>{html.escape(name)}</td><td>{bar}</td>"
        f"<td style='text-align:right'>{n_rows}</td><td>{html.escape(line.state)}</td></tr>"
    )


def ledger_html(title: str, ledger: dict[str, Any]) -> str:
    """Give the ledger of a run as a table: what was read and what was written, with its rows."""
    lines = [(n, "read", line.get("read")) for n, line in ledger.get("sources", {}).items()]
    lines += [(n, "written", line.get("committed")) for n, line in ledger.get("sinks", {}).items()]
    body = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{word}</td>"
        f"<td style='text-align:right'>{'' if rows is None else f'{rows:,}'}</td></tr>"
        for name, word, rows in lines
    )
    return f"<p>{html.escape(title)}</p><table>{body}</table>"
