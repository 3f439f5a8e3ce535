"""Steps larger than the memory that they are given: done, right, and how much they took.

The peak is the largest resident memory of the whole process as the system counts it, the
interpreter and libraries included.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import datasets, process
from benchmarks.report import Report

STEPS = ("group_by", "join")


def measure(*, quick: bool) -> Report:
    """Run a group-by and a join under a limit; the small form is scale 1 in 300 MB."""
    report = Report("memory")
    # What the process may take, and the limit that it is given for it: the limit holds for DuckDB's
    # buffers, and the interpreter, the libraries and a query's own structures come on top.
    scale, room_mb, limit_mb = (1.0, 300, 180) if quick else (10.0, 2000, 1700)
    data = datasets.tpch(scale, ("lineitem", "orders"))
    for step in STEPS:
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as name:
            _step(report, step, data, Path(name), limit_mb=limit_mb, room_mb=room_mb)
    report.fact(memory_sf=scale, memory_room_mb=room_mb, memory_limit_mb=limit_mb)
    report.fact(memory_data_mb=round(datasets.size_mb(data)))
    return report


def _step(
    report: Report, step: str, data: Path, work: Path, *, limit_mb: int, room_mb: int
) -> None:
    limit = f"{limit_mb}MB"
    free, ours, theirs = (work / f"{side}.parquet" for side in ("free", "mainstem", "duckdb"))
    unlimited = process.run(process.python("memory/raw.py", step, data, free))
    sample = process.run(process.python("memory/pipeline.py", step, data, ours, limit), cwd=work)
    raw = process.run(process.python("memory/raw.py", step, data, theirs, limit))
    digests = process.run(process.python("memory/digest.py", free, ours)).out.splitlines()
    report.check(None if len(set(digests)) == 1 else f"digests {digests}", f"memory {step}")
    alone = f"{raw.peak_mb:.0f} under the same limit, {unlimited.peak_mb:.0f} without"
    stated = f"MB at memory_limit {limit}; DuckDB alone {alone}"
    report.at_most(f"memory_{step}_peak_mb", sample.peak_mb, room_mb, stated)
    stated = f"{sample.wall_s:.3g} s / {raw.wall_s:.3g} s of DuckDB under the same limit"
    report.at_most(f"memory_{step}_vs_duckdb", sample.wall_s / raw.wall_s, None, stated)
    rows = digests[0].strip("()").split(",")[0]
    report.note(f"{step}: {rows} rows in the answer")
