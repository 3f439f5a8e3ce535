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
    from mainstem.connectors.arrow import arrow as arrow
    from mainstem.connectors.console import console as console
    from mainstem.connectors.duckdb import duckdb as duckdb
    from mainstem.connectors.files import files as files
    from mainstem.connectors.generator import generator as generator
    from mainstem.connectors.kafka import kafka as kafka
    from mainstem.connectors.keyed import history as history
    from mainstem.connectors.keyed import merge as merge
    from mainstem.connectors.stdin import stdin as stdin
    from mainstem.definition.catalogue import avg as avg
    from mainstem.definition.catalogue import count as count
    from mainstem.definition.catalogue import count_distinct as count_distinct
    from mainstem.definition.catalogue import f as f
    from mainstem.definition.catalogue import max as max  # noqa: A004 - the words of SQL
    from mainstem.definition.catalogue import min as min  # noqa: A004
    from mainstem.definition.catalogue import sum as sum  # noqa: A004
    from mainstem.definition.function import call as call
    from mainstem.definition.load import load as load
    from mainstem.definition.pipeline import Pipeline as Pipeline
    from mainstem.definition.rule import accepted as accepted
    from mainstem.definition.rule import between as between
    from mainstem.definition.rule import completeness as completeness
    from mainstem.definition.rule import foreign_key as foreign_key
    from mainstem.definition.rule import freshness as freshness
    from mainstem.definition.rule import matches as matches
    from mainstem.definition.rule import not_null as not_null
    from mainstem.definition.rule import row_count as row_count
    from mainstem.definition.rule import unique as unique
    from mainstem.definition.rule import volume as volume
    from mainstem.definition.window import cumulate as cumulate
    from mainstem.definition.window import hop as hop
    from mainstem.definition.window import session as session
    from mainstem.definition.window import tumble as tumble
    from mainstem.definition.word import col as col
    from mainstem.definition.word import exists as exists
    from mainstem.definition.word import expr as expr
    from mainstem.definition.word import interval as interval
    from mainstem.definition.word import lit as lit
    from mainstem.definition.word import when as when
    from mainstem.settings.secret import Secret as Secret

__version__ = "0.1.0"

_HOMES = {
    "Pipeline": "mainstem.definition.pipeline",
    "Secret": "mainstem.settings.secret",
    "arrow": "mainstem.connectors.arrow",
    "avg": "mainstem.definition.catalogue",
    "call": "mainstem.definition.function",
    "col": "mainstem.definition.word",
    "console": "mainstem.connectors.console",
    "count": "mainstem.definition.catalogue",
    "count_distinct": "mainstem.definition.catalogue",
    **dict.fromkeys(
        (
            "accepted",
            "between",
            "completeness",
            "foreign_key",
            "freshness",
            "matches",
            "not_null",
            "row_count",
            "unique",
            "volume",
        ),
        "mainstem.definition.rule",
    ),
    "cumulate": "mainstem.definition.window",
    "duckdb": "mainstem.connectors.duckdb",
    "errors": "",
    "exists": "mainstem.definition.word",
    "expr": "mainstem.definition.word",
    "f": "mainstem.definition.catalogue",
    "files": "mainstem.connectors.files",
    "generator": "mainstem.connectors.generator",
    "history": "mainstem.connectors.keyed",
    "hop": "mainstem.definition.window",
    "merge": "mainstem.connectors.keyed",
    "interval": "mainstem.definition.word",
    "kafka": "mainstem.connectors.kafka",
    "lit": "mainstem.definition.word",
    "load": "mainstem.definition.load",
    "max": "mainstem.definition.catalogue",
    "min": "mainstem.definition.catalogue",
    "session": "mainstem.definition.window",
    "stdin": "mainstem.connectors.stdin",
    "sum": "mainstem.definition.catalogue",
    "tumble": "mainstem.definition.window",
    "when": "mainstem.definition.word",
}

# Connectors of the design that nothing reads or writes yet.
_LATER = ("delta", "iceberg", "sql")

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
