"""The comparison of the demo: it counts what is lost and doubled, and cannot pass by comparing nothing."""

from datetime import UTC, datetime

import pytest

from mainstem.demo.proof import Proof, compared, proof_text
from mainstem.demo.recovery import Recovery, Standing, is_balanced

ROWS = [("a", 1), ("b", 2), ("b", 2), ("c", 3)]


def test_the_same_rows_in_another_order_are_exact():
    """Bags: each row as often, whatever the order."""
    proof = Proof((compared("t", ROWS, ROWS[::-1]),))

    assert proof.is_exact
    assert proof_text(proof).splitlines()[-1] == "0 lost, 0 doubled"
    assert (proof.tables[0].batch, proof.tables[0].stream) == (4, 4)


@pytest.mark.parametrize(
    ("stream", "lost", "doubled"),
    [
        (ROWS[1:], (("a", 1),), ()),
        ([*ROWS, ("b", 2)], (), (("b", 2),)),
        ([ROWS[0], ROWS[1], ROWS[3]], (("b", 2),), ()),
        ([*ROWS[:3], ("c", 4)], (("c", 3),), (("c", 4),)),
        ([], tuple(ROWS), ()),
    ],
    ids=["missing", "twice", "once too few", "changed", "all missing"],
)
def test_each_difference_is_counted_and_shown(stream, lost, doubled):
    """A row that is lost, doubled or changed; the sentence says how many."""
    proof = Proof((compared("t", ROWS, stream),))

    assert (proof.tables[0].lost, proof.tables[0].doubled) == (lost, doubled)
    assert not proof.is_exact
    said = proof_text(proof)
    assert said.splitlines()[-1] == f"{len(lost)} lost, {len(doubled)} doubled"
    assert all(str(row) in said for row in (*lost[:3], *doubled))


def test_nothing_compared_proves_nothing():
    """A batch that gave no rows agrees with a stream that gave none; that is no proof."""
    proof = Proof((compared("t", ROWS, ROWS), compared("empty", [], [])))

    assert not proof.is_exact
    assert "nothing to compare in empty" in proof_text(proof)


@pytest.mark.parametrize(
    ("before", "after", "first", "is_right"),
    [(60, 40, 8, True), (60, 41, 8, False), (60, 39, 8, False), (60, 40, 9, False)],
    ids=["right", "a record twice", "a record left out", "an epoch left out"],
)
def test_records_before_and_after_the_kill_add_up(before, after, first, is_right):
    """Positions, against what the second run has counted itself."""
    mark = datetime(2025, 1, 1, tzinfo=UTC)
    recovery = Recovery(
        Standing(7, before, mark), Standing(12, 100, mark), 0.5, first, before, after, {}
    )

    assert is_balanced(recovery) is is_right
