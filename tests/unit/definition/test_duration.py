"""Spans of time as text."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import DefinitionError
from mainstem.plan.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30 seconds", timedelta(seconds=30)), ("1 second", timedelta(seconds=1)),
        ("5 minutes", timedelta(minutes=5)), ("1 hour 30 minutes", timedelta(minutes=90)),
        ("1 day, 2 hours", timedelta(hours=26)), ("2w", timedelta(days=14)),
        ("1.5 h", timedelta(minutes=90)), ("0.1 s", timedelta(milliseconds=100)),
        ("250ms", timedelta(milliseconds=250)), ("0 seconds", timedelta(0)),
        ("  7 US  ", timedelta(microseconds=7)), (timedelta(seconds=2), timedelta(seconds=2)),
    ],
)  # fmt: skip
def test_duration_is_read(text, span):
    """Numbers with units, one or several; a timedelta stays what it is."""
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (30, "a number has no unit"), ("30", "not numbers with units"), ("", "it is empty"),
        ("1 month", "differ in length"), ("2 years", "differ in length"),
        ("5 parsecs", "'parsecs' is no unit"), ("-5 seconds", "not numbers with units"),
        (timedelta(seconds=-1), "negative"), ("0.5 us", "finer than a microsecond"),
        ("99999999999 days", "too long"), ("soon", "not numbers with units"),
    ],
)  # fmt: skip
def test_duration_is_refused_with_the_reason(value, why):
    """What has no one meaning is refused."""
    with pytest.raises(DefinitionError, match=why):
        parse_duration(value, "watermark")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_text_of_a_duration_is_read_back(span):
    """What is printed into SQL means the same span."""
    assert parse_duration(duration_text(span)) == span
