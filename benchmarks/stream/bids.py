"""Bids of an auction as JSON, 171 bytes each, and the right answer, counted in plain Python."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

BYTES = 171
N_KEYS = 100
WINDOW_S = 10
PARTITIONS = 2
# 2026-01-01 in milliseconds; one bid comes each millisecond, up to half a second early or late.
_BEGIN_MS = 1_767_225_600_000
_DISORDER_MS = 500
# Far behind the last bid: it closes every window. Its own window stays open.
_MARKER = (
    b'{"auction":-1,"bidder":0,"price":0,"channel":"end","url":"","ts":"2026-02-01T00:00:00.000Z"}'
)
# Errors only: what a client says when it ends is no news.
_QUIET = {"log_level": 3}
_CLIENT = {
    **_QUIET,
    # Without it a batch that is sent again comes late, and a right engine counts it as late.
    "enable.idempotence": True,
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 1_000_000,
}

# (key, end of the window in seconds since 1970) -> (count, sum of prices)
Answer = dict[tuple[int, int], tuple[int, int]]


def make_topic(
    client: Mapping[str, str], topic: str, config: Mapping[str, str] | None = None
) -> None:
    """Make a topic with as many partitions as this benchmark has."""
    from confluent_kafka.admin import AdminClient, NewTopic

    # A name of its own: the client ends what it was asked when it goes.
    admin = AdminClient({**client, **_QUIET})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=dict(config or {}))])[topic].result()


def produce(client: Mapping[str, str], topic: str, n_events: int) -> Answer:
    """Write the bids, the same each time, and give the answer."""
    from confluent_kafka import Producer

    make_topic(client, topic)
    producer = Producer({**client, **_CLIENT})
    draw = random.Random(7).random
    seconds: dict[int, str] = {}
    answer: Answer = {}
    for at in range(n_events):
        ms = _BEGIN_MS + at + int(draw() * 2 * _DISORDER_MS) - _DISORDER_MS
        auction, bidder, price = (
            int(draw() * N_KEYS),
            int(draw() * 10_000),
            1 + int(draw() * 10_000),
        )
        second = ms // 1000
        if second not in seconds:
            seconds[second] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        text = (
            f'{{"auction":{auction},"bidder":{bidder},"price":{price},"channel":"web",'
            f'"url":"https://x/{at}","ts":"{seconds[second]}.{ms % 1000:03}Z","pad":"'
        )
        producer.produce(topic, f'{text:x<{BYTES - 2}}"}}', partition=at % PARTITIONS)
        if not at % 1000:
            producer.poll(0)
        key = auction, second - second % WINDOW_S + WINDOW_S
        count, total = answer.get(key, (0, 0))
        answer[key] = count + 1, total + price
    for partition in range(PARTITIONS):
        producer.produce(topic, _MARKER, partition=partition)
    producer.flush()
    return answer
