"""Answers are bags of rows: exact values exactly, floats within their bound (V5)."""

from datetime import date
from decimal import Decimal

import pytest

from mainstem.testing.compare import assert_same_rows, same

NAN = float("nan")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([], []),
        ([(1, "x"), (2, "y")], [(2, "y"), (1, "x")]),
        ([(1,), (1,)], [(1,), (1,)]),
        ([(1, 0.1 + 0.2)], [(1, 0.3)]),
        ([("a", 1.0), ("a", 2.0)], [("a", 2.0 + 1e-12), ("a", 1.0)]),
        ([(NAN,), (None,)], [(None,), (NAN,)]),
        ([([1, None], {"a": 1.5})], [([1, None], {"a": 1.5})]),
    ],
)
def test_same(a, b):
    """Same."""
    assert_same_rows(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([(1,)], []),
        ([(1,), (1,)], [(1,)]),
        ([(1,)], [(1.0,)]),
        ([(1,)], [(True,)]),
        ([(Decimal("1.0"),)], [(1,)]),
        ([("1",)], [(1,)]),
        ([(1.0,)], [(1.001,)]),
        ([("a", 1.0), ("b", 2.0)], [("a", 2.0), ("b", 1.0)]),
        ([(None,)], [(0,)]),
        ([(float("inf"),)], [(1e308,)]),
        ([({"a": 1, "b": 2},)], [({"b": 2, "a": 1},)]),
        ([(date(2024, 1, 1),)], [("2024-01-01",)]),
    ],
)
def test_not_same(a, b):
    """Not same."""
    with pytest.raises(AssertionError):
        assert_same_rows(a, b)


def test_order_counts_when_it_is_asked_for():
    """Order counts when it is asked for."""
    assert_same_rows([(1,), (2,)], [(1,), (2,)], is_ordered=True)
    with pytest.raises(AssertionError, match="row 1"):
        assert_same_rows([(2,), (1,)], [(1,), (2,)], is_ordered=True)
    with pytest.raises(AssertionError, match="1 rows found, 2 expected"):
        assert_same_rows([(1,)], [(1,), (2,)], is_ordered=True)


def test_the_scale_of_a_sum_is_that_of_its_parts():
    """1e9 - 1e9 + 0.1 has the error of 1e9, not that of 0.1."""
    assert same(0.1, 0.1000001, scale=2e9)
    assert not same(0.1, 0.1000001)
