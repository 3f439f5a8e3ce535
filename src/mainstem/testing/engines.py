"""The engines that the conformance suite runs on, and the gaps that they declare.

Each engine folder has a ``gaps.toml``: ``["function:reverse"] kind = "upstream" why = "…"``. A kind is
``todo`` (we can), ``upstream`` (they can) or ``never``; ``refused`` is the code of the finding or error that a
case of it has to meet. Gaps are strict both ways: one that passes fails
the suite, and so does one that names nothing.
"""

from __future__ import annotations

import os
import pkgutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import mainstem.engines

KINDS = ("todo", "upstream", "never")


@cache
def engine_names() -> tuple[str, ...]:
    """Give the engines that the suite runs on: those that ``MAINSTEM_ENGINES`` names, by commas.

    Without it the embedded one, which needs nothing that is not installed with Mainstem.

    Raises
    ------
    ValueError
        For a name that is no engine's: nothing would be tested.
    """
    known = {i.name for i in pkgutil.iter_modules(mainstem.engines.__path__) if i.ispkg}
    chosen = tuple(os.environ.get("MAINSTEM_ENGINES", "embedded").split(","))
    if not known.issuperset(chosen):
        raise ValueError(f"MAINSTEM_ENGINES={','.join(chosen)}, and engines are {sorted(known)}")
    return chosen


@cache
def gaps(engine: str) -> dict[str, dict[str, Any]]:
    """Give the declared gaps of an engine by ``kind:name``.

    Raises
    ------
    ValueError
        When a gap has no reason or a kind that is none.
    """
    path = Path(mainstem.engines.__path__[0]) / engine / "gaps.toml"
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, gap in found.items():
        if gap.get("kind") not in KINDS or not gap.get("why"):
            raise ValueError(f"{path}: gap {name!r} needs a kind ({', '.join(KINDS)}) and a why")
    return found


def gap_of(engine: str, kind: str, name: str, mode: str = "") -> dict[str, Any] | None:
    """Give the gap that an engine declares for a case, function or mode, or None.

    With `mode` a gap that is of the other mode only is none.
    """
    gap = gaps(engine).get(f"{kind}:{name}")
    return gap if gap is not None and gap.get("mode", mode) in (mode, "") else None
