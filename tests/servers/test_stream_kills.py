"""Kafka in, Kafka out, kill -9 at each named point: a reader of committed records sees each row once."""

from __future__ import annotations

import os
import uuid
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mainstem.storage.local import points
from tests.servers.kafka_streaming import consumed, expected, killed, produced

LONG = os.environ.get("MAINSTEM_LONG") == "1"
EVENTS, EPOCH_ROWS = 24_000, 400 if LONG else 4_000
POINTS = (
    points.EPOCH_COMPUTED, points.EPOCH_COMMITTED, points.SINK_SENT, points.SINK_PREPARED,
    points.SINK_DECIDED,
)  # fmt: skip
# Kills for each sink; and which passing of a point it is in turn: 1 hits what was just recovered.
KILLS = 200 if LONG else 10
NTH = (2, 1, 3)


@pytest.fixture(scope="module")
def bids(kafka: Any) -> str:
    """Give a topic with the events."""
    return produced(kafka, EVENTS)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("table", ["counts", "latest"])
def test_killed_between_kafka_and_kafka(
    table: str, point: str, kafka: Any, bids: str, tmp_path: Path
) -> None:
    """Each kill but the first hits a run that had itself recovered; topics of rows, and of changes."""
    wanted, n_kills = KILLS // len(POINTS), 0
    for history in count():
        base, topic = tmp_path / str(history), f"out-{uuid.uuid4().hex[:8]}"
        base.mkdir()
        given = (base, kafka.address, bids, {table: topic})
        n_before = n_kills
        while n_kills < wanted and killed(
            *given, epoch_rows=EPOCH_ROWS, kill_at=f"{point}:{NTH[n_kills % len(NTH)]}"
        ):
            n_kills += 1
        assert n_kills > n_before, f"{point} was never reached"

        assert not killed(*given, epoch_rows=EPOCH_ROWS)
        assert consumed(kafka, table, topic) == expected(table, EVENTS)
        if n_kills == wanted:
            return
