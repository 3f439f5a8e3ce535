"""Streams from Kafka to Kafka whose partitions are read and brought down by Spark's tasks."""

import os
import pickle
import uuid

import pytest

from mainstem.engines.spark.stream.run import Cluster
from mainstem.engines.spec import StreamSettings
from mainstem.runtime.run import RunOptions, run
from mainstem.storage.local import points
from tests.servers.kafka_streaming import (
    PARTITIONS,
    consumed,
    expected,
    killed,
    pipeline,
    produced,
)
from tests.spark.test_cluster import kill_executor

LONG = os.environ.get("MAINSTEM_LONG") == "1"
EVENTS = 20_000
POINTS = (
    points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_SENT, points.SINK_PREPARED,
    points.SINK_DECIDED,
)  # fmt: skip


@pytest.fixture(scope="module")
def bids(kafka):
    """A topic with events on two partitions."""
    return produced(kafka, EVENTS)


def events_of(base, kafka, bids, outs, engine="spark", epoch_rows=4_000):
    """Run until everything was read, in this process."""
    p = pipeline(kafka.address, bids, outs)
    options = RunOptions(
        base, stream=StreamSettings("caught_up", None, epoch_rows), engine=engine
    )  # fmt: skip
    return run(p.plan(), options)


def test_kafka_to_kafka(tmp_path, kafka, bids, monkeypatch):
    """Every record is read once, in tasks of Spark's, and both kinds of tables are right."""
    jobs, collected = [], Cluster.collected

    def noted(self, sent):
        jobs.append(collected(self, sent))
        return jobs[-1]

    monkeypatch.setattr(Cluster, "collected", noted)
    outs = {name: f"out-{uuid.uuid4().hex[:8]}" for name in ("counts", "latest")}
    ended = [e for e in events_of(tmp_path, kafka, bids, outs) if e.kind == "run_ended"]

    ledger = ended[0].facts["ledger"]
    assert ledger["sources"]["bids"]["read"] == EVENTS
    assert ended[0].facts["stream"]["epochs"] >= EVENTS // 4_000
    results = [pickle.loads(one) for job in jobs for one in job]
    assert sum(one.loaded.rows for one in results) == EVENTS
    # A task for each partition, which gives what its records come down to and no record.
    assert max(map(len, jobs)) == PARTITIONS
    assert not [table for one in results for table in one.files if table.startswith("__in_")]
    for name, topic in outs.items():
        assert consumed(kafka, name, topic) == expected(name, EVENTS)


def test_the_driver_is_killed(tmp_path, kafka, bids):
    """Killed -9 at each point of a commit, again and again: each row is there once.

    The last run is the embedded engine's: the state is the same on both.
    """
    topic, n_kills, wanted = f"out-{uuid.uuid4().hex[:8]}", 0, 20 if LONG else len(POINTS)
    given = (tmp_path, kafka.address, bids, {"counts": topic})
    while n_kills < wanted:
        at = f"{POINTS[n_kills % len(POINTS)]}:1"
        # Small enough that there is an epoch left for each kill.
        assert killed(*given, epoch_rows=EVENTS // (2 * wanted), kill_at=at, engine="spark")
        n_kills += 1

    assert not killed(*given, epoch_rows=4_000)
    assert consumed(kafka, "counts", topic) == expected("counts", EVENTS)


def test_an_executor_dies(tmp_path, kafka, bids, cluster):
    """Killed in the middle of a stream: its tasks are repeated elsewhere, and nothing is doubled."""
    outs, kills = {"counts": f"out-{uuid.uuid4().hex[:8]}"}, 0
    for event in events_of(tmp_path, kafka, bids, outs, cluster.address, 2_000):
        if event.kind == "epoch_committed" and kills < 2:
            kill_executor()
            kills += 1

    assert kills == 2
    assert consumed(kafka, "counts", outs["counts"]) == expected("counts", EVENTS)
