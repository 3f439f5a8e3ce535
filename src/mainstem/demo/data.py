"""Makes the demo's data: four weeks of a city's rental bikes, with the faults that real files have.

A seed gives the same rows on every machine. The faults: a ride that the network sent twice, a bike
that is not back yet (``NA``), an unknown field, instants in UTC while people ride by the city's
clock (which changes on 30 March).
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SEED = 7
FIRST_DAY = datetime(2025, 3, 10, tzinfo=UTC)
N_DAYS = 28
CITY = "Europe/Rome"
# A station and how much it is used, compared with the others.
STATIONS = {
    "Central Station": 10, "University": 8, "Market Square": 7, "Harbour": 5, "City Hall": 5,
    "Museum": 4, "Hospital": 4, "Riverside": 3, "Stadium": 2, "Old Mill": 2,
}  # fmt: skip
# Rides by local hour, of 100, on working days and at weekends.
WORKING = (0, 0, 0, 0, 0, 1, 3, 9, 12, 6, 4, 4, 5, 5, 4, 5, 7, 12, 10, 6, 3, 2, 1, 1)
WEEKEND = (1, 1, 0, 0, 0, 0, 1, 2, 3, 5, 8, 9, 9, 9, 9, 9, 8, 7, 6, 5, 3, 2, 2, 1)
RAINY = frozenset({2, 3, 9, 13, 16, 22})


def rides(rng: random.Random) -> Iterator[dict[str, object]]:
    """Give every ride in order of day; rain halves them."""
    number = 0
    for day in range(N_DAYS):
        date = (FIRST_DAY + timedelta(days=day)).date()
        usual = WEEKEND if date.weekday() >= 5 else WORKING
        for hour, weight in enumerate(usual):
            n = int(weight * (5 if day in RAINY else 10) * (0.8 + 0.4 * rng.random()))
            for _ in range(n):
                number += 1
                local = datetime(date.year, date.month, date.day, hour, tzinfo=ZoneInfo(CITY))
                start = local.astimezone(UTC) + timedelta(seconds=int(rng.random() * 3600))
                yield _ride(rng, number, start)


def _ride(rng: random.Random, number: int, start: datetime) -> dict[str, object]:
    minutes = 3 + int(27 * rng.random() ** 2)
    return {
        "ride": number,
        "started_at": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "station": 1 + _pick(rng, tuple(STATIONS.values())),
        "minutes": "NA" if rng.random() < 0.01 else minutes,
        "bike": 1 + int(rng.random() * 180),
    }


def _pick(rng: random.Random, weights: tuple[int, ...]) -> int:
    """Give an index, as often as its weight says."""
    left = rng.random() * sum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return len(weights) - 1


def write(folder: Path, *, seed: int = SEED) -> None:
    """Write ``rides-<week>.csv.gz``, ``stations.csv`` and ``weather.jsonl`` into `folder`."""
    rng = random.Random(seed)  # noqa: S311 - the same data every time is the point
    folder.mkdir(parents=True, exist_ok=True)
    weeks: dict[str, list[str]] = {}
    for ride in rides(rng):
        week = datetime.fromisoformat(str(ride["started_at"])).isocalendar().week
        lines = weeks.setdefault(f"{week:02}", [])
        lines += [",".join(map(str, ride.values()))] * (2 if rng.random() < 0.005 else 1)
    for name, sent in weeks.items():
        text = "\n".join(["ride,started_at,station,minutes,bike", *sent]) + "\n"
        # A time of 0: gzip would otherwise note the clock, and two runs would differ.
        (folder / f"rides-{name}.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    stations = (f"{number},{name}" for number, name in enumerate(STATIONS, 1))
    (folder / "stations.csv").write_text("\n".join(["station,name", *stations]) + "\n", "utf-8")
    (folder / "weather.jsonl").write_text("".join(_weather()), "utf-8")


def _weather() -> Iterator[str]:
    for day in range(N_DAYS):
        date = (FIRST_DAY + timedelta(days=day)).date()
        rain = 4.5 + day % 5 if day in RAINY else 0.0
        yield json.dumps({"day": date.isoformat(), "rain_mm": rain, "observer": "roof"}) + "\n"
