"""The log example joins CSV, JSON lines and text into one answer: that of a slow reference."""

import csv
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

from mainstem.definition.load import load
from tests.examples.running import copy, folders, parquet, run_pipeline

EXAMPLE = Path(__file__).parents[2] / "examples" / "logs"
DATA = EXAMPLE / "data"
WORKER = re.compile(r"(?P<time>\S+) (?P<level>\w+) job=(?P<job>\w+) took=(?P<ms>\d+)ms")


HOUR_MS = 3_600_000


class Broken(Exception):
    """A record that is no event, and where it has to be: its argument."""


def gateway(line):
    """One record of the gateway; no value has a comma or a quote in it."""
    fields = line.split(",")
    if len(fields) != 6 or not re.fullmatch(r"-?\d+,-?\d+", ",".join(fields[3:5])):
        raise Broken("gateway__dead")
    time, _, path, status, ms, user = fields
    return time, "gateway", path, int(status) >= 500, int(ms), None if user == "NA" else user


def api(line):
    """One record of the API."""
    try:
        row = json.loads(line)
        is_whole = isinstance(row["ms"], int)
        found = row["time"], "api", row["endpoint"], row["level"] == "error", row["ms"]
    except (json.JSONDecodeError, KeyError):
        is_whole = False
    if not is_whole:
        raise Broken("api__dead")
    return *found, row.get("user")


def worker(line):
    """One line of the worker; None within a stack trace."""
    if not re.match(r"\d{4}-\d{2}-\d{2}T", line):
        return None
    match = WORKER.fullmatch(line)
    if not match or match["level"] not in ("INFO", "ERROR") or "-13-" in match["time"]:
        raise Broken("worker_lines__quarantine")
    return match["time"], "worker", match["job"], match["level"] == "ERROR", int(match["ms"]), None


def within_an_hour(event):
    """Give an event that took as long as events may take."""
    if event and not 0 <= event[4] <= HOUR_MS:
        raise Broken("events__quarantine")
    return event


FILES = {
    "gateway": ("gateway.csv", gateway),
    "api": ("api.jsonl", api),
    "worker": ("worker.log", worker),
}


def cleaned():
    """Every event as (time, service, endpoint, is_error, ms, visitor), and the raw lines of what is none by table."""
    found, aside = [], defaultdict(list)
    for service, (name, read) in FILES.items():
        for raw in (DATA / name).read_bytes().splitlines()[service == "gateway" :]:
            try:
                event = within_an_hour(read(raw.decode()))
            except UnicodeDecodeError:
                aside[f"{service}__dead"].append(raw)
            except Broken as broken:
                aside[broken.args[0]].append(raw)
            else:
                found += [event] if event else []
    return [(datetime.fromisoformat(time), *rest) for time, *rest in found], aside


def events():
    """Every event that is one."""
    return cleaned()[0]


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
    assert b"Traceback" in (DATA / "worker.log").read_bytes()
    assert len({endpoint for _, _, endpoint, *_ in found}) == 8


def test_broken_lines_are_kept_and_nothing_else_is(example):
    """Each where the slow reference puts it, dead letters with their very bytes."""
    _, aside = cleaned()

    with load(example.folder / "pipeline.py").connect() as tables:
        dead = {
            f"{service}__dead": [
                bytes(raw) for (raw,) in tables.query(f"SELECT __raw FROM {service}__dead").rows
            ]
            for service in FILES
        }
        lines = tables.query("SELECT line FROM worker_lines__quarantine").rows
        durations = tables.query("SELECT service, ms FROM events__quarantine").rows

    assert {name: sorted(raw) for name, raw in dead.items()} == {
        name: sorted(aside[name]) for name in dead
    }
    assert {name: len(raw) for name, raw in dead.items()} == {
        "gateway__dead": 4, "api__dead": 4, "worker__dead": 1,
    }  # fmt: skip
    found = sorted(line.encode() for (line,) in lines)
    assert found == sorted(aside["worker_lines__quarantine"])
    assert len(found) == 3
    assert sorted(durations) == [
        ("api", -7), ("gateway", -1), ("gateway", 1_741_082_400_000), ("worker", 9_999_999),
    ]  # fmt: skip
    assert len(aside["events__quarantine"]) == 4


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
