"""A state more than twenty epochs older than a topic of Kafka catches up with it, exactly once."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import mainstem as ms
from mainstem.storage.local import points
from tests.faults.older import COPIED, COUNTED, LOST, N_ENTRIES, TABLES, Older
from tests.servers import kafka_streaming as whole
from tests.servers.kafka_reading import wait_until_settled

EVENTS = 12_000


def read(kafka: Any, topic: str) -> Counter[str]:
    """Give every committed record of a topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(kafka.client | {
        "group.id": uuid.uuid4().hex, "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False,
    })  # fmt: skip
    wait_until_settled(kafka, topic, 1)
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: Counter[str] = Counter()
    while True:
        message = consumer.poll(20)
        assert message is not None, "no answer from the broker"
        if message.error():
            break
        found[json.dumps(json.loads(message.value()), sort_keys=True)] += 1
    consumer.close()
    return found


def tables(servers: str, tag: str) -> dict[str, Any]:
    """Give the tables of `older`, and two with a topic as their sink."""
    words = {"servers": servers, "partitions": 1}
    sent = {
        "sent": (COUNTED, {"sink": ms.kafka(f"sent-{tag}", **words)}),
        "rows": (TABLES["filed"][0], {"sink": ms.kafka(f"rows-{tag}", **words)}),
    }
    return TABLES | sent


def killed(folder: str, servers: str, tag: str) -> None:
    """Catch up in a process of its own, until it is killed."""
    os.environ |= {"MAINSTEM_TESTING": "1", "MAINSTEM_KILL_AT": f"{points.EPOCH_COMMITTED}:3"}
    Older(Path(folder), tables(servers, tag)).run(LOST, N_ENTRIES)


def test_idle_wake_and_lookup_before_topics(kafka, tmp_path):
    """One run goes through; the other loses its state, and is killed while it catches up."""
    servers = kafka.client["bootstrap.servers"]
    tags = [uuid.uuid4().hex[:8] for _ in range(2)]
    straight = Older(tmp_path / "straight", tables(servers, tags[0]))
    straight.run(0, N_ENTRIES)
    older = Older(tmp_path / "older", tables(servers, tags[1]))
    older.lose()

    context = multiprocessing.get_context("spawn")
    child = context.Process(target=killed, args=(str(older.folder), servers, tags[1]))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    events = older.run(LOST, N_ENTRIES)

    (met,) = [event.facts for event in events if event.kind == "catching_up"]
    assert set(met["sinks"]) == {"stored", "filed", "latest", "sent", "rows"}
    assert all(epoch - COPIED >= 20 for epoch in met["sinks"].values())
    for kind in ("sent", "rows"):
        topics = [read(kafka, f"{kind}-{tag}") for tag in tags]
        assert topics[1] == topics[0]
        assert topics[1].total() > 8
    assert older.answers() == straight.answers()


def test_topic_to_topic(kafka, tmp_path):
    """As a user runs it: the records are read again up to the offsets of the tokens, in other epochs."""
    servers, topic = kafka.client["bootstrap.servers"], whole.produced(kafka, EVENTS)
    outs = {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in whole.SQL}
    state, copy = tmp_path / ".mainstem" / "bids", tmp_path / "copy"
    given = (tmp_path, servers, topic, outs)
    # A run that is killed in its third epoch leaves a state of the second.
    assert whole.killed(*given, epoch_rows=500, kill_at=f"{points.EPOCH_COMPUTED}:3")
    copy_to(state, copy)
    assert not whole.killed(*given, epoch_rows=500)
    shutil.rmtree(state)
    copy_to(copy, state)

    assert whole.killed(*given, epoch_rows=900, kill_at=f"{points.EPOCH_COMMITTED}:2")
    assert not whole.killed(*given, epoch_rows=900)

    for name, out in outs.items():
        assert whole.consumed(kafka, name, out) == whole.expected(name, EVENTS)


def copy_to(source: Path, target: Path) -> None:
    """Copy a state directory as somebody would by hand."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("socket", "lock"))
