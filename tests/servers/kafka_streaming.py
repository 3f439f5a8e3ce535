"""A whole pipeline from Kafka to Kafka: what it reads, what its topics must hold, and processes that run it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import uuid
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import mainstem as ms
from mainstem.engines.spec import StreamSettings
from mainstem.errors import MainstemError
from mainstem.runtime.run import RunOptions, run
from tests.servers.kafka_reading import MOST_S, QUIET, make, wait_until_settled

PARTITIONS = 2
SQL = {
    "counts": (
        "SELECT auction, window_end, count(*) AS n, sum(id) AS ids FROM TUMBLE(bids, ts, INTERVAL '10 "
        "seconds') GROUP BY auction, window_end", {},
    ),
    "latest": ("SELECT auction, count(*) AS n FROM bids GROUP BY auction", {"state": "unbounded"}),
}  # fmt: skip


def pipeline(servers: str, topic: str, outs: dict[str, str]) -> ms.Pipeline:
    """Give the pipeline with some of the tables, each with its topic."""
    p = ms.Pipeline("bids")
    p.source(
        "bids", ms.kafka(topic, servers=servers), schema="id bigint, auction bigint, ts timestamp",
        event_time="ts", watermark="2 seconds",
    )  # fmt: skip
    for name, out in outs.items():
        sql, words = SQL[name]
        key = {"key": "auction"} if name == "counts" else {}
        p.table(name, sql, sink=ms.kafka(out, servers=servers, partitions=2, **key), **words)
    return p


def event(i: int) -> tuple[int, int, int]:
    """Give the auction, partition and milliseconds of an event."""
    return i % 7, i % PARTITIONS, 2000 + i * 5 - (i * 37) % 1900


def produce(kafka: Any, topic: str, first: int, last: int) -> None:
    """Write events by number; a batch that is sent again is there once."""
    from confluent_kafka import Producer

    words = {"linger.ms": 20, "queue.buffering.max.messages": 100_000, "enable.idempotence": True}
    producer = Producer(kafka.client | QUIET | words)
    for i in range(first, last):
        auction, partition, at = event(i)
        ts = f"2026-01-01T00:{at // 60000:02}:{at % 60000 / 1000:06.3f}Z"
        value = {"id": i, "auction": auction, "ts": ts}
        producer.produce(topic, json.dumps(value).encode(), partition=partition)
        producer.poll(0)
    assert producer.flush(MOST_S) == 0


def produced(kafka: Any, n_events: int, replicas: int = 1) -> str:
    """Give a new topic with events."""
    topic = f"bids-{uuid.uuid4().hex[:8]}"
    make(kafka, topic, PARTITIONS, replicas)
    produce(kafka, topic, 0, n_events)
    return topic


def expected(table: str, n_events: int) -> dict[Any, int]:
    """Give what a table's topic holds, in plain Python: the watermark is the smaller of two partitions'."""
    if table == "latest":
        return dict(Counter(event(i)[0] for i in range(n_events)))
    counts: Counter[tuple[int, int]] = Counter()
    latest = [0] * PARTITIONS
    for i in range(n_events):
        auction, partition, at = event(i)
        latest[partition] = max(latest[partition], at)
        counts[auction, at // 10_000 + 1] += 1
    watermark = min(latest) - 2000
    return {key: n for key, n in counts.items() if key[1] * 10_000 <= watermark}


def consumed(kafka: Any, table: str, topic: str) -> dict[Any, int]:
    """Give what a reader of committed records sees: a window that is there twice counts twice.

    Of an updating table the last record of each key; counts that go back would be an older epoch's.
    """
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(kafka.client | QUIET | {
        "group.id": uuid.uuid4().hex, "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False,
    })  # fmt: skip
    numbers = list(consumer.list_topics(topic, timeout=MOST_S).topics[topic].partitions)
    wait_until_settled(kafka, topic, len(numbers))
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    found: Counter[Any] = Counter()
    ends = 0
    while ends < len(numbers):
        message = consumer.poll(MOST_S)
        assert message is not None, "no answer from the broker"
        if message.error():
            ends += 1
            continue
        row = json.loads(message.value())
        if table == "latest":
            assert row["n"] > found[row["auction"]]
            found[row["auction"]] = row["n"]
            continue
        minute, second = row["window_end"][14:16], row["window_end"][17:19]
        found[row["auction"], (int(minute) * 60 + int(second)) // 10] += row["n"]
    consumer.close()
    return dict(found)


def stream(
    folder: Path, servers: str, topic: str, outs: dict[str, str], *, epoch_rows: int,
    ending: str = "caught_up", engine: str = "embedded",
) -> None:  # fmt: skip
    """Run the pipeline; when nothing ends it, print how many events were read after each epoch."""
    options = RunOptions(folder, stream=StreamSettings(ending, None, epoch_rows), engine=engine)
    total = 0
    with closing(run(pipeline(servers, topic, outs).plan(), options)) as events:
        for told in events:
            if told.kind == "epoch_committed" and not ending:
                total += sum(one["read"] for one in told.facts["sources"].values())
                print(total, flush=True)


def _in_process(
    switches: dict[str, str], given: tuple[Any, ...], epoch_rows: int, engine: str
) -> None:
    os.environ |= switches
    try:
        stream(*given, epoch_rows=epoch_rows, engine=engine)
    except MainstemError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def killed(
    folder: Path, servers: str, topic: str, outs: dict[str, str], *, epoch_rows: int, kill_at: str = "",
    engine: str = "embedded",
) -> bool:  # fmt: skip
    """Run until caught up, or until the point where it is killed; say which."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.servers.kafka_streaming"])
    switches = {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": kill_at}
    given = (folder, servers, topic, outs)
    child = context.Process(target=_in_process, args=(switches, given, epoch_rows, engine))
    child.start()
    child.join(2 * MOST_S)
    assert child.exitcode in (0, -signal.SIGKILL), (kill_at, child.exitcode)
    return child.exitcode == -signal.SIGKILL


if __name__ == "__main__":
    try:
        stream(
            Path(sys.argv[1]), *sys.argv[2:4], json.loads(sys.argv[4]), epoch_rows=500, ending=""
        )
    except MainstemError as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.exit_code)
