"""Rules about a relation as a whole: how many rows, how new, how complete."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from statistics import median
from typing import Any

from mainstem.engines.embedded.judging.expect import Judgement, Line
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import RunSettings

WHOLE = ("row_count", "freshness", "volume", "completeness")


def judge_wholes(judgement: Judgement, settings: RunSettings) -> Generator[float, None, None]:
    """Judge these rules, each on the rows that the rules declared before it let through."""
    for index, line in enumerate(judgement.lines):
        kind, options = line.rule.kind, dict(line.rule.options)
        if kind == "row_count":
            low, high = options.get("min"), options.get("max")
            line.is_met = (low is None or line.checked >= low) and (
                high is None or line.checked <= high
            )
            line.found = _counted(line.checked, "row")
        elif kind == "volume":
            key = f"{line.rule.on}.{line.rule.name}"
            _volume(line, settings.history.get(key, ()), options)
        elif kind == "freshness":
            yield from _freshness(judgement, index, line, options["within"])
        elif kind == "completeness":
            yield from _completeness(judgement, index, line, options["at_least"])


def _volume(line: Line, history: tuple[int, ...], options: dict[str, Any]) -> None:
    past = history[-options["of"] :]
    if not past:
        line.found = f"{_counted(line.checked, 'row')}, no run before"
        return
    usual = median(past)
    line.is_met = abs(line.checked - usual) <= options["within"] * usual
    rows, runs = _counted(line.checked, "row"), _counted(len(past), "run")
    line.found = f"{rows}, the median of {runs} is {usual:,.10g}"


def _freshness(
    judgement: Judgement, index: int, line: Line, within: timedelta
) -> Generator[float, None, None]:
    column = f"max(r.{quoted(line.rule.columns[0])})"
    micros = within // timedelta(microseconds=1)
    rows = yield from judgement.session.watch(
        f"SELECT CAST({column} AS VARCHAR), coalesce(CAST({column} AS TIMESTAMPTZ) >= "
        f"CAST(getvariable('__started_at') AS TIMESTAMPTZ) - to_microseconds({micros}), FALSE) "
        f"FROM {judgement.let_through(index)}"
    )
    latest, line.is_met = rows[0]
    line.found = "no value" if latest is None else f"the latest is {latest}"


def _completeness(
    judgement: Judgement, index: int, line: Line, at_least: float
) -> Generator[float, None, None]:
    rows = yield from judgement.session.watch(
        f"SELECT count(r.{quoted(line.rule.columns[0])}) FROM {judgement.let_through(index)}"
    )
    given = rows[0][0]
    # Without rows nothing is missing. Compared as a product: a quotient would be rounded first.
    line.is_met = given >= at_least * line.checked
    line.found = f"{given:,} of {line.checked:,} rows have a value"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
