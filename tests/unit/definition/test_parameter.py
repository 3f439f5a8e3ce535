"""Run parameters: text to values by type, exactly."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from mainstem.definition.parameter import parse_value, read_params
from mainstem.definition.pipeline import Pipeline
from mainstem.errors import CheckFailed, DefinitionError
from mainstem.plan.nodes import Param
from mainstem.plan.types import BIGINT, DATE, STRING, parse_type

HALF_PAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("type_", "given", "value"),
    [
        ("boolean", "TRUE", True), ("boolean", False, False),
        ("bigint", "-42", -42), ("bigint", "9223372036854775807", 2**63 - 1), ("bigint", 7, 7),
        ("double", "1.5", 1.5), ("double", "-.5e3", -500.0), ("double", 2, 2.0),
        ("string", "", ""), ("string", " x ", " x "),
        ("date", "2024-02-29", date(2024, 2, 29)), ("date", date(2024, 1, 1), date(2024, 1, 1)),
        ("timestamp", "2024-01-31T12:00:00Z", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("timestamp", "2024-01-31 12:00", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("timestamp", "2024-01-31", datetime(2024, 1, 31, tzinfo=UTC)),
        ("timestamp", "2024-01-31T12:00:00.000001+05:30",
         datetime(2024, 1, 31, 6, 30, 0, 1, tzinfo=UTC)),
        ("timestamp", datetime(2024, 1, 31, 12, tzinfo=HALF_PAST),
         datetime(2024, 1, 31, 6, 30, tzinfo=UTC)),
        ("decimal(5,2)", "12.5", Decimal("12.50")), ("decimal(5,2)", "-999.99", Decimal("-999.99")),
        ("decimal(5,2)", "1.500", Decimal("1.50")), ("decimal(5,2)", 3, Decimal("3.00")),
        ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
        ("decimal(38,37)", "1." + "2" * 37, Decimal("1." + "2" * 37)),
    ],
)  # fmt: skip
def test_value_is_read_by_its_type(type_, given, value):
    """Texts and Python values; a time without an offset is UTC; no digit of a decimal is lost."""
    found = parse_value(given, parse_type(type_), "p")

    assert (found, type(found)) == (value, type(value))
    assert str(found) == str(value)


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        ("boolean", "yes"), ("boolean", 1), ("bigint", "1.0"), ("bigint", "1_000"), ("bigint", "٣"),
        ("bigint", "9223372036854775808"), ("bigint", True), ("bigint", ""), ("double", "nan"),
        ("double", "1,5"), ("double", True), ("decimal(5,2)", "1.234"), ("decimal(5,2)", "1000"),
        ("decimal(5,2)", 1.5), ("decimal(5,2)", Decimal("nan")), ("date", "2024-02-30"),
        ("date", "20240131"), ("date", "2024-1-31"), ("date", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", "12:00"), ("timestamp", "2024-01-31T12:00:00.1234567Z"), ("string", 5),
        ("timestamp", "0001-01-01T00:00:00+10:00"),
    ],
)  # fmt: skip
def test_value_that_does_not_fit_is_refused(type_, given):
    """Nothing is rounded, guessed or cut off."""
    with pytest.raises(DefinitionError, match=r"parameter 'p' is .* not a"):
        parse_value(given, parse_type(type_), "p")


def test_all_wrong_missing_and_unknown_parameters_are_told_at_once():
    """One run of the command says everything."""
    params = [Param("day", DATE), Param("n", BIGINT), Param("who", STRING, "all", has_default=True)]

    with pytest.raises(CheckFailed) as caught:
        read_params(params, {"dya": "2024-01-01", "n": "x"})
    codes = sorted((found.code, found.fix) for found in caught.value.findings)
    assert codes == [
        ("ParameterMissing", "add --param day=2024-01-31"),
        ("ParameterNotFound", "write day"),
        ("ParameterValue", "give it like n=42"),
    ]


def test_names_have_no_case_and_defaults_fill_in():
    """`--param DAY=…` is the parameter `day`."""
    params = [Param("day", DATE), Param("who", STRING, "all", has_default=True)]

    assert read_params(params, {"DAY": "2024-01-31"}) == {"day": date(2024, 1, 31), "who": "all"}


@pytest.mark.parametrize(
    ("name", "type_", "default", "code"),
    [
        ("d y", "date", None, "NameNotValid"), ("day", "dat", None, "TypeNotKnown"),
        ("day", "string[]", None, "ParameterType"), ("day", "date", "soon", "ParameterValue"),
    ],
)  # fmt: skip
def test_wrong_declaration_is_a_finding_at_its_line(name, type_, default, code):
    """Kept with its place, so that the next mistake is found too."""
    p = Pipeline("p")
    p.param(name, type_, default=default)

    (found,) = p.findings.items
    assert found.code == code
    assert found.where.file == __file__
    assert p.params == []


def test_wrong_declaration_is_the_only_mistake_that_is_told():
    """Its readers are right: the way out is not to declare it a second time."""
    p = Pipeline("p")
    p.param("day", "date", default="soon")
    p.table("t", "SELECT 1 AS one WHERE :day IS NOT NULL")

    with pytest.raises(CheckFailed) as caught:
        p.check()
    assert [found.code for found in caught.value.findings] == ["ParameterValue"]
