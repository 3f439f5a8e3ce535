"""The table of coercions, case by case; expected values are worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from mainstem.formats.coercion import coerce_json, coerce_text
from mainstem.formats.jsontext import parse_json
from mainstem.formats.records import Misfit
from mainstem.plan.types import parse_type

GOOD: list[tuple[str, str, Any]] = [
    ("bigint", "7", 7),
    ("bigint", "+007", 7),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("integer", "2147483647", 2**31 - 1),
    ("smallint", "-32768", -32768),
    ("decimal(5,2)", "123.45", Decimal("123.45")),
    ("decimal(5,2)", "1.500", Decimal("1.50")),
    ("decimal(5,2)", "1e2", Decimal("100.00")),
    ("decimal(5,2)", ".5", Decimal("0.50")),
    ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
    ("double", "1e-400", 0.0),
    ("double", "-2.5E3", -2500.0),
    ("double", "-Infinity", float("-inf")),
    ("boolean", "True", True),
    ("boolean", "false", False),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("timestamp", "2024-01-31T10:15:00Z", datetime(2024, 1, 31, 10, 15, tzinfo=UTC)),
    ("timestamp", "2024-01-31 10:15", datetime(2024, 1, 31, 10, 15, tzinfo=UTC)),
    (
        "timestamp",
        "2024-01-31T00:15:00.5+02:30",
        datetime(2024, 1, 30, 21, 45, 0, 500000, tzinfo=UTC),
    ),
    ("timestamp", "2024-01-31T10:15:00-0130", datetime(2024, 1, 31, 11, 45, tzinfo=UTC)),
    ("string", " as it is ", " as it is "),
    ("bytes", "YWI=", b"ab"),
    ("bigint[]", "[1, null]", [1, None]),
    ("struct(a bigint, b string)", '{"b":"x","c":0}', {"a": None, "b": "x"}),
    ("map(string, bigint)", '{"a":1}', {"a": 1}),
]
BAD = [
    ("bigint", "1.9"), ("bigint", "1.0"), ("bigint", "true"), ("bigint", " 7"), ("bigint", "1_000"),
    ("bigint", "0x10"), ("bigint", "9223372036854775808"), ("bigint", ""), ("bigint", "٣"),
    ("smallint", "32768"), ("integer", "-2147483649"),
    ("decimal(5,2)", "1.005"), ("decimal(5,2)", "1000"), ("decimal(5,2)", "."), ("decimal(5,2)", "nan"),
    ("double", "1e400"), ("double", "1_0"), ("double", "0x1p3"), ("boolean", "yes"), ("boolean", "1"),
    ("date", "2024-1-5"), ("date", "2023-02-29"), ("date", "0000-01-01"), ("date", "2024-01-05T00:00"),
    ("timestamp", "2024-01-31"), ("timestamp", "2024-01-31T24:00:00Z"), ("timestamp", "2024-01-31T10:15:60Z"),
    ("timestamp", "2024-01-31T10:15:00.1234567Z"), ("timestamp", "2024-01-31T10:15:00+15:00"),
    ("timestamp", "0001-01-01T00:00:00+05"), ("timestamp", "2024-01-31T10:15:00 Europe/Rome"),
    ("bytes", "YQ"), ("bytes", "YR=="), ("bigint[]", "[1.9]"), ("bigint[]", "7"),
    ("struct(a bigint)", '{"a":1,"a":2}'), ("map(string, bigint)", '{"a":1,"a":2}'),
]  # fmt: skip
JSON_GOOD: list[tuple[str, str, Any]] = [
    ("bigint", '"7"', 7),
    ("bigint", "7", 7),
    ("bigint", "null", None),
    ("decimal(20,19)", "0.1234567890123456789", Decimal("0.1234567890123456789")),
    ("boolean", "true", True),
    ("string", "1.50", "1.50"),
    ("string", '{"a": [1]}', '{"a": [1]}'),
    ("string", '"\\u00e9\\ud83d\\ude00"', "é😀"),
]
JSON_BAD = [
    ("bigint", "1.9"), ("bigint", "true"), ("bigint", "1e2"), ("bigint", "[1]"), ("boolean", "1"),
    ("date", "20240131"), ("bytes", "1234"), ("double", "NaN"), ("string", '"\\ud800"'), ("bigint", "01"),
    ("bigint[]", "[1,]"), ("string", '"a\tb"'), ("bigint", "1 2"), ("decimal(5,2)", "0.1000000000000000055"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "text", "value"), GOOD)
def test_text_that_fits(type_: str, text: str, value: Any) -> None:
    """A text gives exactly its value, of exactly its type."""
    given = coerce_text(text, parse_type(type_))
    assert (given, type(given)) == (value, type(value))


@pytest.mark.parametrize(("type_", "text"), BAD)
def test_text_that_does_not_fit(type_: str, text: str) -> None:
    """Nothing is rounded, trimmed or guessed."""
    with pytest.raises(Misfit):
        coerce_text(text, parse_type(type_))


@pytest.mark.parametrize(("type_", "text", "value"), JSON_GOOD)
def test_json_that_fits(type_: str, text: str, value: Any) -> None:
    """A JSON value gives exactly its value."""
    assert coerce_json(parse_json(text), parse_type(type_)) == value


@pytest.mark.parametrize(("type_", "text"), JSON_BAD)
def test_json_that_does_not_fit(type_: str, text: str) -> None:
    """Another kind of JSON value, or no JSON at all."""
    with pytest.raises(Misfit):
        coerce_json(parse_json(text), parse_type(type_))
