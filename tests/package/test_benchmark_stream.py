"""What `make bench-stream` takes for a right answer, and which jars it would run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.stream.visible import Seen
from mainstem.dev.artifacts import read_lock

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "stream"
EXPECTED = {(1, 10): (2, 30), (2, 10): (1, 5)}


def test_an_answer_with_the_same_rows_is_right() -> None:
    """The order of rows takes no part."""
    seen = Seen(rows=2, answer={(2, 10): (1, 5), (1, 10): (2, 30)})
    assert seen.difference(EXPECTED) is None


def test_a_row_that_came_twice_is_wrong() -> None:
    """Exactly once is part of the answer."""
    seen = Seen(rows=3, answer=dict(EXPECTED))
    assert seen.difference(EXPECTED) == "1 rows came twice"


@pytest.mark.parametrize("answer", [
    {(1, 10): (2, 30)},
    {(1, 10): (2, 30), (2, 10): (1, 6)},
    {(1, 10): (2, 30), (2, 20): (1, 5)},
])  # fmt: skip
def test_a_row_that_is_missing_or_another_is_wrong(
    answer: dict[tuple[int, int], tuple[int, int]],
) -> None:
    """A missing window, another sum, and a window that moved."""
    found = Seen(rows=len(answer), answer=answer).difference(EXPECTED)
    assert found is not None
    assert "differ" in found


@pytest.mark.parametrize("peer", ["flink", "spark"])
def test_the_jars_of_a_peer_do_not_overwrite_one_another(peer: str) -> None:
    """They lie in one folder."""
    files = [artifact.file for artifact in read_lock(BENCHMARK / f"{peer}.lock")]
    assert len(set(files)) == len(files) > 0
