"""Readers in threads: what they have, and for how long each partition has been silent."""

from __future__ import annotations

import threading

from mainstem.engines.embedded.stream.feed import Threads
from mainstem.engines.embedded.stream.spec import Part, Slice


class Busy:
    """A reader with rows of one partition all the time, and nothing of another."""

    def __init__(self):
        self.number = 0
        self.stopped = threading.Event()

    def open(self, positions, until=None):
        """Start anywhere."""

    def read(self, most_rows, wait_s):
        """Give one row."""
        self.number += 1
        return Slice("s", (Part("a", self.number - 1, self.number, 1),), None)

    def silences(self):
        """Say that the other partition is silent."""
        return {"a": 0.0, "b": 99.0}

    def lag(self):
        """Give nothing."""
        return {}

    def committed(self, positions):
        """Do nothing."""

    def stop(self):
        """Do nothing."""

    def close(self):
        """Say that it was closed."""
        self.stopped.set()


def test_a_silent_partition_of_a_busy_source_is_told():
    """Without it such a partition would hold the watermark as long as the others have rows (T8)."""
    reader = Busy()
    feed = Threads({"s": reader}, 10)
    feed.start({}, {})
    taken = feed.take(10.0)
    feed.close()

    assert [part.partition for one in taken.slices for part in one.parts] == ["a"]
    assert taken.silences["s"]["b"] == 99.0
    assert reader.stopped.is_set()
