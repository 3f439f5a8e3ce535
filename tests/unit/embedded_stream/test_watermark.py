"""Watermarks as values: what moves them, what holds them, and both ends of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mainstem.engines.embedded.stream.watermark import (
    END_OF_TIME,
    SourceClock,
    from_micros,
    later,
    less,
    to_micros,
)

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def clock(*names: str) -> SourceClock:
    """Give a clock with a bound of one minute that knows partitions."""
    made = SourceClock(MINUTE, timedelta(seconds=30))
    made.joined(names)
    return made


def test_a_partition_without_rows_holds_the_watermark_until_it_is_idle():
    """T1, T8."""
    one = clock("a", "b")
    one.saw("a", TEN)
    before = one.advance()
    one.silent({"b": 30.0})

    assert before is None
    assert one.advance() == TEN - MINUTE


def test_a_partition_that_wakes_is_judged_from_the_watermark_of_then():
    """T6: it takes nothing back, and its rows are judged by no less."""
    one = clock("a", "b")
    one.silent({"b": 31.0})
    one.saw("a", TEN)
    one.advance()
    one.woken(["b"])
    one.saw("b", TEN - timedelta(hours=1))

    assert one.partitions["b"].floor == TEN - MINUTE
    assert one.advance() == TEN - MINUTE


def test_nothing_is_before_the_first_instant_nor_after_the_last():
    """A bound, a gap or an allowed lateness must not stop a stream at an end of the calendar."""
    first = datetime.min.replace(tzinfo=UTC)
    one = clock("a")
    one.saw("a", first)

    assert one.advance() == first
    assert less(first + timedelta(seconds=1), MINUTE) == first
    assert less(END_OF_TIME, MINUTE) == END_OF_TIME
    assert later(END_OF_TIME - timedelta(seconds=1), MINUTE) == END_OF_TIME
    assert from_micros(to_micros(END_OF_TIME) + 5) == END_OF_TIME
    assert from_micros(to_micros(TEN)) == TEN
