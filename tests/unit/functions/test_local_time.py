"""Local time against a slow reference in plain Python, at every clock change of some odd zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest

from mainstem.functions.spec import catalogue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = timedelta(microseconds=1)
# A gap and a fold at midnight, half an hour, a day skipped, three changes a year, none at all.
ZONES = (
    "Europe/Rome",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
)


def changes(zone: ZoneInfo) -> list[tuple[datetime, timedelta, timedelta]]:
    """Give the changes from 2005 to 2025, to six hours, with the offsets before and after."""
    found = []
    at = datetime(2005, 1, 1, tzinfo=UTC)
    before = at.astimezone(zone).utcoffset()
    while at < datetime(2026, 1, 1, tzinfo=UTC):
        at += timedelta(hours=6)
        after = at.astimezone(zone).utcoffset()
        if after != before:
            found.append((at, before, after))
        before = after
    return found


def micros(instant: datetime) -> int:
    """Give an instant as DuckDB keeps it."""
    return (instant - EPOCH) // STEP


def instant_of(local: datetime, zone: ZoneInfo, *, is_later: bool) -> datetime:
    """Give the instant of a local time by the rule: forward in a gap, the earlier of a fold."""
    both = [local.replace(tzinfo=zone, fold=f).astimezone(UTC) for f in (0, 1)]
    exact = [b for b in both if b.astimezone(zone).replace(tzinfo=None) == local]
    if not exact:
        return both[0]  # with the offset that was in force before the gap
    return max(exact) if is_later else min(exact)


def spelled(name: str, takes: tuple[str, ...], *args: str) -> str:
    """Give the DuckDB text of an overload over these arguments."""
    row = catalogue()[name]
    index = [o.takes for o in row.overloads].index(takes)
    return row.template(index, "duckdb").format(*args)


@pytest.fixture(scope="module")
def database():
    """Give an empty DuckDB in UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        yield connection


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("is_later", [False, True])
def test_from_local_follows_the_rule_around_every_change(database, name, is_later):
    """DuckDB's own takes the later instant of a fold and says nothing."""
    zone = ZoneInfo(name)
    locals_ = sorted(
        {
            (at + offset).replace(tzinfo=None) + timedelta(minutes=m)
            for at, *offsets in changes(zone)
            for offset in offsets
            for m in range(-420, 420, 30)
        }
        | {datetime(2024, 2, 29, 12, 34, 56)}  # noqa: DTZ001 - a local time has no zone
    )
    takes = ("string", "string:zone", "'later'") if is_later else ("string", "string:zone")
    call = spelled("from_local", takes, "s", f"'{name}'")
    texts = ", ".join(f"('{x:%Y-%m-%d %H:%M:%S}')" for x in locals_)

    found = database.execute(f"SELECT epoch_us({call}) FROM (VALUES {texts}) v(s)").fetchall()

    expected = [micros(instant_of(x, zone, is_later=is_later)) for x in locals_]
    assert [us for (us,) in found] == expected


@pytest.mark.parametrize("name", ZONES)
def test_local_days_and_hours_start_where_the_clock_says(database, name):
    """A day starts at its first instant; the two hours of a fold stay two."""
    zone = ZoneInfo(name)
    instants = [
        at + timedelta(minutes=m, microseconds=7)
        for at, *_ in changes(zone)
        for m in range(-420, 420, 30)
    ] or [datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)]
    day = spelled(
        "date_trunc", (_units("day"), "timestamp", "string:zone"), "'day'", "t", f"'{name}'"
    )
    hour = spelled(
        "date_trunc", (_units("hour"), "timestamp", "string:zone"), "'hour'", "t", f"'{name}'"
    )
    values = ", ".join(f"(make_timestamptz({micros(x)}))" for x in instants)

    found = database.execute(
        f"SELECT epoch_us({day}), epoch_us({hour}) FROM (VALUES {values}) v(t)"
    ).fetchall()

    expected = []
    for instant in instants:
        local = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        into_hour = local - local.replace(minute=0, second=0, microsecond=0)
        start = instant_of(midnight, zone, is_later=False)
        expected.append((micros(start), micros(instant - into_hour)))
    assert found == expected


def _units(unit: str) -> str:
    """Give the pattern of date_trunc's units with a zone that has this one."""
    overloads = [o for o in catalogue()["date_trunc"].overloads if len(o.takes) == 3]
    return next(o.takes[0] for o in overloads if f"'{unit}'" in o.takes[0])
