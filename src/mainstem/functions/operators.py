"""Operators. They are rows like functions: one mechanism gives their types, NULLs and spellings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from mainstem.functions.calendar import in_calendar
from mainstem.functions.spec import Fails, Function, Sql, ex, overload
from mainstem.plan.types import MAX_PRECISION, Type, decimal


def _sum_type(types: Sequence[Type]) -> Type:
    """DECIMAL + DECIMAL keeps the larger scale, with one more digit before the point (V1)."""
    a, b = types[0], types[1]
    scale = max(a.scale, b.scale)
    whole = max(a.precision - a.scale, b.precision - b.scale)
    return decimal(min(MAX_PRECISION, whole + scale + 1), scale)


def _product_type(types: Sequence[Type]) -> Type:
    """DECIMAL × DECIMAL adds the scales; over 38 `decimal` refuses (V1)."""
    a, b = types[0], types[1]
    return decimal(min(MAX_PRECISION, a.precision + b.precision), a.scale + b.scale)


def _remainder_type(types: Sequence[Type]) -> Type:
    a, b = types[0], types[1]
    scale = max(a.scale, b.scale)
    whole = max(a.precision - a.scale, b.precision - b.scale)
    return decimal(min(MAX_PRECISION, whole + scale), scale)


def _same(types: Sequence[Type]) -> Type:
    return types[0]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_OVERFLOW = "the result does not fit its type"


def _comparison(name: str, doc: str, *examples: object) -> Function:
    return Function(
        name, doc, (overload("T", "T", gives="boolean"),), family="operators", compares=True,
        spelling={"*": "({0} " + name + " {1})"}, rules=("V4",), examples=tuple(examples),  # type: ignore[arg-type]
    )  # fmt: skip


# Whole numbers are added, subtracted and multiplied by name: of `x - 1 = 5` DuckDB makes `x = 6`, which
# is FALSE where x - 1 is out of range and must fail (V1).
ARITHMETIC = (
    Function(
        "+", "Adds numbers; moves a date or an instant by an interval, inside of the years 1 to 9999. Date plus whole days stays "
        "a date. Both DECIMAL operands must fit the scale of the result.",
        (
            overload("bigint", "bigint", gives="bigint", duckdb="add({0}, {1})"),
            overload("decimal", "decimal", gives=_sum_type),
            overload("double", "double", gives="double"),
            overload("date", "bigint", gives="date", duckdb=in_calendar("({0} + CAST(CASE WHEN {0} IS NOT NULL THEN {1} END AS INTEGER))", "date")),
            overload("date", "interval", gives="date", duckdb=in_calendar("({0} + {1})", "date")),
            overload("timestamp", "interval", gives="timestamp", duckdb=in_calendar("({0} + {1})", "timestamp")),
        ),
        family="operators", fails=_OVERFLOW, spelling={"*": "({0} + {1})"}, rules=("V1", "V7"),
        examples=(
            ex(1, 2, gives=3),
            ex(1, None, gives=None, types="bigint; bigint"),
            ex(9223372036854775807, 1, gives=Fails("more than BIGINT holds")),
            ex(Decimal("1.50"), Decimal("0.125"), gives=Decimal("1.625")),
            ex(date(2024, 1, 31), Sql("INTERVAL '1 month'"), gives=date(2024, 2, 29)),
            ex(date(2024, 2, 28), 2, gives=date(2024, 3, 1)),
            ex(_utc("2024-02-29 10:00:00"), Sql("INTERVAL '1 year'"), gives=_utc("2025-02-28 10:00:00")),
        ),
    ),
    Function(
        "-", "Subtracts numbers; moves a date or an instant back; date minus date is whole days.",
        (
            overload("bigint", "bigint", gives="bigint", duckdb="subtract({0}, {1})"),
            overload("decimal", "decimal", gives=_sum_type),
            overload("double", "double", gives="double"),
            overload("date", "date", gives="bigint"),
            overload("date", "bigint", gives="date", duckdb=in_calendar("({0} - CAST(CASE WHEN {0} IS NOT NULL THEN {1} END AS INTEGER))", "date")),
            overload("date", "interval", gives="date", duckdb=in_calendar("({0} - {1})", "date")),
            overload("timestamp", "interval", gives="timestamp", duckdb=in_calendar("({0} - {1})", "timestamp")),
        ),
        family="operators", fails=_OVERFLOW, spelling={"*": "({0} - {1})"}, rules=("V1", "V7"),
        examples=(
            ex(1, 3, gives=-2),
            ex(None, 3, gives=None, types="bigint; bigint"),
            ex(-9223372036854775807, 2, gives=Fails("less than BIGINT holds")),
            ex(date(2024, 3, 1), date(2024, 2, 28), gives=2),
            ex(date(2024, 3, 31), Sql("INTERVAL '1 month'"), gives=date(2024, 2, 29)),
        ),
    ),
    Function(
        "*", "Multiplies numbers. DECIMAL adds the scales.",
        (
            overload("bigint", "bigint", gives="bigint", duckdb="multiply({0}, {1})"),
            overload("decimal", "decimal", gives=_product_type),
            overload("double", "double", gives="double"),
        ),
        family="operators", fails=_OVERFLOW, spelling={"*": "({0} * {1})"}, rules=("V1",),
        examples=(
            ex(6, -7, gives=-42),
            ex(None, 0, gives=None, types="bigint; bigint"),
            ex(3037000500, 3037000500, gives=Fails("9.2e18 is over BIGINT")),
            ex(Decimal("1.5"), Decimal("0.25"), gives=Decimal("0.375")),
        ),
    ),
    Function(
        "/", "Divides as DOUBLE; by zero it is NULL. For exact money cast the result to DECIMAL.",
        (overload("double", "double", gives="double"),),
        family="operators", null="any NULL, or a zero divisor, gives NULL",
        spelling={"*": "({0} / nullif({1}, 0))"}, rules=("V2",),
        examples=(
            ex(7, 2, gives=3.5), ex(1, 0, gives=None), ex(None, 2, gives=None, types="double; double"),
            ex(Decimal("1.00"), Decimal("8.0"), gives=0.125), ex(-1.0, 0.0, gives=None),
        ),
    ),
    Function(
        "//", "Divides whole numbers and drops the fraction, towards zero; by zero it is NULL.",
        (overload("bigint", "bigint", gives="bigint"),),
        family="operators", null="any NULL, or a zero divisor, gives NULL",
        fails="the lowest BIGINT divided by -1", spelling={"*": "({0} // nullif({1}, 0))"}, rules=("V2",),
        examples=(
            ex(7, 2, gives=3), ex(-7, 2, gives=-3), ex(7, 0, gives=None),
            ex(None, 2, gives=None, types="bigint; bigint"),
        ),
    ),
    Function(
        "%", "Remainder with the sign of the dividend; by zero it is NULL. Both DECIMAL operands must fit the scale of the result.",
        (
            # The lowest BIGINT % -1 is 0, but an overflow in DuckDB; any number % 1 is 0 as well.
            overload("bigint", "bigint", gives="bigint",
                     duckdb="({0} % CASE {1} WHEN 0 THEN NULL WHEN -1 THEN 1 ELSE {1} END)"),
            # Where the two together have more than 38 digits DuckDB would go over to DOUBLE.
            overload("decimal", "decimal", gives=_remainder_type,
                     duckdb="(CAST({0} AS {type}) % nullif(CAST({1} AS {type}), 0))"),
            overload("double", "double", gives="double"),
        ),
        family="operators", null="any NULL, or a zero divisor, gives NULL", aliases=("mod",),
        fails="a DECIMAL has too many digits for the larger scale of the two",
        spelling={"*": "({0} % nullif({1}, 0))"}, rules=("V2",),
        examples=(
            ex(-7, 3, gives=-1), ex(7, -3, gives=1), ex(7, 0, gives=None), ex(-9223372036854775808, -1, gives=0),
            ex(Decimal("5.5"), Decimal("2.0"), gives=Decimal("1.5")),
            ex(None, 2, gives=None, types="bigint; bigint"),
        ),
    ),
    Function(
        "negate", "The number with the other sign, written `-x`.",
        (
            # DuckDB's own negation of the constant -9223372036854775808 is a HUGEINT and no failure.
            overload("bigint", gives="bigint", duckdb="subtract(CAST(0 AS BIGINT), {0})"),
            overload("decimal", gives=_same), overload("double", gives="double"),
        ),
        family="operators", fails="the lowest BIGINT", spelling={"*": "(- {0})"}, rules=("V1",),
        examples=(ex(5, gives=-5), ex(Decimal("-0.10"), gives=Decimal("0.10")),
                  ex(-9223372036854775808, gives=Fails("the result is over BIGINT")),
                  ex(None, gives=None, types="bigint")),
    ),
)  # fmt: skip

COMPARISON = (
    _comparison(
        "=", "Equal. NULL on either side gives NULL; text compares by its bytes.",
        ex(1, 1, gives=True), ex("a", "A", gives=False), ex(None, 1, gives=None, types="bigint; bigint"),
        ex(1, Decimal("1.00"), gives=True),
    ),
    _comparison(
        "<>", "Not equal, also written `!=`.",
        ex(1, 2, gives=True), ex("a", "a", gives=False), ex(1, None, gives=None, types="bigint; bigint"),
    ),
    _comparison(
        "<", "Less. Text is ordered by UTF-8 bytes.",
        ex("B", "a", gives=True), ex("z", "é", gives=True), ex(None, "a", gives=None, types="string; string"),
    ),
    _comparison(
        "<=", "Less or equal.",
        ex(2, 2, gives=True), ex(date(2024, 1, 2), date(2024, 1, 1), gives=False),
        ex(1, None, gives=None, types="bigint; bigint"),
    ),
    _comparison(
        ">", "Greater.",
        ex(Decimal("0.10"), Decimal("0.1"), gives=False), ex(2, 1.5, gives=True),
        ex(None, 1, gives=None, types="bigint; bigint"),
    ),
    _comparison(
        ">=", "Greater or equal.",
        ex(2, 2, gives=True), ex("", "a", gives=False), ex(1, None, gives=None, types="bigint; bigint"),
    ),
    Function(
        "is distinct from", "Not equal, with NULL as a value of its own: never NULL.",
        (overload("T", "T", gives="boolean"),), family="operators", compares=True, null="NULL equals NULL",
        spelling={"*": "({0} IS DISTINCT FROM {1})"}, rules=("V4",),
        examples=(ex(1, None, gives=True, types="bigint; bigint"), ex(1, 1, gives=False),
                  ex(None, None, gives=False, types="bigint; bigint")),
    ),
    Function(
        "is not distinct from", "Equal, with NULL as a value of its own: never NULL.",
        (overload("T", "T", gives="boolean"),), family="operators", compares=True, null="NULL equals NULL",
        spelling={"*": "({0} IS NOT DISTINCT FROM {1})"}, rules=("V4",),
        examples=(ex(1, None, gives=False, types="bigint; bigint"), ex("a", "a", gives=True),
                  ex(None, None, gives=True, types="bigint; bigint")),
    ),
    Function(
        "between", "`x BETWEEN low AND high`: both ends count.",
        (overload("T", "T", "T", gives="boolean"),), family="operators", compares=True,
        null="as `x >= low AND x <= high`", spelling={"*": "({0} BETWEEN {1} AND {2})"}, rules=("V4",),
        examples=(ex(2, 1, 2, gives=True), ex(5, 9, 1, gives=False),
                  ex(5, None, 1, gives=False, types="bigint; bigint; bigint"),
                  ex(None, 1, 2, gives=None, types="bigint; bigint; bigint")),
    ),
    Function(
        "is null", "`x IS NULL`; `IS NOT NULL` is its opposite. Never NULL itself.",
        (overload("T", gives="boolean"),), family="operators", null="NULL gives true",
        spelling={"*": "({0} IS NULL)"}, rules=("V4",),
        examples=(ex(1, gives=False), ex(None, gives=True, types="string"), ex("", gives=False)),
    ),
    Function(
        "is true", "Whether a condition is true, not false and not NULL.",
        (overload("boolean", gives="boolean"),), family="operators", null="NULL gives false",
        spelling={"*": "({0} IS TRUE)"}, rules=("V4",),
        examples=(ex(True, gives=True), ex(False, gives=False), ex(None, gives=False, types="boolean")),
    ),
    Function(
        "is false", "Whether a condition is false, not true and not NULL.",
        (overload("boolean", gives="boolean"),), family="operators", null="NULL gives false",
        spelling={"*": "({0} IS FALSE)"}, rules=("V4",),
        examples=(ex(True, gives=False), ex(False, gives=True), ex(None, gives=False, types="boolean")),
    ),
)  # fmt: skip

LOGIC = (
    Function(
        "and", "Both; false wins over NULL.", (overload("boolean", "boolean", gives="boolean"),),
        family="operators", null="three-valued: false AND NULL is false",
        spelling={"*": "({0} AND {1})"}, rules=("V4", "V10"),
        examples=(ex(True, True, gives=True), ex(False, None, gives=False, types="boolean; boolean"),
                  ex(True, None, gives=None, types="boolean; boolean")),
    ),
    Function(
        "or", "Either; true wins over NULL.", (overload("boolean", "boolean", gives="boolean"),),
        family="operators", null="three-valued: true OR NULL is true",
        spelling={"*": "({0} OR {1})"}, rules=("V4", "V10"),
        examples=(ex(False, False, gives=False), ex(True, None, gives=True, types="boolean; boolean"),
                  ex(False, None, gives=None, types="boolean; boolean")),
    ),
    Function(
        "not", "The opposite.", (overload("boolean", gives="boolean"),),
        family="operators", spelling={"*": "(NOT {0})"}, rules=("V4",),
        examples=(ex(True, gives=False), ex(False, gives=True), ex(None, gives=None, types="boolean")),
    ),
)  # fmt: skip

TEXT = (
    Function(
        "||", "Joins texts or lists end to end.",
        (overload("string", "string", gives="string"), overload("T[]", "T[]", gives="T[]")),
        family="operators", spelling={"*": "({0} || {1})"}, rules=("V4",),
        examples=(ex("a", "b", gives="ab"), ex("a", None, gives=None, types="string; string"),
                  ex("", "", gives=""), ex([1], [2, 3], gives=[1, 2, 3])),
    ),
    Function(
        "like", "Whether the whole text matches a pattern: % any characters, _ one. There is no escape "
        "character unless ESCAPE names one: a single ASCII character, no backslash, % or _.",
        (overload("string", "string", gives="boolean"),
         overload("string", "string", "literal string:escape", gives="boolean",
                  duckdb="({0} LIKE {1} ESCAPE {2})", spark="({0} LIKE {1} ESCAPE {2})")),
        family="operators", spelling={"*": "({0} LIKE {1})"}, rules=("V4",),
        examples=(ex("abc", "a%", gives=True), ex("abc", "b", gives=False),
                  ex("a%c", "a!%c", Sql("'!'"), gives=True), ex("abc", "a!%c", Sql("'!'"), gives=False),
                  ex(None, "%", gives=None, types="string; string"), ex("é", "_", gives=True)),
    ),
    Function(
        "ilike", "LIKE without regard to the case of letters A to Z.",
        (overload("string", "string", gives="boolean"),
         overload("string", "string", "literal string:escape", gives="boolean",
                  duckdb="({0} ILIKE {1} ESCAPE {2})", spark="({0} ILIKE {1} ESCAPE {2})")),
        family="operators", spelling={"*": "({0} ILIKE {1})"}, rules=("V4", "X1"),
        examples=(ex("ABC", "a%", gives=True), ex("abc", "_", gives=False),
                  ex(None, "%", gives=None, types="string; string")),
    ),
    Function(
        "subscript", "`list[i]` from 1, `map[key]`; outside or missing gives NULL; -1 is a list's last.",
        (overload("T[]", "bigint", gives="T"),
         overload("map(K, V)", "K", gives="V", duckdb="map_extract_value({0}, {1})")),
        family="operators", null="any NULL gives NULL", spelling={"*": "({0})[{1}]"}, rules=("V6",),
        examples=(ex([10, 20], 1, gives=10), ex([10, 20], 3, gives=None), ex([10, 20], 0, gives=None),
                  ex([10, 20], -1, gives=20), ex(None, 1, gives=None, types="bigint[]; bigint"),
                  ex({"a": 1}, "b", gives=None, types="map(string, bigint); string")),
    ),
)  # fmt: skip

FUNCTIONS = (*ARITHMETIC, *COMPARISON, *LOGIC, *TEXT)
