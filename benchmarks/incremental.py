"""What knowing 10,000 files costs: a run with one new file, beside one that knows none.

Each run is a process of its own and gets one new file of one row; the two kinds alternate.
``python -m benchmarks.incremental`` prints the figures; ``QUICK=1`` takes 3 rounds, otherwise 9.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import process
from benchmarks.report import Report

N_KNOWN = 10_000
PIPELINE = """
import mainstem as ms
p = ms.Pipeline("arrivals")
p.source("new", ms.files("in/*.csv", incremental=True), schema="id bigint")
p.table("kept", "SELECT id FROM new", sink=ms.files("out/", format="parquet", mode="append"))
"""
COMMAND = [sys.executable, "-m", "mainstem", "run", "--quiet", "-o", "text"]


def measure(*, quick: bool) -> Report:
    """Run both kinds in turn, and report what the known files add."""
    with tempfile.TemporaryDirectory() as folder:
        many, few = Path(folder, "many"), Path(folder, "few")
        for place in (many, few):
            (place / "in").mkdir(parents=True)
            (place / "pipeline.py").write_text(PIPELINE)
        for at in range(N_KNOWN):
            arrive(many, at)
        arrive(few, 0)
        samples: dict[Path, list[process.Sample]] = {many: [], few: []}
        for turn in range(1 + (3 if quick else 9)):
            for place, found in samples.items():
                if turn:
                    arrive(place, N_KNOWN + turn)
                sample = process.run(COMMAND, cwd=place)
                # The first one reads all files.
                if turn:
                    found.append(sample)
    known, none = samples[many], samples[few]
    added = process.median_wall_s(known) - process.median_wall_s(none)
    report = Report("incremental")
    raw = " ".join(f"{a.wall_s:.2f}/{b.wall_s:.2f}" for a, b in zip(known, none, strict=True))
    report.at_most("incremental_fixed_s", added, 1, f"{raw} s with {N_KNOWN:,} known / with few")
    report.fact(
        incremental_known_files=N_KNOWN,
        incremental_fixed_cpu_s=process.median_cpu_s(known) - process.median_cpu_s(none),
    )
    return report


def arrive(place: Path, at: int) -> None:
    """Let a file of one row arrive."""
    (place / "in" / f"{at:06}.csv").write_text(f"id\n{at}\n")


if __name__ == "__main__":
    print(measure(quick=bool(os.environ.get("QUICK"))))
