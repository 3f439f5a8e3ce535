"""The judge of `make bench`: two answers are equal, or it says how they differ."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from benchmarks.answers import difference
from benchmarks.report import Report, rounded

EQUAL = {
    "no rows": ([], []),
    "another order": ([(1, "a"), (2, "b")], [(2, "b"), (1, "a")]),
    "a float in its last digits": ([(1, 0.1 + 0.2)], [(1, 0.3)]),
    "a decimal and an integer of one value": ([(Decimal("5.00"),)], [(5,)]),
    "a decimal and a float of one value": ([(Decimal("0.25"),)], [(0.25,)]),
    "floats paired within their group": ([("a", 1.0), ("a", 2.0)], [("a", 2.0), ("a", 1.0)]),
    "NULL among floats": ([(None,), (1.5,)], [(1.5,), (None,)]),
    "not a number": ([(float("nan"),)], [(float("nan"),)]),
    "an instant with and without its zone": (
        [(datetime(2020, 1, 1),)],  # noqa: DTZ001 - what DuckDB gives for a TIMESTAMP
        [(datetime(2020, 1, 1, tzinfo=UTC),)],
    ),
}

DIFFERENT = {
    "a row too many": ([(1,)], [(1,), (1,)], "2 rows instead of 1"),
    "a column too many": ([(1,)], [(1, 2)], "2 columns instead of 1"),
    "another text": ([("a",)], [("b",)], "row (a) is missing"),
    "another count of equal rows": (
        [(1,), (1,), (2,)],
        [(1,), (2,), (2,)],
        "stands 1 times, not 2",
    ),
    "a float beyond the tolerance": ([(1.0,)], [(1.00001,)], "row (1.00001) instead of (1.0)"),
    "NULL for zero": ([(0.0,)], [(None,)], "row (None) instead of (0.0)"),
    "a decimal in its last digit": ([(Decimal("0.01"),)], [(Decimal("0.02"),)], "is missing"),
    "floats of another group": ([("a", 1.0), ("b", 2.0)], [("a", 2.0), ("b", 1.0)], "row (a, 2.0)"),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_answers_have_no_difference(name):
    """Order, spelling of numbers and the last digits of floats are no difference."""
    expected, got = EQUAL[name]

    assert difference(expected, got) is None
    assert difference(got, expected) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_wrong_answer_is_told_with_its_row(name):
    """Whatever else differs is found, and the sentence names the row."""
    expected, got, sentence = DIFFERENT[name]

    assert sentence in str(difference(expected, got))


def test_a_figure_that_is_not_a_number_misses_its_target():
    """A ratio of nothing must not look like a target met, in either direction."""
    report = Report("any")
    report.at_most("small", float("nan"), 1, "")
    report.at_least("large", float("nan"), 1, "")
    report.at_most("met", 1, 1, "")

    assert [figure.is_missed for figure in report.figures] == [True, True, False]


def test_figures_are_rounded_to_four_digits_that_mean_something():
    """Small seconds keep their digits and large counts stay whole."""
    assert [rounded(value) for value in (0.0123456, 1.23456, 99, 12345.6)] == [
        0.01235,
        1.235,
        99,
        12346,
    ]
