"""Runs: sorted, whole, or named as damaged; and exact sums of doubles."""

import datetime as dt
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.mapreduce.runs import Damaged, loaded, merged, write_run
from mainstem.mapreduce.words import chosen, parts, total
from mainstem.plan.types import DOUBLE


def test_merge_gives_every_pair_in_order(tmp_path):
    """Two runs, two partitions; values of any type."""
    day = dt.date(2024, 1, 2)
    one = write_run(str(tmp_path / "1"), [[(b"b", 1), (b"a", 2)], [(b"x", day)]])
    two = write_run(str(tmp_path / "2"), [[(b"a", 3)], [(b"w", None)]])

    for read in (loaded, merged):
        assert sorted(read([one[0], two[0]])) == [(b"a", 2), (b"a", 3), (b"b", 1)]
        assert [key for key, _ in read([one[0], two[0]])] == [b"a", b"a", b"b"]
        assert list(read([one[1], two[1]])) == [(b"w", None), (b"x", day)]


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_run_is_named(tmp_path, damage):
    """A flipped bit and a cut end are both seen."""
    (section,) = write_run(str(tmp_path / "run"), [[(b"key", i) for i in range(100)]])
    path = Path(section.path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data if damage == "flip" else data[:-1])

    with pytest.raises(Damaged, match="run has other bytes"):
        loaded([section])


FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(st.lists(st.lists(FINITE, min_size=1, max_size=8), min_size=1, max_size=5), st.randoms())
def test_sum_of_doubles_is_exact_whatever_the_order(groups, random):
    """The sum of partial sums is the one of all numbers, rounded once."""
    exact = float(sum((Fraction(x) for group in groups for x in group), Fraction()))
    random.shuffle(groups)

    assert total(map(parts, groups)) == exact


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([math.inf, 1.0], math.inf), ([math.inf, -math.inf], math.nan), ([math.nan, 1.0], math.nan),
        ([0.1] * 10, 1.0), ([1e16, 1.0, -1e16], 1.0),
    ],
)  # fmt: skip
def test_sums_at_the_edges(values, expected):
    """Infinities, NaN, and sums that lose a digit on the way."""
    found = total([parts(values[:1]), parts(values[1:])])

    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("values", [(1.0, math.nan), (math.nan, 1.0)])
def test_nan_is_the_greatest_number(values):
    """As in SQL, whatever the order."""
    assert chosen("min", DOUBLE)(*values) == 1.0
    assert math.isnan(chosen("max", DOUBLE)(*values))
