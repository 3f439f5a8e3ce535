"""Every type goes to Python and back exactly; what does not fit is named."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from mainstem.engines.embedded.python.values import (
    WrongValue,
    arrow_batch,
    arrow_type,
    arrow_values,
    python_values,
)
from mainstem.plan.types import parse_type
from tests.unit.python_functions.case import pipeline, rows

UTC = dt.UTC
ROME = dt.timezone(dt.timedelta(hours=2))

# Type, SQL of a value, and the value as a function gets it.
VALUES = [
    ("boolean", "TRUE", True),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("double", "0.1e0", 0.1),
    ("double", "CAST('nan' AS double)", float("nan")),
    ("double", "CAST('-inf' AS double)", float("-inf")),
    ("string", "'a𝄞b\n'", "a𝄞b\n"),
    ("string", "''", ""),
    ("bytes", "CAST('ab' AS bytes)", b"ab"),
    ("decimal(38,10)", "CAST('1234567890123456789012345678.0123456789' AS decimal(38,10))",
     Decimal("1234567890123456789012345678.0123456789")),
    ("decimal(5,2)", "CAST('-1.50' AS decimal(5,2))", Decimal("-1.50")),
    ("date", "DATE '0001-01-01'", dt.date(1, 1, 1)),
    ("timestamp", "TIMESTAMP '2024-02-29 23:59:59.999999Z'",
     dt.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)),
    ("timestamp", "TIMESTAMP '1900-01-01 00:00:00.000001Z'",
     dt.datetime(1900, 1, 1, microsecond=1, tzinfo=UTC)),
    ("bigint[]", "[1, NULL, 3]", [1, None, 3]),
    ("string[][]", "[['a'], ['b', 'c']]", [["a"], ["b", "c"]]),
    ("map(string, bigint)", "MAP {'a': 1, 'b': 2}", {"a": 1, "b": 2}),
    ("struct(n bigint, s string)", "{'n': 1, 's': 'x'}", {"n": 1, "s": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "sql", "value"), VALUES)
@pytest.mark.parametrize("workers", [0, 1])
def test_value_goes_there_and_back(tmp_path, type_, sql, value, workers):
    """Value goes there and back."""
    if workers and type_ not in ("decimal(5,2)", "timestamp", "bytes", "bigint[]"):
        workers = 0  # one of each kind of layout goes through a process as well
    p = pipeline(tmp_path)
    seen = tmp_path / "seen"

    def same(x):
        seen.write_text(repr((type(x).__name__, x)))
        return x

    p.function(name="same", takes=type_, returns=type_, workers=workers)(same)
    is_same = "map_entries(v) = map_entries(same(v))" if type_.startswith("map") else (
        "v IS NOT DISTINCT FROM same(v)"
    )  # fmt: skip
    text = f"{is_same} AS is_same, count(*) OVER () AS n"

    found = rows(
        p, tmp_path, f"SELECT {text} FROM (SELECT {sql} AS v FROM payments WHERE id = 1) q"
    )

    assert found == [(True, 1)]
    assert seen.read_text() == repr((type(value).__name__, value))


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        ("bigint", 1.0, "1.0, a float, which is no bigint"),
        ("bigint", True, "True, a bool"),
        ("bigint", 1 << 63, "which is no bigint"),
        ("bigint", "1", "'1', a str"),
        ("double", "1", "'1', a str"),
        ("double", 2**53 + 1, "which is no double"),
        ("double", True, "True, a bool"),
        ("boolean", 1, "1, a int"),
        ("string", b"x", "b'x', a bytes"),
        ("string", "\ud800", "which is no string"),
        ("bytes", "x", "'x', a str"),
        ("date", dt.datetime(2024, 1, 1, tzinfo=UTC), "which is no date"),
        ("timestamp", dt.datetime(2024, 1, 1), "a datetime without a zone"),  # noqa: DTZ001
        ("timestamp", dt.date(2024, 1, 1), "a date, which is no timestamp"),
        ("decimal(5,2)", Decimal("1000.00"), "which is no decimal(5,2)"),
        ("decimal(5,2)", Decimal("1.005"), "which is no decimal(5,2)"),
        ("decimal(5,2)", Decimal("nan"), "which is no decimal(5,2)"),
        ("decimal(5,2)", 1.5, "1.5, a float"),
        ("bigint[]", [1, "x"], "'x', a str"),
        ("bigint[]", 1, "1, a int"),
        ("struct(a bigint)", {"b": 1}, "whose names are not those of"),
        ("map(string, bigint)", {"a": "b"}, "'b', a str"),
    ],
)  # fmt: skip
def test_wrong_value_is_named_with_its_row(type_, value, why):
    """Wrong value is named with its row."""
    with pytest.raises(WrongValue) as caught:
        arrow_values([None, value], parse_type(type_))

    assert caught.value.row == 1
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("type_", "value", "same"),
    [
        ("double", 2, 2.0),
        ("double", np.float32(0.5), 0.5),
        ("bigint", np.int64(7), 7),
        ("decimal(5,2)", 3, Decimal("3.00")),
        ("decimal(5,2)", Decimal("1.5"), Decimal("1.50")),
        ("timestamp", dt.datetime(2024, 1, 1, 2, tzinfo=ROME), dt.datetime(2024, 1, 1, tzinfo=UTC)),
        ("bigint[]", (1, 2), [1, 2]),
        ("timestamp", None, None),
    ],
)  # fmt: skip
def test_what_is_the_same_is_taken(type_, value, same):
    """What is the same is taken."""
    parsed = parse_type(type_)

    assert python_values(arrow_values([value], parsed), parsed) == [same]


@pytest.mark.parametrize(
    ("type_", "result", "values"),
    [
        ("double", np.array([1.0, np.nan]), [1.0, float("nan")]),
        ("double", np.array([1, 2], dtype=np.float32), [1.0, 2.0]),
        ("bigint", np.array([1, 2], dtype=np.int16), [1, 2]),
        ("double", pa.chunked_array([[1.0], [2.0]]), [1.0, 2.0]),
        ("string", pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        ("double", [1.0, None], [1.0, None]),
        ("double", pa.nulls(2), [None, None]),
        ("decimal(5,2)", pa.array([Decimal("1.5"), None]), [Decimal("1.50"), None]),
        ("timestamp", np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]"),
         [dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2024, 1, 2, tzinfo=UTC)]),
    ],
)  # fmt: skip
def test_batch_result_is_taken(type_, result, values):
    """Batch result is taken."""
    parsed = parse_type(type_)
    found = arrow_batch(result, parsed, 2)

    assert found.type == arrow_type(parsed)
    assert repr(python_values(found, parsed)) == repr(values)


@pytest.mark.parametrize(
    ("type_", "result", "why"),
    [
        ("double", [1.0], "1 values for 2 rows"),
        ("double", pa.array([1.0, 2.0, 3.0]), "3 values for 2 rows"),
        ("double", 1.0, "a float, not an array or a list"),
        ("double", None, "a NoneType, not an array"),
        ("double", "ab", "a str, not an array"),
        ("bigint", pa.array([1.0, 2.0]), "values of type double, which are no bigint"),
        ("double", pa.array([2**53 + 1, 0]), "do not fit double"),
        ("decimal(5,2)", pa.array([Decimal("1.005"), None]), "do not fit decimal(5,2)"),
        ("string", pa.array([b"a", b"b"]), "values of type binary, which are no string"),
        ("timestamp", pa.array([0, 1], pa.timestamp("us")), "instants without a zone"),
        ("timestamp", pa.array([1, 2], pa.timestamp("ns", tz="UTC")), "do not fit timestamp"),
        ("double", ["a", "b"], "'a', a str, which is no double"),
    ],
)  # fmt: skip
def test_wrong_batch_result_is_named(type_, result, why):
    """Wrong batch result is named."""
    with pytest.raises(WrongValue) as caught:
        arrow_batch(result, parse_type(type_), 2)

    assert why in caught.value.why


@pytest.mark.parametrize(
    ("type_", "number"), [("date", 3_000_000), ("timestamp", 300_000_000_000_000_000)]
)
def test_time_beyond_python_is_named(type_, number):
    """A time that Python's own types cannot hold is no silent NULL."""
    parsed = parse_type(type_)
    small = pa.int32() if type_ == "date" else pa.int64()

    with pytest.raises(WrongValue, match="that Python cannot hold"):
        python_values(pa.array([number], small).cast(arrow_type(parsed)), parsed)
