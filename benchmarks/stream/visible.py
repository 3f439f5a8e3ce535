"""What an independent consumer sees of a topic, committed transactions only, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.process import ProcessFailedError
from benchmarks.stream.bids import PARTITIONS, Answer

# With librdkafka's own settings the consumer would see rows up to a second late.
_CLIENT = {
    "group.id": "benchmark",
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "fetch.queue.backoff.ms": 1,
    "fetch.wait.max.ms": 10,
}
LIMIT_S = 120
_AFTER_S = 0.3


@dataclass(slots=True)
class Seen:
    """The rows of one run, and the seconds from its start to the first and the last of them."""

    first_s: float = 0.0
    last_s: float = 0.0
    rows: int = 0
    # Of the engine alone, from before the start until it was stopped.
    cpu_s: float = 0.0
    answer: Answer = field(default_factory=dict)

    def difference(self, expected: Answer) -> str | None:
        """Say how the rows differ from the right answer; None when they do not."""
        if self.rows != len(self.answer):
            return f"{self.rows - len(self.answer)} rows came twice"
        wrong = sorted(self.answer.items() ^ expected.items())
        if not wrong:
            return None
        n, total = (sum(values) for values in zip(*self.answer.values(), strict=True))
        return (
            f"{self.rows} rows with {n} events and a sum of {total}; the first of {len(wrong)} "
            f"that differ: {wrong[0]}"
        )


class Watcher:
    """A consumer that waits at the beginning of a topic before the query starts."""

    def __init__(self, client: Mapping[str, str], topic: str) -> None:
        from confluent_kafka import Consumer, TopicPartition

        self._consumer = Consumer({**client, **_CLIENT})
        self._consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
        # Connects.
        self._consumer.consume(1, 0.5)

    def watch(self, n_events: int, begun: float, is_alive: Callable[[], bool]) -> Seen:
        """Take rows until as many events are in them; then a moment longer, for rows too many."""
        seen, n_seen, left = Seen(), 0, 2
        until = time.perf_counter() + LIMIT_S
        while n_seen < n_events and time.perf_counter() < until and left:
            # One last look at what a process has left behind.
            left -= not is_alive()
            n_seen += self._take(seen, begun, 0.02)
        self._take(seen, begun, _AFTER_S)
        self._consumer.close()
        if not seen.rows:
            raise ProcessFailedError(f"no row within {time.perf_counter() - begun:.0f} s")
        return seen

    def _take(self, seen: Seen, begun: float, wait_s: float) -> int:
        n_events = 0
        messages = self._consumer.consume(2000, wait_s)
        now = time.perf_counter() - begun
        for message in messages:
            if message.error():
                continue
            row = json.loads(message.value())
            end = int(datetime.fromisoformat(row["window_end"]).timestamp())
            seen.answer[row["auction"], end] = row["n"], row["total"]
            n_events += row["n"]
            seen.rows += 1
            seen.first_s = seen.first_s or now
            seen.last_s = now
        return n_events
