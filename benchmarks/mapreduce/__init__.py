"""Word count over Zipf text: map/reduce in Python beside what a user would write by hand, mrjob, and DuckDB.

Every way runs in a process of its own, is timed from its start to its exit, and gives a digest of its counts, which
are compared before any figure is given. CPU is that of the process and of all that it has started. ``QUICK=1`` takes
20 MB, otherwise 100 MB; ``MAINSTEM_BENCH_GB=1`` adds 1 GB.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import platform
import random
from pathlib import Path

from benchmarks import datasets, process
from benchmarks.process import Sample
from benchmarks.report import Report

ROUNDS = 3
MB = 1_000_000
MRJOB_MB = 20
WORDS, WORDS_OF_LINE, SEED = 200_000, 12, 7
# (ours, beside which, at most)
PAIRS = (
    ("cpu_vs_bare_loop", "job", "loop", 1.1), ("block_vs_multiprocessing", "block", "pool", 1.1),
    ("sql_vs_duckdb", "sql", "duckdb", 1.1),
)  # fmt: skip


def measure(*, quick: bool) -> Report:
    """Compare the digests, time in turn, report."""
    report = Report("mapreduce")
    sizes = [20 if quick else 100, *([1000] if os.environ.get("MAINSTEM_BENCH_GB") else [])]
    for size in sizes:
        _measure_size(
            report, size, 1 if quick or size > 100 else ROUNDS, "" if size == sizes[0] else "_1gb"
        )
    _measure_mrjob(report)
    report.fact(mapreduce_mb=sizes[0], mapreduce_python=platform.python_version())
    return report


def _measure_size(report: Report, size: int, rounds: int, suffix: str) -> None:
    path = text(size)
    ways = ("loop", "job", "combiner", "pool", "block", "duckdb", "sql")
    commands = {way: process.python("mapreduce/ways.py", way, path) for way in ways}
    samples = process.in_turn(rounds, commands, warm_up=rounds > 1)
    _check(report, samples)
    for name, ours, other, target in PAIRS:
        left, right = process.median_cpu_s(samples[ours]), process.median_cpu_s(samples[other])
        raw = f"{left:.2f} s CPU / {right:.2f} s CPU, {size} MB"
        report.at_most(f"{name}{suffix}", left / right, target, raw)
    combined, loop = (process.median_cpu_s(samples[way]) for way in ("combiner", "loop"))
    report.note(
        f"a combiner of the user's own: {combined:.2f} s CPU, {combined / loop:.2f} x the loop"
    )
    walls = ", ".join(f"{way} {process.median_wall_s(samples[way]):.2f}" for way in ways)
    report.note(f"{size} MB, seconds from start to exit: {walls}")
    facts = json.loads(samples["job"][0].out)
    report.fact(**{
        f"mapreduce_worker_mb{suffix}": facts["worker_mb"],
        f"mapreduce_shuffle_mb{suffix}": round(facts["shuffle_bytes"] / MB, 1),
    })  # fmt: skip


def _measure_mrjob(report: Report) -> None:
    """Time mrjob in one process on a small text; where it cannot be installed, say so."""
    if importlib.util.find_spec("mrjob") is None:
        report.note("mrjob is not installed here: vs_mrjob was not measured")
        return
    path = text(MRJOB_MB)
    commands = {way: process.python("mapreduce/ways.py", way, path) for way in ("mrjob", "job")}
    samples = process.in_turn(1, commands, warm_up=False)
    _check(report, samples)
    theirs, ours = (process.median_cpu_s(samples[way]) for way in ("mrjob", "job"))
    raw = (
        f"{theirs:.2f} s CPU / {ours:.2f} s CPU, {MRJOB_MB} MB, Python {platform.python_version()}"
    )
    report.at_least("vs_mrjob", theirs / ours, 10, raw)


def _check(report: Report, samples: dict[str, list[Sample]]) -> None:
    digests = {
        way: {json.loads(sample.out)["digest"] for sample in found}
        for way, found in samples.items()
    }
    first = next(iter(digests.values()))
    for way, found in digests.items():
        report.check(None if found == first else f"{found} is not {first}", f"word count by {way}")


def text(size_mb: int) -> Path:
    """Give a file of about so many MB: words drawn by 1/rank from a seed, twelve on a line."""

    def make(place: Path) -> None:
        rng = random.Random(SEED)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(WORDS)]
        weights = list(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))
        n_bytes = 0
        with (place / "text.txt").open("w", encoding="ascii") as file:
            while n_bytes < size_mb * MB:
                drawn = rng.choices(words, cum_weights=weights, k=WORDS_OF_LINE * 5000)
                part = "".join(
                    " ".join(drawn[at : at + WORDS_OF_LINE]) + "\n"
                    for at in range(0, len(drawn), WORDS_OF_LINE)
                )
                n_bytes += file.write(part)

    return datasets.kept(f"zipf-{size_mb}mb-{SEED}", make) / "text.txt"
