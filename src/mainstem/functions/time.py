"""Dates and instants. An instant is UTC to the microsecond (contract V7); weeks are ISO, from Monday."""

from __future__ import annotations

from datetime import UTC, date, datetime

from mainstem.functions.calendar import in_calendar
from mainstem.functions.spec import Example, Fails, Function, Sql, ex, overload, rows
from mainstem.functions.zone import instant


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_DATE_UNITS = "'year' 'quarter' 'month' 'week' 'day'"
_CLOCK_UNITS = "'hour' 'minute' 'second' 'millisecond'"
_FIELDS = "'year' 'quarter' 'month' 'day' 'isodow' 'isoyear' 'week' 'doy'"
_CLOCK_FIELDS = "'hour' 'minute' 'second'"
_STARTED = "CAST(getvariable('__started_at') AS TIMESTAMPTZ)"


def _field(
    name: str, doc: str, *examples: Example, aliases: tuple[str, ...] = (), unit: str = ""
) -> Function:
    """Write the row of a field of a date or instant. DuckDB gives DOUBLE for a constant NULL, hence the cast."""
    part = "CAST(date_part('" + (unit or name) + "', {0}) AS BIGINT)"
    return Function(
        name, doc,
        (overload("date", gives="bigint"), overload("timestamp", gives="bigint")),
        family="time", aliases=aliases, spelling={"duckdb": part}, rules=("V7",), examples=examples,
    )  # fmt: skip


def _clock(name: str, doc: str, *examples: Example) -> Function:
    """Write the row of a field of an instant's clock."""
    return Function(
        name, doc, (overload("timestamp", gives="bigint"),), family="time",
        spelling={"duckdb": "CAST(date_part('" + name + "', {0}) AS BIGINT)"}, rules=("V7",), examples=examples,
    )  # fmt: skip


_NO_DATE = ex(None, gives=None, types="date")
_NO_TIME = ex(None, gives=None, types="timestamp")

PARTS = (
    _field(
        "year", "The calendar year.",
        ex(date(2024, 12, 31), gives=2024), ex(_utc("1969-12-31 23:59:59.999999"), gives=1969), _NO_DATE,
    ),
    _field(
        "quarter", "The quarter of the year, 1 to 4.",
        ex(date(2024, 3, 31), gives=1), ex(_utc("2024-10-01 00:00:00"), gives=4), _NO_TIME,
    ),
    _field(
        "month", "The month, 1 to 12.",
        ex(date(2024, 2, 29), gives=2), ex(_utc("1969-12-31 23:59:59"), gives=12), _NO_DATE,
    ),
    _field(
        "day", "The day of the month, 1 to 31.",
        ex(date(2024, 2, 29), gives=29), ex(_utc("1969-12-31 00:00:00"), gives=31), _NO_DATE,
        aliases=("dayofmonth",),
    ),
    _field(
        "isodow", "The day of the week, 1 is Monday and 7 Sunday.",
        ex(date(2024, 2, 29), gives=4), ex(date(2024, 12, 29), gives=7),
        ex(_utc("1970-01-01 00:00:00"), gives=4), _NO_DATE,
    ),
    _field(
        "isoyear", "The year that the ISO week belongs to; differs from the calendar's around New Year.",
        ex(date(2024, 12, 30), gives=2025), ex(date(2021, 1, 3), gives=2020),
        ex(_utc("2024-06-01 00:00:00"), gives=2024), _NO_DATE,
    ),
    _field(
        "week", "The ISO week, 1 to 53: weeks start on Monday, week 1 has the year's first Thursday.",
        ex(date(2021, 1, 3), gives=53), ex(date(2024, 12, 30), gives=1), ex(date(2024, 1, 1), gives=1),
        ex(_utc("2020-12-31 23:59:59"), gives=53), _NO_DATE,
        aliases=("weekofyear",),
    ),
    _field(
        "dayofyear", "The day of the year, 1 to 366.",
        ex(date(2024, 12, 31), gives=366), ex(date(2023, 3, 1), gives=60), ex(date(2024, 3, 1), gives=61), _NO_DATE,
        unit="doy",
    ),
    _clock(
        "hour", "The hour of an instant in UTC, 0 to 23; `local_part` gives that of a zone.",
        ex(_utc("2024-02-29 23:59:59"), gives=23), ex(_utc("1969-12-31 22:00:00"), gives=22),
        ex(date(2024, 2, 29), gives=0), _NO_TIME,
    ),
    _clock(
        "minute", "The minute of an instant, 0 to 59.",
        ex(_utc("2024-02-29 23:59:59"), gives=59), ex(_utc("1969-12-31 22:07:00"), gives=7), _NO_TIME,
    ),
    _clock(
        "second", "The whole second of an instant, 0 to 59; a fraction is left out.",
        ex(_utc("2024-02-29 23:59:05.9"), gives=5), ex(_utc("1969-12-31 23:59:59.999999"), gives=59), _NO_TIME,
    ),
    Function(
        "extract", "A field of a date or instant, also written `extract(unit FROM x)`: year, quarter, month, day, "
        "isodow (1 is Monday), isoyear, week (ISO), doy; of an instant also hour, minute, second (whole) and epoch "
        "(whole seconds since 1970, rounded down).",
        (
            overload(_FIELDS, "date", gives="bigint"),
            overload(_FIELDS, "timestamp", gives="bigint"),
            overload(_CLOCK_FIELDS, "timestamp", gives="bigint"),
            overload("'epoch'", "timestamp", gives="bigint",
                     duckdb="date_diff('second', TIMESTAMPTZ '1970-01-01 00:00:00+00', {1})"),
        ),
        family="time", aliases=("date_part",), spelling={"duckdb": "CAST(date_part({0}, {1}) AS BIGINT)"}, rules=("V7",),
        examples=(
            ex("year", date(2024, 2, 29), gives=2024),
            ex("doy", date(2024, 2, 29), gives=60),
            ex("ISODOW", _utc("2024-12-29 12:00:00"), gives=7),
            ex("week", _utc("2021-01-03 12:00:00"), gives=53),
            ex("second", _utc("2024-02-29 12:00:05.9"), gives=5),
            ex("epoch", _utc("1969-12-31 23:59:59.5"), gives=-1),
            ex("epoch", _utc("2024-02-29 00:00:00"), gives=1709164800),
            ex("hour", None, gives=None, types="string; timestamp"),
        ),
    ),
    Function(
        "local_part", "A field of what a clock in a time zone shows at an instant: the units of `extract` without epoch.",
        (overload(_FIELDS + " " + _CLOCK_FIELDS, "timestamp", "string:zone", gives="bigint",
                  duckdb="CAST(date_part({0}, timezone({2}, {1})) AS BIGINT)"),),
        family="time", fails="the zone is not the name of one", rules=("V7",),
        examples=(
            ex("hour", _utc("2024-07-01 10:00:00"), "Europe/Rome", gives=12),
            ex("hour", _utc("2024-10-27 00:30:00"), "Europe/Rome", gives=2),
            ex("hour", _utc("2024-10-27 01:30:00"), "Europe/Rome", gives=2),
            ex("minute", _utc("2024-01-01 00:00:00"), "Asia/Kathmandu", gives=45),
            ex("day", _utc("2024-02-29 23:30:00"), "Europe/Rome", gives=1),
            ex("hour", None, "UTC", gives=None, types="string; timestamp; string"),
        ),
    ),
)  # fmt: skip

TRUNCATION = (
    Function(
        "date_trunc", "The start of the year, quarter, month, week (Monday), day, hour, minute, second or millisecond. "
        "With a time zone: the instant of that local start; for hour and below the zone's offset at that very "
        "instant counts, so the two hours of a fold stay two.",
        (
            overload(_DATE_UNITS, "date", gives="date", duckdb="CAST(date_trunc({0}, {1}) AS DATE)"),
            overload(_DATE_UNITS + " " + _CLOCK_UNITS, "timestamp", gives="timestamp", duckdb="date_trunc({0}, {1})"),
            overload(_DATE_UNITS, "timestamp", "string:zone", gives="timestamp",
                     duckdb=instant("date_trunc({0}, timezone({2}, {1}))", "{2}")),
            overload(_CLOCK_UNITS, "timestamp", "string:zone", gives="timestamp",
                     duckdb="({1} - (timezone({2}, {1}) - date_trunc({0}, timezone({2}, {1}))))"),
        ),
        family="time", fails="the zone is not the name of one", rules=("V7",),
        examples=(
            ex("month", date(2024, 2, 29), gives=date(2024, 2, 1)),
            ex("week", date(2024, 12, 29), gives=date(2024, 12, 23)),
            ex("quarter", _utc("2024-06-30 23:59:59"), gives=_utc("2024-04-01 00:00:00")),
            ex("second", _utc("1969-12-31 23:59:59.5"), gives=_utc("1969-12-31 23:59:59")),
            ex("day", _utc("1969-12-31 23:59:59.5"), gives=_utc("1969-12-31 00:00:00")),
            ex("week", _utc("2021-01-03 10:00:00"), gives=_utc("2020-12-28 00:00:00")),
            ex("day", _utc("2024-07-01 10:00:00"), "Europe/Rome", gives=_utc("2024-06-30 22:00:00")),
            # The day that summer time ends has 25 hours, all of one local day.
            ex("day", _utc("2024-10-27 22:59:59"), "Europe/Rome", gives=_utc("2024-10-26 22:00:00")),
            # A day without a midnight starts at 01:00 of its clock.
            ex("day", _utc("2018-11-04 12:00:00"), "America/Sao_Paulo", gives=_utc("2018-11-04 03:00:00")),
            # A midnight that comes twice: the earlier one starts the day.
            ex("day", _utc("2023-11-05 05:30:00"), "America/Havana", gives=_utc("2023-11-05 04:00:00")),
            # 02:30 the second time: the second hour from 02:00, not the first.
            ex("hour", _utc("2024-10-27 01:30:00"), "Europe/Rome", gives=_utc("2024-10-27 01:00:00")),
            ex("hour", _utc("2024-01-01 00:50:00"), "Asia/Kathmandu", gives=_utc("2024-01-01 00:15:00")),
            ex("month", _utc("2024-01-31 23:30:00"), "Europe/Rome", gives=_utc("2024-01-31 23:00:00")),
            ex("day", None, gives=None, types="string; timestamp"),
            ex("day", None, "Europe/Rome", gives=None, types="string; timestamp; string"),
        ),
    ),
    Function(
        "time_bucket", "The start of the bucket of the given width that an instant falls into. Buckets start at "
        "1970-01-01 00:00 UTC or at the origin given (so 7 days start on a Thursday); a width in months counts from "
        "the first of the origin's month.",
        (
            overload("interval", "timestamp", gives="timestamp",
                     duckdb="time_bucket({0}, {1}, TIMESTAMPTZ '1970-01-01 00:00:00+00')"),
            overload("interval", "timestamp", "timestamp", gives="timestamp", duckdb="time_bucket({0}, {1}, {2})"),
        ),
        family="time", fails="the width is not above zero, or mixes months, days and hours", rules=("V7", "T4"),
        examples=(
            ex(Sql("INTERVAL '15 minutes'"), _utc("1969-12-31 23:59:59.5"), gives=_utc("1969-12-31 23:45:00")),
            ex(Sql("INTERVAL '15 minutes'"), _utc("2024-01-01 10:15:00"), gives=_utc("2024-01-01 10:15:00")),
            ex(Sql("INTERVAL '7 days'"), _utc("2024-01-03 23:00:00"), gives=_utc("2023-12-28 00:00:00")),
            ex(Sql("INTERVAL '7 days'"), _utc("2024-01-03 23:00:00"), _utc("2024-01-01 00:00:00"),
               gives=_utc("2024-01-01 00:00:00")),
            ex(Sql("INTERVAL '3 months'"), _utc("2024-02-29 10:00:00"), gives=_utc("2024-01-01 00:00:00")),
            ex(Sql("INTERVAL '1 day'"), _utc("2024-01-03 05:00:00"), _utc("2000-01-01 06:00:00"),
               gives=_utc("2024-01-02 06:00:00")),
            ex(Sql("INTERVAL '0 seconds'"), _utc("2024-01-03 05:00:00"), gives=Fails("a bucket of no width")),
            ex(Sql("INTERVAL '1 hour'"), None, gives=None, types="interval; timestamp"),
        ),
    ),
    Function(
        "last_day", "The last date of the month.",
        (overload("date", gives="date"), overload("timestamp", gives="date")), family="time", rules=("V7",),
        examples=(ex(date(2024, 2, 3), gives=date(2024, 2, 29)), ex(date(1900, 2, 1), gives=date(1900, 2, 28)),
                  ex(_utc("2024-12-31 23:59:59"), gives=date(2024, 12, 31)), _NO_DATE),
    ),
    Function(
        "days_in_month", "How many days the month has, 28 to 31.",
        (overload("date", gives="bigint"), overload("timestamp", gives="bigint")),
        family="time", spelling={"duckdb": "day(last_day({0}))"}, rules=("V7",),
        examples=(ex(date(2024, 2, 3), gives=29), ex(date(1900, 2, 28), gives=28),
                  ex(_utc("2024-04-30 00:00:00"), gives=30), _NO_DATE),
    ),
)  # fmt: skip

_WEEKS_BETWEEN = "(date_diff('day', date_trunc('week', {1}), date_trunc('week', {2})) // 7)"
# A function per unit takes the number; months are whole numbers of 32 bits on DuckDB, the others exact.
_STEPS = {
    "year": "to_years(CAST(N AS INTEGER))", "quarter": "to_quarters(CAST(N AS INTEGER))",
    "month": "to_months(CAST(N AS INTEGER))", "week": "to_weeks(CAST(N AS INTEGER))",
    "day": "to_days(CAST(N AS INTEGER))", "hour": "to_hours(N)", "minute": "to_minutes(N)",
    "second": "to_microseconds(N * 1000000)", "millisecond": "to_microseconds(N * 1000)",
    "microsecond": "to_microseconds(N)",
}  # fmt: skip
# Beside a NULL date no number is too large.
_STEPS = {
    unit: step.replace("N", "CASE WHEN {2} IS NOT NULL THEN {1} END", 1)
    for unit, step in _STEPS.items()
}

ARITHMETIC = (
    Function(
        "date_diff", "How many starts of a year, quarter, month, week (Monday), day, hour, minute, second, millisecond or "
        "microsecond are passed going from the first to the second; below zero going back.",
        (
            overload("'week'", "date", "date", gives="bigint", duckdb=_WEEKS_BETWEEN),
            overload("'week'", "timestamp", "timestamp", gives="bigint", duckdb=_WEEKS_BETWEEN),
            overload("'year' 'quarter' 'month' 'day'", "date", "date", gives="bigint"),
            overload("'year' 'quarter' 'month' 'day' 'hour' 'minute' 'second' 'millisecond' 'microsecond'",
                     "timestamp", "timestamp", gives="bigint"),
        ),
        family="time", aliases=("datediff",), spelling={"duckdb": "date_diff({0}, {1}, {2})"}, rules=("V7",),
        examples=(
            ex("month", date(2024, 1, 31), date(2024, 2, 1), gives=1),
            ex("year", _utc("2023-12-31 23:59:59"), _utc("2024-01-01 00:00:00"), gives=1),
            # Sunday to Monday is another week, Monday to Sunday is not.
            ex("week", date(2024, 12, 29), date(2024, 12, 30), gives=1),
            ex("week", date(2024, 12, 23), date(2024, 12, 29), gives=0),
            ex("week", _utc("2024-12-30 00:00:00"), _utc("2024-12-22 23:59:59"), gives=-2),
            ex("day", date(2024, 2, 28), date(2024, 3, 1), gives=2),
            ex("day", date(2024, 3, 1), date(2024, 2, 28), gives=-2),
            ex("hour", _utc("1969-12-31 23:59:59"), _utc("1970-01-01 00:00:00"), gives=1),
            ex("second", _utc("1969-12-31 23:59:58.5"), _utc("1970-01-01 00:00:00"), gives=2),
            ex("microsecond", _utc("1970-01-01 00:00:00"), _utc("1970-01-01 00:00:01.5"), gives=1500000),
            ex("month", None, date(2024, 2, 1), gives=None, types="string; date; date"),
        ),
    ),
    Function(
        "date_add", "Moves a date or an instant by a number of units, below zero back. After a step of months, quarters "
        "or years a day that the month does not have becomes its last.",
        (
            *(overload(f"'{unit}'", "bigint", "date", gives="date", duckdb=in_calendar(f"({{2}} + {step})", "date"))
              for unit, step in _STEPS.items() if f"'{unit}'" in _DATE_UNITS),
            *(overload(f"'{unit}'", "bigint", "timestamp", gives="timestamp", duckdb=in_calendar(f"({{2}} + {step})", "timestamp"))
              for unit, step in _STEPS.items()),
        ),
        family="time", fails="the result is outside the calendar, or the number too large for the unit", rules=("V7",),
        examples=(
            ex("month", 1, date(2024, 1, 31), gives=date(2024, 2, 29)),
            ex("year", -1, date(2024, 2, 29), gives=date(2023, 2, 28)),
            ex("quarter", 1, _utc("2023-11-30 08:00:00"), gives=_utc("2024-02-29 08:00:00")),
            ex("week", 2, date(2024, 2, 20), gives=date(2024, 3, 5)),
            ex("hour", -1, _utc("1970-01-01 00:30:00"), gives=_utc("1969-12-31 23:30:00")),
            ex("millisecond", 1500, _utc("2024-12-31 23:59:59"), gives=_utc("2025-01-01 00:00:00.5")),
            ex("second", 90, _utc("2024-02-29 23:59:00"), gives=_utc("2024-03-01 00:00:30")),
            ex("month", 9223372036854775807, date(2024, 1, 31), gives=Fails("far outside the calendar")),
            ex("day", None, date(2024, 1, 31), gives=None, types="string; bigint; date"),
            ex("day", 1, None, gives=None, types="string; bigint; timestamp"),
        ),
    ),
    Function(
        "now", "The start of the run, journaled: one instant however often and wherever it is asked for. Refused in streams.",
        (overload(gives="timestamp"),), family="time", null="takes none", is_deterministic=False,
        aliases=("current_timestamp",), spelling={"duckdb": _STARTED}, rules=("V9",),
        examples=(
            rows("now() = now()", 1, gives=True),
            rows("now() > from_epoch_seconds(1700000000)", 1, gives=True),
            rows("nullif(now(), now())", 1, gives=None),
        ),
    ),
    Function(
        "current_date", "The date of the run's start, in UTC or in a time zone. Refused in streams.",
        (
            overload(gives="date", duckdb=f"CAST({_STARTED} AS DATE)"),
            overload("string:zone", gives="date", duckdb=f"CAST(timezone({{0}}, {_STARTED}) AS DATE)"),
        ),
        family="time", fails="the zone is not the name of one", is_deterministic=False, aliases=("today",),
        rules=("V9", "V7"),
        examples=(
            rows("current_date() = CAST(now() AS date)", 1, gives=True),
            rows("current_date('Pacific/Kiritimati') > current_date('Pacific/Pago_Pago')", 1, gives=True),
            rows("current_date('UTC') - current_date()", 1, gives=0),
            ex(None, gives=None, types="string"),
        ),
    ),
)  # fmt: skip

FUNCTIONS = (*PARTS, *TRUNCATION, *ARITHMETIC)
