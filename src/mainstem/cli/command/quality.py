"""`mainstem quality`: what the expectations found, run by run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainstem.cli import target
from mainstem.cli.limit import check_limit, say_cut
from mainstem.cli.numbers import count
from mainstem.cli.options import NO_CHOICE, NO_OPTIONS, Chosen, Common
from mainstem.cli.output import say, say_json
from mainstem.cli.table import table
from mainstem.errors import SettingsError
from mainstem.runtime.start import state_of

if TYPE_CHECKING:
    from mainstem.runtime.quality import Checked


def quality(
    file: Path | None = None, /, *, run: str = "", limit: Annotated[int, Parameter(alias="-n")] = 20,
    chosen: Chosen = NO_CHOICE, common: Common = NO_OPTIONS,
) -> int:  # fmt: skip
    """Show what the expectations found in the last runs, the latest first.

    Parameters
    ----------
    file : Path
        Pipeline file, or its folder.
    run : str
        Only this run, with the first rows that broke each rule; a beginning of its name is enough.
    limit : int
        How many lines; 20 when not given, 0 for all.

    Raises
    ------
    SettingsError
        For a run that is not there.
    """
    from mainstem.runtime.quality import quality as read_quality

    common.start_log()
    check_limit(limit)
    found = read_quality(state_of(target.resolve(file, chosen)), run)
    # By run, the latest first; within a run in the order in which the rules were judged.
    found = tuple(sorted(found, key=lambda line: (line.started_at, line.run_id), reverse=True))
    if run and not found:
        raise SettingsError(
            f"no run {run!r} has judged anything", code="Usage", fix="see mainstem runs"
        )
    shown = found[:limit] if limit else found
    if common.is_json:
        say_json([line.to_dict() for line in shown])
        return 0
    if not found:
        say("nothing has been judged yet")
        return 0
    heads = ("run", "expectation", "on fail", "checked", "failed", "share", "found")
    say(table(heads, [_row(line) for line in shown], right=(3, 4, 5), null=""))
    if run:
        _say_samples(shown)
    say_cut(len(shown), len(found), quiet=common.quiet)
    return 0


def _row(line: Checked) -> tuple[str | None, ...]:
    share = f"{line.failed / line.checked:.2%}" if line.checked else None
    missed = "" if line.is_met or not line.found else ", not met"
    return (
        line.run_id, f"{line.on}.{line.rule}", line.on_fail, count(line.checked),
        count(line.failed), share, line.found + missed,
    )  # fmt: skip


def _say_samples(lines: tuple[Checked, ...]) -> None:
    for line in lines:
        if line.samples:
            heads = list(line.samples[0])
            say(f"\n{line.on}.{line.rule}: the first of {count(line.failed)}")
            rows = [tuple(sample.get(head) for head in heads) for sample in line.samples]
            say(table([head.lstrip("_") for head in heads], rows))
