"""What `make bench-spark` takes for a right answer."""

from decimal import Decimal

import pytest

from benchmarks.report import Report
from benchmarks.spark import compare

ROWS = {"q01": [("A", Decimal("1.50"), 2.0)], "q02": [(1,)]}


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (ROWS, []),
        # An average that was rounded by hand, to four digits behind the value's.
        (ROWS | {"q01": [("A", Decimal("1.50"), 2.00001)]}, []),
        ({"q01": ROWS["q01"]}, ["mainstem q02: no answer"]),
        (ROWS | {"q02": [(2,)]}, ["mainstem q02: row (1) is missing"]),
    ],
)
def test_a_wrong_answer_is_told(ours, told):
    """By its query."""
    report = Report("spark")
    compare(report, ours, ROWS)

    assert report.wrong == told
    assert report.facts == {"tpch_spark_equal": 2 - len(told)}


def test_an_empty_answer_proves_nothing():
    """Two that are empty are equal."""
    report = Report("spark")
    compare(report, {"q01": []}, {"q01": []})

    assert report.wrong == ["handwritten q01: empty, which proves nothing"]
