"""Making times from parts and numbers, and reading and writing them as text."""

from __future__ import annotations

from datetime import UTC, date, datetime

from mainstem.functions.spec import Example, Fails, Function, ex, overload


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# The years 1 to 9999, which every engine and Python can hold.
_FIRST_US, _LAST_US = -62135596800000000, 253402300799999999
_NO_TIME = ex(None, gives=None, types="timestamp")
_YEAR = "CASE WHEN {0} NOT BETWEEN 1 AND 9999 THEN 99999999 ELSE {0} END"
_SINCE = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"


def _from_epoch(name: str, doc: str, per_unit: int, *examples: Example) -> Function:
    """Write a row that makes an instant of a number; `per_unit` is in microseconds."""
    low, high = -(-_FIRST_US // per_unit), _LAST_US // per_unit
    # The largest BIGINT is refused by DuckDB, and so are the years that the contract leaves out.
    guarded = (
        f"CASE WHEN {{0}} NOT BETWEEN {low} AND {high} THEN {2**63 - 1} ELSE {{0}} * {per_unit} END"
    )
    return Function(
        name, doc + " since 1970-01-01 00:00 UTC.", (overload("bigint", gives="timestamp"),), family="time",
        fails="the instant is not in the years 1 to 9999", spelling={"duckdb": f"make_timestamptz({guarded})"},
        rules=("V7",),
        examples=(*examples, ex(None, gives=None, types="bigint"), ex(2**63 - 1, gives=Fails("after the year 9999"))),
    )  # fmt: skip


def _epoch(name: str, doc: str, duckdb: str, *examples: Example) -> Function:
    return Function(
        name, doc, (overload("timestamp", gives="bigint"),), family="time", spelling={"duckdb": duckdb},
        rules=("V7",), examples=(*examples, _NO_TIME),
    )  # fmt: skip


EPOCH = (
    _epoch(
        "epoch_seconds", "Whole seconds since 1970-01-01 00:00 UTC, rounded down.",
        f"date_diff('second', {_SINCE}, {{0}})",
        ex(_utc("2024-02-29 00:00:00"), gives=1709164800), ex(_utc("1969-12-31 23:59:59.5"), gives=-1),
        ex(_utc("9999-12-31 23:59:59.999999"), gives=253402300799),
    ),
    _epoch(
        "epoch_ms", "Whole milliseconds since 1970-01-01 00:00 UTC, rounded down.",
        # epoch_ms rounds half a millisecond up.
        f"date_diff('millisecond', {_SINCE}, {{0}})",
        ex(_utc("1970-01-01 00:00:01.2345"), gives=1234), ex(_utc("1969-12-31 23:59:59.9995"), gives=-1),
        ex(_utc("1969-12-31 23:59:59.9989"), gives=-2),
        ex(date(1970, 1, 2), gives=86400000),
    ),
    _epoch(
        "epoch_us", "Microseconds since 1970-01-01 00:00 UTC.", "epoch_us({0})",
        ex(_utc("1970-01-01 00:00:01.000001"), gives=1000001), ex(_utc("1969-12-31 23:59:59.5"), gives=-500000),
        ex(_utc("1970-01-01 00:00:00"), gives=0),
    ),
    _from_epoch(
        "from_epoch_seconds", "The instant that many seconds", 1_000_000,
        ex(1709164800, gives=_utc("2024-02-29 00:00:00")), ex(-1, gives=_utc("1969-12-31 23:59:59")),
        ex(253402300799, gives=_utc("9999-12-31 23:59:59")), ex(253402300800, gives=Fails("the year 10000")),
    ),
    _from_epoch(
        "from_epoch_ms", "The instant that many milliseconds", 1_000,
        ex(1500, gives=_utc("1970-01-01 00:00:01.5")), ex(-1, gives=_utc("1969-12-31 23:59:59.999")),
        ex(-62135596800000, gives=_utc("0001-01-01 00:00:00")),
    ),
    _from_epoch(
        "from_epoch_us", "The instant that many microseconds", 1,
        ex(1, gives=_utc("1970-01-01 00:00:00.000001")), ex(-500000, gives=_utc("1969-12-31 23:59:59.5")),
        ex(-62135596800000001, gives=Fails("before the year 1")),
    ),
)  # fmt: skip

PARTS = (
    Function(
        "make_date", "The date of a year, a month and a day.",
        (overload("bigint", "bigint", "bigint", gives="date", duckdb=f"make_date({_YEAR}, {{1}}, {{2}})"),),
        family="time", fails="the calendar has no such date, or the year is not 1 to 9999", rules=("V7",),
        examples=(ex(2024, 2, 29, gives=date(2024, 2, 29)), ex(2023, 2, 29, gives=Fails("not a leap year")),
                  ex(0, 1, 1, gives=Fails("there is no year 0")), ex(1, 1, 1, gives=date(1, 1, 1)),
                  ex(2024, None, 1, gives=None, types="bigint; bigint; bigint"),
                  ex(None, 1, 1, gives=None, types="bigint; bigint; bigint")),
    ),
    Function(
        "make_timestamp", "The instant of a year, month, day, hour, minute and second in UTC; `from_local` takes local parts. "
        "A fraction of a second is rounded to microseconds.",
        # 24:00 and second 60 would be the next day and minute; 25 and 61 are refused.
        (overload("bigint", "bigint", "bigint", "bigint", "bigint", "double", gives="timestamp",
                  duckdb="timezone('UTC', make_timestamp(" + _YEAR + ", {1}, {2}, CASE {3} WHEN 24 THEN 25 ELSE {3} END, "
                  "{4}, CASE WHEN {5} >= 60 THEN 61 ELSE {5} END))"),),
        family="time", fails="a part is outside its range: hour 0 to 23, minute and second below 60", rules=("V7",),
        examples=(
            ex(2024, 2, 29, 23, 59, 59, gives=_utc("2024-02-29 23:59:59")),
            ex(2024, 2, 29, 10, 30, 5.25, gives=_utc("2024-02-29 10:30:05.25")),
            ex(1969, 12, 31, 0, 0, 0, gives=_utc("1969-12-31 00:00:00")),
            ex(2024, 2, 29, 24, 0, 0, gives=Fails("hours end at 23")),
            ex(2024, 2, 29, 23, 59, 60, gives=Fails("seconds end below 60")),
            ex(2024, 2, 29, 23, 60, 0, gives=Fails("minutes end at 59")),
            ex(2024, 2, 29, None, 0, 0, gives=None, types="bigint; bigint; bigint; bigint; bigint; double"),
        ),
    ),
    Function(
        "day_name", "The English name of the weekday.",
        (overload("date", gives="string"), overload("timestamp", gives="string")), family="time",
        aliases=("dayname",), spelling={"duckdb": "dayname({0})"}, rules=("V7",),
        examples=(ex(date(2024, 2, 29), gives="Thursday"), ex(_utc("1970-01-04 23:59:59"), gives="Sunday"),
                  ex(None, gives=None, types="date")),
    ),
    Function(
        "month_name", "The English name of the month.",
        (overload("date", gives="string"), overload("timestamp", gives="string")), family="time",
        aliases=("monthname",), spelling={"duckdb": "monthname({0})"}, rules=("V7",),
        examples=(ex(date(2024, 2, 29), gives="February"), ex(_utc("1969-12-31 23:59:59"), gives="December"),
                  ex(None, gives=None, types="timestamp")),
    ),
)  # fmt: skip

# DuckDB takes 'infinity', 'epoch' and blanks around, and reads 24 as the year 24.
_JUDGED = (
    "({0})[1] > ' ' AND ({0})[-1] > ' ' AND {0} NOT ILIKE 'epoch' "
    "AND PARSED BETWEEN TIMESTAMP '1000-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
)
_PARSE = (
    "CASE WHEN NOT ("
    + _JUDGED
    + ") THEN CAST('not a time of the years 1000 to 9999: ' || {0} AS TIMESTAMP) "
    "ELSE PARSED END"
).replace("PARSED", "strptime({0}, {1})")
_TRY_PARSE = ("CASE WHEN " + _JUDGED + " THEN PARSED END").replace(
    "PARSED", "try_strptime({0}, {1})"
)
_READS = (
    "by a literal pattern of %Y %y %m %b %B %d %H %I %p %M %S %f %z; %a and %A are read and not judged, numbers may be "
    "shorter than their field, %y means 1969 to 2068"
)


def _parse(name: str, doc: str, gives: str, *examples: Example, is_try: bool = False) -> Function:
    cast = "TIMESTAMPTZ" if gives == "timestamp" else "DATE"
    inner = _TRY_PARSE if is_try else _PARSE
    # With %z the date is that of UTC.
    instant = f"CAST({inner} AS TIMESTAMPTZ)"
    aliases = {"parse_timestamp": ("strptime",), "try_parse_timestamp": ("try_strptime",)}.get(
        name, ()
    )
    return Function(
        name, doc, (overload("string", "literal string:parse", gives=gives),), family="time", aliases=aliases,
        null="NULL gives NULL, and so does a text that does not fit" if is_try else "any NULL gives NULL",
        fails="never" if is_try else "the text does not fit the pattern, or the calendar has no such time",
        spelling={"duckdb": instant if cast == "TIMESTAMPTZ" else f"CAST({instant} AS DATE)"},
        rules=("V7", "V10"), examples=examples,
    )  # fmt: skip


TEXT = (
    Function(
        "format_timestamp", "A date or an instant as text, in UTC or in a time zone, by a literal pattern of %Y %y %m %-m %b %B %d "
        "%-d %j %a %A %u %G %V %H %-H %I %-I %p %M %S %f (six digits) %g (three) %%. Names are English.",
        (
            overload("date", "literal string:format", gives="string", duckdb="strftime({0}, {1})"),
            overload("timestamp", "literal string:format", gives="string", duckdb="strftime(timezone('UTC', {0}), {1})"),
            overload("timestamp", "literal string:format", "string:zone", gives="string",
                     duckdb="strftime(timezone({2}, {0}), {1})"),
        ),
        family="time", fails="the zone is not the name of one", aliases=("strftime",), rules=("V3", "V7"),
        examples=(
            ex(_utc("2024-02-03 04:05:06.7"), "%Y-%m-%dT%H:%M:%S.%fZ", gives="2024-02-03T04:05:06.700000Z"),
            ex(_utc("2024-02-03 16:05:06.789999"), "%-d %b %y, %I:%M:%S.%g %p", gives="3 Feb 24, 04:05:06.789 PM"),
            ex(date(2021, 1, 3), "%G-W%V-%u", gives="2020-W53-7"),
            ex(date(2024, 12, 31), "%A %-d %B, day %j, 100%%", gives="Tuesday 31 December, day 366, 100%"),
            ex(date(99, 1, 2), "%Y", gives="0099"),
            ex(_utc("2024-10-27 01:30:00"), "%H:%M", "Europe/Rome", gives="02:30"),
            ex(_utc("1969-12-31 23:59:59.5"), "%d.%m.%Y %S.%f", gives="31.12.1969 59.500000"),
            ex(None, "%Y", gives=None, types="timestamp; string"),
        ),
    ),
    _parse(
        "parse_timestamp", "Reads a text as an instant, " + _READS + ". Without %z the text is UTC.", "timestamp",
        ex("2024-02-29 10:30:05", "%Y-%m-%d %H:%M:%S", gives=_utc("2024-02-29 10:30:05")),
        ex("10/Oct/2000:13:55:36 -0700", "%d/%b/%Y:%H:%M:%S %z", gives=_utc("2000-10-10 20:55:36")),
        ex("2/9/2024 12:05 AM", "%m/%d/%Y %I:%M %p", gives=_utc("2024-02-09 00:05:00")),
        ex("1969-12-31 23:59:59.25", "%Y-%m-%d %H:%M:%S.%f", gives=_utc("1969-12-31 23:59:59.25")),
        ex("2023-02-29", "%Y-%m-%d", gives=Fails("not a leap year")),
        ex("2024-02-29 ", "%Y-%m-%d", gives=Fails("a blank too much")), ex("\t2024-02-29", "%Y-%m-%d", gives=Fails("a tab too much")),
        ex("24-02-29", "%Y-%m-%d", gives=Fails("the years are 1000 to 9999")),
        ex("infinity", "%Y-%m-%d", gives=Fails("not a time")),
        ex("", "%Y-%m-%d", gives=Fails("not a time")),
        ex(None, "%Y-%m-%d", gives=None, types="string; string"),
    ),
    _parse(
        "try_parse_timestamp", "`parse_timestamp`, with NULL for a text that does not fit.", "timestamp",
        ex("20240229", "%Y%m%d", gives=_utc("2024-02-29 00:00:00")),
        ex("29 feb 69", "%d %b %y", gives=None), ex("28 feb 69", "%d %b %y", gives=_utc("1969-02-28 00:00:00")),
        ex("epoch", "%Y-%m-%d", gives=None), ex("2024-02-29 24:00", "%Y-%m-%d %H:%M", gives=None),
        ex("2024-02-29 10:00 +05:30", "%Y-%m-%d %H:%M %z", gives=_utc("2024-02-29 04:30:00")),
        ex(None, "%Y-%m-%d", gives=None, types="string; string"),
        is_try=True,
    ),
    _parse(
        "parse_date", "Reads a text as a date, " + _READS + ".", "date",
        ex("29.2.2024", "%d.%m.%Y", gives=date(2024, 2, 29)), ex("December 31, 1969", "%B %d, %Y", gives=date(1969, 12, 31)),
        ex("31.4.2024", "%d.%m.%Y", gives=Fails("April has 30 days")), ex("x", "%d.%m.%Y", gives=Fails("not a date")),
        ex(None, "%Y-%m-%d", gives=None, types="string; string"),
    ),
    _parse(
        "try_parse_date", "`parse_date`, with NULL for a text that does not fit.", "date",
        ex("2024-02-29", "%Y-%m-%d", gives=date(2024, 2, 29)), ex("2024-02-30", "%Y-%m-%d", gives=None),
        ex("NA", "%Y-%m-%d", gives=None), ex("", "%Y-%m-%d", gives=None),
        ex(None, "%Y-%m-%d", gives=None, types="string; string"),
        is_try=True,
    ),
)  # fmt: skip

FUNCTIONS = (*EPOCH, *PARTS, *TEXT)
