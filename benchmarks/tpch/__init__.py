"""TPC-H: the 22 queries as a Mainstem pipeline, beside DuckDB alone and other engines.

Every process is timed from its start to its exit. Mainstem runs one pipeline of 22 tables with
Parquet sinks, so it also checks, journals and commits; DuckDB alone copies the same 22
answers to Parquet files. The peers collect their answers into the client and write nothing, and are
timed to the last answer, without their shutdown.

The texts are those of the TPC-H specification with its validation parameters; `year(x)` and
intervals are spelled as every engine here reads them.
"""

from __future__ import annotations

import pickle
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import answers, datasets, process, startup
from benchmarks.report import Report

SCALE = 1.0
# PySpark needs a minute or two at scale 1; the quick form has the peers at a tenth, and says so.
QUICK_PEER_SCALE = 0.1
# How many times the time of Mainstem a peer needs: the figure's name, and the least that it should
# be. `duckdb` collects as the peers do, and so is spared the writing that Mainstem does.
PEERS: dict[str, tuple[str, float | None]] = {
    "duckdb": ("tpch_vs_duckdb_collect", None),
    "datafusion": ("tpch_vs_datafusion", None),
    "polars": ("tpch_vs_polars", None),
    "pyspark": ("tpch_vs_pyspark", 10),
}
# Peers round the average of a decimal to its scale + 4 digits, or cut it there: 1.2e-5 was seen.
PEER_TOLERANCE = 5e-5

Answers = Mapping[str, list[tuple[Any, ...]]]


def measure(*, quick: bool) -> Report:
    """Compare all answers, then time all engines."""
    report = Report("tpch")
    data = datasets.tpch(SCALE)
    n_runs = 3 if quick else 7
    with tempfile.TemporaryDirectory(prefix="bench-tpch-") as name:
        work = Path(name)
        compare(report, data, work)
        if report.wrong:
            return report
        _against_duckdb(report, data, work, n_runs=n_runs, quick=quick)
        _against_peers(report, work, quick=quick)
    _fixed_cost(report, 7 if quick else 21)
    report.fact(tpch_sf=SCALE, tpch_mb=round(datasets.size_mb(data)), n_runs=n_runs)
    return report


def compare(report: Report, data: Path, work: Path) -> Answers:
    """Run both sides once and compare all 22 answers; give DuckDB's.

    DuckDB's are fetched, not read back: it writes a HUGEINT, its sum of integers, as a DOUBLE.
    """
    out = work / "expected.pickle"
    process.run(process.python("tpch/peers.py", "duckdb", data, out))
    expected = pickle.loads(out.read_bytes())["answers"]
    process.run(process.python("tpch/pipeline.py", data, work / "pipeline"), cwd=work)
    got = read(work / "pipeline")
    for query, rows in expected.items():
        missing = "no answer" if query not in got else None
        report.check(missing or answers.difference(rows, got[query]), f"mainstem {query}")
        if not rows:
            report.check("empty, which proves nothing", f"duckdb {query}")
    report.note(f"{len(expected)} answers compared with DuckDB's, {len(report.wrong)} wrong")
    report.fact(tpch_equal=len(expected) - len(report.wrong))
    return expected


def read(folder: Path) -> Answers:
    """Give the rows of every Parquet file of a folder; see `benchmarks` for why not here."""
    out = folder.with_suffix(".pickle")
    process.run(process.python("readback.py", folder, out))
    return pickle.loads(out.read_bytes())


def _against_duckdb(report: Report, data: Path, work: Path, *, n_runs: int, quick: bool) -> None:
    commands = {
        "mainstem": process.python("tpch/pipeline.py", data, work / "pipeline"),
        "duckdb": process.python("tpch/raw.py", data, work / "raw"),
    }
    samples = process.in_turn(n_runs, commands, cwd=work, warm_up=not quick)
    ours_s, raw_s = (process.median_wall_s(samples[side]) for side in commands)
    cpu = [process.median_cpu_s(samples[side]) for side in commands]
    raw = f"{ours_s:.3g} s / {raw_s:.3g} s (CPU {cpu[0]:.3g} / {cpu[1]:.3g} s)"
    report.at_most("tpch_vs_duckdb", ours_s / raw_s, 1.15, raw)
    report.fact(tpch_mainstem_s=round(ours_s, 3), tpch_duckdb_s=round(raw_s, 3))


def _against_peers(report: Report, work: Path, *, quick: bool) -> None:
    scale = QUICK_PEER_SCALE if quick else SCALE
    data, n_runs = datasets.tpch(scale), 1 if quick else 3
    expected = compare(report, data, work)
    command = process.python("tpch/pipeline.py", data, work / "pipeline")
    samples = process.in_turn(3, {"mainstem": command}, cwd=work, warm_up=False)["mainstem"]
    ours_s = process.median_wall_s(samples)
    report.fact(
        tpch_peers_sf=scale, tpch_peers_n_runs=n_runs, tpch_peers_mainstem_s=round(ours_s, 3)
    )
    for engine, (name, target) in PEERS.items():
        if engine == "pyspark" and shutil.which("java") is None:
            report.note(f"{name}: NOT MEASURED, no java on PATH")
            report.fact(**{name: None})
            continue
        peer_s = _peer(report, engine, data, expected, work=work, n_runs=n_runs)
        raw = f"{peer_s:.3g} s to the last answer / {ours_s:.3g} s, scale {scale:g}, n={n_runs}"
        report.at_least(name, peer_s / ours_s, target, raw)
        report.fact(**{f"{name.replace('_vs_', '_')}_s": round(peer_s, 3)})


def _peer(
    report: Report, engine: str, data: Path, expected: Answers, *, work: Path, n_runs: int
) -> float:
    """Give a peer's median time from process start to its last answer; compare its answers."""
    out = work / f"{engine}.pickle"
    times = []
    for _ in range(n_runs):
        sample = process.run(process.python("tpch/peers.py", engine, data, out))
        result = pickle.loads(out.read_bytes())
        times.append(result["done"] - sample.begun)
    for query, rows in expected.items():
        found = answers.difference(rows, result["answers"][query], tolerance=PEER_TOLERANCE)
        report.check(found, f"{engine} {query}")
    return statistics.median(times)


def _fixed_cost(report: Report, n_runs: int) -> None:
    sides = startup.one_row(n_runs)
    ours_s, raw_s = map(process.median_wall_s, sides)
    raw = f"{ours_s:.3g} s - {raw_s:.3g} s, one row from Parquet to Parquet, n={n_runs}"
    report.at_most("fixed_cost_s", ours_s - raw_s, 0.15, raw)
    ours_s, raw_s = map(process.median_cpu_s, sides)
    report.at_most(
        "fixed_cost_cpu_s", ours_s - raw_s, None, f"{ours_s:.3g} s - {raw_s:.3g} s of CPU"
    )
    report.fact(fixed_cost_n_runs=n_runs)
