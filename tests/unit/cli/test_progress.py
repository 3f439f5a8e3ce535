"""What the screen of a run shows, with a clock that the test moves."""

import io

from rich.console import Console

from mainstem.cli.progress import Board, Line, drawn, facts
from mainstem.definition.load import load
from mainstem.engines.spec import Event


def screen(board: Board, now: float) -> list[str]:
    """The lines that are drawn."""
    console = Console(file=io.StringIO(), width=100)
    console.print(drawn(board, now, 100.0))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_board_follows_the_events_of_a_run(project):
    """Reading, computing, committing; what has not begun shows its name only."""
    board = Board.of(load("pipeline.py").plan())
    assert [(line.verb, line.name) for line in board.lines.values()] == [
        ("read", "orders"), ("read", "customers"), ("write", "by_country"), ("keep", "best"),
    ]  # fmt: skip

    board.take(Event("progress", "orders", {"fraction": 0.0}), 100.0)
    board.take(Event("progress", "orders", {"fraction": 0.25}), 110.0)
    # A quarter in 10 s: three quarters take 30 s.
    shown = screen(board, 110.0)
    assert shown[0].startswith("read orders ━")
    assert shown[0].endswith(" 30 s left")
    assert shown[1:] == ["read customers", "write by_country", "keep best", "10.0 s"]

    board.take(Event("source_read", "orders", {"rows": 3_000_000}), 120.0)
    assert screen(board, 125.0)[0].endswith(" 3,000,000 rows 150.0k rows/s 20.0 s")
    board.take(Event("outputs_staged", "orders", {}), 126.0)
    assert screen(board, 127.0)[-1] == "commit 27.0 s"


def test_time_left_is_not_guessed_too_early():
    """Not before half a second, and not for a fraction that nobody knows."""
    assert Line("a", "read", 100.0, fraction=0.5).time_left_s(100.4) is None
    assert Line("a", "read", 100.0, fraction=-1.0).time_left_s(110.0) is None
    assert Line("a", "read", 100.0, fraction=0.001).time_left_s(110.0) is None
    assert Line("a", "read", 100.0, fraction=0.5).time_left_s(101.0) == 1.0
    assert Line("a", "read").time_left_s(101.0) is None


def test_speed_is_shown_while_rows_are_counted():
    """An engine may tell rows with its progress."""
    line = Line("a", "read", 100.0, fraction=0.5, rows=5000)

    assert facts(line, 102.0) == ("5,000 rows", "2.5k rows/s", "2 s left")


def test_bar_does_not_go_back():
    """DuckDB's estimate may."""
    board = Board({"a": Line("a", "read")})
    for fraction in (0.2, 0.4, 0.3, -1.0):
        board.take(Event("progress", "a", {"fraction": fraction}), 100.0)

    assert board.lines["a"].fraction == 0.4
