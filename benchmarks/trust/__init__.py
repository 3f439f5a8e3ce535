"""What trust costs: checks of rows, runs over files that are known, Python functions, verbs. `make bench-trust`.

``checks_cost`` is a whole process that copies lineitem from Parquet to Parquet with every kind of row rule that
there is, by the same process without rules; both kinds alternate. The kinds alone stand beside it in the long form.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import answers, datasets, incremental, process
from benchmarks.report import Report
from benchmarks.tpch import read

# The scripts of this part take schemas and queries from other modules.
HERE = {"PYTHONPATH": str(process.ROOT)}
SCALE, N_ROWS = 1.0, 6_001_215
# Where answers are compared: those of verbs, and in the quick form those with and without rules.
SMALL_SCALE = 0.1
# What is timed beside the run without rules, with its target.
ALL = {"all": ("checks_cost", 1.3)}
KINDS = {
    "conditions": ("conditions_cost", None),
    "foreign_key": ("foreign_key_cost", None),
    "unique": ("unique_cost", None),
    "unique_unsorted": ("unique_unsorted_cost", None),
}


def measure(*, quick: bool) -> Report:
    """Measure the four parts; each compares answers before it times anything."""
    report = Report("trust")
    with tempfile.TemporaryDirectory(prefix="bench-trust-") as name:
        _checks(report, Path(name), quick=quick)
        _verbs(report, Path(name), quick=quick)
    _take(report, incremental.measure(quick=quick))
    # Here, and not above: it imports numpy and pyarrow, a floor under the memory of everything before.
    from benchmarks import functions

    _take(report, functions.measure(quick=quick))
    return report


def _take(report: Report, part: Report) -> None:
    report.figures += part.figures
    report.facts |= part.facts
    report.notes += part.notes
    report.wrong += part.wrong
    # Of the ways to call a function the one in the process of the run has as many cores as the bare function.
    for figure in part.figures:
        if figure.name == "function_in_process_vs_bare":
            report.at_most("batch_function_ratio", figure.value, figure.target, figure.raw)


def _checks(report: Report, work: Path, *, quick: bool) -> None:
    data = datasets.tpch(SCALE)
    rules = ALL if quick else ALL | KINDS
    n_runs = 3 if quick else 7
    _compare(report, work, rules, datasets.tpch(SMALL_SCALE) if quick else data)
    if report.wrong:
        return
    for name in ("copy",) if quick else ("copy", "report"):
        commands = {kind: _command(data, work, name, kind) for kind in ("none", *rules)}
        samples = process.in_turn(n_runs, commands, cwd=work, environment=HERE, warm_up=not quick)
        for kind in rules:
            for sample in samples[kind]:
                _judged(report, kind, sample, n_rows=N_ROWS)
            _cost(report, samples, kind, name)
    report.note(
        "rules: 12 conditions over all 16 columns (not_null, between, accepted, matches, two predicates), "
        "foreign key to orders, unique key of two columns; nothing fails"
    )
    report.fact(checks_sf=SCALE, checks_rows=N_ROWS, checks_rules=len(_lines(samples["all"][0])))
    report.fact(checks_n_runs=n_runs, checks_mb=round(datasets.size_mb(data)))


def _cost(report: Report, samples: dict[str, list[process.Sample]], kind: str, name: str) -> None:
    """Add what some rules cost beside none; only the everyday job has a target."""
    figure, target = (ALL | KINDS)[kind]
    ours, plain = samples[kind], samples["none"]
    ours_s, plain_s = process.median_wall_s(ours), process.median_wall_s(plain)
    cpu = process.median_cpu_s(ours), process.median_cpu_s(plain)
    raw = f"{ours_s:.3g} s / {plain_s:.3g} s (CPU {cpu[0]:.3g} / {cpu[1]:.3g} s), {name}"
    shown, bound = (figure, target) if name == "copy" else (f"{figure}_{name}", None)
    report.at_most(shown, ours_s / plain_s, bound, raw)
    report.fact(**{f"{shown}_cpu": round(cpu[0] / cpu[1], 3)})


def _command(data: Path, work: Path, name: str, kind: str) -> list[str]:
    out = work / f"{name}-{kind}.parquet"
    return process.python("trust/pipeline.py", data, out, name, kind)


def _lines(sample: process.Sample) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sample.out)
    return found


def _judged(report: Report, kind: str, sample: process.Sample, *, n_rows: int) -> None:
    """Check that each rule was asked of each row, and that none failed: else the time is of something else."""
    wrong = [line for line in _lines(sample) if line["failed"] or line["checked"] != n_rows]
    report.check(f"{wrong}" if wrong else None, f"rules of {kind}")
    report.check(None if _lines(sample) else "no rule was judged", f"rules of {kind}")


def _compare(report: Report, work: Path, kinds: Iterable[str], data: Path) -> None:
    """Check that rules change no answer."""
    files = []
    for kind in ("none", *kinds):
        process.run(_command(data, work, "copy", kind), cwd=work, environment=HERE)
        files.append(work / f"copy-{kind}.parquet")
    digests = process.run(process.python("memory/digest.py", *files)).out.splitlines()
    report.check(None if len(set(digests)) == 1 else f"digests {digests}", "answers with rules")


def _verbs(report: Report, work: Path, *, quick: bool) -> None:
    """Compile queries of TPC-H as verbs, and compare their answers with those of the SQL."""
    n_runs = 3 if quick else 21
    out = work / "verbs"
    command = process.python("trust/verbs.py", datasets.tpch(SMALL_SCALE), out, str(n_runs))
    found = json.loads(process.run(command, environment=HERE).out)
    rows = read(out)
    for name in found["queries"]:
        expected, got = rows[f"{name}_sql"], rows[f"{name}_verbs"]
        report.check(answers.difference(expected, got), f"verbs {name}")
        if not expected:
            report.check("empty, which proves nothing", f"verbs {name}")
    n_steps = len(found["queries"])
    verbs_ms, sql_ms = (statistics.median(found[side]) for side in ("verbs_ms", "sql_ms"))
    raw = (
        f"{verbs_ms:.3g} ms for {n_steps} queries and 8 sources, the first time {found['verbs_ms'][0]:.3g} ms; "
        f"as SQL {sql_ms:.3g} ms"
    )
    report.at_most("verbs_ms_per_step", verbs_ms / n_steps, 10, raw)
    report.fact(
        sql_ms_per_step=round(sql_ms / n_steps, 3),
        verbs_equal=n_steps - sum("verbs" in text for text in report.wrong),
        verbs_steps=n_steps, verbs_n_runs=n_runs, verbs_sf=SMALL_SCALE,
    )  # fmt: skip
