"""The flights pipeline on a handful of flights, each with a reason to be here: `pytest examples/flights`."""

import pytest

from mainstem.errors import DataError
from mainstem.testing import csv

FILE = "pipeline.py"
AIRLINES = [("UA", "United"), ("B6", "JetBlue")]
OTHERS = {"weather": [], "planes": [], "airports": [], "airlines": AIRLINES}


def flight(**own):
    """Give an ordinary flight of 2 January, on time, with what a test is about."""
    usual = {
        "year": 2013, "month": 1, "day": 2, "dep_time": 517, "sched_dep_time": 515,
        "dep_delay": 2, "arr_time": 830, "sched_arr_time": 819, "arr_delay": 11, "carrier": "UA",
        "flight": 1545, "tailnum": "N14228", "origin": "EWR", "dest": "IAH", "air_time": 227,
        "distance": 1400, "time_hour": "2013-01-02T10:00:00Z",
    }  # fmt: skip
    return usual | own


CANCELLED = {"dep_time": None, "dep_delay": None, "arr_time": None, "arr_delay": None}


def test_a_flight_is_on_time_when_it_arrives_less_than_15_minutes_late(run_pipeline):
    """14 minutes are on time, 15 are not; a cancelled flight is late, and has no delay."""
    flights = [flight(arr_delay=14), flight(arr_delay=15), flight(**CANCELLED)]

    ran = run_pipeline(FILE, {**OTHERS, "flights": flights})

    ran.assert_rows("headline", [{
        "flights": 3, "cancelled": 1, "not_arrived": 0, "on_time": 1, "mean_dep_delay_min": 2,
        "mean_arr_delay_min": 14.5, "with_weather": 0, "with_plane": 0,
    }])  # fmt: skip
    ran.assert_rows("on_time", [{"route": "EWR-IAH", "flights": 3, "on_time_share": 1 / 3}])


def test_planned_departures_are_of_new_yorks_clock(run_pipeline):
    """05:15 is 10:15 UTC in winter and 09:15 in summer."""
    flights = [flight(), flight(month=7, time_hour="2013-07-02T09:00:00Z")]

    ran = run_pipeline(FILE, {**OTHERS, "flights": flights}, views=["departures"])

    ran.assert_rows("departures", """
        local_date | local_hour | planned_at
        ---------- | ---------- | -------------------
        2013-01-02 | 5          | 2013-01-02 10:15:00
        2013-07-02 | 5          | 2013-07-02 09:15:00
        """)  # fmt: skip


def test_a_broken_gauge_is_no_wind(run_pipeline):
    """1048 mph is unknown, so what counts is the rain."""
    weather = csv("""
        origin,time_hour,temp,wind_speed,precip,visib
        EWR,2013-01-02T10:00:00Z,39.0,1048.36,0.0,10.0
        JFK,2013-01-02T10:00:00Z,39.0,NA,0.01,10.0
        """)
    flights = [flight(), flight(origin="JFK"), flight(origin="LGA")]

    ran = run_pipeline(FILE, {**OTHERS, "flights": flights, "weather": weather})

    bands = {r["band"]: r["flights"] for r in ran.rows("causes") if r["cause"] == "weather"}
    assert bands == {"dry and calm": 1, "light rain or snow": 1, "no record": 1}


def test_a_flight_of_an_unknown_airline_is_left_out(run_pipeline):
    """The join asks for a name: this is how the pipeline is, and the test says so."""
    ran = run_pipeline(FILE, {**OTHERS, "flights": [flight(), flight(carrier="XX")]})

    ran.assert_rows("by_day", [("2013-01-02", 1, 0, 0)])


def test_a_flight_without_an_airport_stops_the_run(run_pipeline):
    """The schema says NOT NULL, and no rule keeps such a record aside."""
    with pytest.raises(DataError, match="origin"):
        run_pipeline(FILE, {**OTHERS, "flights": [flight(origin=None)]})
