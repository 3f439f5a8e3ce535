"""Rental bikes: when and where people ride, and what rain changes.

This is a whole pipeline. Change it and run it again: mainstem run pipeline.py
"""

import mainstem as ms

p = ms.Pipeline("bikes")

p.source(
    "rides_sent",
    ms.files("data/rides-*.csv.gz", null="NA"),
    schema="""
        ride bigint not null, started_at timestamp not null, station bigint not null,
        minutes bigint, bike bigint not null""",
)
p.source(
    "stations",
    ms.files("data/stations.csv"),
    schema="station bigint not null, name string not null",
)
p.source(
    "weather",
    ms.files("data/weather.jsonl", format="json"),
    schema="day date not null, rain_mm double not null",
)


@p.view
def rides() -> str:
    """Each ride once, by the city's clock: the network sent some of them twice."""
    return """
        SELECT ride, minutes, station, bike, started_at,
               local_date(started_at, 'Europe/Rome') AS day,
               local_part('hour', started_at, 'Europe/Rome') AS local_hour
        FROM (SELECT DISTINCT * FROM rides_sent)"""


@p.table(sink=ms.files("out/rides", format="parquet", partition_by="station_name"))
def rides_joined() -> str:
    """Every ride with its station and the day's rain."""
    return """
        SELECT r.*, s.name AS station_name, w.rain_mm > 0 AS is_rainy,
               isodow(r.day) >= 6 AS is_weekend
        FROM rides r
        JOIN stations s ON s.station = r.station
        JOIN weather w ON w.day = r.day"""


@p.table
def headline() -> str:
    """One row for all four weeks."""
    return """
        SELECT (SELECT count(*) FROM rides_sent) AS sent, count(*) AS rides,
               count(DISTINCT day) AS days, count(DISTINCT bike) AS bikes,
               count(*) FILTER (WHERE minutes IS NULL) AS not_back,
               median(minutes) AS median_minutes
        FROM rides_joined"""


@p.table
def by_hour() -> str:
    """Rides a day for each hour, on working days and at weekends."""
    return """
        WITH days AS (
            SELECT is_weekend, count(DISTINCT day) AS days FROM rides_joined GROUP BY is_weekend)
        SELECT r.is_weekend, r.local_hour, count(*) AS rides, d.days, count(*) / d.days AS a_day
        FROM rides_joined r JOIN days d ON d.is_weekend = r.is_weekend
        GROUP BY r.is_weekend, r.local_hour, d.days"""


@p.table
def by_rain() -> str:
    """What a wet day costs."""
    return """
        SELECT is_rainy, is_weekend, count(*) AS rides, count(DISTINCT day) AS days,
               count(*) / count(DISTINCT day) AS a_day
        FROM rides_joined GROUP BY is_rainy, is_weekend"""


@p.table
def by_station() -> str:
    """The stations, busiest first in the report."""
    return "SELECT station_name, count(*) AS rides FROM rides_joined GROUP BY station_name"
