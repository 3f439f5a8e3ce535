"""The tables of docs/bad-input.md, as the battery has them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.battery import containers, texts
from tests.faults.battery.case import Case

SECTIONS: dict[str, Sequence[Case]] = {
    "CSV and text": (*texts.FIELDS, *texts.QUOTES, *texts.LINES),
    "JSON lines": texts.JSON,
    "Values": (*texts.TIMES, *texts.VALUES),
    "Compression and formats": (*containers.COMPRESSED, *containers.FORMATS),
    "Paths": containers.PATHS,
}


def table(cases: Sequence[Case]) -> str:
    """Give the table of some inputs: what is wrong, what is done, and the names of the reasons."""
    found: dict[str, dict[str, None]] = {}
    for case in cases:
        outcome = found.setdefault(case.defect, {})
        if case.refused:
            outcome[f"the source is refused: `{case.refused}`"] = None
        elif case.bad:
            outcome |= {f"a bad row: `{bad.reason}`": None for bad in case.bad}
        else:
            outcome["it is read"] = None
    lines = ["| input | what is done |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {'; '.join(done)} |" for name, done in found.items())])
