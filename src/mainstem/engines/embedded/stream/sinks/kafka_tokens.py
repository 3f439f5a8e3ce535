"""The topic of commit tokens: one partition, compacted, a record for each epoch of each sink.

A token is too long for the metadata of a committed offset (4 KiB), so it is a record, written in the
transaction of the rows. Its key is the sink, its value the token and the run that may write.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from mainstem.engines.embedded.stream.readers.kafka.client import PARTITION_EOF
from mainstem.errors import OutsideError
from mainstem.record import record

# Small segments: only closed ones are compacted, and the whole topic is a few records then.
CONFIG = {
    "cleanup.policy": "compact", "segment.bytes": "4194304", "min.cleanable.dirty.ratio": "0.1",
}  # fmt: skip
# Records from the end that are looked at first: the sink's last one is almost always among them.
_LAST = 64
_POLL_S = 0.1

READING = {
    "isolation.level": "read_committed", "enable.partition.eof": "true",
    "enable.auto.commit": "false", "enable.auto.offset.store": "false",
    "auto.offset.reset": "error", "allow.auto.create.topics": "false", "fetch.wait.max.ms": "10",
    "fetch.queue.backoff.ms": "1", "queued.max.messages.kbytes": "16384",
}  # fmt: skip


@record
class Mark:
    """What stands in the topic about a sink: the run that may write, and the token as text."""

    run_id: str = ""
    token: str = ""

    def value(self) -> bytes:
        """Give the record's value."""
        return json.dumps({"run": self.run_id, "token": self.token}).encode()


def parsed(value: bytes) -> Mark:
    """Give the mark of a record's value."""
    fields = json.loads(value)
    return Mark(fields["run"], fields["token"])


def last_mark(
    settings: Mapping[str, Any],
    topic: str,
    key: bytes,
    *,
    patience_s: float,
    is_complete: bool = True,
) -> Mark:
    """Give the last committed mark of a sink, read to the very end of the topic.

    Parameters
    ----------
    settings : mapping
        By which a consumer gets to the brokers.
    topic, key : str, bytes
        The topic of tokens, and the sink.
    patience_s : float
        How long to wait for a transaction of another sink that is open at the end: ours may stand
        behind it.
    is_complete : bool
        Whether to wait for that; else what is committed before the first open transaction will do.

    Raises
    ------
    OutsideError
        When the end of the topic was not reached in that time.
    """
    from confluent_kafka import Consumer

    consumer = Consumer({**settings, **READING, "group.id": "mainstem.tokens"})
    try:
        low, high = _bounds(settings, topic, patience_s)
        span, end = _LAST, time.monotonic() + patience_s
        while True:
            start = max(low, high - span)
            wanted = high if is_complete else low
            found = _last_between(consumer, topic, key, (start, high, wanted), end)
            if found is not None or start == low:
                return found or Mark()
            span *= 16
    finally:
        consumer.close()


def _bounds(settings: Mapping[str, Any], topic: str, patience_s: float) -> tuple[int, int]:
    """Give the first offset, and the one behind the last record, committed or not."""
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

    admin = AdminClient(dict(settings))
    place = TopicPartition(topic, 0)
    found = []
    specs: Any = OffsetSpec
    for spec in (specs.earliest(), specs.latest()):
        asked = admin.list_offsets(
            {place: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=patience_s,
        )  # fmt: skip
        try:
            found.append(int(asked[place].result(patience_s).offset))
        except TimeoutError as error:
            raise OutsideError(
                f"the brokers did not say in {patience_s:g} s where topic {topic!r} ends",
                code="KafkaTokens", fix="run again once they answer",
            ) from error  # fmt: skip
    return found[0], found[1]


def _last_between(
    consumer: Any, topic: str, key: bytes, span: tuple[int, int, int], end: float
) -> Mark | None:
    """Give the last mark from an offset on; `span` is that, the end, and what has to be reached."""
    from confluent_kafka import KafkaException, TopicPartition

    start, high, wanted = span
    if start >= high:
        return None
    consumer.assign([TopicPartition(topic, 0, start)])
    found = None
    while True:
        message = consumer.poll(_POLL_S)
        if message is not None and message.error() is None:
            if message.key() == key and message.value() is not None:
                found = parsed(message.value())
        elif message is not None and message.error().code() == PARTITION_EOF:
            # Behind the last record may stand marks of transactions, which are no records.
            if message.offset() >= wanted:
                return found
        elif message is not None and not message.error().retriable():
            raise KafkaException(message.error())
        if time.monotonic() > end:
            raise OutsideError(
                f"the end of topic {topic!r} was not reached: a transaction of another writer may "
                "be open there", code="KafkaTokens", fix="run again once it has ended",
            )  # fmt: skip
