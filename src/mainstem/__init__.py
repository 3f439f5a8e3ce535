"""Data pipelines in SQL and Python that cannot silently go wrong.

Importing this loads no engine: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib

# Not from typing, which costs more to import than everything here; checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mainstem import errors as errors
    from mainstem.connectors.duckdb import duckdb as duckdb
    from mainstem.connectors.files import files as files
    from mainstem.definition.load import load as load
    from mainstem.definition.pipeline import Pipeline as Pipeline
    from mainstem.definition.window import cumulate as cumulate
    from mainstem.definition.window import hop as hop
    from mainstem.definition.window import session as session
    from mainstem.definition.window import tumble as tumble
    from mainstem.settings.secret import Secret as Secret

__version__ = "0.1.0"

_HOMES = {
    "Pipeline": "mainstem.definition.pipeline",
    "Secret": "mainstem.settings.secret",
    "cumulate": "mainstem.definition.window",
    "duckdb": "mainstem.connectors.duckdb",
    "errors": "",
    "files": "mainstem.connectors.files",
    "hop": "mainstem.definition.window",
    "load": "mainstem.definition.load",
    "session": "mainstem.definition.window",
    "tumble": "mainstem.definition.window",
}

# Connectors of the design that nothing reads or writes yet.
_LATER = ("kafka", "delta", "iceberg", "sql")

__all__ = [  # noqa: PLE0604  (the names come from the one table above)
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = _HOMES[name]
        if not home:
            return importlib.import_module(f"mainstem.{name}")
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value
    if name in _LATER:
        raise AttributeError(f"mainstem.{name} arrives in a later version", name=name)
    import difflib

    close = difflib.get_close_matches(name, _HOMES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise AttributeError(f"mainstem has no {name!r}{hint}", name=name)


def __dir__() -> list[str]:
    return sorted(__all__)
