"""A pipeline from Kafka to Kafka that loses one of its brokers while it runs: it goes on, and loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from mainstem.dev import server
from tests.servers.kafka_streaming import consumed, expected, killed, produce, produced

PART = 6_000


class Child:
    """The pipeline in a process of its own, which nothing ends but a signal."""

    def __init__(self, base: Path, kafka: Any, topic: str, outs: dict[str, str]) -> None:
        words = [str(base), kafka.address, topic, json.dumps(outs)]
        # A file takes all that is said of a broker that is away; a full pipe would hold the process up.
        self.told = base / "told"
        with self.told.open("w") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.kafka_streaming", *words],
                stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def has_read(self, n_events: int) -> None:
        """Wait until so many events were read."""
        while (line := self.process.stdout.readline()) and int(line) < n_events:
            pass
        assert line, self.told.read_text()

    def stopped(self) -> None:
        """Stop it; it was there all the time."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=120)
        assert self.process.returncode == 143, self.told.read_text()
        # What librdkafka says of a broker that is away, many times a second, is kept from stderr.
        assert "Connection refused" not in self.told.read_text()


def outs() -> dict[str, str]:
    """Give new topics for both tables."""
    return {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in ("counts", "latest")}


def check(base: Path, kafka: Any, topic: str, found: dict[str, str], n_events: int) -> None:
    """Run to the end, and look at both topics."""
    assert not killed(base, kafka.address, topic, found, epoch_rows=2000)
    for table, out in found.items():
        assert consumed(kafka, table, out) == expected(table, n_events)


def test_one_of_three_brokers_is_lost_and_never_comes_back(tmp_path: Path) -> None:
    """Partitions, transactions and tokens get other leaders."""
    with server("kafka", nodes=3) as kafka:
        topic, found = produced(kafka, PART, replicas=3), outs()
        with Child(tmp_path, kafka, topic, found) as child:
            child.has_read(PART // 4)
            kafka.nodes[0].kill()
            produce(kafka, topic, PART, 2 * PART)
            child.has_read(2 * PART)
            child.stopped()

        check(tmp_path, kafka, topic, found, 2 * PART)
