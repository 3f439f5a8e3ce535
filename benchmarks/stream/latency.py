"""How long a record takes from its producer until a query of another process sees it, committed.

`python -m benchmarks.stream.latency` runs this part alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.process import ProcessFailedError
from benchmarks.report import Report
from benchmarks.stream.bids import make_topic
from mainstem.errors import MainstemError
from mainstem.runtime.query import query

RATE, WARM_S = 1000, 3.0
# How often it is asked, at most: part of what is measured.
_ASK_S = 0.001
_FSYNC_S = 0.1
_READY_S = 30
_AFTER_S = 5.0
PIPELINE = Path(__file__).with_name("latency_pipeline.py")


def measure_latency(client: Mapping[str, str], folder: Path, report: Report, run_s: float) -> None:
    """Let a stream run, write at a steady rate, and ask all the while."""
    place = folder / "latency"
    place.mkdir()
    shutil.copy(PIPELINE, place / "pipeline.py")
    make_topic(client, "ticks", {"message.timestamp.type": "LogAppendTime"})
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"BENCH_SERVERS": client["bootstrap.servers"], "BENCH_IN": "ticks"}
    command = [sys.executable, "-m", "mainstem", "run", "pipeline.py", "--quiet"]
    with (place / "log").open("wb") as log:
        child = subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        state = place / ".mainstem" / "ticks"
        _wait_ready(state, child, place / "log")
        _measure(client, state, report, run_s)
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait()


def _measure(client: Mapping[str, str], state: Path, report: Report, run_s: float) -> None:
    n_rows, n_warm = int(RATE * (run_s + WARM_S)), int(RATE * WARM_S)
    sent, fsyncs, stop = [0.0] * n_rows, list[float](), threading.Event()
    threads = (
        threading.Thread(target=_produce, args=(client, sent), daemon=True),
        threading.Thread(target=_fsync, args=(state.parent.parent, fsyncs, stop), daemon=True),
    )
    before = sys.getswitchinterval()
    # The asker must not wait for the producer's turn to end.
    sys.setswitchinterval(0.0005)
    try:
        for thread in threads:
            thread.start()
        seen, asked = _ask(state, n_rows)
    finally:
        stop.set()
        sys.setswitchinterval(before)
    if len(seen) < n_rows:
        report.check(f"{len(seen):,} of {n_rows:,} rows were seen", "latency")
    appended = _appended(client, n_rows)
    counted = range(n_warm, len(seen))
    broker = sorted(1000 * (seen[at] - appended[at]) for at in counted)
    whole = sorted(1000 * (seen[at] - sent[at]) for at in counted)
    disk, questions = sorted(fsyncs), sorted(asked)
    raw = (
        f"{len(broker):,} rows at {RATE}/s, largest {broker[-1]:.0f} ms; from the producer on p50 "
        f"{_at(whole, 0.5):.0f} p99 {_at(whole, 0.99):.0f}; a question p50 {_at(questions, 0.5):.1f} "
        f"p99 {_at(questions, 0.99):.1f}; fsync p50 {_at(disk, 0.5):.1f} p99 {_at(disk, 0.99):.1f} ms; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    report.at_most("latency_p50_ms", _at(broker, 0.5), 15, raw)
    report.at_most("latency_p99_ms", _at(broker, 0.99), 60, "")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        report.fact(**{
            f"fsync_{name}_ms": round(_at(disk, share), 2),
            f"latency_from_producer_{name}_ms": round(_at(whole, share), 1),
        })  # fmt: skip


def _appended(client: Mapping[str, str], n_rows: int) -> list[float]:
    """Give when the broker had each row: its own time, whole milliseconds since 1970."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**client, "group.id": "latency", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("ticks", 0, 0)])
    found: list[float] = []
    while len(found) < n_rows:
        messages = consumer.consume(1000, 5)
        if not messages:
            raise ProcessFailedError(f"latency: the topic has {len(found)} of {n_rows} rows")
        found += [message.timestamp()[1] / 1000 for message in messages if not message.error()]
    consumer.close()
    return found


def _wait_ready(state: Path, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.perf_counter() + _READY_S
    while time.perf_counter() < until and child.poll() is None:
        with suppress(MainstemError):
            query(state, "SELECT max(id) FROM seen")
            return
        time.sleep(0.05)
    raise ProcessFailedError(f"latency: the stream does not answer\n{log.read_text()[-2000:]}")


def _produce(client: Mapping[str, str], sent: list[float]) -> None:
    from confluent_kafka import Producer

    # A thousand requests a second would be the broker's work, and not what is asked here.
    producer = Producer({**client, "linger.ms": 5, "acks": "all"})
    begun = time.perf_counter()
    for at in range(len(sent)):
        wait = begun + at / RATE - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"id": at, "price": at % 100, "ts": now})
        sent[at] = time.time()
        # One partition: the rows come in the order of their ids.
        producer.produce("ticks", text, partition=0)
        producer.poll(0)
    producer.flush()


def _fsync(folder: Path, found: list[float], stop: threading.Event) -> None:
    """Measure what the disk needs to keep 4 kB, in the same folder and at the same time."""
    with (folder / "fsync").open("wb", buffering=0) as file:
        while not stop.wait(_FSYNC_S):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            found.append(1000 * (time.perf_counter() - begun))


def _ask(state: Path, n_rows: int) -> tuple[list[float], list[float]]:
    """Ask for the largest id until all are seen; gives when each was, and what a question took."""
    seen: list[float] = []
    asked: list[float] = []
    until = time.time() + n_rows / RATE + _AFTER_S
    while len(seen) < n_rows and time.time() < until:
        begun = time.time()
        ((largest,),) = query(state, "SELECT max(id) FROM seen").rows
        now = time.time()
        asked.append(1000 * (now - begun))
        if largest is not None:
            seen += [now] * (largest + 1 - len(seen))
        time.sleep(_ASK_S)
    return seen, asked


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


if __name__ == "__main__":
    from benchmarks.stream import broker

    alone = Report("latency")
    with tempfile.TemporaryDirectory() as given, broker() as running:
        measure_latency(running, Path(given), alone, 20)
    print(alone)
