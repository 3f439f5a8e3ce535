"""Says which records of a source on Kafka are there, for others to read them."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, sleep

from mainstem.engines.embedded.stream.readers.kafka.poll import Slot, Taken
from mainstem.engines.embedded.stream.readers.kafka.reader import KafkaReader
from mainstem.engines.embedded.stream.readers.kafka.watch import Watch
from mainstem.engines.embedded.stream.spec import Slice

# How often it is looked whether there is more, in seconds.
_LOOK_S = 0.02


class RangePoll:
    """Takes nothing: tells from what the brokers say of their ends up to where there are records."""

    kind = "ranges"

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.slots: list[Slot] = []

    def add(self, slots: Sequence[Slot]) -> None:
        """Begin to look at partitions."""
        self.slots += slots

    def read(self, most: int, most_bytes: int, wait_s: float, quiet_s: float) -> Taken:
        """Give how far each partition may be read, all of them about as far.

        A record that was aborted counts: where those are, fewer come than are told here.
        """
        del most_bytes, quiet_s
        until = monotonic() + wait_s
        while not (left := self.left()) and monotonic() < until:
            sleep(_LOOK_S)
        share = -(-most // max(1, len(left)))
        part = 0
        for i, slot in enumerate(self.slots):
            slot.rows, slot.part = min(share, left.get(i, 0)), -1
            if slot.rows:
                slot.next, slot.part, part = slot.next + slot.rows, part, part + 1
            slot.is_at_end = slot.next >= min(slot.stop, self.end(slot))
        return Taken(sum(slot.rows for slot in self.slots), None, self.slots)

    def left(self) -> dict[int, int]:
        """Give how many offsets are not given yet, by slot."""
        found = {i: min(s.stop, self.end(s)) - s.next for i, s in enumerate(self.slots)}
        return {i: n for i, n in found.items() if n > 0}

    def end(self, slot: Slot) -> int:
        """Give the end of a partition as it was seen last."""
        end = self.watch.ends().get((slot.topic, slot.partition))
        return slot.next if end is None else end.offset

    def close(self) -> None:
        """Do nothing: nothing is open."""


class RangeReader(KafkaReader):
    """Gives slices without records: parts that say from where to where there are some."""

    def _new_poll(self) -> RangePoll:
        return RangePoll(self._watched)

    def _slice(self, taken: Taken, *, is_end: bool) -> Slice | None:
        parts = self._parts(taken)
        return Slice(self.source.name, parts, None, is_end) if parts or is_end else None
