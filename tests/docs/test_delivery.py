"""The table of docs/delivery.md is the one that the code keeps to."""

from pathlib import Path

from mainstem.engines.embedded.stream.sinks.guarantees import GUARANTEES

PAGE = Path(__file__).parents[2] / "docs" / "delivery.md"


def test_the_page_says_what_the_code_says():
    """Line by line."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    expected = [
        f"| {g.sink} | {g.kind} | {g.delivery} | {g.token} | {g.readers} |".replace("|  |", "| |")
        for g in GUARANTEES
    ]
    assert rows == expected
