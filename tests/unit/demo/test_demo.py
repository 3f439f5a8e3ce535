"""`mainstem demo`: the same data every time, a true answer, and a pipeline that can be changed."""

import csv
import gzip
import io
import json
import re
import statistics
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from mainstem.demo import data
from mainstem.demo.run import kept_tables, run_demo

ROME = ZoneInfo("Europe/Rome")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo, run once."""
    return run_demo(tmp_path_factory.mktemp("demo") / "here")


@pytest.fixture(scope="module")
def tables(demo):
    """The tables that it kept."""
    from mainstem import load

    return kept_tables(load(demo.pipeline))


def sent(folder):
    """Every line of the rides' files."""
    rows = []
    for file in sorted(folder.glob("rides-*.csv.gz")):
        text = io.StringIO(gzip.decompress(file.read_bytes()).decode(), newline="")
        rows += csv.DictReader(text)
    return rows


@pytest.fixture(scope="module")
def rides(demo):
    """Each ride once: (day, hour, station, minutes, bike, is it rainy), by Rome's clock."""
    folder = demo.pipeline.parent / "data"
    weather = map(json.loads, (folder / "weather.jsonl").read_text("utf-8").splitlines())
    rain = {row["day"]: row["rain_mm"] > 0 for row in weather}
    lines = (folder / "stations.csv").read_text("utf-8").splitlines()
    stations = dict(line.split(",") for line in lines[1:])
    found = []
    for row in {row["ride"]: row for row in sent(folder)}.values():
        local = datetime.fromisoformat(row["started_at"]).astimezone(ROME)
        minutes = None if row["minutes"] == "NA" else int(row["minutes"])
        day = local.date()
        found.append(
            (day, local.hour, stations[row["station"]], minutes, row["bike"], rain[day.isoformat()])
        )
    return found


def contents(folder):
    """What stands in the files; how well gzip packs it may differ between machines."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    return {n: gzip.decompress(b) if n.endswith(".gz") else b for n, b in files.items()}


def test_data_depends_on_the_seed_only(tmp_path):
    """Twice the same; another seed gives other rides."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        data.write(tmp_path / name, seed=seed)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_data_has_the_faults_that_the_demo_is_about(demo):
    """Rides sent twice, bikes that are not back, the clock's change; and it is small."""
    rows = sent(demo.pipeline.parent / "data")
    twice = [n for n in Counter(row["ride"] for row in rows).values() if n > 1]

    assert 20_000 < len(rows) < 40_000
    assert len(twice) > 50
    assert sum(row["minutes"] == "NA" for row in rows) > 100
    assert {row["started_at"][:10] for row in rows} > {"2025-03-29", "2025-03-30", "2025-03-31"}


def test_headline_counts_each_ride_once(demo, tables, rides):
    """The figures of the page against a count in plain Python."""
    (row,) = tables["headline"]

    assert row == {
        "sent": len(sent(demo.pipeline.parent / "data")),
        "rides": len(rides),
        "days": data.N_DAYS,
        "bikes": len({ride[4] for ride in rides}),
        "not_back": sum(ride[3] is None for ride in rides),
        "median_minutes": statistics.median(ride[3] for ride in rides if ride[3] is not None),
    }


def test_hours_are_those_of_the_citys_clock(tables, rides):
    """Rides by kind of day and hour, before and after the clock's change."""
    n = Counter((ride[0].weekday() >= 5, ride[1]) for ride in rides)

    assert {(row["is_weekend"], row["local_hour"]): row["rides"] for row in tables["by_hour"]} == n
    assert {row["is_weekend"]: row["days"] for row in tables["by_hour"]} == {False: 20, True: 8}
    assert all(
        row["a_day"] == pytest.approx(row["rides"] / row["days"]) for row in tables["by_hour"]
    )


def test_rain_and_stations(tables, rides):
    """Rides and days of each kind; rides of each station."""
    n = Counter((ride[5], ride[0].weekday() >= 5) for ride in rides)
    days = Counter(
        (rainy, day.weekday() >= 5) for day, rainy in {(ride[0], ride[5]) for ride in rides}
    )

    assert {
        (row["is_rainy"], row["is_weekend"]): (row["rides"], row["days"])
        for row in tables["by_rain"]
    } == {kind: (n[kind], days[kind]) for kind in n}
    assert {row["station_name"]: row["rides"] for row in tables["by_station"]} == Counter(
        ride[2] for ride in rides
    )


def test_page_and_sentence_say_what_was_counted(demo, rides):
    """The sentence of the report is worked out again here."""
    working = [ride for ride in rides if ride[0].weekday() < 5]
    wet, dry = ([ride for ride in working if ride[5] is is_wet] for is_wet in (True, False))
    a_day = [len(part) / len({ride[0] for ride in part}) for part in (wet, dry)]
    hours = Counter(ride[1] for ride in working)

    assert demo.report.lead.startswith(
        f"Rain takes {100 * (1 - a_day[0] / a_day[1]):.0f} % of the rides"
    )
    assert {hour for hour, _ in hours.most_common(2)} == {8, 17}
    assert f"{len(rides):,}" in demo.page.read_text("utf-8")
    assert len(re.findall("<svg", demo.page.read_text("utf-8"))) == len(demo.report.plots)


def test_demo_runs_again_in_its_folder(demo):
    """A second run replaces the first: nothing is doubled."""
    again = run_demo(demo.pipeline.parent)

    assert again.report == demo.report
