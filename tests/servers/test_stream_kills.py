"""Kafka in, Kafka out, kill -9 at each named point: a reader of committed records sees each row once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mainstem.storage.local import points
from tests.servers.kafka_reading import wait_until_settled

LONG = os.environ.get("MAINSTEM_LONG") == "1"
EVENTS, EPOCH_ROWS, PARTITIONS = 24_000, 4_000, 2
POINTS = (
    points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_SENT, points.SINK_PREPARED,
    points.SINK_DECIDED,
)  # fmt: skip
NTH = tuple(range(1, 41)) if LONG else (1, 2)

PIPELINE = '''
import os
import mainstem as ms

p = ms.Pipeline("bids")
servers = os.environ["SERVERS"]
p.source("bids", ms.kafka(os.environ["BIDS"], servers=servers), schema="id bigint, auction bigint, ts timestamp",
         event_time="ts", watermark="2 seconds")
p.table("counts", """
    SELECT auction, window_end, count(*) AS n, sum(id) AS ids
    FROM TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY auction, window_end""",
    sink=ms.kafka(os.environ["COUNTS"], servers=servers, key="auction", partitions=2))
'''


def event(i: int) -> tuple[int, int, int]:
    """Give the auction, partition and milliseconds of an event."""
    return i % 7, i % PARTITIONS, 2000 + i * 5 - (i * 37) % 1900


def produced(kafka: Any, topic: str) -> None:
    """Write the events."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(kafka.client)
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result()
    producer = Producer(kafka.client | {"linger.ms": 20, "queue.buffering.max.messages": 100_000})
    for i in range(EVENTS):
        auction, partition, ms = event(i)
        value = {
            "id": i,
            "auction": auction,
            "ts": f"2026-01-01T00:{ms // 60000:02}:{ms % 60000 / 1000:06.3f}Z",
        }
        producer.produce(topic, json.dumps(value).encode(), partition=partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def expected() -> Counter[tuple[int, str]]:
    """Give the closed windows in plain Python: the watermark is the smaller of two partitions'."""
    counts: Counter[tuple[int, str]] = Counter()
    latest = [0] * PARTITIONS
    for i in range(EVENTS):
        auction, partition, ms = event(i)
        latest[partition] = max(latest[partition], ms)
        counts[auction, ms // 10_000 + 1] += 1
    watermark = min(latest) - 2000
    return Counter({key: n for key, n in counts.items() if key[1] * 10_000 <= watermark})


def consumed(kafka: Any, topic: str) -> Counter[tuple[int, int]]:
    """Give what a reader of committed records sees; a doubled row counts twice."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(kafka.client | {
        "group.id": uuid.uuid4().hex, "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False,
    })  # fmt: skip
    numbers = list(consumer.list_topics(topic).topics[topic].partitions)
    wait_until_settled(kafka, topic, len(numbers))
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    found: Counter[tuple[int, int]] = Counter()
    ends = 0
    while ends < len(numbers):
        message = consumer.poll(20)
        assert message is not None, "no answer from the broker"
        if message.error():
            ends += 1
            continue
        row = json.loads(message.value())
        minute, second = row["window_end"][14:16], row["window_end"][17:19]
        found[row["auction"], (int(minute) * 60 + int(second)) // 10] += row["n"]
    consumer.close()
    return found


def run(folder: Path, env: dict[str, str], kill_at: str = "") -> int:
    """Run until caught up, or until the point where it is killed."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mainstem.cli.main import entry; sys.exit(entry())",
         "run", str(folder / "pipeline.py"), "--until-caught-up", "--epoch-rows", str(EPOCH_ROWS)],
        env=os.environ | env | {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr + done.stdout
    return done.returncode


@pytest.fixture(scope="module")
def bids(kafka: Any) -> str:
    """Give a topic with the events."""
    topic = f"bids-{uuid.uuid4().hex[:8]}"
    produced(kafka, topic)
    return topic


@pytest.mark.parametrize("point", POINTS)
def test_killed_between_kafka_and_kafka(point: str, kafka: Any, bids: str, tmp_path: Path) -> None:
    """Killed twice at a point, each row of a closed window is there once, with the right count."""
    topic = f"counts-{uuid.uuid4().hex[:8]}"
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    env = {"SERVERS": kafka.address, "BIDS": bids, "COUNTS": topic}

    kills = [run(tmp_path, env, f"{point}:{nth}") for nth in NTH]

    assert kills[0] == -signal.SIGKILL, f"{point} was never reached"
    assert run(tmp_path, env) == 0
    assert consumed(kafka, topic) == expected()
