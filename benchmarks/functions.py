"""Python functions in SQL against the bare functions over the same Arrow batches, in one process, in turn.

Two batch functions: one that does nothing worth the trip (``x * 2``), and one as people write them (text
cleaned by a regular expression, looked up, and a logistic score). Bare, each is called for batches that are
in memory already, and its results are summed; through Mainstem a whole pipeline checks its definition, scans Parquet,
calls it in this process or in workers, sums, and commits. Answers are compared before anything is timed.

Prints raw times and one JSON object as last line. ``QUICK=1`` uses 2,000,000 rows and 3 rounds, otherwise
6,000,000 rows and 5.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import mainstem as ms
from benchmarks import process
from benchmarks.report import Report
from mainstem.runtime.run import RunOptions, run

QUICK = os.environ.get("QUICK", "") not in ("", "0")
N_ROWS = 2_000_000 if QUICK else 6_000_000
N_ROUNDS = 3 if QUICK else 5
BATCH = 65_536
WEIGHTS = {"food": 0.3, "travel": -0.2, "games": 0.7}
# (function, processes): 0 calls it in the process of the run.
Times = dict[str, list[tuple[float, float]]]
WAYS = (("plain", 0), ("trivial", 0), ("realistic", 0), ("realistic", process.CORES))


def measure(*, quick: bool) -> Report:
    """Run this file in a process of its own, and report the figures of its last line."""
    command = [sys.executable, "-m", "benchmarks.functions"]
    sample = process.run(command, environment={"QUICK": "1" if quick else ""}, cwd=process.ROOT)
    found = json.loads(sample.out.splitlines()[-1])
    report = Report("functions")
    for name, target in (("realistic_0", 1.2), (f"realistic_{process.CORES}", 1.2)):
        raw = (
            f"{found['through_s'][name]:.3g} s / {found['bare_s']['realistic']:.3g} s, "
            f"{found['bare_ns']['realistic']:.0f} ns a row bare"
        )
        shown = "in_process" if name.endswith("_0") else "workers"
        report.at_most(f"function_{shown}_vs_bare", found["ratio"][name], target, raw)
    report.note(
        f"trivial function: {found['through_s']['trivial_0']:.3g} s / "
        f"{found['bare_s']['trivial']:.3g} s ({found['bare_ns']['trivial']:.1f} ns a row bare), of which "
        f"{found['through_s']['plain_0']:.3g} s the same pipeline without a function"
    )
    report.fact(function_trivial_vs_bare=found["ratio"]["trivial_0"])
    report.fact(function_ns_a_row=found["added_ns"], functions_rows=found["n_rows"])
    report.fact(functions_n_runs=found["n_runs"], function_cpu_ratio=found["cpu_ratio"])
    return report


def trivial(amount: pa.Array, note: pa.Array) -> pa.Array:
    """Give twice the amount."""
    return pc.multiply(amount, 2.0)


def realistic(amount: pa.Array, note: pa.Array) -> pa.Array:
    """Give a logistic score of an amount and the first word of a note."""
    word = pc.replace_substring_regex(pc.utf8_lower(note), r"^\W*(\w+).*$", r"\1")
    encoded = word.dictionary_encode()
    weights = np.array([WEIGHTS.get(w, 0.0) for w in encoded.dictionary.to_pylist()])
    z = weights[encoded.indices.to_numpy()] + np.log1p(amount.to_numpy()) * 0.4 - 1.5
    return pa.array(1.0 / (1.0 + np.exp(-z)))


FUNCTIONS: dict[str, Callable[[pa.Array, pa.Array], pa.Array]] = {
    "trivial": trivial, "realistic": realistic,
}  # fmt: skip


def write_data(file: Path) -> None:
    """Write amounts and notes as Parquet."""
    duckdb.execute(f"""
        COPY (SELECT i AS id, (i * 7919 % 100000) / 100 AS amount,
            ['  Food', 'TRAVEL', 'games', 'other'][1 + i % 4] || ': order ' || (i * 31 % 1000) AS note
        FROM range({N_ROWS}) t(i)) TO '{file}'
    """)


def batches(file: Path) -> list[pa.RecordBatch]:
    """Give the rows as the batches that a function gets."""
    relation = duckdb.sql(f"SELECT amount, note FROM '{file}'")
    return list(relation.to_arrow_reader(BATCH))


def bare(function: Callable[[pa.Array, pa.Array], pa.Array], rows: list[pa.RecordBatch]) -> float:
    """Call a function for every batch; give the sum of its results."""
    return math.fsum(pc.sum(function(*batch.columns)).as_py() for batch in rows)


def through(folder: Path, name: str, workers: int) -> float:
    """Run a pipeline that sums the results of a function; give the sum."""
    p = ms.Pipeline("functions")
    p.source("rows", ms.files("rows.parquet"), schema="id bigint, amount double, note string")
    call = "amount"
    if name in FUNCTIONS:
        p.function(
            name="f", takes="double, string", returns="double", batch=True, workers=workers,
            batch_size=BATCH,
        )(FUNCTIONS[name])  # fmt: skip
        call = "f(amount, note)"
    p.table("total", f"SELECT sum({call}) AS s FROM rows", sink=ms.files("total.csv"))
    for _ in run(p.plan(), RunOptions(folder, state_dir=folder / "state")):
        pass
    return float((folder / "total.csv").read_text().split()[1])


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """Give the wall and CPU seconds that some work takes, those of its workers included."""
    begun, before = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - begun, cpu_seconds() - before


def cpu_seconds() -> float:
    """Give the CPU seconds of this process and of those that it has ended."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Compare, time in turn, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "rows.parquet")
        rows = batches(folder / "rows.parquet")
        right = {key: bare(function, rows) for key, function in FUNCTIONS.items()}
        for key, workers in WAYS[1:]:
            found = through(folder, key, workers)
            if not math.isclose(found, right[key], rel_tol=1e-9):
                raise SystemExit(f"{key} with {workers} workers: {found} is not {right[key]}")
        bare_times: Times = {key: [] for key in FUNCTIONS}
        times: Times = {f"{key}_{n}": [] for key, n in WAYS}
        for _ in range(N_ROUNDS):
            for key, function in FUNCTIONS.items():
                bare_times[key].append(timed(lambda f=function: bare(f, rows)))
            for key, n in WAYS:
                times[f"{key}_{n}"].append(timed(lambda k=key, w=n: through(folder, k, w)))
    print_times(bare_times, times)


def print_times(bare_times: Times, times: Times) -> None:
    """Print every time, and the figures as one JSON object."""
    for label, values in (*bare_times.items(), *times.items()):
        print(label, " ".join(f"{wall:.3f} (CPU {cpu:.3f})" for wall, cpu in values))
    (bare_s, through_s, ratio), (_, _, cpu_ratio) = (
        _medians(bare_times, times, part) for part in (0, 1)
    )
    print(json.dumps({
        "bare_s": bare_s, "through_s": through_s, "ratio": ratio, "cpu_ratio": cpu_ratio,
        "bare_ns": {key: value / N_ROWS * 1e9 for key, value in bare_s.items()},
        "added_ns": {
            key: (through_s[key] - bare_s[key.split("_")[0]]) / N_ROWS * 1e9 for key in ratio
        },
        "n_rows": N_ROWS, "n_runs": N_ROUNDS,
    }))  # fmt: skip


def _medians(bare_times: Times, times: Times, part: int) -> list[dict[str, float]]:
    bare_s = {key: statistics.median(v[part] for v in found) for key, found in bare_times.items()}
    through_s = {key: statistics.median(v[part] for v in found) for key, found in times.items()}
    called = [key for key in through_s if key != "plain_0"]
    return [bare_s, through_s, {k: through_s[k] / bare_s[k.split("_")[0]] for k in called}]


if __name__ == "__main__":
    main()
