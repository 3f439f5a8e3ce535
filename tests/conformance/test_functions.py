"""Every example of every catalogue row, as literals and over columns, on every engine."""

from __future__ import annotations

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
    pytest.param(
        row,
        engine,
        id=f"{engine}-{row.family}-{row.name}",
        # Side by side, each process would run the whole family.
        marks=pytest.mark.xdist_group(f"{engine}-{row.family}"),
    )
    for row in ROWS
    for engine in engine_names()
]


@cache
def results(family: str, engine: str) -> dict[str, Any]:
    """Run all examples of a family as one job; {} when it fails, so that each row is run alone."""
    jobs = [job for row in BY_FAMILY[family] for job in keyed(row)]
    try:
        return run_forms(jobs, engine)
    except MainstemError:
        return {}


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
    found = results(row.family, engine) or run_forms(jobs, engine)
    for key, form in jobs:
        expected = form.example.gives
        assert same(found[key], expected), (
            f"{form.label} {form.query}: {found[key]!r}, not {expected!r}"
        )
        check_type(row, form)
    for form in forms(row):
        if form.fails and form.label != "literals":
            assert failure(form, engine), f"{form.query} over {form.table} did not fail"


def check_type(row: Function, form: Form) -> None:
    """The binder's type is the kind of the value; windows give one value per row."""
    value = form.example.gives
    values = value if form.is_window else [value]
    declared = declared_type(row, form)
    for one in values:
        if one is not None:
            kinds = {type_of_value(one).kind, declared.kind}
            assert len(kinds) == 1 or kinds == {"struct", "map"}, (
                f"{form.query} is declared {declared}, its value is {one!r}"
            )
