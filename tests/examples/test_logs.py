"""The log example joins CSV, JSON lines and text into one answer: that of a slow reference."""

import csv
import io
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.examples.running import copy, folders, parquet, run_pipeline

EXAMPLE = Path(__file__).parents[2] / "examples" / "logs"
DATA = EXAMPLE / "data"
WORKER = re.compile(r"(?P<time>\S+) (?P<level>\w+) job=(?P<job>\w+) took=(?P<ms>\d+)ms")


def events():
    """Every event as (time, service, endpoint, is_error, ms, visitor), in plain Python."""
    found = []
    text = io.StringIO((DATA / "gateway.csv").read_text("utf-8"), newline="")
    for row in csv.DictReader(text):
        visitor = None if row["user"] == "NA" else row["user"]
        is_error = int(row["status"]) >= 500
        found.append((row["time"], "gateway", row["path"], is_error, row["duration_ms"], visitor))
    for line in (DATA / "api.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        is_error = row["level"] == "error"
        found.append((row["time"], "api", row["endpoint"], is_error, row["ms"], row.get("user")))
    for line in (DATA / "worker.log").read_text("utf-8").splitlines():
        match = WORKER.fullmatch(line)
        if match:
            is_error = match["level"] == "ERROR"
            found.append((match["time"], "worker", match["job"], is_error, match["ms"], None))
    return [(datetime.fromisoformat(t), s, e, bad, int(ms), v) for t, s, e, bad, ms, v in found]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example, run."""
    return run_pipeline(copy(EXAMPLE, tmp_path_factory.mktemp("logs")) / "pipeline.py")


def test_data_is_what_the_generator_writes(tmp_path):
    """The committed files are reproducible, and small."""
    shutil.copy(EXAMPLE / "generate.py", tmp_path)
    subprocess.run([sys.executable, "generate.py"], cwd=tmp_path, check=True)

    made = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}

    assert made == {file.name: file.read_bytes() for file in DATA.iterdir()}
    assert sum(map(len, made.values())) < 200_000


def test_reference_sees_all_three_formats():
    """Nothing is empty, and stack traces are there to be left out."""
    found = events()

    assert {service for _, service, *_ in found} == {"gateway", "api", "worker"}
    assert "Traceback" in (DATA / "worker.log").read_text("utf-8")
    assert len({endpoint for _, _, endpoint, *_ in found}) == 8


def test_errors_by_service_and_hour(example):
    """Calls and errors of every hour, in one folder for each service."""
    calls, errors = defaultdict(int), defaultdict(int)
    for time, service, _, is_error, *_ in events():
        key = (service, int(time.timestamp()) // 3600)
        calls[key] += 1
        errors[key] += is_error

    out = example.folder / "out" / "errors"
    rows = parquet(out, "service, epoch(hour)::BIGINT // 3600, calls, errors")

    assert sorted(rows) == sorted((*key, calls[key], errors[key]) for key in calls)
    assert folders(out) == {"service=api", "service=gateway", "service=worker"}
    assert sum(row[3] for row in rows) == sum(errors.values()) > 0


def slowest_of_95(values: list[int]) -> int:
    """Give the smallest value that at least 95 of 100 do not exceed."""
    return next(v for v in sorted(values) if 100 * sum(x <= v for x in values) >= 95 * len(values))


def test_slowest_endpoints(example):
    """The five slowest, in order, in a CSV file with a header."""
    times = defaultdict(list)
    for _, service, endpoint, _, ms, _ in events():
        times[service, endpoint].append(ms)
    expected = [
        (*names, len(values), Decimal(statistics.median(values)), slowest_of_95(values))
        for names, values in times.items()
    ]
    expected.sort(key=lambda row: (-row[4], row[0], row[1]))

    with (example.folder / "out" / "slowest.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)

    assert header == ["service", "endpoint", "calls", "median_ms", "p95_ms"]
    assert [(s, e, int(n), Decimal(m), int(p)) for s, e, n, m, p in rows] == expected[:5]


def test_visits_are_cut_at_half_an_hour(example):
    """Clicks of a visitor up to 30 minutes apart are one visit."""
    clicks = defaultdict(list)
    for time, _, _, is_error, _, visitor in events():
        if visitor is not None:
            clicks[visitor].append((time, is_error))
    expected = []
    for visitor, found in clicks.items():
        visits = []
        for time, is_error in sorted(found):
            if not visits or time - visits[-1][-1][0] > timedelta(minutes=30):
                visits.append([])
            visits[-1].append((time, is_error))
        expected += [
            (visitor, number, visit[0][0], visit[-1][0], len(visit), sum(bad for _, bad in visit))
            for number, visit in enumerate(visits, 1)
        ]

    names = ("visitor", "visit", "begun", "ended", "clicks", "errors")
    rows = [tuple(row[name] for name in names) for row in example.tables["visits"]]

    assert sorted(rows) == sorted(expected)
    assert max(row[1] for row in rows) > 1
