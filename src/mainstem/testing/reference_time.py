"""Dates and instants of the reference, by Python's calendar and its time zones."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mainstem.plan import tree as t
from mainstem.testing.reference_values import Meaning, RowFails, is_date, strict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_SIZES = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_DAYS = {"week": 7, "day": 1}
_LARGEST = 2**31 - 1


class OutsideCalendar(RowFails):
    """A result outside of the years 1 to 9999, which every engine and Python hold."""


def _checked(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Turn Python's complaints about the calendar into a failing row."""

    def checked(*args: Any) -> Any:
        try:
            return compute(*args)
        except (OverflowError, ValueError) as error:
            raise OutsideCalendar(str(error)) from None

    return checked


def _micros(moment: Any) -> int:
    if is_date(moment):
        moment = datetime.combine(moment, time(), UTC)
    return int((moment - _EPOCH) // _US)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _month_moved(value: Any, months: int) -> Any:
    """Move by months; a day that the month does not have becomes its last."""
    if not months:
        return value
    year, month = divmod(value.year * 12 + value.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year}")
    return value.replace(
        year=year, month=month + 1, day=min(value.day, calendar.monthrange(year, month + 1)[1])
    )


@_checked
def moved(value: Any, months: int, days: int, micros: int) -> Any:
    """Give a date or an instant after a span: months first, then days, then the clock."""
    value = _month_moved(value, months) + timedelta(days=days)
    if is_date(value):
        return (datetime.combine(value, time(), UTC) + timedelta(microseconds=micros)).date()
    return value + timedelta(microseconds=micros)


def days_moved(value: date, days: int) -> date:
    """Give a date some days later."""
    if abs(days) > _LARGEST:
        raise RowFails(f"{days} days are outside the calendar")
    found: date = moved(value, 0, days, 0)
    return found


def _added(unit: str, number: int, value: Any) -> Any:
    unit = unit.lower()
    if unit in _SIZES:
        return moved(value, 0, 0, number * _SIZES[unit])
    if abs(number) > _LARGEST:
        raise RowFails(f"{number} is too large for {unit}")
    return moved(value, number * _MONTHS.get(unit, 0), number * _DAYS.get(unit, 0), 0)


def _start(unit: str, value: Any) -> Any:
    """Give the start of a unit; the same for dates, instants and local clocks."""
    if unit in _SIZES:
        micros = value.microsecond + 1_000_000 * (
            value.second + 60 * (value.minute + 60 * value.hour)
        )
        return value - timedelta(microseconds=micros % _SIZES[unit])
    day = value if is_date(value) else value.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "day":
        return day
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return day.replace(month=month, day=1)


@_checked
def _truncated(unit: str, value: Any, zone: str = "") -> Any:
    unit = unit.lower()
    if not zone:
        return _start(unit, value)
    local = value.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    start = _start(unit, local)
    return value - (local - start) if unit in _SIZES else _from_clock(start, zone)


def _from_clock(local: datetime, zone: str) -> datetime:
    """Give the instant of a local time: the earlier of two, or moved forward over a gap."""
    # With fold=0 Python takes the offset from before the change: the earlier of two, and over a gap the later clock.
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def _ordinal(unit: str, value: Any) -> int:
    """Number the units, so that a difference counts the starts that are passed."""
    if unit in _SIZES:
        return _micros(value) // _SIZES[unit]
    if unit == "week":
        return int((value.toordinal() - 1) // 7)
    if unit == "day":
        return int(value.toordinal())
    return (int(value.year) * 12 + int(value.month) - 1) // _MONTHS[unit]


def _field(unit: str, value: Any) -> int:
    unit = unit.lower()
    if unit == "epoch":
        return _micros(value) // 1_000_000
    year, week, weekday = value.isocalendar()
    named = {
        "quarter": (value.month + 2) // 3, "isodow": weekday, "isoyear": year, "week": week,
        "doy": value.timetuple().tm_yday,
    }  # fmt: skip
    return int(named[unit] if unit in named else getattr(value, unit))


def _part(unit: str) -> Callable[[Any], int]:
    return lambda value: _field(unit, value)


@_checked
def _local(value: datetime, zone: str) -> datetime:
    return value.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _at_zone(value: datetime, zone: str) -> str:
    return str(_local(value, zone).isoformat(" "))


def _offset(value: datetime, zone: str) -> int:
    return int((_local(value, zone) - value.replace(tzinfo=None)).total_seconds())


@_checked
def _made_instant(  # noqa: PLR0917 - the arguments of make_timestamp
    year: int, month: int, day: int, hour: int, minute: int, second: float
) -> datetime:
    if not 0 <= second < 60:
        raise ValueError(f"second {second}")
    micros = Decimal(second).scaleb(6).to_integral_value(ROUND_HALF_EVEN)
    return datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(
        microseconds=int(micros)
    )


def _last_day(value: Any) -> date:
    return date(value.year, value.month, calendar.monthrange(value.year, value.month)[1])


def _from_epoch(per_unit: int) -> Callable[[int], datetime]:
    return _checked(lambda number: _instant(number * per_unit))


@_checked
def _bucket(width: t.Interval, value: datetime, origin: datetime = _EPOCH) -> datetime:
    if sum(1 for part in (width.months, width.days, width.micros) if part) != 1:
        raise RowFails("the width is zero or mixed")
    if width.months:
        first = origin.year * 12 + origin.month - 1
        months = value.year * 12 + value.month - 1
        whole = first + (months - first) // width.months * width.months
        return datetime(whole // 12, whole % 12 + 1, 1, tzinfo=UTC)
    size = width.days * 86_400_000_000 + width.micros
    start = _micros(origin)
    return _instant(start + (_micros(value) - start) // size * size)


MEANINGS: dict[str, Meaning] = {
    **strict(
        year=_part("year"), quarter=_part("quarter"), month=_part("month"), day=_part("day"),
        isodow=_part("isodow"), isoyear=_part("isoyear"), week=_part("week"), dayofyear=_part("doy"),
        hour=_part("hour"), minute=_part("minute"), second=_part("second"), extract=_field,
        local_part=lambda unit, value, zone: _field(unit, _local(value, zone)),
        date_trunc=_truncated, date_add=_added, time_bucket=_bucket,
        date_diff=lambda unit, a, b: _ordinal(unit.lower(), b) - _ordinal(unit.lower(), a),
        last_day=_last_day, days_in_month=lambda value: _last_day(value).day,
        epoch_seconds=lambda value: _micros(value) // 1_000_000, epoch_ms=lambda value: _micros(value) // 1_000,
        epoch_us=_micros, from_epoch_seconds=_from_epoch(1_000_000), from_epoch_ms=_from_epoch(1_000),
        from_epoch_us=_from_epoch(1),
        make_date=_checked(date), make_timestamp=_made_instant,
        day_name=lambda value: calendar.day_name[value.weekday()],
        month_name=lambda value: calendar.month_name[value.month],
        at_zone=_at_zone, local_date=lambda value, zone: _local(value, zone).date(), zone_offset=_offset,
    ),

}  # fmt: skip
