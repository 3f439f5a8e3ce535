"""Kafka to Kafka beside Flink and Spark, and how long a record takes: see docs/benchmarks.md.

Everything runs on one broker and on the same cores, in turn, in one sitting. Each answer is compared row
by row with one that is counted in plain Python while the bids are made.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from benchmarks.datasets import DataNotHereError
from benchmarks.process import CORES, ProcessFailedError
from benchmarks.report import Report
from benchmarks.stream.bids import BYTES, Answer, make_topic, produce
from benchmarks.stream.files import measure_files
from benchmarks.stream.flink import flink
from benchmarks.stream.latency import measure_latency
from benchmarks.stream.own import Mainstem
from benchmarks.stream.spark import own_spark, spark
from benchmarks.stream.visible import Seen, Watcher
from mainstem.dev import Process, up
from mainstem.errors import MainstemError

N_EVENTS = 1_000_000
# Least multiples of the speed of a warm peer that issue the targets of `make bench-stream`.
VS_FLINK, VS_SPARK, PYTHON_VS_FLINK = 2.5, 5.0, 2.0
# Mainstem on Spark may take so many times as long as the query written by hand for Spark.
ON_SPARK = 1.1
# The broker of tests is compiled in a hurry and has a small heap; here it is not to be the limit.
_JAVA, _BROKER = "_JAVA_OPTIONS", "-XX:TieredStopAtLevel=4 -Xmx1500m"


class Runner(Protocol):
    """Something that runs the query into a topic."""

    def prepare(self, topic: str) -> None:
        """Do what is not part of the time."""

    def start(self, topic: str) -> None:
        """Start the query: the time begins."""

    def is_alive(self) -> bool:
        """Say whether rows can still come."""

    def complaint(self) -> str:
        """Give what it said when it failed."""

    def cpu_s(self) -> float:
        """Give the CPU time that it has used so far."""

    def stop(self) -> None:
        """End the query, and wait until it uses nothing any more."""


def measure(*, quick: bool) -> Report:
    """Run all of it; the small form has fewer turns."""
    # Named so that a part can be run alone while working on it.
    n_events = int(os.environ.get("BENCH_STREAM_EVENTS") or N_EVENTS)
    n_turns = int(os.environ.get("BENCH_STREAM_TURNS") or (2 if quick else 5))
    report = Report("stream")
    # The JVMs of the peers must not outlive a benchmark that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as given, broker() as client:
        expected = produce(client, "bids", n_events)
        runs = compared(Path(given), client, expected, report, n_turns)
        measure_latency(client, Path(given), report, 10 if quick else 30)
        measure_files(Path(given), report, 1_000_000 if quick else 4_000_000, 1 if quick else 3)
    describe(report, runs, n_events, n_turns)
    return report


@contextmanager
def broker() -> Iterator[Mapping[str, str]]:
    """Have a broker of one's own; gives the settings of its clients."""
    before = os.environ.get(_JAVA)
    os.environ[_JAVA] = _BROKER
    try:
        owner = Process.current()
        found = up("kafka", name=f"bench-{owner.pid}", owner=owner, ready_s=60)
    except MainstemError as error:
        raise DataNotHereError(str(error)) from error
    finally:
        # The peers set for themselves what they need.
        os.environ.pop(_JAVA)
        if before is not None:
            os.environ[_JAVA] = before
    try:
        yield found.client
    finally:
        found.down()


def compared(
    folder: Path, client: Mapping[str, str], expected: Answer, report: Report, n_turns: int
) -> dict[str, list[Seen]]:
    """Run everybody in turn; the first turn is not counted, and two of the peers are not: they warm up."""
    servers = client["bootstrap.servers"]
    wanted = os.environ.get("BENCH_STREAM_PEERS", "flink,spark").split(",")
    with ExitStack() as stack:
        own = Mainstem(folder, servers, "bids", "compiled")
        runners: dict[str, Runner] = {"mainstem": own}
        if "flink" in wanted:
            cluster = stack.enter_context(flink(folder))
            cluster.begin(servers, "bids")
            runners = {"flink": cluster, **runners}
        runners["mainstem_python"] = Mainstem(folder, servers, "bids", "python")
        if "spark" in wanted:
            runners["spark"] = stack.enter_context(spark(folder, servers, "bids"))
            runners["mainstem_on_spark"] = stack.enter_context(own_spark(folder, servers, "bids"))
        runs: dict[str, list[Seen]] = {name: [] for name in runners}
        for turn in range(-1, n_turns + 1):
            for name, runner in runners.items():
                if turn < 0 and isinstance(runner, Mainstem):
                    continue
                seen = once(runner, client, f"{name}-{turn + 1}", expected)
                report.check(seen.difference(expected), f"{name}, run {turn + 1}")
                load = os.getloadavg()[0]
                counted = "" if turn > 0 else " (not counted)"
                line = (
                    f"{name:<16} {seen.last_s:6.2f} s, {seen.cpu_s:.1f} s of CPU, first row after "
                    f"{seen.first_s:.2f} s, {seen.rows:,} rows, load {load:.1f}{counted}"
                )
                # Shown at once: whoever ends a long run has them.
                print(f"  {line}", file=sys.stderr, flush=True)
                report.note(line)
                if turn > 0:
                    runs[name].append(seen)
    return runs


def once(runner: Runner, client: Mapping[str, str], topic: str, expected: Answer) -> Seen:
    """Run the query once, from its start to the last row that an independent consumer sees."""
    n_events = sum(count for count, _ in expected.values())
    make_topic(client, topic)
    runner.prepare(topic)
    watcher = Watcher(client, topic)
    cpu_s, begun = runner.cpu_s(), time.perf_counter()
    runner.start(topic)
    try:
        seen = watcher.watch(n_events, begun, runner.is_alive)
    except ProcessFailedError as error:
        raise ProcessFailedError(f"{topic}: {error}\n{runner.complaint()}") from error
    runner.stop()
    seen.cpu_s = runner.cpu_s() - cpu_s
    return seen


def describe(report: Report, runs: Mapping[str, list[Seen]], n_events: int, n_turns: int) -> None:
    """Make the figures: ratios of medians, with the ratio of each pair beside them."""
    medians = {
        name: statistics.median(seen.last_s for seen in found) for name, found in runs.items()
    }
    targets = (
        ("kafka_vs_flink", "flink", "mainstem", VS_FLINK),
        ("kafka_vs_spark", "spark", "mainstem", VS_SPARK),
        ("kafka_python_vs_flink", "flink", "mainstem_python", PYTHON_VS_FLINK),
    )
    for figure, peer, name, target in targets:
        if peer not in runs:
            continue
        pairs = [a.last_s / b.last_s for a, b in zip(runs[peer], runs[name], strict=True)]
        report.at_least(
            figure, medians[peer] / medians[name], target,
            f"{medians[peer]:.2f} / {medians[name]:.2f} s; pairs {_listed(pairs)}",
        )  # fmt: skip
    if "spark" in runs:
        pairs = [a.last_s / b.last_s for a, b in zip(
            runs["mainstem_on_spark"], runs["spark"], strict=True)]  # fmt: skip
        report.at_most(
            "stream_vs_handwritten", medians["mainstem_on_spark"] / medians["spark"], ON_SPARK,
            f"{medians['mainstem_on_spark']:.2f} / {medians['spark']:.2f} s; pairs {_listed(pairs)}",
        )  # fmt: skip
    for name, seconds in medians.items():
        raw = _listed(seen.last_s for seen in runs[name])
        cpu = _listed(seen.cpu_s for seen in runs[name])
        report.at_least(f"{name}_events_per_s", n_events / seconds, None, f"{raw} s; CPU {cpu} s")
    firsts = [seen.first_s for seen in runs["mainstem"]]
    report.at_most("first_result_s", statistics.median(firsts), 1.5, f"{_listed(firsts)} s")
    report.fact(
        events_per_s=round(n_events / medians["mainstem"]),
        n_events=n_events,
        event_bytes=BYTES,
        n_runs=n_turns,
        stream_cores=CORES,
        stream_cpu_us_per_event={
            name: round(1e6 * statistics.median(s.cpu_s for s in found) / n_events, 2)
            for name, found in runs.items()
        },
        stream_load=round(os.getloadavg()[0], 1),
    )


def _listed(values: Iterator[float] | list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
