"""What takes records from librdkafka: the interface, and the one in Python."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol

from mainstem.engines.embedded.native.arrow import (
    Column,
    Table,
    Texts,
    integers,
    times,
)
from mainstem.engines.embedded.stream.readers.kafka.client import PARTITION_EOF
from mainstem.record import mutable, record

# Larger ones fall out of the processor's cache: 500 was 1.7 times as fast as 50,000 (measured).
AT_ONCE = 500
NEVER = 2**63 - 1
# So many silences a slice waits in all: records that keep coming must not keep it for ever.
PATIENCE = 4


@mutable
class Slot:
    """A partition that is read.

    `next` is the offset behind everything that was given. `rows` and `part` are of the last read:
    how many records, and as which of its parts; -1 for none.
    """

    topic: str
    partition: int
    next: int
    stop: int = NEVER
    rows: int = 0
    part: int = -1
    is_at_end: bool = False


@record
class Failure:
    """Something that librdkafka said in place of a record; `slot` is -1 when of no partition."""

    code: int
    slot: int
    offset: int
    text: str


@record
class Taken:
    """What a read gave: `table` is None without records, `slots` are as they stand now."""

    rows: int
    table: Table | None
    slots: Sequence[Slot]
    failures: Sequence[Failure] = ()


class Poll(Protocol):
    """Takes records of assigned partitions.

    The columns of `Taken.table`: ``value``, ``position``, ``time``, ``part``; ``key``, of which there
    is none when it was not asked for; and when asked for ``headers``, a list of key and value.
    """

    kind: str

    def add(self, slots: Sequence[Slot]) -> None:
        """Begin to read partitions; their index is the order in which they were added."""
        ...

    def read(self, most: int, most_bytes: int, wait_s: float, quiet_s: float) -> Taken:
        """Take records; see `Reader.read`.

        Ends at once when all partitions have come to their end, else after `quiet_s` of silence, or
        when it has waited `PATIENCE` times as long.
        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class PlainPoll:
    """Takes records with confluent-kafka.

    Parameters
    ----------
    consumer : confluent_kafka.Consumer
        With the settings `client.READING`.
    with_key, with_headers : bool
        Whether those columns are wanted.
    """

    kind = "python"

    def __init__(self, consumer: Any, *, with_key: bool, with_headers: bool) -> None:
        import confluent_kafka

        self.consumer = consumer
        self.slots: list[Slot] = []
        self._by_name: dict[tuple[str, int], int] = {}
        self._with_key, self._with_headers = with_key, with_headers
        self._message: Any = confluent_kafka.Message
        self._partition: Any = confluent_kafka.TopicPartition
        self._failures: list[Failure] = []

    def add(self, slots: Sequence[Slot]) -> None:
        """Begin to read partitions."""
        for slot in slots:
            self._by_name[slot.topic, slot.partition] = len(self.slots)
            slot.is_at_end = slot.next >= slot.stop
            self.slots.append(slot)
        self.consumer.incremental_assign(
            [self._partition(slot.topic, slot.partition, slot.next) for slot in slots]
        )

    def read(self, most: int, most_bytes: int, wait_s: float, quiet_s: float) -> Taken:
        """Take records."""
        for slot in self.slots:
            slot.rows, slot.part = 0, -1
        self._failures = []
        taken = _Rows(self._message, with_key=self._with_key, with_headers=self._with_headers)
        was_at_end, until, cut = self._is_at_end(), monotonic() + wait_s, 0.0
        while len(taken) < most and taken.size < most_bytes and not self._failures:
            is_end = self._is_at_end()
            if is_end and not was_at_end and not taken:
                break
            if taken and not cut:
                cut = monotonic() + PATIENCE * quiet_s
            left = max(0.0, (cut if taken else until) - monotonic())
            if taken:
                left = 0.0 if is_end else min(left, quiet_s)
            found = self._fetch(most - len(taken), left)
            if not found:
                break
            self._take(found, taken)
        table = taken.table() if taken else None
        return Taken(len(taken), table, self.slots, self._failures)

    def _is_at_end(self) -> bool:
        return all(slot.is_at_end for slot in self.slots)

    def _fetch(self, most: int, wait_s: float) -> list[Any]:
        # A wait for many would last its whole time after the first of them.
        found: list[Any] = self.consumer.consume(min(most, AT_ONCE), 0)
        return found or (self.consumer.consume(1, wait_s) if wait_s else [])

    def _take(self, found: list[Any], taken: _Rows) -> None:
        """Take messages run by run: those of one partition stand together mostly."""
        partitions = list(map(self._message.partition, found))
        is_one = partitions.count(partitions[0]) == len(found)
        topics = list(map(self._message.topic, found))
        is_one = is_one and topics.count(topics[0]) == len(found)
        # Not a comparison with None: that of confluent-kafka's errors fails.
        errors = list(map(self._message.error, found))
        if is_one and not any(errors):
            self._take_run(topics[0], partitions[0], found, taken)
            return
        for topic, partition, error, message in zip(topics, partitions, errors, found, strict=True):
            if error is None:
                self._take_run(topic, partition, [message], taken)
            else:
                self._take_error(topic, partition, error, message)

    def _take_run(self, topic: str, partition: int, found: list[Any], taken: _Rows) -> None:
        slot = self._slot(topic, partition)
        if slot is None or slot.next >= slot.stop:
            return
        offsets = list(map(self._message.offset, found))
        is_over = offsets[-1] >= slot.stop
        if is_over or offsets[0] < slot.next:
            kept = [i for i, at in enumerate(offsets) if slot.next <= at < slot.stop]
            found, offsets = [found[i] for i in kept], [offsets[i] for i in kept]
        if found:
            if slot.part < 0:
                slot.part = taken.new_part()
            taken.add(found, offsets, slot.part)
            slot.rows += len(found)
            slot.next, slot.is_at_end = offsets[-1] + 1, False
        if is_over or slot.next == slot.stop:
            slot.next, slot.is_at_end = slot.stop, True

    def _take_error(self, topic: str, partition: int, error: Any, message: Any) -> None:
        slot = self._slot(topic, partition)
        offset = message.offset()
        if error.code() != PARTITION_EOF:
            index = self._by_name.get((topic, partition), -1)
            at = -1 if offset is None else offset
            self._failures.append(Failure(error.code(), index, at, error.str()))
        elif slot is not None and slot.next <= offset and slot.next < slot.stop:
            # Control records and aborted transactions leave gaps that no message tells of.
            slot.next = min(offset, slot.stop)
            slot.is_at_end = slot.stop in (NEVER, slot.next)

    def _slot(self, topic: str, partition: int) -> Slot | None:
        index = self._by_name.get((topic, partition))
        return None if index is None else self.slots[index]

    def close(self) -> None:
        """Let go of everything."""
        self.consumer.close()


class _Rows:
    """The columns of one read, as they grow."""

    def __init__(self, message: Any, *, with_key: bool, with_headers: bool) -> None:
        self._message = message
        self._values = Texts()
        self._keys = Texts() if with_key else None
        self._headers: list[list[tuple[str, bytes | None]]] | None = [] if with_headers else None
        self._offsets, self._times, self._parts = array("q"), array("q"), array("i")
        self._n_parts = 0

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def size(self) -> int:
        """Give the bytes of values and keys."""
        return self._values.size + (self._keys.size if self._keys is not None else 0)

    def new_part(self) -> int:
        """Give the number of the next part."""
        self._n_parts += 1
        return self._n_parts - 1

    def add(self, found: list[Any], offsets: list[int], part: int) -> None:
        """Add messages of one part."""
        message = self._message
        self._values.add(list(map(message.value, found)))
        self._offsets.extend(offsets)
        self._times.extend([time for _, time in map(message.timestamp, found)])
        self._parts.extend([part] * len(found))
        if self._keys is not None:
            self._keys.add(list(map(message.key, found)))
        if self._headers is not None:
            self._headers += (headers or [] for headers in map(message.headers, found))

    def table(self) -> Table:
        """Give the columns, once."""
        kept: list[Any] = [self._offsets, self._times, self._parts]
        columns = [
            self._values.column("value", kept), integers("position", self._offsets),
            times("time", self._times, kept), integers("part", self._parts),
            no_key(len(self)) if self._keys is None else self._keys.column("key", kept),
        ]  # fmt: skip
        if self._headers is not None:
            columns.append(_headers(self._headers, kept))
        return Table(columns, len(self), kept)


def no_key(rows: int) -> Column:
    """Give the column of keys that nobody asked for."""
    return Column("key", "n", rows, (), rows)


def empty(*, with_key: bool, with_headers: bool) -> Table:
    """Give a table of no records."""
    return _Rows(None, with_key=with_key, with_headers=with_headers).table()


def _headers(rows: list[list[tuple[str, bytes | None]]], kept: list[Any]) -> Column:
    flat = [header for headers in rows for header in headers]
    ends = array("i", [0])
    for headers in rows:
        ends.append(ends[-1] + len(headers))
    kept.append(ends)
    names, values = Texts(), Texts()
    names.add([name.encode() for name, _ in flat])
    values.add([value for _, value in flat])
    pair = (names.column("key", kept, "u"), values.column("value", kept))
    item = Column("item", "+s", len(flat), (0,), children=pair)
    return Column("headers", "+l", len(rows), (0, ends.buffer_info()[0]), children=(item,))
