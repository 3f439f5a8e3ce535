"""The flights tables once more, row by row in plain Python: slow, and hard to get wrong.

Nothing of Mainstem or DuckDB is used; the rules are those written in the example's docstrings.
"""

import csv
import io
import zipfile
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def records(file: Path) -> list[dict[str, str | None]]:
    """Give the rows of a CSV file, in a zip or not; NA is None."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            (member,) = archive.namelist()
            text = io.StringIO(archive.read(member).decode(), newline="")
    else:
        text = io.StringIO(file.read_text("utf-8"), newline="")
    return [{k: None if v == "NA" else v for k, v in row.items()} for row in csv.DictReader(text)]


def number(text: str | None) -> int | None:
    """Give a whole number, or None."""
    return None if text is None else int(text)


class Flight:
    """One row of flights.csv with what the pipeline derives from it."""

    def __init__(self, row, airlines, weather, planes):
        self.carrier, self.origin, self.dest = row["carrier"], row["origin"], row["dest"]
        self.airline = airlines[self.carrier]
        self.route = f"{self.origin}-{self.dest}"
        self.dep_delay, self.arr_delay = number(row["dep_delay"]), number(row["arr_delay"])
        self.is_cancelled = row["dep_time"] is None
        self.is_on_time = self.arr_delay is not None and self.arr_delay < 15
        self.day = date(int(row["year"]), int(row["month"]), int(row["day"]))
        clock = int(row["sched_dep_time"])
        self.hour = clock // 100
        local = datetime(
            self.day.year, self.day.month, self.day.day, self.hour, clock % 100, tzinfo=NEW_YORK
        )
        self.planned_at = local.astimezone(UTC)
        # The file's own instant of the planned hour: a second opinion on the clock.
        self.file_hour = datetime.fromisoformat(row["time_hour"])
        self.weather = weather_band(weather.get((self.origin, self.planned_hour)))
        self.has_plane, self.age = age_band(planes.get(row["tailnum"]))

    @property
    def planned_hour(self):
        """The hour of the planned departure, an instant."""
        return self.planned_at.replace(minute=0)


def weather_band(row) -> str:
    """Give the word for an hour's weather: the first that fits."""
    if row is None:
        return "no record"
    visib, precip, wind = (
        None if row[name] is None else float(row[name])
        for name in ("visib", "precip", "wind_speed")
    )
    if visib is not None and visib < 1:
        return "sight under 1 mile"
    if precip is not None and precip >= 0.1:
        return "heavy rain or snow"
    if precip is not None and precip > 0:
        return "light rain or snow"
    if wind is not None and 25 <= wind <= 200:
        return "wind of 25 mph or more"
    return "dry and calm"


def age_band(row) -> tuple[bool, str]:
    """Give whether the year of the plane is known, and the word for its age in 2013."""
    if row is None or row["year"] is None:
        return False, "no record"
    age = 2013 - int(row["year"])
    for limit, word in ((5, "0 to 4"), (10, "5 to 9"), (15, "10 to 14"), (20, "15 to 19")):
        if age < limit:
            return True, f"{word} years"
    return True, "20 years or more"


def flights(folder: Path) -> list[Flight]:
    """Give every flight of the data folder."""
    airlines = {row["carrier"]: row["name"] for row in records(folder / "airlines.csv")}
    planes = {row["tailnum"]: row for row in records(folder / "planes.csv")}
    weather = {
        (row["origin"], datetime.fromisoformat(row["time_hour"])): row
        for row in records(folder / "weather.csv")
    }
    rows = records(folder / "flights.csv.zip")
    return [Flight(row, airlines, weather, planes) for row in rows]


def grouped(found: list[Flight], key) -> dict:
    """Give the flights by key."""
    groups = defaultdict(list)
    for flight in found:
        groups[key(flight)].append(flight)
    return dict(groups)


def mean(values) -> float | None:
    """Give the mean of what is not None; None of nothing."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def late(group: list[Flight]) -> int:
    """Give how many were not on time."""
    return sum(not flight.is_on_time for flight in group)
