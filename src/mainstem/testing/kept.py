"""Rows that a run kept aside: which columns they have, and how the state file is asked for them.

A stream's tables are asked under the names that those of other runs have, so that a test reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mainstem.plan.nodes import Plan, is_stream
from mainstem.plan.types import BIGINT, BYTES, STRING, TIMESTAMP, Type, parse_type

# What stands beside the columns of a row that was kept aside; those of a run change with each run.
_QUARANTINE = {"__rule": STRING, "__row": BIGINT, "__status": STRING}
_DEAD = {
    "__row": BIGINT, "__line": BIGINT, "__offset": BIGINT, "__raw": BYTES, "__column": STRING,
    "__reason": STRING, "__message": STRING, "__status": STRING,
}  # fmt: skip
_LATE = {"__watermark": TIMESTAMP, "__missed_windows": parse_type("timestamp[]")}
# Of a row on which an expression failed.
_FAILED = {"__expression": STRING, "__message": STRING}
# How a stream's dead letters call them.
_STREAM_DEAD = {
    "__row": "row", "__line": "line", "__offset": "byte_offset", "__raw": "raw",
    "__column": "column_name", "__reason": "reason", "__message": "message",
}  # fmt: skip
KINDS = ("quarantine", "dead", "late")

Ask = Callable[[str], Sequence[tuple[Any, ...]]]


def split(table: str) -> tuple[str, str]:
    """Give relation and kind of a table of rows kept aside; two empty texts for another table."""
    name, _, kind = table.rpartition("__")
    return (name, kind) if name and kind in KINDS else ("", "")


def columns_of(plan: Plan, table: str) -> dict[str, Type]:
    """Give the columns of a table of rows kept aside, as tests know them; the relation must be there."""
    name, kind = split(table)
    source, step = plan.source(name), plan.step(name)
    found = source or step
    own = {field.name: field.type for field in found.schema.fields} if found else {}
    if kind == "quarantine":
        return _QUARANTINE | own
    if kind == "dead" and source is not None:
        left = {"__status"} if is_stream(plan) else set()
        return {name: type_ for name, type_ in _DEAD.items() if name not in left}
    return _inputs(plan, name) | (_LATE if kind == "late" else _FAILED)


def _inputs(plan: Plan, name: str) -> dict[str, Type]:
    """Give the columns of what a step reads: its late rows and those that failed are rows of that."""
    step = plan.step(name)
    found: dict[str, Type] = {}
    for one in step.inputs if step is not None else ():
        read = plan.source(one) or plan.step(one)
        for field in read.schema.fields if read is not None else ():
            found.setdefault(field.name, field.type)
    return found


def names_in(ask: Ask, table: str) -> tuple[str, ...]:
    """Give the names of the columns that a table of the state file has; none when it is not there."""
    text = table.replace("'", "''")
    rows = ask(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal AND "
        f"lower(table_name) = lower('{text}') ORDER BY column_index"
    )
    return tuple(row[0] for row in rows)


def is_filled(ask: Ask, table: str) -> bool:
    """Say whether the state file has rows of a table: a stream makes some before anything is kept."""
    return bool(names_in(ask, table)) and bool(ask(f'SELECT 1 FROM "{table}" LIMIT 1'))


def there(plan: Plan, ask: Ask, table: str) -> dict[str, Type]:
    """Give the columns that a stream's table of rows kept aside has, or would have had."""
    known, names = columns_of(plan, table), names_in(ask, table)
    own = {old: new for new, old in _renamed(table, names).items()}
    shown = [own.get(name, name) for name in names]
    return {name: known[name] for name in shown if name in known} if names else known


def rows_of(ask: Ask, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Give the rows of a stream's table of rows kept aside, in the order in which they were kept."""
    names = names_in(ask, table)
    if not names:
        return []
    renamed = _renamed(table, names)
    chosen = ", ".join(f'"{renamed.get(name, name)}" AS "{name}"' for name in columns)
    return list(ask(f'SELECT {chosen} FROM "{table}" ORDER BY rowid'))


def _renamed(table: str, names: Sequence[str]) -> dict[str, str]:
    """Give the names in the state file of those columns that have another one there."""
    if split(table)[1] != "dead":
        return {}
    return {new: old for new, old in _STREAM_DEAD.items() if old in names and new not in names}
