"""What Mainstem is tested with, for users' own pipelines: cases, runs and comparisons."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainstem.testing.compare import assert_same_rows as assert_same_rows
    from mainstem.testing.given import csv as csv
    from mainstem.testing.ran import Ran as Ran

# Loaded when they are used: pytest imports this package to find the plugin, in every project.
_HOMES = {
    "Ran": "mainstem.testing.ran",
    "assert_same_rows": "mainstem.testing.compare",
    "csv": "mainstem.testing.given",
}
__all__ = ["Ran", "assert_same_rows", "csv"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"mainstem.testing has no {name!r}", name=name)
    return getattr(importlib.import_module(_HOMES[name]), name)
