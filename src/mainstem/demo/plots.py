"""Plots as inline SVG, each with the same numbers as a table. Pure: values in, text out.

Colours are CSS variables of the page (`mainstem.demo.report`), so that one drawing serves light and
dark. Colour is never alone: every cell and bar also carries its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol

from mainstem.record import record

WIDTH = 760
LINE_LEFT, LINE_WIDTH, LINE_HEAD, LINE_HEIGHT = 64, 680, 12, 220
HEAT_LEFT, HEAT_HEAD, HEAT_TALL = 92, 44, 25
N_STEPS = 7  # colours of a heat map, --q0 (low) to --q6 (high)


@record
class Table:
    """The numbers of a plot: the first cell of each row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@record
class Unit:
    """How a number is written: digits after the point, and what stands behind it."""

    suffix: str = ""
    digits: int = 0

    def text(self, value: float | None) -> str:
        """Give a value as a person reads it; an en dash where there is none."""
        if value is None:
            return "–"
        # Adding 0.0 turns the -0.0 of a small negative into 0.0.
        return f"{round(value, self.digits) + 0.0:,.{self.digits}f}{self.suffix}"


PERCENT = Unit(" %", 1)
MINUTES = Unit(" min", 1)
COUNT = Unit()


class Plot(Protocol):
    """What a report can show."""

    @property
    def title(self) -> str:
        """Say what is seen, as a heading."""
        ...

    @property
    def note(self) -> str:
        """Say how to read it, in a sentence or two."""
        ...

    def svg(self) -> str:
        """Give the drawing, without the numbers that `table` gives in words."""
        ...

    def table(self) -> Table:
        """Give the same numbers as a table."""
        ...


def frame(title: str, height: float, body: Sequence[str]) -> str:
    """Give an SVG element that says its title to a screen reader."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(title)}">' + "".join(body) + "</svg>"
    )


def words(x: float, y: float, text: str, *, anchor: str = "start", style: str = "") -> str:
    """Give a text; `style` is a CSS class of the page."""
    extra = f' class="{style}"' if style else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{at}{extra}>{escape(text)}</text>'


@record
class Bars:
    """One horizontal bar for each label, in the given order.

    Parameters
    ----------
    title, note : str
        Heading and how to read it.
    names : tuple of str
        Column names of the table: label, value, detail.
    rows : tuple of (str, float or None, str)
        Label, value ≥ 0, and a detail for the table, such as how many rows stand behind it.
    unit : Unit
        How values are written.
    top : float, optional
        Value of a full bar; the largest one when not given.
    """

    title: str
    note: str
    names: tuple[str, str, str]
    rows: tuple[tuple[str, float | None, str], ...]
    unit: Unit = COUNT
    top: float | None = None

    def svg(self) -> str:
        """Give the drawing."""
        left, right, step, thick = 210, 190, 28, 18
        top = self.top or max((value or 0 for _, value, _ in self.rows), default=0) or 1
        body = []
        for i, (label, value, detail) in enumerate(self.rows):
            y = 4 + i * step
            length = (WIDTH - left - right) * (value or 0) / top
            tip = f"{label}: {self.unit.text(value)} ({detail})"
            body += [
                f"<g><title>{escape(tip)}</title>",
                words(left - 10, y + thick - 4, label, anchor="end"),
                f'<path class="bar" d="{_bar(left, y, length, thick)}"/>',
                _value(left + length + 8, y + thick - 4, self.unit.text(value), detail),
                "</g>",
            ]
        end = 4 + len(self.rows) * step
        body.append(f'<path class="axis" d="M{left} 0V{end - 6}"/>')
        return frame(self.title, end, body)

    def table(self) -> Table:
        """Give the numbers."""
        rows = tuple((label, self.unit.text(value), detail) for label, value, detail in self.rows)
        return Table(self.names, rows)


def _value(x: float, y: float, value: str, detail: str) -> str:
    """Give a number and, softer, how much stands behind it: a share of 30 is no share of 30,000."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="value">{escape(value)}'
        f'<tspan class="muted" dx="8">{escape(detail)}</tspan></text>'
    )


def _bar(x: float, y: float, length: float, thick: float) -> str:
    """Give a bar's outline: square at the axis, rounded at its end."""
    r = min(3.0, length)
    return (
        f"M{x} {y}h{length - r:.1f}q{r:.1f} 0 {r:.1f} {r:.1f}v{thick - 2 * r:.1f}"
        f"q0 {r:.1f} -{r:.1f} {r:.1f}h-{length - r:.1f}z"
    )


@record
class Line:
    """One value over evenly spaced points, such as days or hours.

    Parameters
    ----------
    names : tuple of str
        Column names of the table: point, value, detail.
    points : tuple of (str, float or None, str)
        Label, value and detail; None leaves a gap.
    ticks : tuple of (int, str)
        Which points are named under the axis.
    marks : tuple of (int, str)
        Points that get a dot and words.
    top : float
        Upper end of the scale; the lower is 0.
    """

    title: str
    note: str
    names: tuple[str, str, str]
    points: tuple[tuple[str, float | None, str], ...]
    ticks: tuple[tuple[int, str], ...]
    top: float
    unit: Unit = COUNT
    marks: tuple[tuple[int, str], ...] = ()

    def svg(self) -> str:
        """Give the drawing."""
        body = self._axes()
        for run in _runs([value for _, value, _ in self.points]):
            path = "L".join("{:.1f} {:.1f}".format(*self._at(i, v)) for i, v in run)
            body.append(f'<path class="line" d="M{path}"/>')
        for index, (label, value, detail) in enumerate(self.points):
            if value is not None:
                tip = escape(f"{label}: {self.unit.text(value)} ({detail})")
                body.append(self._circle(index, value, "hit", f"<title>{tip}</title>"))
        body += [part for index, text in self.marks for part in self._mark(index, text)]
        return frame(self.title, LINE_HEAD + LINE_HEIGHT + 30, body)

    def _at(self, index: int, value: float) -> tuple[float, float]:
        """Give where a value stands in the drawing."""
        x = LINE_LEFT + LINE_WIDTH * index / max(len(self.points) - 1, 1)
        return x, LINE_HEAD + LINE_HEIGHT * (1 - value / self.top)

    def _axes(self) -> list[str]:
        # 7.5 written as 8 would put the label at the wrong height.
        unit = Unit(self.unit.suffix, 0 if self.top % 4 == 0 else 1)
        body = []
        for quarter in range(5):
            value = self.top * quarter / 4
            y = self._at(0, value)[1]
            style = "grid" if quarter else "axis"
            body.append(f'<path class="{style}" d="M{LINE_LEFT} {y:.1f}h{LINE_WIDTH}"/>')
            label = words(LINE_LEFT - 8, y + 4, unit.text(value), anchor="end", style="muted")
            body.append(label)
        bottom = LINE_HEAD + LINE_HEIGHT + 20
        for index, label in self.ticks:
            x = self._at(index, 0)[0]
            body.append(words(x, bottom, label, anchor="middle", style="muted"))
        return body

    def _circle(self, index: int, value: float, style: str, inner: str = "") -> str:
        x, y = self._at(index, value)
        return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="4">{inner}</circle>'

    def _mark(self, index: int, text: str) -> list[str]:
        """Give a dot and its words, on the side where there is room for them."""
        value = self.points[index][1] or 0.0
        x, y = self._at(index, value)
        anchor, shift = ("end", -8) if x > WIDTH * 0.75 else ("start", 8)
        label = words(x + shift, y + 4, text, anchor=anchor, style="value")
        return [self._circle(index, value, "dot"), label]

    def table(self) -> Table:
        """Give the numbers."""
        rows = tuple((label, self.unit.text(value), detail) for label, value, detail in self.points)
        return Table(self.names, rows)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Cut values at the gaps; a line drawn over a gap would claim what nobody measured."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]


@record
class Heat:
    """A value for each row and column, as a coloured cell with its number.

    Parameters
    ----------
    corner : str
        What the rows and columns are, for the table's first heading.
    rows, columns : tuple of str
        Their labels.
    cells : tuple of tuple of (float or None)
        Values by row; None is an empty cell.
    low, high : float
        Values of the first and the last colour.
    """

    title: str
    note: str
    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    low: float
    high: float
    unit: Unit = COUNT

    def step(self, value: float) -> int:
        """Give which of the colours a value has, 0 to N_STEPS − 1."""
        share = (value - self.low) / (self.high - self.low)
        return max(0, min(N_STEPS - 1, int(share * N_STEPS)))

    def svg(self) -> str:
        """Give the drawing."""
        wide = (WIDTH - HEAT_LEFT) / len(self.columns)
        body = self._legend()
        for j, column in enumerate(self.columns):
            x = HEAT_LEFT + (j + 0.5) * wide
            body.append(words(x, HEAT_HEAD - 6, column, anchor="middle", style="muted"))
        for i, (label, values) in enumerate(zip(self.rows, self.cells, strict=True)):
            y = HEAT_HEAD + i * HEAT_TALL
            body.append(words(HEAT_LEFT - 8, y + 16, label, anchor="end"))
            body += [
                self._cell(f"{label}, {self.columns[j]}", value, HEAT_LEFT + j * wide, y, wide)
                for j, value in enumerate(values)
                if value is not None
            ]
        return frame(self.title, HEAT_HEAD + len(self.rows) * HEAT_TALL, body)

    def _cell(self, name: str, value: float, x: float, y: float, wide: float) -> str:
        step = self.step(value)
        number = words(
            x + wide / 2 - 1, y + 16, f"{value:.0f}", anchor="middle", style=f"on q{step}t"
        )
        return (
            f"<g><title>{escape(f'{name}: {self.unit.text(value)}')}</title>"
            f'<rect class="q{step}" x="{x:.1f}" y="{y}" rx="3" '
            f'width="{wide - 2:.1f}" height="{HEAT_TALL - 2}"/>{number}</g>'
        )

    def _legend(self) -> list[str]:
        """Give the colours from low to high, above the columns."""
        size, start = 26, HEAT_LEFT + 96
        whole = Unit(self.unit.suffix, 0)
        low = words(HEAT_LEFT, 13, f"{whole.text(self.low)} or less", style="muted")
        high = words(
            start + N_STEPS * size + 6, 13, f"{whole.text(self.high)} or more", style="muted"
        )
        boxes = (
            f'<rect class="q{k}" x="{start + k * size}" y="2" width="24" height="14" rx="3"/>'
            for k in range(N_STEPS)
        )
        return [low, *boxes, high]

    def table(self) -> Table:
        """Give the numbers."""
        rows = tuple(
            (label, *(self.unit.text(value) for value in values))
            for label, values in zip(self.rows, self.cells, strict=True)
        )
        return Table((self.corner, *self.columns), rows)
