"""The years that a date or an instant may be in: 1 to 9999, which every engine and Python hold."""

from __future__ import annotations

# What a failure says; see `in_calendar` for how.
OUTSIDE = "the result is outside of the years 1 to 9999"
_RANGES = {
    "date": ("DATE '0001-01-01'", "DATE '9999-12-31'", "DATE"),
    "timestamp": (
        "TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'", "TIMESTAMPTZ",
    ),
}  # fmt: skip


def in_calendar(moved: str, kind: str) -> str:
    """Give DuckDB SQL of a moved date or instant that fails outside of the years 1 to 9999.

    DuckDB itself goes on to the year 290000 and to years BC; its Python client then gives text.

    It fails by a cast that cannot be made, never by ``error(…)``: that function is volatile, so one
    of them in a WHERE kept all of its conditions from being joined on or pushed down, made a
    correlated subquery run on the product of all tables, and could not stand inside of TRY.
    """
    first, last, type_ = _RANGES[kind]
    return (
        f"(CASE WHEN {moved} NOT BETWEEN {first} AND {last} "
        f"THEN CAST('{OUTSIDE}' AS {type_}) ELSE CAST({moved} AS {type_}) END)"
    )
