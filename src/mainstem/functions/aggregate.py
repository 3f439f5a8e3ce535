"""Aggregates: counts, sums and what else a group of rows comes down to. Each may also stand over a window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from mainstem.functions.spec import Example, Fails, Function, overload, rows
from mainstem.plan.types import BIGINT, MAX_PRECISION, Type, decimal, list_of, map_of

_SKIPS = "NULLs are skipped; without any other value it is NULL"
_BIGGEST = 9223372036854775807
_HUGE = Decimal("9" * 38)


def _sum_type(types: Sequence[Type]) -> Type:
    """SUM of DECIMAL has 38 digits and the scale of its argument (V1)."""
    return decimal(MAX_PRECISION, types[0].scale)


def _flags(name: str, doc: str, *examples: Example, aliases: tuple[str, ...] = ()) -> Function:
    return Function(
        name, doc, (overload("boolean", gives="boolean"),), kind="aggregate", family="aggregate", null=_SKIPS,
        aliases=aliases, spelling={"*": name + "({distinct}{0}){over}"}, rules=("V4",), examples=examples,
    )  # fmt: skip


def _bits(name: str, duckdb: str, doc: str, *examples: Example) -> Function:
    return Function(
        name, doc, (overload("bigint", gives="bigint"),), kind="aggregate", family="aggregate", null=_SKIPS,
        spelling={"duckdb": duckdb + "({distinct}{0}){over}"}, rules=("V1",), examples=examples,
    )  # fmt: skip


BASIC = (
    Function(
        "count", "How many rows, written `count(*)` or `count()`; how many values that are not NULL, `count(x)`.",
        (overload(gives="bigint", duckdb="count(*){over}"), overload("T", gives="bigint", duckdb="count({distinct}{0}){over}")),
        kind="aggregate", family="aggregate", null="`count(x)` skips NULLs; of no row it is 0", rules=("V4", "V5"),
        examples=(
            rows("count()", 1, None, gives=2, types="bigint"), rows("count(a)", 1, None, gives=1),
            rows("count(DISTINCT a)", "x", "x", "y", None, gives=2), rows("count()", gives=0, types="bigint"),
            rows("count(a)", None, gives=0, types="string"), rows("count(a) FILTER (WHERE a > 1)", 1, 2, 3, gives=2),
            rows("count() OVER (PARTITION BY a)", 1, 1, 2, gives=[2, 2, 1]),
        ),
    ),
    Function(
        "count_if", "For how many rows a condition is true.", (overload("boolean", gives="bigint"),),
        kind="aggregate", family="aggregate", null="NULL is not true; of no row it is 0", aliases=("countif",), rules=("V4", "V5"),
        # DuckDB's own gives NULL for no row, as HUGEINT.
        spelling={"*": "count({distinct}CASE WHEN {0} THEN true END){over}"},
        examples=(rows("count_if(a)", True, None, False, True, gives=2), rows("count_if(a)", gives=0, types="boolean"),
                  rows("count_if(a)", None, gives=0, types="boolean")),
    ),
    Function(
        "sum", "The sum. Whole numbers are added exactly and the result must fit BIGINT; DECIMAL(p, s) gives DECIMAL(38, s).",
        (
            overload("bigint", gives="bigint", duckdb="CAST(sum({distinct}{0}){over} AS BIGINT)"),
            overload("decimal", gives=_sum_type),
            overload("double", gives="double"),
        ),
        kind="aggregate", family="aggregate", null=_SKIPS, fails="the sum does not fit its type",
        spelling={"*": "sum({distinct}{0}){over}"}, rules=("V1", "V5", "V10"),
        examples=(
            rows("sum(a)", 1, 2, None, gives=3), rows("sum(a)", None, gives=None, types="bigint"), rows("sum(a)", gives=None, types="bigint"),
            # Judged on the final value, so the order of the rows does not matter.
            rows("sum(a)", _BIGGEST, 1, -1, gives=_BIGGEST), rows("sum(a)", _BIGGEST, 1, gives=Fails("more than BIGINT holds")),
            rows("sum(a)", Decimal("0.10"), Decimal("0.20"), gives=Decimal("0.30")), rows("sum(a)", _HUGE, Decimal(1), gives=Fails("39 digits")),
            rows("sum(a)", 0.5, 0.25, gives=0.75), rows("sum(DISTINCT a)", 2, 2, 3, gives=5),
            rows("sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", 1, 2, 4, gives=[1, 3, 6]),
        ),
    ),
    Function(
        "avg", "The mean, always as DOUBLE; for exact money divide a DECIMAL sum and CAST.",
        # Each type has its own: DuckDB adds BIGINT and DECIMAL exactly before it divides.
        tuple(overload(name, gives="double") for name in ("bigint", "decimal", "double")),
        kind="aggregate", family="aggregate", null=_SKIPS, aliases=("mean",), spelling={"duckdb": "avg({distinct}{0}){over}"}, rules=("V2", "V5"),
        examples=(rows("avg(a)", 1, 2, None, gives=1.5), rows("avg(a)", Decimal("0.10"), Decimal("0.20"), gives=0.15),
                  rows("avg(a)", gives=None, types="double"), rows("avg(a)", None, gives=None, types="bigint"),
                  rows("avg(DISTINCT a)", 1, 1, 4, gives=2.5), rows("avg(a)", _BIGGEST, _BIGGEST, gives=9223372036854775807.0)),
    ),
    Function(
        "min", "The smallest value; text by its bytes, false before true.", (overload("T", gives="T"),), kind="aggregate",
        family="aggregate", compares=True, null=_SKIPS, spelling={"*": "min({distinct}{0}){over}"}, rules=("V4", "V6"),
        examples=(rows("min(a)", 3, None, 1, gives=1), rows("min(a)", "b", "B", gives="B"), rows("min(a)", gives=None, types="date"),
                  rows("min(a)", date(2024, 2, 29), date(1969, 12, 31), gives=date(1969, 12, 31)), rows("min(a)", True, False, gives=False),
                  rows("min(a)", None, gives=None, types="decimal(5,2)")),
    ),
    Function(
        "max", "The largest value; text by its bytes, true after false.", (overload("T", gives="T"),), kind="aggregate",
        family="aggregate", compares=True, null=_SKIPS, spelling={"*": "max({distinct}{0}){over}"}, rules=("V4", "V6"),
        examples=(rows("max(a)", 3, None, 1, gives=3), rows("max(a)", "z", "é", gives="é"), rows("max(a)", gives=None, types="string"),
                  rows("max(a)", Decimal("0.10"), Decimal("-1.00"), gives=Decimal("0.10")), rows("max(a)", None, gives=None, types="boolean")),
    ),
    _flags(
        "bool_and", "Whether all values are true.",
        rows("bool_and(a)", True, None, gives=True), rows("bool_and(a)", True, False, gives=False), rows("bool_and(a)", gives=None, types="boolean"),
        rows("bool_and(a)", None, gives=None, types="boolean"), aliases=("every",),
    ),
    _flags(
        "bool_or", "Whether a value at least is true.",
        rows("bool_or(a)", False, None, gives=False), rows("bool_or(a)", True, False, gives=True), rows("bool_or(a)", gives=None, types="boolean"),
        rows("bool_or(a)", None, gives=None, types="boolean"),
    ),
    _bits(
        "bit_and_agg", "bit_and", "The bits that are set in all numbers.",
        rows("bit_and_agg(a)", 6, None, 3, gives=2), rows("bit_and_agg(a)", -1, 5, gives=5), rows("bit_and_agg(a)", gives=None, types="bigint"),
    ),
    _bits(
        "bit_or_agg", "bit_or", "The bits that are set in a number at least.",
        rows("bit_or_agg(a)", 6, None, 3, gives=7), rows("bit_or_agg(a)", -2, 1, gives=-1), rows("bit_or_agg(a)", gives=None, types="bigint"),
    ),
    _bits(
        "bit_xor_agg", "bit_xor", "The bits that are set in an odd number of the numbers.",
        rows("bit_xor_agg(a)", 6, None, 3, gives=5), rows("bit_xor_agg(a)", 7, 7, gives=0), rows("bit_xor_agg(a)", gives=None, types="bigint"),
    ),
    Function(
        "approx_count_distinct", "About how many different values, within five in a hundred as a rule; NULLs are skipped. `count(DISTINCT x)` is exact.",
        (overload("T", gives="bigint"),), kind="aggregate", family="aggregate", compares=True, null="NULLs are skipped; of no row it is 0",
        spelling={"*": "approx_count_distinct({0}){over}"}, rules=("X1",),
        examples=(rows("approx_count_distinct(a)", "x", "x", None, gives=1), rows("approx_count_distinct(a)", gives=0, types="bigint"),
                  rows("approx_count_distinct(a)", None, gives=0, types="string")),
    ),
)  # fmt: skip

# An ordered list is closed by its own value, so it is the same whatever the order of the rows (V6).
_PAIR = "struct_pack(k := {0}, v := {1})"
_PAIRS = f"nullif(list_filter(list({{distinct}}{_PAIR} ORDER BY {_PAIR}){{over}}, lambda __pair: __pair.k IS NOT NULL), [])"


def _map_type(types: Sequence[Type]) -> Type:
    return map_of(types[0], types[1])


def _extreme(name: str, alias: str, doc: str, duckdb: str, *examples: Example) -> Function:
    return Function(
        name, doc, (overload("T", "K", gives="T"),), kind="aggregate", family="aggregate", compares=True,
        null="rows with a NULL key are skipped, a NULL value is one like others; of no row it is NULL", aliases=(alias,),
        spelling={"duckdb": duckdb}, rules=("V4", "V6"), examples=examples,
    )  # fmt: skip


COLLECTING = (
    Function(
        "array_agg", "The values as a list, in their own order or that of ORDER BY (ties by the value itself).",
        (overload("T", gives=lambda types: list_of(types[0])),), kind="aggregate", family="aggregate", compares=True, null=_SKIPS,
        order="own", aliases=("list", "collect_list"), rules=("V4", "V6"),
        # A FILTER of its own would meet the user's: NULLs are taken out afterwards.
        spelling={"duckdb": "nullif(list_filter(list({distinct}{0}{order}){over}, lambda __item: __item IS NOT NULL), [])"},
        examples=(
            rows("array_agg(a)", 2, None, 1, gives=[1, 2]), rows("array_agg(a ORDER BY a DESC)", 2, None, 3, 1, gives=[3, 2, 1]),
            rows("array_agg(DISTINCT a)", "b", "a", "b", gives=["a", "b"]), rows("array_agg(a ORDER BY b)", ("x", 2), ("z", 1), ("y", 1), gives=["y", "z", "x"]),
            rows("array_agg(a)", gives=None, types="bigint"), rows("array_agg(a)", None, gives=None, types="bigint"),
            rows("array_agg(a) FILTER (WHERE a > 1)", 1, 3, 2, gives=[2, 3]),
            rows("array_agg(a) OVER (PARTITION BY b)", (2, "x"), (1, "x"), (3, "y"), gives=[[1, 2], [1, 2], [3]]),
        ),
    ),
    Function(
        "string_agg", "The texts in one with a literal separator between them, in their own order or that of ORDER BY (ties by the text itself).",
        (overload("string", "literal string", gives="string"),), kind="aggregate", family="aggregate", null=_SKIPS, order="own",
        aliases=("listagg", "group_concat"), spelling={"duckdb": "string_agg({distinct}{0}, {1}{order}){over}"}, rules=("V4", "V6"),
        examples=(rows("string_agg(a, ',')", "b", None, "a", gives="a,b"), rows("string_agg(a, '-' ORDER BY a DESC)", "b", "c", "a", gives="c-b-a"),
                  rows("string_agg(DISTINCT a, ',')", "b", "a", "b", gives="a,b"), rows("string_agg(a, '')", "", "x", gives="x"),
                  rows("string_agg(a, ',')", gives=None, types="string"), rows("string_agg(a, ',')", None, gives=None, types="string")),
    ),
    Function(
        "mode", "The most frequent value, the smallest of those that are equally frequent.", (overload("T", gives="T"),), kind="aggregate",
        family="aggregate", compares=True, null=_SKIPS, spelling={"duckdb": "mode({distinct}{0} ORDER BY {0}){over}"}, rules=("V4", "V6"),
        examples=(rows("mode(a)", 2, 1, 2, None, None, None, gives=2), rows("mode(a)", "b", "a", gives="a"), rows("mode(a)", gives=None, types="bigint"),
                  rows("mode(a)", None, gives=None, types="string"), rows("mode(a)", 3, 3, 1, 1, 2, gives=1)),
    ),
    _extreme(
        "arg_max", "max_by", "The value of the row with the largest key (the second argument); of rows with that key the largest value, NULL only "
        "when there is no other. So `arg_max(x, ts)` is the last x in time.",
        "(max({distinct}CASE WHEN {1} IS NOT NULL THEN struct_pack(k := {1}, has := {0} IS NOT NULL, v := {0}) END){over}).v",
        rows("arg_max(a, b)", ("x", 1), ("y", 3), ("z", 2), gives="y"), rows("arg_max(a, b)", ("x", 1), (None, 3), gives=None),
        rows("arg_max(a, b)", ("x", 1), ("y", None), gives="x"), rows("arg_max(a, b)", ("x", 3), ("y", 3), (None, 3), gives="y"),
        rows("arg_max(a, b)", gives=None, types="string; bigint"), rows("arg_max(a, b)", ("x", None), gives=None, types="string; bigint"),
        rows("arg_max(a, b) OVER (ORDER BY b)", ("x", 1), ("y", 2), gives=["x", "y"]),
    ),
    _extreme(
        "arg_min", "min_by", "The value of the row with the smallest key (the second argument); of rows with that key the smallest value, NULL only "
        "when there is no other. So `arg_min(x, ts)` is the first x in time.",
        "(min({distinct}CASE WHEN {1} IS NOT NULL THEN struct_pack(k := {1}, hasnot := {0} IS NULL, v := {0}) END){over}).v",
        rows("arg_min(a, b)", ("x", 2), ("y", 1), ("z", 3), gives="y"), rows("arg_min(a, b)", (None, 1), ("y", 3), gives=None),
        rows("arg_min(a, b)", ("x", None), ("y", 5), gives="y"), rows("arg_min(a, b)", (None, 1), ("y", 1), ("x", 1), gives="x"),
        rows("arg_min(a, b)", gives=None, types="string; date"), rows("arg_min(a, b)", ("x", None), gives=None, types="string; date"),
    ),
    Function(
        "histogram", "A map from each value to how many rows have it, in the order of the values.",
        (overload("T", gives=lambda types: map_of(types[0], BIGINT)),), kind="aggregate", family="aggregate", compares=True, null=_SKIPS, rules=("V4", "V6"),
        spelling={"duckdb": "map(map_keys(histogram({distinct}{0}){over}), list_transform(map_values(histogram({distinct}{0}){over}), "
                  "lambda __n: CAST(__n AS BIGINT)))"},
        examples=(rows("histogram(a)", "b", "a", "b", None, gives={"a": 1, "b": 2}), rows("histogram(a)", gives=None, types="bigint"),
                  rows("histogram(a)", None, gives=None, types="bigint"), rows("histogram(a)", 7, gives={7: 1})),
    ),
    Function(
        "map_agg", "A map from keys (the first argument) to values, in the order of the keys.", (overload("K", "V", gives=_map_type),),
        kind="aggregate", family="aggregate", null="rows with a NULL key are skipped; without any other row it is NULL", fails="a key stands twice",
        spelling={"duckdb": f"map_from_entries({_PAIRS})"}, rules=("V4", "V6"),
        examples=(rows("map_agg(a, b)", ("b", 1), ("a", None), gives={"a": None, "b": 1}), rows("map_agg(a, b)", ("a", 1), ("a", 2), gives=Fails("the key a twice")),
                  rows("map_agg(a, b)", (None, 1), ("a", 2), gives={"a": 2}), rows("map_agg(a, b)", gives=None, types="string; bigint"),
                  rows("map_agg(a, b)", (None, 1), gives=None, types="string; bigint")),
    ),
)  # fmt: skip

FUNCTIONS = (*BASIC, *COLLECTING)
