"""What is told of two tables that differ, and that nothing is told of equal ones."""

import math

import pytest

from mainstem.testing.difference import difference
from mainstem.testing.text import cell_text, read_table, table_text

COLUMNS = ("k", "n", "x")


def test_equal_bags_do_not_differ():
    """In any order, each as often, floats up to their bound."""
    rows = [("a", 1, 0.1), ("a", 1, 0.1), ("b", None, math.nan)]
    near = [("b", None, math.nan), ("a", 1, 0.1 + 1e-12), ("a", 1, 0.1)]

    assert difference("t", COLUMNS, rows, near) == ""


@pytest.mark.parametrize(
    ("found", "expected", "lines"),
    [
        ([("a", 1, 0.1)], [("a", 2, 0.1)], ["1 row changed (found → expected):", "  a  | 1 → 2 | 0.1"]),
        ([("a", 1, 0.1)] * 2, [("a", 1, 0.1)], ["1 row not expected:", "  a  | 1  | 0.1"]),
        ([], [("a", None, 0.5)], ["1 row missing:", "  a  | null | 0.5"]),
        ([("a", 1, 0.1)], [("b", 2, 0.2)], ["1 row missing:", "1 row not expected:"]),
    ],
    ids=["changed", "twice", "missing", "other"],
)  # fmt: skip
def test_rows_and_cells_that_differ_are_named(found, expected, lines):
    """Rows that are half alike are one changed row."""
    said = difference("t", COLUMNS, found, expected).splitlines()

    assert (
        said[0] == f"t: {len(found)} row{'s' * (len(found) != 1)} found, {len(expected)} expected"
    )
    assert [line for line in lines if line not in said] == []


def test_order_is_told_when_it_counts():
    """Equal bags in another order."""
    rows = [("b", 1, 0.1), ("a", 1, 0.1)]

    said = difference("t", COLUMNS, rows, rows[::-1], is_ordered=True)

    assert said.splitlines()[0].startswith("t: the right rows in another order; row 1 found")
    assert said.splitlines()[-2:] == ["  b  | 1  | 0.1", "  a  | 1  | 0.1"]
    assert difference("t", COLUMNS, rows, rows, is_ordered=True) == ""


def test_many_rows_are_cut():
    """Thousands of rows say no more than twenty."""
    said = difference("t", COLUMNS, [("a", i, 0.1) for i in range(5000)], [])

    assert said.endswith("  … and 4980 more")


@pytest.mark.parametrize("text", ["", "null", " a ", "it's", "a|b", "[x", '"', "plain", "é"])
def test_text_of_a_cell_reads_back(text):
    """A row that a failure shows can be copied into the test."""
    assert read_table(table_text(["a", "b"], [[cell_text(text), cell_text(None)]])) == (
        ("a", "b"),
        ((text, None),),
    )
