"""What a benchmark hands back: figures with their targets, sizes, and what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Value = float | int | str | None | list[str] | dict[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number beside its target and the raw numbers that it was made from."""

    name: str
    value: float
    raw: str
    target: float | None
    direction: Literal["at most", "at least"]

    @property
    def is_missed(self) -> bool:
        """Say whether there is a target that the value does not meet."""
        if self.target is None:
            return False
        # Negated, so that NaN is a miss.
        if self.direction == "at most":
            return not self.value <= self.target
        return not self.value >= self.target

    def __str__(self) -> str:
        target = "" if self.target is None else f"{self.direction} {self.target:g}"
        verdict = "" if self.target is None else ("MISSED" if self.is_missed else "ok")
        return f"  {self.name:<30} {rounded(self.value):>10} {target:<14} {verdict:<7} {self.raw}"


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark, filled while it runs."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def at_most(self, name: str, value: float, target: float | None, raw: str) -> None:
        """Add a figure that should be small; without a target it is stated only."""
        self.figures.append(Figure(name, value, raw, target, "at most"))

    def at_least(self, name: str, value: float, target: float | None, raw: str) -> None:
        """Add a figure that should be large; without a target it is stated only."""
        self.figures.append(Figure(name, value, raw, target, "at least"))

    def fact(self, **values: Value) -> None:
        """Add sizes and other values that belong into the JSON line."""
        self.facts.update(values)

    def note(self, text: str) -> None:
        """Add a line for people."""
        self.notes.append(text)

    def check(self, difference: str | None, what: str) -> None:
        """Record a wrong answer; `difference` is None when the answers are equal."""
        if difference is not None:
            self.wrong.append(f"{what}: {difference}")

    def __str__(self) -> str:
        lines = [f"== {self.name}", *map(str, self.figures)]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  WRONG {text}" for text in self.wrong]
        return "\n".join(lines)


def rounded(value: float) -> float:
    """Give a value with four digits that mean something."""
    if not value or not math.isfinite(value):
        return value
    return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))
