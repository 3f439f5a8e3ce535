"""Every example of every catalogue row, as literals and over columns, on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from mainstem.errors import MainstemError
from mainstem.functions.spec import Function, meanings
from mainstem.testing.compare import same
from mainstem.testing.engines import engine_names, gap_of
from mainstem.testing.rows import Form, declared_type, failure, forms, run_forms, type_of_value

ROWS = meanings()
BY_FAMILY: dict[str, list[Function]] = {}
for _row in ROWS:
    BY_FAMILY.setdefault(_row.family, []).append(_row)
RUNS = [
    # By the family, tests/conftest.py keeps those together that share a run.
    pytest.param(row, engine, id=f"{engine}-{row.family}-{row.name}")
    for row in ROWS
    for engine in engine_names()
]


@cache
def results(family: str, engine: str) -> dict[str, Any]:
    """Run all examples of a family; where a job fails, by halves down to the example."""
    rows = [row for row in BY_FAMILY[family] if not gap_of(engine, "function", row.name)]
    return results_of([job for row in rows for job in keyed(row)], engine)


def results_of(jobs: Sequence[tuple[str, Form]], engine: str) -> dict[str, Any]:
    """Give the value of each form by its key, or its error."""
    try:
        return run_forms(jobs, engine)
    except MainstemError as error:
        if len(jobs) == 1:
            return {jobs[0][0]: error}
        middle = len(jobs) // 2
        return results_of(jobs[:middle], engine) | results_of(jobs[middle:], engine)


def keyed(row: Function) -> list[tuple[str, Form]]:
    """Give the forms of a row that do not fail, each under a plain name."""
    number = ROWS.index(row)
    return [(f"{number}_{i}", form) for i, form in enumerate(forms(row)) if not form.fails]


@pytest.mark.parametrize(("row", "engine"), RUNS)
def test_row_gives_what_its_examples_say(row: Function, engine: str) -> None:
    """Each example gives its value in its type, in every form; a failing one fails the run."""
    jobs = keyed(row)
    if gap_of(engine, "function", row.name):
        with pytest.raises(MainstemError):
            run_forms(jobs, engine)
        return
    found = results(row.family, engine)
    for key, form in jobs:
        expected = form.example.gives
        if isinstance(found[key], MainstemError):
            raise found[key]
        assert same(found[key], expected), (
            f"{form.label} {form.query}: {found[key]!r}, not {expected!r}"
        )
        check_type(form)
    for form in forms(row):
        if form.fails and form.label != "literals":
            assert failure(form, engine), f"{form.query} over {form.table} did not fail"


def check_type(form: Form) -> None:
    """The binder's type is the kind of the value; windows give one value per row."""
    value = form.example.gives
    values = value if form.is_window else [value]
    declared = declared_type(form)
    for one in values:
        if one is not None:
            kinds = {type_of_value(one).kind, declared.kind}
            assert len(kinds) == 1 or kinds == {"struct", "map"}, (
                f"{form.query} is declared {declared}, its value is {one!r}"
            )
