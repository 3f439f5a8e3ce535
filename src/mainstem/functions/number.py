"""Number functions: whole numbers, rounding, bits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mainstem.functions.spec import Fails, Function, Sql, ex, overload
from mainstem.plan.types import MAX_PRECISION, Type, decimal

_NAN = Sql("CAST('nan' AS DOUBLE)")
_INF = Sql("CAST('inf' AS DOUBLE)")
_OVERFLOW = "the result does not fit its type"


def _same(types: Sequence[Type]) -> Type:
    return types[0]


def _whole(types: Sequence[Type]) -> Type:
    """No digits after the point; the digit that rounding up may add takes the place of one of those."""
    return decimal(types[0].precision, 0)


def _wider(types: Sequence[Type]) -> Type:
    """Rounding up may add a digit before the point, and the scale stays (V1)."""
    return decimal(min(MAX_PRECISION, types[0].precision + 1), types[0].scale)


SIGN = (
    Function(
        "abs", "The number without its sign.",
        (overload("bigint", gives="bigint"), overload("decimal", gives=_same), overload("double", gives="double")),
        family="number", fails="the lowest BIGINT", rules=("V1",),
        examples=(ex(-5, gives=5), ex(Decimal("-1.50"), gives=Decimal("1.50")), ex(-2.5, gives=2.5), ex(0, gives=0),
                  ex(-9223372036854775808, gives=Fails("its opposite is over BIGINT")), ex(None, gives=None, types="bigint")),
    ),
    Function(
        "sign", "-1, 0 or 1: whether the number is below, at or above zero.",
        (overload("bigint", gives="bigint"), overload("decimal", gives="bigint"), overload("double", gives="bigint")),
        family="number", aliases=("signum",), spelling={"duckdb": "CAST(sign({0}) AS BIGINT)"}, rules=("V1",),
        examples=(ex(-7, gives=-1), ex(0, gives=0), ex(Decimal("0.01"), gives=1), ex(-0.5, gives=-1),
                  ex(-9223372036854775808, gives=-1), ex(None, gives=None, types="double")),
    ),
    Function(
        "floor_div", "Divides whole numbers and rounds down, so -7 by 2 is -4 (`//` drops the fraction and gives -3); by zero it is NULL.",
        (overload("bigint", "bigint", gives="bigint",
                  duckdb="(({0} // nullif({1}, 0)) - CASE WHEN ({0} % nullif({1}, 0)) <> 0 "
                         "AND (({0} % nullif({1}, 0)) < 0) <> ({1} < 0) THEN 1 ELSE 0 END)"),),
        family="number", null="any NULL, or a zero divisor, gives NULL", fails="the lowest BIGINT divided by -1", rules=("V2",),
        examples=(ex(-7, 2, gives=-4), ex(7, -2, gives=-4), ex(-7, -2, gives=3), ex(-8, 2, gives=-4), ex(7, 2, gives=3), ex(1, 0, gives=None),
                  ex(-9223372036854775808, -1, gives=Fails("the result is over BIGINT")),
                  ex(None, 2, gives=None, types="bigint; bigint")),
    ),
    Function(
        "floor_mod", "The remainder that belongs to floor_div: it has the sign of the divisor, so by 7 it is always 0 to 6 "
        "(`%` has the sign of the dividend); by zero it is NULL.",
        # No `r + b` where the signs agree: that could overflow.
        (overload("bigint", "bigint", gives="bigint",
                  duckdb="(({0} % CASE {1} WHEN 0 THEN NULL WHEN -1 THEN 1 ELSE {1} END) + CASE WHEN ({0} % CASE {1} WHEN 0 THEN NULL WHEN -1 THEN 1 ELSE {1} END) <> 0 "
                         "AND (({0} % CASE {1} WHEN 0 THEN NULL WHEN -1 THEN 1 ELSE {1} END) < 0) <> ({1} < 0) THEN {1} ELSE 0 END)"),),
        family="number", null="any NULL, or a zero divisor, gives NULL", rules=("V2",),
        examples=(ex(-1, 7, gives=6), ex(8, 7, gives=1), ex(-7, 7, gives=0), ex(1, -7, gives=-6), ex(-1, -7, gives=-1), ex(5, 0, gives=None),
                  ex(9223372036854775806, 9223372036854775807, gives=9223372036854775806),
                  ex(None, 7, gives=None, types="bigint; bigint")),
    ),
)  # fmt: skip

ROUNDING = (
    Function(
        "ceil", "The smallest whole number that is not below. A DECIMAL keeps its precision and has scale 0; a DOUBLE stays DOUBLE.",
        (overload("bigint", gives="bigint", duckdb="{0}"), overload("decimal", gives=_whole), overload("double", gives="double")),
        family="number", aliases=("ceiling",), rules=("V1",),
        examples=(ex(Decimal("1.01"), gives=Decimal(2)), ex(Decimal("-1.99"), gives=Decimal(-1)), ex(Decimal("9.9"), gives=Decimal(10)),
                  ex(1.2, gives=2.0), ex(-1.5, gives=-1.0), ex(7, gives=7), ex(None, gives=None, types="decimal(4,2)")),
    ),
    Function(
        "floor", "The largest whole number that is not above. A DECIMAL keeps its precision and has scale 0; a DOUBLE stays DOUBLE.",
        (overload("bigint", gives="bigint", duckdb="{0}"), overload("decimal", gives=_whole), overload("double", gives="double")),
        family="number", rules=("V1",),
        examples=(ex(Decimal("1.99"), gives=Decimal(1)), ex(Decimal("-1.01"), gives=Decimal(-2)), ex(Decimal("-9.9"), gives=Decimal(-10)),
                  ex(1.8, gives=1.0), ex(-1.5, gives=-2.0), ex(-7, gives=-7), ex(None, gives=None, types="decimal(4,2)")),
    ),
    Function(
        "round", "Rounds half away from zero, to a number of digits after the point (0; negative ones are before it). "
        "A DECIMAL with digits keeps its scale and may grow by one digit; without, its scale is 0. "
        "A DOUBLE is multiplied by 10^digits, rounded and divided again, all in DOUBLE: for exact money round a DECIMAL.",
        (overload("bigint", gives="bigint", duckdb="{0}"),
         overload("decimal", gives=_whole),
         overload("double", gives="double"),
         overload("bigint", "literal bigint", gives="bigint", duckdb="round({0}, CAST({1} AS INTEGER))"),
         # DuckDB makes the scale of the result from the digits; here the type goes by the argument's type alone.
         # And it gives 0 for NULL when no digit is left.
         overload("decimal", "literal bigint", gives=_wider, duckdb="CASE WHEN {0} IS NOT NULL THEN cast_to_type(round({0}, CAST({1} AS INTEGER)), {0} + {0}) END"),
         overload("double", "literal bigint", gives="double", duckdb="round({0}, CAST({1} AS INTEGER))")),
        family="number", fails=_OVERFLOW, rules=("V1", "V3"),
        examples=(ex(2.5, gives=3.0), ex(-2.5, gives=-3.0), ex(0.49999999999999994, gives=0.0), ex(Decimal("99.5"), gives=Decimal(100)),
                  ex(Decimal("2.345"), 2, gives=Decimal("2.350")), ex(Decimal("-2.345"), 2, gives=Decimal("-2.350")),
                  ex(Decimal("9.99"), 1, gives=Decimal("10.00")), ex(Decimal("123.45"), -1, gives=Decimal("120.00")),
                  ex(Decimal("2.5"), 5, gives=Decimal("2.5")), ex(2.675, 2, gives=2.68), ex(1.005, 2, gives=1.0), ex(1250.0, -2, gives=1300.0),
                  ex(-25, -1, gives=-30), ex(24, -1, gives=20), ex(25, 2, gives=25), ex(25, -30, gives=0),
                  ex(9223372036854775807, -1, gives=Fails("the result is over BIGINT")),
                  ex(None, gives=None, types="double"), ex(None, 2, gives=None, types="decimal(5,3); bigint"),
                  ex(None, -1, gives=None, types="decimal(5,3); bigint")),
    ),
    Function(
        "trunc", "Drops digits, towards zero: those after the point, or after a number of digits (negative ones are before the point). "
        "Types as with round, but a DECIMAL never grows. A DOUBLE is multiplied, cut and divided again, all in DOUBLE.",
        (overload("bigint", gives="bigint", duckdb="{0}"),
         overload("decimal", gives=_whole),
         overload("double", gives="double"),
         overload("bigint", "literal bigint", gives="bigint", duckdb="trunc({0}, CAST({1} AS INTEGER))"),
         # DuckDB gives 0 for NULL when no digit is left.
         overload("decimal", "literal bigint", gives=_same, duckdb="CASE WHEN {0} IS NOT NULL THEN cast_to_type(trunc({0}, CAST({1} AS INTEGER)), {0}) END"),
         overload("double", "literal bigint", gives="double", duckdb="trunc({0}, CAST({1} AS INTEGER))")),
        family="number", aliases=("truncate",), rules=("V1", "V3"),
        examples=(ex(2.9, gives=2.0), ex(-2.9, gives=-2.0), ex(Decimal("-2.99"), gives=Decimal(-2)), ex(Decimal("2.789"), 2, gives=Decimal("2.780")),
                  ex(Decimal("-129.5"), -1, gives=Decimal("-120.0")), ex(2.75, 1, gives=2.7), ex(129.5, -1, gives=120.0), ex(29, -1, gives=20),
                  ex(-29, 3, gives=-29), ex(9223372036854775807, -18, gives=9000000000000000000), ex(29, -2, gives=0),
                  ex(None, gives=None, types="double"), ex(None, 2, gives=None, types="decimal(5,3); bigint")),
    ),
)  # fmt: skip

# DuckDB writes a DECIMAL(1,1) as .5, so the part before the point is written on its own. The list binds `v`, so that the
# argument is computed once. Adding 0.0 turns -0.0 into 0.0, so that nothing is printed as -0.00.
_PLAIN_DECIMAL = (
    "list_transform([round({0}, CAST({1} AS INTEGER))], lambda v: CASE WHEN v < 0 THEN '-' ELSE '' END "
    "|| CAST(trunc(abs(v)) AS VARCHAR) || CASE WHEN {1} > 0 THEN "
    "'.' || rpad(split_part(CAST(abs(v) AS VARCHAR), '.', 2), CAST({1} AS INTEGER), '0') ELSE '' END)[1]"
)
_PLAIN_DOUBLE = (
    "list_transform([round({0}, CAST({1} AS INTEGER)) + 0.0], lambda v: CASE WHEN isfinite(v) THEN "
    "format('{{:.' || CAST({1} AS VARCHAR) || 'f}}', v) END)[1]"
)
# By parts, not over DOUBLE, which would lose digits behind the fifteenth.
_DECIMAL_TEXT = (
    "list_transform([round({0}, CAST({1} AS INTEGER))], lambda v: CASE WHEN v < 0 THEN '-' ELSE '' END "
    "|| format('{{:,}}', CAST(trunc(abs(v)) AS HUGEINT)) || CASE WHEN {1} > 0 THEN "
    "'.' || rpad(split_part(CAST(abs(v) AS VARCHAR), '.', 2), CAST({1} AS INTEGER), '0') ELSE '' END)[1]"
)
_DOUBLE_TEXT = (
    "list_transform([round({0}, CAST({1} AS INTEGER)) + 0.0], lambda v: CASE WHEN isfinite(v) THEN "
    "format('{{:,.' || CAST({1} AS VARCHAR) || 'f}}', v) END)[1]"
)

_GROWS = "a DECIMAL with 38 digits that grows by one when rounded"

WRITING = (
    Function(
        "format_decimal", "The number as text with a fixed number of digits after the point, rounded as `round` does: the same text on every engine. "
        "A DOUBLE that is infinite or NaN gives NULL.",
        (overload("decimal", "literal bigint:natural", gives="string", duckdb=_PLAIN_DECIMAL),
         overload("double", "literal bigint:natural", gives="string", duckdb=_PLAIN_DOUBLE)),
        family="number", fails=_GROWS, rules=("V3",),
        examples=(ex(Decimal("1234.125"), 2, gives="1234.13"), ex(Decimal("-0.5"), 0, gives="-1"), ex(Decimal("-0.04"), 1, gives="0.0"),
                  ex(Decimal("0.5"), 3, gives="0.500"), ex(12345.5, 2, gives="12345.50"), ex(-0.001, 2, gives="0.00"), ex(1e10, 1, gives="10000000000.0"),
                  ex(7, 2, gives="7.00"), ex(_INF, 2, gives=None, types="double; bigint"), ex(None, 2, gives=None, types="double; bigint")),
    ),
    Function(
        "format_number", "The number as text with commas between thousands and a fixed number of digits after the point, rounded as `round` does. "
        "A DOUBLE that is infinite or NaN gives NULL.",
        (overload("bigint", gives="string", duckdb="format('{{:,}}', {0})"),
         overload("decimal", "literal bigint:natural", gives="string", duckdb=_DECIMAL_TEXT),
         overload("double", "literal bigint:natural", gives="string", duckdb=_DOUBLE_TEXT)),
        family="number", fails=_GROWS, rules=("V3",),
        examples=(ex(1234567, gives="1,234,567"), ex(-999, gives="-999"), ex(Decimal("1234567.125"), 2, gives="1,234,567.13"),
                  ex(Decimal("-0.55"), 1, gives="-0.6"), ex(Decimal("-0.04"), 1, gives="0.0"), ex(Decimal("1234.5"), 0, gives="1,235"),
                  ex(Decimal("1.5"), 3, gives="1.500"), ex(1234.5, 2, gives="1,234.50"), ex(-0.001, 2, gives="0.00"), ex(2.5, 0, gives="3"),
                  ex(_INF, 2, gives=None, types="double; bigint"), ex(None, 2, gives=None, types="decimal(5,2); bigint")),
    ),
)  # fmt: skip

_SHIFT = "the result does not fit BIGINT, or the count is not 0 to 62"

BITS = (
    Function(
        "bitwise_and", "The bits that both numbers have, as two's complement of 64 bits.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", spelling={"*": "({0} & {1})"}, rules=("V1",),
        examples=(ex(6, 3, gives=2), ex(-1, 255, gives=255), ex(8, 7, gives=0), ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "bitwise_or", "The bits that either number has, as two's complement of 64 bits.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", spelling={"*": "({0} | {1})"}, rules=("V1",),
        examples=(ex(6, 3, gives=7), ex(-8, 1, gives=-7), ex(0, 0, gives=0), ex(1, None, gives=None, types="bigint; bigint")),
    ),
    Function(
        "bitwise_xor", "The bits that just one of the numbers has, as two's complement of 64 bits.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", aliases=("xor",), spelling={"duckdb": "xor({0}, {1})"}, rules=("V1",),
        examples=(ex(6, 3, gives=5), ex(-1, 1, gives=-2), ex(7, 7, gives=0), ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "bitwise_not", "Every bit turned: -x - 1.",
        (overload("bigint", gives="bigint"),), family="number", spelling={"*": "(~ {0})"}, rules=("V1",),
        examples=(ex(0, gives=-1), ex(5, gives=-6), ex(-9223372036854775808, gives=9223372036854775807), ex(None, gives=None, types="bigint")),
    ),
    Function(
        "shift_left", "The number times 2 to the power of a count.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", fails=_SHIFT, rules=("V1",),
        # As a product: DuckDB's << refuses all negative numbers.
        spelling={"duckdb": "({0} * (CAST(1 AS BIGINT) << CASE WHEN {0} IS NOT NULL THEN {1} END))"},
        examples=(ex(3, 4, gives=48), ex(-1, 1, gives=-2), ex(1, 62, gives=4611686018427387904), ex(5, 0, gives=5),
                  ex(2, 62, gives=Fails("2^63 is over BIGINT")), ex(1, -1, gives=Fails("a negative count")),
                  ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "shift_right", "The number divided by 2 to the power of a count and rounded down, so the sign stays. A count outside of 0 to 63 gives NULL.",
        # DuckDB gives 0 for such a count, even for negative numbers.
        (overload("bigint", "bigint", gives="bigint", duckdb="CASE WHEN {1} BETWEEN 0 AND 63 THEN {0} >> {1} END"),),
        family="number", null="any NULL, or a count outside of 0 to 63, gives NULL", rules=("V1",),
        examples=(ex(48, 4, gives=3), ex(-8, 1, gives=-4), ex(-7, 1, gives=-4), ex(-1, 63, gives=-1), ex(5, 63, gives=0), ex(5, 0, gives=5),
                  ex(5, 64, gives=None), ex(5, -1, gives=None), ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "bit_count", "How many of the 64 bits are set, as two's complement.",
        (overload("bigint", gives="bigint"),), family="number", spelling={"duckdb": "CAST(bit_count({0}) AS BIGINT)"}, rules=("V1",),
        examples=(ex(255, gives=8), ex(0, gives=0), ex(-1, gives=64), ex(-9223372036854775808, gives=1), ex(None, gives=None, types="bigint")),
    ),
)  # fmt: skip

WHOLE = (
    Function(
        "factorial", "1 × 2 × … × n; 1 for n = 0.",
        (overload("bigint", gives="bigint"),), family="number", fails="n is below 0 or above 20", rules=("V1",),
        spelling={"duckdb": "CAST(factorial(CAST({0} AS INTEGER)) AS BIGINT)"},
        examples=(ex(5, gives=120), ex(0, gives=1), ex(20, gives=2432902008176640000), ex(21, gives=Fails("over BIGINT")),
                  ex(-1, gives=Fails("not defined")), ex(None, gives=None, types="bigint")),
    ),
    Function(
        "gcd", "The greatest common divisor, never negative; of 0 and x it is |x|.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", fails="the lowest BIGINT with itself or 0", rules=("V1",),
        examples=(ex(12, -18, gives=6), ex(0, -5, gives=5), ex(0, 0, gives=0), ex(7, 13, gives=1),
                  ex(-9223372036854775808, 0, gives=Fails("2^63 is over BIGINT")), ex(None, 1, gives=None, types="bigint; bigint")),
    ),
    Function(
        "lcm", "The least common multiple, never negative; 0 when either is 0.",
        (overload("bigint", "bigint", gives="bigint"),), family="number", fails=_OVERFLOW, rules=("V1",),
        examples=(ex(4, -6, gives=12), ex(0, 5, gives=0), ex(7, 13, gives=91), ex(9223372036854775807, 2, gives=Fails("over BIGINT")),
                  ex(4, None, gives=None, types="bigint; bigint")),
    ),
    Function(
        "width_bucket", "Which of n equal parts of [low, high) the number is in, from 1; 0 below, n + 1 at high or above. "
        "NULL when high is not above low or n is below 1.",
        (overload("double", "double", "double", "bigint", gives="bigint",
                  duckdb="CASE WHEN {2} > {1} AND {3} >= 1 THEN CASE WHEN {0} < {1} THEN 0 WHEN {0} >= {2} THEN {3} + 1 "
                         "ELSE CAST(floor(({0} - {1}) / ({2} - {1}) * {3}) AS BIGINT) + 1 END END"),),
        family="number", null="any NULL, or an impossible range, gives NULL", rules=("V1",),
        examples=(ex(2.5, 0.0, 10.0, 4, gives=2), ex(0.0, 0.0, 10.0, 4, gives=1), ex(-0.5, 0.0, 10.0, 4, gives=0), ex(10.0, 0.0, 10.0, 4, gives=5),
                  ex(9.5, 0.0, 10.0, 4, gives=4), ex(1.0, 5.0, 5.0, 4, gives=None), ex(1.0, 0.0, 5.0, 0, gives=None),
                  ex(None, 0.0, 10.0, 4, gives=None, types="double; double; double; bigint"),
                  ex(1.0, 0.0, 10.0, None, gives=None, types="double; double; double; bigint")),
    ),
)  # fmt: skip

TESTS = (
    Function(
        "is_nan", "Whether a DOUBLE is not a number.",
        (overload("double", gives="boolean"),), family="number", aliases=("isnan",), spelling={"duckdb": "isnan({0})"},
        examples=(ex(_NAN, gives=True, types="double"), ex(1.5, gives=False), ex(_INF, gives=False, types="double"),
                  ex(None, gives=None, types="double")),
    ),
    Function(
        "is_finite", "Whether a DOUBLE is neither infinite nor NaN.",
        (overload("double", gives="boolean"),), family="number", aliases=("isfinite",), spelling={"duckdb": "isfinite({0})"},
        examples=(ex(1.5, gives=True), ex(_INF, gives=False, types="double"), ex(_NAN, gives=False, types="double"),
                  ex(None, gives=None, types="double")),
    ),
    Function(
        "is_infinite", "Whether a DOUBLE is infinite, positive or negative.",
        (overload("double", gives="boolean"),), family="number", aliases=("isinf",), spelling={"duckdb": "isinf({0})"},
        examples=(ex(_INF, gives=True, types="double"), ex(1e308, gives=False), ex(_NAN, gives=False, types="double"),
                  ex(None, gives=None, types="double")),
    ),
)  # fmt: skip

FUNCTIONS = (*SIGN, *ROUNDING, *WRITING, *BITS, *WHOLE, *TESTS)
