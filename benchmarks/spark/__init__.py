"""Mainstem on Spark beside PySpark written by hand: TPC-H. `make bench-spark`.

Both are whole processes, from start to exit, on the cores of this machine, with the same version of
Spark, and write the 22 answers into Parquet files. Mainstem also checks its sources, counts rows at
every boundary, stages, commits and journals; by hand there is none of that.

`MAINSTEM_BENCH_SF` is the scale; 1 when it is not set, 0.1 in the quick form.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import answers, datasets, process
from benchmarks.report import Report
from benchmarks.tpch import PEER_TOLERANCE, Answers, read

SCALE, QUICK_SCALE = 1.0, 0.1
N_COMPILED = 5


def measure(*, quick: bool) -> Report:
    """Compare the answers, then time both."""
    report = Report("spark")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise datasets.DataNotHereError("no java on PATH, and no JAVA_HOME")
    scale = float(os.environ.get("MAINSTEM_BENCH_SF") or (QUICK_SCALE if quick else SCALE))
    data, n_runs = datasets.tpch(scale), 1 if quick else 3
    with tempfile.TemporaryDirectory(prefix="bench-spark-") as name:
        work = Path(name)
        commands = {
            "mainstem": process.python("tpch/pipeline.py", data, work / "mainstem", "spark"),
            "handwritten": process.python(
                "spark/handwritten.py", data, work / "handwritten", str(process.CORES)
            ),
        }
        for command in commands.values():
            process.run(command, cwd=work)
        compare(report, *(read(work / side) for side in commands))
        if not report.wrong:
            _time(report, commands, work, n_runs)
            _compile(report, data, work)
    report.fact(
        tpch_spark_sf=scale, tpch_spark_mb=round(datasets.size_mb(data)), tpch_spark_n_runs=n_runs
    )
    return report


def compare(report: Report, ours: Answers, theirs: Answers) -> None:
    """Compare each answer; averages of decimals are rounded by hand, and exact with us."""
    for query, rows in sorted(theirs.items()):
        missing = "no answer" if query not in ours else None
        found = missing or answers.difference(rows, ours[query], tolerance=PEER_TOLERANCE)
        report.check(found, f"mainstem {query}")
        if not rows:
            report.check("empty, which proves nothing", f"handwritten {query}")
    report.note(f"{len(theirs)} answers compared, {len(report.wrong)} wrong")
    report.fact(tpch_spark_equal=len(theirs) - len(report.wrong))


def _time(report: Report, commands: dict[str, list[str]], work: Path, n_runs: int) -> None:
    samples = process.in_turn(n_runs, commands, cwd=work, warm_up=False)
    ours_s, theirs_s = (process.median_wall_s(samples[side]) for side in commands)
    cpu = [process.median_cpu_s(samples[side]) for side in commands]
    raw = f"{ours_s:.3g} s / {theirs_s:.3g} s (CPU {cpu[0]:.3g} / {cpu[1]:.3g} s), n={n_runs}"
    report.at_most("tpch_vs_handwritten", ours_s / theirs_s, 1.1, raw)
    report.fact(tpch_spark_s=round(ours_s, 3), tpch_handwritten_s=round(theirs_s, 3))


def _compile(report: Report, data: Path, work: Path) -> None:
    # A process each: nothing is loaded yet, as when a user runs it.
    command = [sys.executable, "-m", "benchmarks.spark.compiled", str(data), str(work / "compiled")]
    told = [float(process.run(command, cwd=process.ROOT).out) for _ in range(N_COMPILED)]
    seconds = statistics.median(told)
    report.at_most("compile_s", seconds, 0.3, f"22 queries, n={N_COMPILED}")
