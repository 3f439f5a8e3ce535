"""What is different between two profiles, and whether it matters."""

import math
import random
from dataclasses import replace

import pytest

from mainstem.engines.profile import ColumnProfile, Dead, RelationProfile
from mainstem.runtime.profile_compare import compare, index, stability


def numbers(name="x", *, counts=(10, 10, 10, 10), edges=(0, 10, 20, 30, 40), **fields):
    """A column of numbers with a histogram."""
    n = sum(counts)
    given = {"rows": n, "distinct": n, "low": edges[0], "high": edges[-1], "nulls": 0} | fields
    return ColumnProfile(name, "bigint", "bigint", edges=edges, counts=counts, **given)


def texts(name="s", *, values=(("a", 50), ("b", 50)), nulls=0):
    """A column of texts with all values."""
    n = sum(count for _, count in values) + nulls
    return ColumnProfile(
        name, "string", "string", rows=n, nulls=nulls, distinct=len(values), values=values,
        has_all_values=True,
    )  # fmt: skip


def relation(*columns, rows=100, **fields):
    """A relation."""
    given = {"duplicates": 0, "keys": ()} | fields
    return RelationProfile("t", "source", rows, rows, columns=columns, **given)


def kinds(now, before):
    """Kinds of the differences, and whether each matters."""
    return [(d.kind, d.is_change) for d in compare([now], [before]).differences]


def test_index_by_hand():
    """Shares of 1/2 and 1/2 that become 1/4 and 3/4: 1/4 ln 2 less, 1/4 ln 3/2 more."""
    assert index([50, 50], [25, 75]) == pytest.approx(
        (0.25 - 0.5) * math.log(0.5) + (0.75 - 0.5) * math.log(1.5)
    )
    assert index([50, 50], [25, 75]) == pytest.approx(index([25, 75], [50, 50]))
    assert index([50, 50], [500, 500]) == 0
    # An empty bin counts as a ten thousandth.
    assert index([1, 0], [1, 1]) == pytest.approx(
        (0.5 - 1) * math.log(0.5) + (0.5 - 0.0001) * math.log(0.5 / 0.0001)
    )
    assert index([0, 0], [1, 1]) == 0


def test_histograms_of_other_bins_are_compared_as_if_spread_evenly():
    """The later bins are twice as wide: each is split in halves, and what is above is above."""
    before = numbers()
    assert stability(before, before) == 0
    assert stability(before, numbers(counts=(20, 20), edges=(0, 20, 40))) == pytest.approx(0)
    above = numbers(counts=(20, 20), edges=(20, 40, 60))
    assert stability(before, above) == pytest.approx(
        index([0, 10, 10, 10, 10, 0], [0, 0, 0, 10, 10, 20])
    )
    below = numbers(counts=(40,), edges=(-5, -5))
    assert stability(before, below) == pytest.approx(
        index([0, 10, 10, 10, 10, 0], [40, 0, 0, 0, 0, 0])
    )
    one = numbers(counts=(7,), edges=(5, 5))
    assert stability(one, one) == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_value_is_lost_between_bins(seed):
    """The same data in other bins hardly moves; all of it is counted."""
    rng = random.Random(seed)
    edges = sorted(rng.sample(range(-50, 50), 6))
    column = numbers(counts=tuple(rng.randint(0, 9) for _ in range(5)), edges=tuple(edges))
    if not sum(column.counts):
        return
    assert stability(column, column) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (relation(rows=99), relation(), [("rows", False)]),
        (relation(rows=49), relation(), [("rows", True)]),
        (relation(rows=201), relation(), [("rows", True)]),
        (relation(dead=Dead(1)), relation(), [("dead", True)]),
        (relation(dead=Dead(9)), relation(dead=Dead(8)), [("dead", False)]),
        (relation(duplicates=2), relation(), [("duplicates", True)]),
        (relation(texts()), relation(), [("column", True)]),
        (relation(), relation(texts()), [("column", True)]),
        (relation(texts()), relation(texts(), keys=(("s",),)), [("key", True)]),
        (relation(texts(nulls=1)), relation(texts()), [("nulls", True)]),
        (relation(texts(nulls=11)), relation(texts(nulls=10)), [("nulls", False)]),
        (relation(texts(nulls=20)), relation(texts(nulls=10)), [("nulls", True)]),
        (
            relation(texts(values=(("a", 50), ("b", 49), ("c", 1)))), relation(texts()),
            [("values", True)],
        ),
        (
            relation(texts(values=(("a", 99),))), relation(texts(values=(("a", 98), ("b", 1)))),
            [("values", False)],
        ),
        (
            relation(texts(values=(("a", 90), ("b", 10)))), relation(texts()), [("drift", True)],
        ),
        (
            relation(texts(values=(("a", 68), ("b", 32)))), relation(texts()), [("drift", False)],
        ),
        (relation(numbers(high=43)), relation(numbers()), [("range", False)]),
        (relation(numbers(high=45)), relation(numbers()), [("range", True)]),
        (relation(numbers(low=-5)), relation(numbers()), [("range", True)]),
        (
            relation(replace(numbers(), type="integer")), relation(numbers()), [("type", True)],
        ),
    ],
)  # fmt: skip
def test_each_difference_and_whether_it_matters(now, before, expected):
    """At both sides of each threshold."""
    assert kinds(now, before) == expected
    assert kinds(before, before) == []


def test_time_and_keys_go_on():
    """Later times and higher keys are what time brings."""
    edges = ("2024-01-01", "2024-01-11", "2024-01-21")
    before = ColumnProfile(
        "d", "date", "date", rows=20, distinct=20, low=edges[0], high=edges[-1], edges=edges,
        counts=(10, 10),
    )  # fmt: skip
    later = ("2024-03-01", "2024-03-11", "2024-03-21")
    now = replace(before, low=later[0], high=later[-1], edges=later)
    assert kinds(relation(now), relation(before)) == [("range", False), ("drift", False)]

    key = relation(numbers(), keys=(("x",),))
    higher = relation(numbers(edges=(1000, 1010, 1020, 1030, 1040)), keys=(("x",),))
    assert kinds(higher, key) == [("range", False)]


def test_relations_are_matched_by_name_but_for_a_single_one():
    """A file of today has another name than that of yesterday."""
    a, b = relation(rows=1), replace(relation(rows=1), name="u")
    assert compare([b], [a]).differences == ()
    found = compare([a, replace(a, name="v")], [a, b]).differences
    assert [(d.relation, d.kind) for d in found] == [("u", "relation"), ("v", "relation")]
    assert compare([a, replace(a, name="v")], [a, b]).to_dict()["has_changed"] is True


def test_what_matters_stands_first():
    """Notes come after it."""
    before = relation(texts(), rows=100)
    now = relation(texts(nulls=1), rows=101)
    assert [d.is_change for d in compare([now], [before]).differences] == [True, False]
