"""Rows that a case expects to be kept aside: in quarantine, or as dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainstem.engines.spec import Replay
from mainstem.formats.coercion import coerce_text
from mainstem.plan.nodes import Plan
from mainstem.plan.types import in_expressions
from mainstem.runtime.query import connect
from mainstem.testing.case import Case, Row
from mainstem.testing.compare import assert_same_rows


def check_aside(case: Case, state_dir: Path, plan: Plan) -> None:
    """Compare every table of rows kept aside that the case names.

    Raises
    ------
    AssertionError
        When it holds other rows.
    """
    for table, wanted in case.aside:
        name, _, kind = table.rpartition("__")
        if kind == "quarantine":
            _check_quarantine(state_dir, plan, name, wanted)
        else:
            _check_dead(state_dir, table, wanted)


def _check_quarantine(state_dir: Path, plan: Plan, name: str, wanted: Sequence[Row]) -> None:
    found = plan.source(name) or plan.step(name)
    assert found is not None, f"quarantine {name}: there is no such relation"
    fields = found.schema.fields
    columns = ", ".join(f'"{field.name}"' for field in fields)
    with connect(state_dir) as tables:
        rows = tables.query(f'SELECT __rule, __row, {columns} FROM "{name}__quarantine"').rows
    expected: list[tuple[Any, ...]] = []
    for rule, row, *cells in wanted:
        assert len(cells) == len(fields), f"quarantined row {cells} has {len(cells)} cells"
        values = [
            None if cell is None else coerce_text(cell, in_expressions(field.type))
            for cell, field in zip(cells, fields, strict=True)
        ]
        expected.append((rule, None if row is None else int(row), *values))
    assert_same_rows(list(rows), expected)


def _check_dead(state_dir: Path, table: str, wanted: Sequence[Row]) -> None:
    from mainstem.engines.embedded.judging.aside import shown

    # As people are shown them: a stream keeps its letters in another form.
    relation, _, kind = table.rpartition("__")
    names, rows = shown(state_dir, Replay(relation, kind), "", 0)
    at = [names.index(name) for name in ("__row", "__column", "__message")]
    found = sorted((tuple(row[i] for i in at) for row in rows), key=lambda r: (r[0], r[1] or ""))
    assert len(found) == len(wanted), f"{len(wanted)} dead letters were expected: {found}"
    for (row, column, message), (row_text, wanted_column, *words) in zip(
        found, wanted, strict=True
    ):
        assert (str(row), column) == (row_text, wanted_column), (row, column, message)
        assert all(word in message for word in words if word), (words, message)
