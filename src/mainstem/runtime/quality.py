"""What expectations have found over the runs, from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainstem.record import record
from mainstem.runtime.journal import RunRecord


@record
class Checked:
    """What one run found about one rule.

    Parameters
    ----------
    run_id, started_at, status : str
        The run.
    on, rule, kind, on_fail : str
        The rule.
    checked, passed, failed : int
        Rows.
    is_met : bool
        Whether no row, or the relation as a whole, broke it.
    found : str
        What a rule about the whole relation saw.
    samples : tuple of dict
        The first rows that broke it.
    """

    run_id: str
    started_at: str
    status: str
    on: str
    rule: str
    kind: str
    on_fail: str
    checked: int
    passed: int
    failed: int
    is_met: bool
    found: str = ""
    samples: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for ``-o json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def history(past: Sequence[RunRecord]) -> dict[str, tuple[int, ...]]:
    """Give the rows that each rule saw in the runs that committed, oldest first."""
    found: dict[str, tuple[int, ...]] = {}
    for run in past:
        # A replay has a few rows that an earlier run did not let through.
        if run.is_committed and not run.replay:
            for name, line in run.ledger.get("expectations", {}).items():
                found[name] = (*found.get(name, ()), line["checked"])
    return found


def quality(state_dir: Path, run_id: str = "") -> tuple[Checked, ...]:
    """Give what every run found about every rule, oldest run first; or one run.

    It needs no lock: it works while a run goes on.

    Parameters
    ----------
    state_dir : Path
        The state directory.
    run_id : str, optional
        Only this run; a beginning that is unique is enough.
    """
    # Every run asks this module for its `history`, and none for the status of others.
    from mainstem.runtime.status import runs

    found = [run for run in runs(state_dir) if run.run_id.startswith(run_id)]
    return tuple(
        _checked(run, line) for run in found for line in run.ledger.get("expectations", {}).values()
    )


def _checked(run: RunRecord, line: dict[str, Any]) -> Checked:
    return Checked(
        run.run_id, run.started_at, run.status, line["on"], line["rule"], line["kind"],
        line["on_fail"], line["checked"], line["passed"], line["failed"], line["is_met"],
        line["found"], tuple(line["samples"]),
    )  # fmt: skip
