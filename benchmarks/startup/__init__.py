"""What Mainstem costs before it does anything: import, command line, first answer, size.

Measured in a fresh environment that holds the built wheel and what it needs, and nothing else:
an editable install and the peers' libraries would both change what an import costs. sqlglot is put
in after the size was taken, for the comparison of the first answer.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import datasets, process
from benchmarks.process import Sample
from benchmarks.report import Report

IMPORTS = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def one_row(n_runs: int, executable: str = sys.executable) -> tuple[list[Sample], list[Sample]]:
    """Give the runs of a pipeline of one row, and of DuckDB alone doing the same."""
    with tempfile.TemporaryDirectory(prefix="bench-row-") as name:
        work = Path(name)
        source = work / "one.parquet"
        text = f"COPY (SELECT 1::BIGINT AS id, 'a' AS name) TO '{source}' (FORMAT parquet)"
        process.run([executable, "-c", f'import duckdb; duckdb.sql("{text}")'])
        outs = {
            f"startup/row_{side}.py": work / f"{side}.parquet" for side in ("mainstem", "duckdb")
        }
        commands = {
            script: process.python(script, source, out, executable=executable)
            for script, out in outs.items()
        }
        samples = process.in_turn(n_runs, commands, cwd=work)
        ours, raw = (samples[script] for script in outs)
        return ours, raw


def measure(*, quick: bool) -> Report:
    """Install the wheel into a fresh environment and measure there."""
    report = Report("startup")
    n_runs = 7 if quick else 21
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as name:
        environment = Path(name) / "environment"
        _install(environment, Path(name) / "dist")
        _size(report, environment)
        executable = str(environment / "bin" / "python")
        _imports(report, executable, n_runs)
        _commands(report, environment, n_runs)
        _uv("pip", "install", "--python", executable, f"sqlglot=={_here('sqlglot')}")
        _first_answer(report, executable, n_runs)
    report.fact(startup_n_runs=n_runs)
    return report


def _here(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _uv(*arguments: str | Path) -> None:
    program = shutil.which("uv") or str(process.ROOT / ".bootstrap" / "uv" / "bin" / "uv")
    done = subprocess.run(
        [program, *map(str, arguments)],
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
    )
    if done.returncode:
        raise datasets.DataNotHereError(f"uv {arguments[0]}: {done.stderr.strip()[-500:]}")


def _install(environment: Path, dist: Path) -> None:
    _uv("build", "--wheel", "--quiet", "--out-dir", dist)
    _uv("venv", "--quiet", "--python", sys.executable, environment)
    (wheel,) = dist.glob("*.whl")
    _uv("pip", "install", "--quiet", "--python", environment / "bin" / "python", wheel)


def _size(report: Report, environment: Path) -> None:
    (packages,) = environment.glob("lib/python3.*/site-packages")
    count = len(list(packages.glob("*.dist-info")))
    size_mb = datasets.size_mb(packages)
    raw = "10^6 bytes of files, a fresh install of the wheel, without byte code"
    report.at_most("core_mb", size_mb, 85, raw)
    report.at_most("core_packages", count, 20, "mainstem among them")


def _imports(report: Report, executable: str, n_runs: int) -> None:
    commands = {name: [executable, "-c", IMPORTS.format(name)] for name in ("mainstem", "duckdb")}
    samples = process.in_turn(n_runs, commands)
    ours, theirs = (statistics.median(float(s.out) for s in samples[name]) for name in commands)
    raw = f"{ours * 1000:.3g} ms / {theirs * 1000:.3g} ms of CPU"
    report.at_most("import_vs_duckdb", ours / theirs, 0.25, raw)


def _commands(report: Report, environment: Path, n_runs: int) -> None:
    program = str(environment / "bin" / "mainstem")
    commands = {option: [program, f"--{option}"] for option in ("version", "help")}
    # The top-level help is answered without the framework of the command line; this one is not.
    commands["run_help"] = [program, "run", "--help"]
    samples = process.in_turn(n_runs, commands)
    for option, target in (("version", 0.1), ("help", 0.3), ("run_help", None)):
        wall = f"CPU of the process; {process.median_wall_s(samples[option]):.3g} s wall"
        report.at_most(f"{option}_cpu_s", process.median_cpu_s(samples[option]), target, wall)


def _first_answer(report: Report, executable: str, n_runs: int) -> None:
    ours, _ = one_row(n_runs, executable)
    imports = {"imports": [executable, "-c", "import duckdb, sqlglot"]}
    theirs = process.in_turn(n_runs, imports)["imports"]
    walls = process.median_wall_s(ours), process.median_wall_s(theirs)
    cpus = process.median_cpu_s(ours), process.median_cpu_s(theirs)
    raw = f"{walls[0]:.3g} s / {walls[1]:.3g} s of `import duckdb, sqlglot`, whole processes"
    report.at_most("first_answer_vs_imports", walls[0] / walls[1], 1.3, raw)
    raw = f"{cpus[0]:.3g} s / {cpus[1]:.3g} s, the same in CPU"
    report.at_most("first_answer_vs_imports_cpu", cpus[0] / cpus[1], None, raw)
