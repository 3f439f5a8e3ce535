"""When a slice is cut, by a consumer that a test plays."""

import pytest

from mainstem.engines.embedded.stream.readers.kafka import poll
from mainstem.engines.embedded.stream.readers.kafka.poll import PlainPoll, Slot

MS = 0.001


class Clock:
    """A time that only waiting moves."""

    now = 0.0

    def __call__(self):
        return self.now


class Consumer:
    """Has a message every `gap` seconds, for ever."""

    def __init__(self, clock, gap):
        self.clock, self.gap, self.given = clock, gap, 0

    def incremental_assign(self, partitions):
        """Take anything."""

    def consume(self, most, wait_s):
        due = (self.given + 1) * self.gap
        if due > self.clock.now + wait_s:
            self.clock.now += wait_s
            return []
        self.clock.now = max(self.clock.now, due)
        self.given += 1
        return [self.given - 1]


class Message:
    """Reads a message that is nothing but its offset."""

    partition = staticmethod(lambda _: 0)
    topic = staticmethod(lambda _: "t")
    error = staticmethod(lambda _: None)
    offset = staticmethod(lambda number: number)
    value = staticmethod(lambda number: b"%d" % number)
    timestamp = staticmethod(lambda _: (0, 0))


@pytest.mark.parametrize(
    ("gap", "rows", "until"),
    [
        # They come faster than the silence: four silences behind the first one it is enough.
        (1 * MS, 9, 9 * MS), (0.5 * MS, 17, 8.5 * MS),
        # A silence ends it: the first came after 5 ms, and the next is not there after 2 more.
        (5 * MS, 1, 7 * MS),
    ],
)  # fmt: skip
def test_records_that_keep_coming_do_not_keep_a_slice(monkeypatch, gap, rows, until):
    """By hand, in a time that only waiting moves."""
    clock = Clock()
    monkeypatch.setattr(poll, "monotonic", clock)
    reading = PlainPoll(Consumer(clock, gap), with_key=False, with_headers=False)
    monkeypatch.setattr(reading, "_message", Message)
    reading.add([Slot("t", 0, 0)])

    taken = reading.read(1_000_000, 1 << 30, 1.0, 2 * MS)

    assert taken.rows == rows
    assert clock.now == pytest.approx(until)
