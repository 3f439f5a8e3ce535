#!/usr/bin/env python3
"""Set up this repository and run its tasks, from a bare Python 3.11 or newer.

    python3 tools/bootstrap.py demo | test | test-fast | test-long | check | bench | bench-trust
        | bench-stream | bench-spark | bench-mapreduce

Standard library only, because it runs before anything is installed. The Makefile and the continuous
integration call it and nothing else, so there is one way in.

uv does the installing, from uv.lock. Where uv is absent it is put into .bootstrap/uv, without
ensurepip (Debian's and Ubuntu's Python come without): an empty environment, pip's wheel from the
package index that pip and uv are configured for, and that pip installs uv.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv_install import (
    PRIVATE,
    PYTHON,
    ROOT,
    BootstrapError,
    configured_index,
    lock_index,
    output,
    run,
    say,
    uv_environment,
    uv_path,
    without_secrets,
)

TESTED = ((3, 11), (3, 12), (3, 13))
RESOLVED_ONLY = "3.14: resolved in uv.lock only, not tested"
FAST_LIMIT_S = 60
# Tests share nothing but the machine, so they run side by side.
ALL_CORES = ("-n", "auto")

# Run with `python` of the environment that has the group.
DEMO = (("examples/flights/demo.py",), ("examples/webviews/demo.py",))
DEMO_KAFKA = ("examples/webviews/demo_kafka.py",)
BENCH = (("-m", "benchmarks"),)
BENCH_TRUST = (("-m", "benchmarks", "trust"),)
BENCH_STREAM = (("-m", "benchmarks", "stream"),)
BENCH_SPARK = (("-m", "benchmarks", "spark"),)
BENCH_MAPREDUCE = (("-m", "benchmarks", "mapreduce"),)


@dataclass(frozen=True)
class Python:
    """An interpreter that was found."""

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Counts:
    """What one run of pytest counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


# --------------------------------------------------------------------------------------------------
# Environments
# --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Environment:
    """A virtual environment with some dependency groups, and extras, of pyproject.toml."""

    place: Path
    groups: tuple[str, ...]
    python: str = PYTHON
    extras: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        return uv_environment() | {
            "UV_PROJECT_ENVIRONMENT": str(self.place),
            "UV_PYTHON": self.python,
            "VIRTUAL_ENV": str(self.place),
            "PATH": f"{self.place / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }

    def __truediv__(self, program: str) -> str:
        return str(self.place / "bin" / program)

    def install(self) -> None:
        """Make the environment as uv.lock says; a lock that does not fit pyproject.toml fails."""
        wanted = ["--no-default-groups", *(f"--group={group}" for group in self.groups)]
        wanted += [f"--extra={extra}" for extra in self.extras]
        name = f"environment {shown(self.place)} ({', '.join((*self.groups, *self.extras))})"
        env = self.variables() | {"VIRTUAL_ENV": ""}
        if configured_index() == lock_index():
            # Inexact: what a developer has put in beside it stays.
            sync = [uv_path(), "sync", "--quiet", "--locked", "--inexact", *wanted]
            run(name, sync, env)
        else:
            self.install_from_mirror(name, wanted, env)

    def install_from_mirror(self, name: str, wanted: list[str], env: dict[str, str]) -> None:
        """Install the lock's versions, checked by its hashes, from another index than the lock's.

        `uv sync` would take a lock from another index for an old one, and the addresses in it
        cannot be reached from a closed network.
        """
        uv = uv_path()
        listing = PRIVATE / f"{self.place.name}.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        export = [uv, "export", "--quiet", "--frozen", "--no-emit-project", *wanted]
        run(f"{name}: versions of the lock", [*export, f"--output-file={listing}"], env)
        if not (self.place / "bin" / "python").exists():
            venv = [uv, "venv", "--quiet", f"--python={self.python}", str(self.place)]
            run(f"{name}: empty", venv, env)
        install = [uv, "pip", "install", "--quiet", f"--python={self / 'python'}"]
        hashed = ["--require-hashes", "--no-deps", f"--requirements={listing}"]
        run(f"{name}: from {without_secrets(configured_index())}", [*install, *hashed], env)
        run(f"{name}: mainstem", [*install, "--no-deps", "--editable", str(ROOT)], env)


def shown(path: Path) -> str:
    """Give a path as people of this repository say it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


# With the demo's data, and what the examples import: the numbers that they show are tested.
MAIN = Environment(ROOT / ".venv", ("dev", "test", "demo", "examples", "spark"))


# --------------------------------------------------------------------------------------------------
# Interpreters
# --------------------------------------------------------------------------------------------------
def candidates() -> Iterable[str]:
    """Give the paths of everything that may be a Python of ours, the running one first."""
    yield PYTHON
    env = uv_environment()
    env.pop("UV_PYTHON")
    command = [uv_path(), "python", "list", "--offline", "--only-installed"]
    listed = json.loads(output("uv python list", [*command, "--output-format=json"], env))
    yield from (item["path"] for item in listed if item["path"])
    # uv asks pyenv's shims, which refuse every version that is not the chosen one.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(pyenv.glob("versions/3.*/bin/python3")))


def interpreters() -> list[Python]:
    """Give one interpreter for each tested version found here; the running one wins."""
    # A build without the global lock is another thing: our dependencies make no promise for it.
    ask = (
        "import platform, sys, sysconfig; free = sysconfig.get_config_var('Py_GIL_DISABLED');"
        "print('free' if free else platform.python_implementation(), *sys.version_info[:3])"
    )
    found: dict[tuple[int, int], Python] = {}
    for path in candidates():
        try:
            name, *numbers = output(path, [path, "-I", "-c", ask], os.environ).split()
        except BootstrapError:
            continue  # a shim without its Python is no interpreter
        version = tuple(map(int, numbers))
        if name == "CPython" and len(version) == 3 and version[:2] in TESTED:
            found.setdefault(version[:2], Python(version, path))
    return [found[minor] for minor in sorted(found)]


# --------------------------------------------------------------------------------------------------
# Tasks
# --------------------------------------------------------------------------------------------------
def pytest(
    name: str,
    environment: Environment,
    arguments: Sequence[str],
    *,
    timeout_s: float | None = None,
    size: str = "",
    engine: str = "embedded",
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run pytest and keep its counts for `finish`, which fails: the other runs still take place.

    `engine` is the one that the conformance suite runs on.
    """
    report = PRIVATE / "reports" / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    env = environment.variables() | {"MAINSTEM_ENGINES": engine} | dict(variables or {})
    env |= {f"MAINSTEM_{size.upper()}": "1"} if size else {}
    # Set, it makes every program that a test starts compile itself anew: half of the time of those tests.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [environment / "python", "-m", "pytest", f"--junit-xml={report}", *arguments]
    try:
        run(name, command, env, timeout_s=timeout_s)
    except BootstrapError as error:
        RESULTS.append((name, counts(report) if report.exists() else Counts(), str(error)))
    else:
        RESULTS.append((name, counts(report), None))


RESULTS: list[tuple[str, Counts, str | None]] = []


def counts(report: Path) -> Counts:
    """Give the counts in pytest's report; errors in fixtures and collection count as failures."""
    total = Counts()
    for suite in ET.parse(report).getroot().iter("testsuite"):
        cases, bad, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
        bad += int(suite.get("errors", 0))
        total += Counts(cases - bad - skipped, bad, skipped)
    return total


def suites(*names: str) -> list[str]:
    """Give the folders of tests; one that is gone is an error, not zero tests."""
    for name in names:
        if not (ROOT / "tests" / name).is_dir():
            raise BootstrapError(f"tests/{name} is missing")
    return [f"tests/{name}" for name in names]


def finish() -> None:
    """Print the counts of every run; the last line is their sum, alone."""
    say("== summary")
    for name, counted, error in RESULTS:
        say(f"{name}: {counted}" + (" FAILED" if error else ""))
    failed = [error.partition(" from: ")[0] for _, _, error in RESULTS if error]
    total = sum((counted for _, counted, _ in RESULTS), Counts())
    if failed and not total.failed:
        say(f"failed without a failing test: {', '.join(failed)}")
        total += Counts(failed=len(failed))
    say(str(total))
    if failed:
        raise BootstrapError("\n  ".join(failed))


def test_everything(*, long: bool) -> None:
    """Everything on this interpreter, unit and conformance tests on every other one found."""
    found = interpreters()
    minors = ", ".join(f"{a}.{b}" for a, b in TESTED)
    say(f"interpreters looked for: {minors}")
    for python in found:
        say(f"  found {python}: {python.path}")
    found_minors = {python.minor for python in found}
    for minor in TESTED:
        if minor not in found_minors:
            say(f"  not found, not tested: {minor[0]}.{minor[1]}")
    say(f"  {RESOLVED_ONLY}")
    for python in found:
        if python.minor != sys.version_info[:2]:
            place = PRIVATE / "environments" / f"{python.minor[0]}.{python.minor[1]}"
            other = Environment(place, ("test",), python.path)
            other.install()
            folders = suites("unit", "conformance")
            pytest(
                f"unit and conformance on Python {python}",
                other,
                ["-q", *ALL_CORES, *folders],
                # What random cases find hangs on the meaning, not on the interpreter: a few will do there.
                size="fast",
            )
    MAIN.install()
    build_reader(MAIN)
    here = ".".join(map(str, sys.version_info[:3]))
    everything = [
        *ALL_CORES,
        "--durations=10",
        "--durations-min=0.01",
        "--ignore=tests/spark",
        "tests",
    ]
    pytest(f"all tests on Python {here}", MAIN, everything, size="long" if long else "")
    # Each of its processes starts a Spark of its own, which takes ten seconds and a gigabyte.
    folder, *_ = suites("conformance")
    cases = [f"{folder}/test_{name}.py" for name in ("cases", "functions", "gaps")]
    on_spark = ["-q", *ALL_CORES, "--dist=loadgroup", "--durations=10", *cases, *suites("spark")]
    pytest(
        "conformance on Spark",
        MAIN,
        on_spark,
        engine="spark",
        size="long" if long else "",
        # Thousands of small queries: half of the time would go into making them fast for ever.
        variables={"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
    )
    finish()


def build_reader(environment: Environment) -> None:
    """Compile the fast readers where there is a compiler: both they and what does without are tested."""
    if any(map(shutil.which, ("cc", "gcc", "clang"))):
        command = [environment / "python", "-m", "mainstem", "doctor", "--build"]
        run("the compiled readers", command, environment.variables())


def test() -> None:
    """All tests."""
    test_everything(long=False)


def test_fast() -> None:
    """Unit and conformance tests in a minute: one interpreter, all cores, small counts of random cases.

    Of the tests that run whole pipelines it takes a sample, the same one each time. Left to `make
    test` are the others, and those that start programs.
    """
    MAIN.install()
    programs = [
        f"--ignore=tests/unit/{name}" for name in ("cli", "demo", "dev", "testing/test_plugin.py")
    ]
    options = ["-q", *ALL_CORES, "--one-in=12", *programs, *suites("unit", "conformance")]
    pytest("test-fast", MAIN, options, timeout_s=FAST_LIMIT_S, size="fast")
    finish()


def test_long() -> None:
    """All tests, with the large counts of random cases (MAINSTEM_LONG=1)."""
    test_everything(long=True)


def check() -> None:
    """Lint, format, types and layers; every finding of all four is shown before it fails."""
    MAIN.install()
    steps = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "layers": ["lint-imports"],
    }
    failed = []
    for name, (program, *arguments) in steps.items():
        try:
            run(name, [MAIN / program, *arguments], MAIN.variables())
        except BootstrapError as error:
            failed.append(str(error))
    if failed:
        raise BootstrapError("\n  ".join(failed))
    say("check: all passed")


def demo() -> None:
    """Run the flights example on real data; then a stream that is killed and loses nothing."""
    environment = Environment(ROOT / ".venv", ("demo",))
    environment.install()
    for command in DEMO:
        run("demo", [environment / "python", *command], environment.variables())


def demo_kafka() -> None:
    """Run the stream of the demo through a real broker; fetches Kafka, and Java where there is none."""
    environment = Environment(ROOT / ".venv", ("demo",), extras=("kafka",))
    environment.install()
    run("demo", [environment / "python", *DEMO_KAFKA], environment.variables())


def measured(commands: Sequence[Sequence[str]], *, with_reader: bool = False) -> None:
    """Run benchmarks; QUICK=1 is their small form.

    In an environment of its own: the peers bring pyarrow and numpy, which change what DuckDB does,
    and the tests must see what a user has.
    """
    environment = Environment(PRIVATE / "environments" / "bench", ("bench",))
    environment.install()
    if with_reader:
        build_reader(environment)
    for command in commands:
        run("bench", [environment / "python", *command], environment.variables())


def bench() -> None:
    """Measure against other engines."""
    measured(BENCH)


def bench_trust() -> None:
    """Measure what checks, incremental runs, Python functions and verbs cost."""
    measured(BENCH_TRUST)


def bench_stream() -> None:
    """Measure streams from Kafka to Kafka beside Flink and Spark, and how long a record takes."""
    measured(BENCH_STREAM, with_reader=True)


def bench_spark() -> None:
    """Measure Mainstem on Spark beside PySpark written by hand."""
    measured(BENCH_SPARK)


def bench_mapreduce() -> None:
    """Measure map/reduce in Python beside bare loops, mrjob and DuckDB."""
    measured(BENCH_MAPREDUCE)


TASKS: dict[str, Callable[[], None]] = {
    "demo": demo,
    "demo-kafka": demo_kafka,
    "test": test,
    "test-fast": test_fast,
    "test-long": test_long,
    "check": check,
    "bench": bench,
    "bench-trust": bench_trust,
    "bench-stream": bench_stream,
    "bench-spark": bench_spark,
    "bench-mapreduce": bench_mapreduce,
}


def main(arguments: Sequence[str]) -> int:
    """Run one task; 0 when all of it passed, 1 when a step failed."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("task", choices=TASKS)
    task = parser.parse_args(arguments).task
    begun = time.monotonic()
    try:
        TASKS[task]()
    except BootstrapError as error:
        print(f"bootstrap: {task} FAILED\n  {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    # To stderr, so that the last line of stdout is the task's own.
    print(f"bootstrap: {task} took {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - python3 may be any
        sys.exit("bootstrap: Python 3.11 or newer is needed; try: make PYTHON=python3.12 ...")
    sys.exit(main(sys.argv[1:]))
