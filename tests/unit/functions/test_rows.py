"""Every catalogue row has the form that docs, conformance suite and engines rely on."""

import importlib
import pkgutil
import string
from datetime import date, datetime
from decimal import Decimal

import pytest

import mainstem.functions
from mainstem.functions.checks import CHECKS
from mainstem.functions.spec import Fails, Function, Sql, catalogue, meanings
from mainstem.plan.types import parse_type
from mainstem.sql.overloads import pattern, spread

ROWS = {row.name: row for row in meanings()}
KINDS = ("scalar", "aggregate", "window")
FIELDS = {"args", "whens", "distinct", "order", "over", "type", "nulls"}
ORDERS = ("free", "total", "own")


def every_row(check):
    """Run a test on each row, named by it."""
    return pytest.mark.parametrize("name", ROWS)(check)


def has_arguments(row: Function) -> bool:
    """Say whether the function is called with anything."""
    return any(o.takes for o in row.overloads)


def values(example) -> list[object]:
    """Give everything that stands in an example: arguments, cells and results, inner ones too."""
    found: list[object] = []
    todo: list[object] = [*example.args, *example.rows, example.gives]
    while todo:
        item = todo.pop()
        found.append(item)
        if isinstance(item, list | tuple):
            todo += item
        elif isinstance(item, dict):
            todo += [*item, *item.values()]
    return found


def is_edge(value: object) -> bool:
    """Say whether functions go wrong there: empty, zero, negative, huge, not ASCII, month end."""
    if isinstance(value, Fails | Sql) or value in ("", b"", [], {}, ()):
        return True
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float | Decimal):
        return value <= 0 or value >= 2**31
    if isinstance(value, str):
        return not value.isascii() or not value.isalnum()
    if isinstance(value, date | datetime):
        is_new_year = (value.month, value.day) >= (12, 29) or (value.month, value.day) <= (1, 4)
        return is_new_year or value.day >= 28 or (value.month, value.day) == (3, 1)
    return False


def test_no_name_is_claimed_twice():
    """`catalogue` refuses that too; here the rows are counted one module after another."""
    names = [
        name
        for info in pkgutil.iter_modules(mainstem.functions.__path__)
        for row in getattr(
            importlib.import_module(f"mainstem.functions.{info.name}"), "FUNCTIONS", ()
        )
        for name in (row.name, *row.aliases)
    ]

    assert sorted(names) == sorted(catalogue())


def test_there_are_enough_meanings():
    """Aliases are no meanings of their own."""
    assert len(ROWS) >= 150


@every_row
def test_row_is_described(name):
    """The generated page of functions has no empty cell."""
    row = ROWS[name]

    assert row.name == row.name.lower()
    assert row.family
    assert row.kind in KINDS
    assert row.order in ORDERS
    assert row.doc.strip().endswith(".")
    assert row.null.strip()
    assert row.fails.strip()
    assert row.overloads


@every_row
def test_patterns_can_be_read(name):
    """A pattern that cannot be read would stop every query that calls the function."""
    for overload in ROWS[name].overloads:
        for text in overload.takes:
            found = pattern(text)
            assert not found.check or found.check in CHECKS, (
                f"{text!r} names a check that does not exist"
            )
        if isinstance(overload.gives, str):
            pattern(overload.gives)


@every_row
def test_only_the_last_pattern_repeats(name):
    """The binder counts what is left over to the last one."""
    for overload in ROWS[name].overloads:
        assert not any(pattern(text).is_variadic for text in overload.takes[:-1])


@every_row
def test_spellings_fit_the_arguments(name):
    """A field that has no argument would stop the printing of a plan."""
    row = ROWS[name]
    for index, overload in enumerate(row.overloads):
        fields = {
            f
            for _, f, _, _ in string.Formatter().parse(row.template(index, "duckdb"))
            if f is not None
        }
        places = {str(i) for i in range(len(overload.takes))}

        assert fields <= places | FIELDS, f"overload {index} of {name}"
        assert row.kind == "scalar" or "over" in fields, f"{name} loses its FILTER and OVER"


@every_row
def test_row_has_examples(name):
    """A function without arguments has one meaning only, so one example says it all."""
    row = ROWS[name]

    assert len(row.examples) >= (3 if has_arguments(row) else 1), (
        f"{name} has {len(row.examples)} examples"
    )


@every_row
def test_an_example_has_null(name):
    """What NULL does is the first thing in which engines differ."""
    row = ROWS[name]
    cells = [v for e in row.examples for v in (*e.args, *(c for r in e.rows for c in r))]

    if has_arguments(row):
        assert None in cells, f"no example of {name} has a NULL argument"


@every_row
def test_an_example_has_an_edge(name):
    """An example in the middle of the road shows nothing that could go wrong."""
    row = ROWS[name]
    with_null = [e for e in row.examples if None in values(e)]
    edges = [e for e in row.examples if any(is_edge(v) for v in values(e))]

    # Beside the one NULL that every row shows, a second one is an edge; among a window's rows
    # the one is.
    if has_arguments(row):
        assert edges or len(with_null) > (row.kind != "window"), (
            f"no example of {name} goes near an edge"
        )


@every_row
def test_examples_fit_an_overload(name):
    """An example that calls nothing would be no case."""
    row = ROWS[name]
    for example in row.examples:
        if row.kind == "scalar":
            fits = [o for o in row.overloads if spread(o, len(example.args)) is not None]
            assert fits, f"{name}{example.args}"
        else:
            assert name in example.call, f"{example.call!r} does not call {name}"
            assert example.rows or example.types, f"{example.call!r} has neither rows nor types"


@every_row
def test_types_of_examples_can_be_read(name):
    """Types stand for arguments or columns from the left; those without one tell it themselves."""
    for example in ROWS[name].examples:
        if example.types:
            parts = [p for p in example.types.split(";") if p.strip()]
            columns = len(example.args) or (len(example.rows[0]) if example.rows else len(parts))

            assert len(parts) <= columns, f"{name}: {example.types!r} is not {columns} types"
            assert all(parse_type(p) for p in parts if p.strip() not in ("interval", "lambda"))


@every_row
def test_null_and_empty_arguments_have_types(name):
    """None and an empty list or map do not tell their type."""
    for example in ROWS[name].examples:
        for arg in example.args:
            if arg in (None, [], {}):
                assert example.types, f"{name}{example.args} needs types"


@every_row
def test_a_row_that_never_fails_has_no_failing_example(name):
    """A stream prints what never fails without a guard (V10): a failure there would stop it."""
    row = ROWS[name]

    if row.fails == "never":
        assert not any(isinstance(e.gives, Fails) for e in row.examples)
