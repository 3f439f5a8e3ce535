"""The runner: `python -m benchmarks [name ...]`, all of them without a name; QUICK=1 for less.

Prints a table for each benchmark; the last line is one JSON object of figures with their sizes.
The exit code is 1 when an answer is wrong or a benchmark could not run. A missed target is named,
in the table and under "missed", and does not change the exit code: it may be the machine's mood.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time

from benchmarks import process
from benchmarks.datasets import DataNotHereError
from benchmarks.process import ProcessFailedError
from benchmarks.report import Report, Value, rounded

NAMES = (
    "tpch", "startup", "tpcds", "memory", "ingest", "functions", "incremental", "trust", "stream", "spark",
    "mapreduce",
)  # fmt: skip
# `trust`, which has two of these in it, `stream`, `spark` and `mapreduce` are tasks of their own.
DEFAULT = NAMES[: NAMES.index("functions")]


def main(names: list[str]) -> int:
    """Run the named benchmarks and print what they found."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    quick = os.environ.get("QUICK", "") not in ("", "0")
    failed: dict[str, str] = {}
    reports = []
    for name in names or DEFAULT:
        begun = time.perf_counter()
        try:
            report = importlib.import_module(f"benchmarks.{name}").measure(quick=quick)
        except (ProcessFailedError, DataNotHereError) as error:
            failed[name] = str(error)
            print(f"== {name}\n  COULD NOT RUN {error}", flush=True)
            continue
        print(report, f"  took {time.perf_counter() - begun:.0f} s", sep="\n", flush=True)
        reports.append(report)
    print(json.dumps(summary(reports, failed, quick=quick)))
    return int(bool(failed) or any(report.wrong for report in reports))


def summary(reports: list[Report], failed: dict[str, str], *, quick: bool) -> dict[str, object]:
    """Give everything that the last line says."""
    values: dict[str, Value] = {}
    missed, wrong = [], []
    for report in reports:
        values |= {figure.name: rounded(figure.value) for figure in report.figures}
        values |= report.facts
        missed += [figure.name for figure in report.figures if figure.is_missed]
        wrong += report.wrong
    return {
        **values,
        "missed": missed,
        "wrong": wrong,
        "failed": {name: text.splitlines()[0] for name, text in failed.items()},
        "quick": quick,
        "cores": process.CORES,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
