"""Literal arguments are judged when a plan is made."""

import pytest

from mainstem.errors import MainstemError
from mainstem.functions.checks import CHECKS, FORMAT_FIELDS
from mainstem.plan.types import parse_schema
from mainstem.sql.bind import bind

TABLES = {"t": parse_schema("ts timestamp, s string, x double, n bigint")}


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("zone", "Europe/Rome"),
        ("zone", "UTC"),
        ("zone", "America/Argentina/Buenos_Aires"),
        ("format", "%Y-%m-%dT%H:%M:%S.%fZ"),
        ("format", "100%%"),
        ("format", ""),
        ("format", "".join(FORMAT_FIELDS)),
        ("parse", "%Y-%m-%d"),
        ("parse", "%-d %B %y %I:%M %p"),
        ("parse", "%d/%b/%Y:%H:%M:%S %z"),
        ("fraction", 0),
        ("fraction", 0.5),
        ("fraction", 1),
        ("positive", 1),
        ("natural", 0),
    ],
)
def test_good_literal_passes(check, value):
    """A check that refuses what is right would be worse than none."""
    assert CHECKS[check](value) == ""


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        ("zone", "Europe/Roma", "Europe/Rome"),
        ("zone", "europe/rome", "Europe/Rome"),
        ("zone", "", "no time zone"),
        # These mean something to DuckDB, and something else or nothing elsewhere.
        ("zone", "PST", "no time zone"),
        ("zone", "GMT+2", "no time zone"),
        ("zone", "localtime", "no time zone"),
        ("format", "%Q", "%Q"),
        ("format", "%Y %", "'%'"),
        ("format", "%z", "%z"),
        ("format", "%-Y", "%-Y"),
        ("parse", "%H:%M", "year"),
        ("parse", "%Y-%d", "month"),
        ("parse", "%Y-%m", "day"),
        ("parse", "%Y-%j", "%j"),
        ("parse", "%G-W%V-%u", "%G"),
        ("parse", "%Y-%m-%d %I", "%p"),
        ("parse", "%Y-%m-%d %H %p", "%p"),
        ("parse", "%Y-%m-%d %d", "%d"),
        ("parse", "%d %-d %m %Y", "%d"),
        ("fraction", 1.5, "1.5"),
        ("fraction", -0.1, "-0.1"),
        ("positive", 0, "0"),
        ("natural", -1, "-1"),
    ],
)
def test_bad_literal_is_named(check, value, said):
    """The text says what is wrong with it."""
    assert said in CHECKS[check](value)


@pytest.mark.parametrize(
    ("call", "bad"),
    [
        ("at_zone(ts, 'Europe/Roma')", "'Europe/Roma'"),
        ("from_local(s, 'Europe/Roma', 'later')", "'Europe/Roma'"),
        ("date_trunc('day', ts, 'Mars/Olympus')", "'Mars/Olympus'"),
        ("format_timestamp(ts, '%Q')", "'%Q'"),
        ("parse_timestamp(s, '%H')", "'%H'"),
        ("quantile_cont(x, 1.5)", "1.5"),
        ("lag(x, -1) OVER (ORDER BY n)", "-1"),
        ("ntile(0) OVER (ORDER BY n)", "0)"),
    ],
)
def test_binder_points_at_the_literal(call, bad):
    """The place is that of the literal, not of the call or the query."""
    sql = f"SELECT {call} AS r FROM t"
    with pytest.raises(MainstemError) as raised:
        bind(sql, TABLES)

    findings = [f for f in raised.value.findings if f.code == "LiteralRefused"]
    assert [f.where.column for f in findings] == [sql.index(bad) + 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("approx_count_distinct(DISTINCT n)", "DISTINCT"),
        ("sum(n ORDER BY n)", "ORDER BY"),
        ("sum(n IGNORE NULLS) OVER (ORDER BY n)", "IGNORE NULLS"),
        ("row_number(DISTINCT) OVER (ORDER BY n)", "DISTINCT"),
        # The list of different values has no order by something else: a value may have several n.
        ("array_agg(DISTINCT s ORDER BY n)", "its own values"),
    ],
)
def test_words_without_a_meaning_are_refused(call, said):
    """Printed without the word, the query would give another answer and say nothing."""
    with pytest.raises(MainstemError, match=said):
        bind(f"SELECT {call} AS r FROM t", TABLES)
