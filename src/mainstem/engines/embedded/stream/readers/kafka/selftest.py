"""Reads records that were produced for it through a build of the compiled reader; exits with 0 when all fits.

Run by `build.build` in a process of its own. The broker is the one inside of librdkafka.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import Any

from mainstem.engines.embedded.stream.readers.kafka.build import kafka_library
from mainstem.engines.embedded.stream.readers.kafka.client import READING, Log
from mainstem.engines.embedded.stream.readers.kafka.compiled import CompiledPoll, Library
from mainstem.engines.embedded.stream.readers.kafka.poll import Slot

TOPIC, N_ROWS, MOST_S = "selftest", 3000, 20.0
# Of every kind: long, empty, absent; with and without key and headers.
VALUES = (b"x" * 300, b"", None, "é".encode(), b"\x00\xff")


def value(i: int) -> bytes | None:
    """Give the value of the record with offset `i`."""
    found = VALUES[i % len(VALUES)]
    return found + b"%d" % i if found else found


def key(i: int) -> bytes | None:
    """Give its key."""
    return b"k%d" % i if i % 3 else None


def headers(i: int) -> list[tuple[str, Any]]:
    """Give its headers."""
    return [("a", b"%d" % i), ("b", None)] if i % 4 == 0 else []


def produced() -> tuple[Any, str]:
    """Write the records to a broker inside of this process; it lives with the producer."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1})
    for i in range(N_ROWS):
        producer.produce(
            TOPIC, value(i), key(i), partition=0, headers=headers(i), timestamp=1_000_000 + i
        )
    if producer.flush(MOST_S):
        raise SystemExit("the broker inside of librdkafka takes no records")
    broker = next(iter(producer.list_topics(timeout=MOST_S).brokers.values()))
    return producer, f"{broker.host}:{broker.port}"


def read(built: Path, servers: str) -> list[tuple[Any, ...]]:
    """Give what a build reads: value, key, headers, offset, time of each record."""
    import duckdb

    settings = {**READING, "bootstrap.servers": servers, "group.id": "selftest"}
    # The broker inside knows no transactions.
    settings["isolation.level"] = "read_uncommitted"
    library = Library(built, kafka_library())
    poll = CompiledPoll(library, settings, Log("selftest"), with_key=True, with_headers=True)
    poll.add([Slot(TOPIC, 0, 0)])
    rows: list[tuple[Any, ...]] = []
    until = monotonic() + MOST_S
    with duckdb.connect() as connection:
        while len(rows) < N_ROWS and monotonic() < until:
            taken = poll.read(1000, 1 << 20, 1.0, 0.01)
            if taken.table is not None:
                table = taken.table  # noqa: F841 - DuckDB finds it by its name
                rows += connection.execute(
                    'SELECT "value", "key", headers, position, epoch_ms("time") FROM "table"'
                ).fetchall()
    poll.close()
    return rows


def main(built: Path) -> None:
    """Compare what was read with what was written."""
    producer, servers = produced()
    wanted = [
        (value(i), key(i), [{"key": n, "value": v} for n, v in headers(i)], i, 1_000_000 + i)
        for i in range(N_ROWS)
    ]
    found = read(built, servers)
    del producer
    if found != wanted:
        wrong = next((i for i, pair in enumerate(zip(found, wanted, strict=False))
                      if pair[0] != pair[1]), min(len(found), N_ROWS))  # fmt: skip
        raise SystemExit(
            f"record {wrong} of {len(found)} read, {N_ROWS} written: {found[wrong : wrong + 1]}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
