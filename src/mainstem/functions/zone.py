"""Local time. It is text, a date or parts, never a second timestamp type (contract V7).

The rule for a local time that is not exactly one instant: in a gap (the clock was put forward past it)
it moves forward by the gap; in a fold (the clock was put back, it came twice) it is the earlier
instant unless ``'later'`` is asked for.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from mainstem.functions.spec import Fails, Function, ex, overload


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# DuckDB gives the later of two instants, so the clock of 24 hours before tells how far the earlier one
# is away. Nearly always that is zero; else a wrong guess does not read `local` on the clock.
_EARLIER = (
    "CASE WHEN {shift} = INTERVAL '0 seconds' THEN {later} "
    "WHEN timezone({zone}, {later} - {shift}) = {local} THEN {later} - {shift} ELSE {later} END"
)
_LATER = "timezone({zone}, {local})"
_SHIFT = "(timezone({zone}, {later} - INTERVAL '24 hours') - ({local} - INTERVAL '24 hours'))"


def instant(local: str, zone: str, *, is_later: bool = False) -> str:
    """Give DuckDB SQL for the instant at which a clock in `zone` shows the TIMESTAMP `local`."""
    later = _LATER.replace("{local}", local).replace("{zone}", zone)
    if is_later:
        return later
    shift = _SHIFT.replace("{later}", later).replace("{local}", local).replace("{zone}", zone)
    template = _EARLIER.replace("{shift}", shift).replace("{later}", later)
    return "(" + template.replace("{local}", local).replace("{zone}", zone) + ")"


# A zone or offset at the end would be dropped by the cast without a word, and hour 24 be the next day.
_LOCAL_TEXT = r"'\d{{4}}-\d{{2}}-\d{{2}}[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{{1,6}})?)?'"
_FROM_TEXT = (
    "CAST(CASE WHEN regexp_full_match({0}, " + _LOCAL_TEXT + ") THEN {0} "
    "ELSE 'not a local time: ' || {0} END AS TIMESTAMP)"
)
_FROM_DATE = "CAST({0} AS TIMESTAMP)"
# Hour 24 would be the next day's midnight; 25 is refused.
_FROM_PARTS = "make_timestamp(year({0}), month({0}), day({0}), CASE {1} WHEN 24 THEN 25 ELSE {1} END, {2}, 0.0)"

FUNCTIONS = (
    Function(
        "at_zone", "What a clock in a time zone shows at an instant, as text 'YYYY-MM-DD HH:MM:SS'; "
        "six digits of microseconds follow when they are not zero. `format_timestamp` writes other forms.",
        (overload("timestamp", "string:zone", gives="string"),),
        family="time", fails="the zone is not the name of one", rules=("V7",),
        spelling={"duckdb": "(strftime(timezone({1}, {0}), '%Y-%m-%d %H:%M:%S') || CASE WHEN epoch_us({0}) "
                  "% 1000000 = 0 THEN '' ELSE strftime(timezone({1}, {0}), '.%f') END)"},
        examples=(
            ex(_utc("2024-07-01 10:00:00"), "Europe/Rome", gives="2024-07-01 12:00:00"),
            ex(_utc("2024-01-01 23:30:00.5"), "Europe/Rome", gives="2024-01-02 00:30:00.500000"),
            # The hour from 02:00 comes twice on the last Sunday of October.
            ex(_utc("2024-10-27 00:30:00"), "Europe/Rome", gives="2024-10-27 02:30:00"),
            ex(_utc("2024-10-27 01:30:00"), "Europe/Rome", gives="2024-10-27 02:30:00"),
            # And never on the last Sunday of March.
            ex(_utc("2024-03-31 00:59:59"), "Europe/Rome", gives="2024-03-31 01:59:59"),
            ex(_utc("2024-03-31 01:00:00"), "Europe/Rome", gives="2024-03-31 03:00:00"),
            ex(_utc("1969-12-31 20:00:00"), "Asia/Kathmandu", gives="1970-01-01 01:30:00"),
            ex(None, "Europe/Rome", gives=None, types="timestamp; string"),
            ex(_utc("2024-07-01 10:00:00"), None, gives=None, types="timestamp; string"),
        ),
    ),
    Function(
        "local_date", "The date that a calendar in a time zone shows at an instant.",
        (overload("timestamp", "string:zone", gives="date", duckdb="CAST(timezone({1}, {0}) AS DATE)"),),
        family="time", fails="the zone is not the name of one", rules=("V7",),
        examples=(
            ex(_utc("2024-02-28 23:30:00"), "Europe/Rome", gives=date(2024, 2, 29)),
            ex(_utc("2024-03-01 04:59:59"), "America/New_York", gives=date(2024, 2, 29)),
            ex(_utc("2024-03-01 05:00:00"), "America/New_York", gives=date(2024, 3, 1)),
            ex(None, "UTC", gives=None, types="timestamp; string"),
        ),
    ),
    Function(
        "from_local", "The instant at which a clock in a time zone shows a local time: a text "
        "'YYYY-MM-DD HH:MM[:SS[.ffffff]]', the midnight of a date, or a date, an hour and a minute. A time in a "
        "gap moves forward by the gap; of a time that comes twice it is the earlier, or with 'later' the later.",
        tuple(
            overload(*takes, "string:zone", *which, gives="timestamp",
                     duckdb=instant(local, zone, is_later=bool(which)))
            for takes, local, zone in (
                (("string",), _FROM_TEXT, "{1}"),
                (("date",), _FROM_DATE, "{1}"),
                (("date", "bigint", "bigint"), _FROM_PARTS, "{3}"),
            )
            for which in ((), ("'later'",))
        ),
        family="time", fails="the text, hour (0 to 23) or minute is not of a local time, or the zone not the name of one",
        rules=("V7",),
        examples=(
            ex("2024-07-01 12:00:00", "Europe/Rome", gives=_utc("2024-07-01 10:00:00")),
            ex("2024-07-01T12:00:00.25", "Europe/Rome", gives=_utc("2024-07-01 10:00:00.25")),
            # In the gap: 02:30 is 03:30 summer time.
            ex("2024-03-31 02:30", "Europe/Rome", gives=_utc("2024-03-31 01:30:00")),
            ex("2024-03-31 02:30", "Europe/Rome", "later", gives=_utc("2024-03-31 01:30:00")),
            # In the fold.
            ex("2024-10-27 02:30", "Europe/Rome", gives=_utc("2024-10-27 00:30:00")),
            ex("2024-10-27 02:30", "Europe/Rome", "later", gives=_utc("2024-10-27 01:30:00")),
            # Lord Howe Island puts its clock back by half an hour.
            ex("2024-04-07 01:45", "Australia/Lord_Howe", gives=_utc("2024-04-06 14:45:00")),
            ex("2024-04-07 01:45", "Australia/Lord_Howe", "later", gives=_utc("2024-04-06 15:15:00")),
            # São Paulo's 4 November 2018 began at 01:00; Havana's 5 November 2023 had midnight twice.
            ex(date(2018, 11, 4), "America/Sao_Paulo", gives=_utc("2018-11-04 03:00:00")),
            ex(date(2023, 11, 5), "America/Havana", gives=_utc("2023-11-05 04:00:00")),
            ex(date(2013, 1, 1), 5, 15, "America/New_York", gives=_utc("2013-01-01 10:15:00")),
            ex(date(2013, 11, 3), 1, 30, "America/New_York", gives=_utc("2013-11-03 05:30:00")),
            ex(date(2013, 11, 3), 1, 30, "America/New_York", "later", gives=_utc("2013-11-03 06:30:00")),
            ex(date(2013, 1, 1), 24, 0, "America/New_York", gives=Fails("hours end at 23")),
            ex("2024-07-01 12:00:00Z", "Europe/Rome", gives=Fails("an instant is no local time")),
            ex("2024-02-30 12:00:00", "Europe/Rome", gives=Fails("February has no 30th")),
            ex(None, "Europe/Rome", gives=None, types="string; string"),
            ex(date(2024, 1, 1), None, gives=None, types="date; string"),
            ex(None, 5, 15, "Europe/Rome", gives=None, types="date; bigint; bigint; string"),
        ),
    ),
    Function(
        "zone_offset", "How far a clock in a time zone is ahead of UTC at an instant, in seconds; behind is below zero.",
        (overload("timestamp", "string:zone", gives="bigint",
                  duckdb="date_diff('second', timezone('UTC', {0}), timezone({1}, {0}))"),),
        family="time", fails="the zone is not the name of one", rules=("V7",),
        examples=(
            ex(_utc("2024-07-01 10:00:00"), "Europe/Rome", gives=7200),
            ex(_utc("2024-03-31 00:59:59.999999"), "Europe/Rome", gives=3600),
            ex(_utc("2024-01-01 00:00:00"), "America/New_York", gives=-18000),
            ex(_utc("1969-12-31 23:59:59.5"), "Asia/Kolkata", gives=19800),
            ex(None, "UTC", gives=None, types="timestamp; string"),
        ),
    ),
)  # fmt: skip
