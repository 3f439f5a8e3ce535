"""Lists: making, reading, cutting and comparing them. Elements count from 1; out of range is NULL (contract V6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from mainstem.functions.spec import Fails, Function, Sql, ex, overload
from mainstem.plan.types import MAX_PRECISION, NULL, Type, decimal, list_of

_NO_LIST = ex(None, gives=None, types="bigint[]")
_NONE_IN = "a NULL list gives NULL; NULL elements are left out"


def _sum_type(types: Sequence[Type]) -> Type:
    return decimal(MAX_PRECISION, types[0].items[0].scale)


MAKING = (
    Function(
        "list_value", "A list of the values, also written `[a, b]`.",
        (overload(gives=lambda _: list_of(NULL)), overload("T...", gives="T[]")),
        family="collection", null="NULL is an element like others", rules=("V6",), spelling={"duckdb": "[{args}]"},
        examples=(ex(1, 2, gives=[1, 2]), ex("a", None, gives=["a", None], types="string; string"),
                  ex(gives=[]), ex([1], [2, 3], gives=[[1], [2, 3]])),
    ),
    Function(
        "range", "Whole numbers from the first, or 0, up to the last without it, by a step of 1 or as given. Where the "
        "step does not lead there the list is empty.",
        (overload("bigint", gives="bigint[]"), overload("bigint", "bigint", gives="bigint[]"),
         overload("bigint", "bigint", "bigint", gives="bigint[]")),
        family="collection", fails="the list is too long for memory", rules=("V1",),
        examples=(ex(3, gives=[0, 1, 2]), ex(1, 4, gives=[1, 2, 3]), ex(4, 1, gives=[]), ex(10, 0, -5, gives=[10, 5]),
                  ex(1, 9, 0, gives=[]), ex(1, None, gives=None, types="bigint; bigint")),
    ),
    Function(
        "generate_series", "From the first to the last, the last included, by a step: whole numbers (1 where no step is "
        "given), dates or instants.",
        (
            overload("bigint", "bigint", gives="bigint[]"),
            overload("bigint", "bigint", "bigint", gives="bigint[]"),
            overload("date", "date", "interval", gives="date[]", duckdb="CAST(generate_series({args}) AS DATE[])"),
            overload("timestamp", "timestamp", "interval", gives="timestamp[]"),
        ),
        family="collection", fails="the list is too long for memory", aliases=("sequence",), rules=("V1", "V7"),
        spelling={"duckdb": "generate_series({args})"},
        examples=(
            ex(1, 3, gives=[1, 2, 3]), ex(3, 1, gives=[]), ex(0, 10, 4, gives=[0, 4, 8]), ex(3, 1, -1, gives=[3, 2, 1]),
            ex(date(2024, 2, 28), date(2024, 3, 1), Sql("INTERVAL '1 day'"),
               gives=[date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]),
            ex(datetime(1969, 12, 31, 23, tzinfo=UTC), datetime(1970, 1, 1, 0, 30, tzinfo=UTC), Sql("INTERVAL '1 hour'"),
               gives=[datetime(1969, 12, 31, 23, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]),
            ex(None, 3, gives=None, types="bigint; bigint"),
        ),
    ),
)  # fmt: skip


READING = (
    Function(
        "array_length", "How many elements a list has, NULL ones too.", (overload("T[]", gives="bigint"),),
        family="collection", aliases=("list_length",), spelling={"duckdb": "len({0})"}, rules=("V6",),
        examples=(ex([1, None], gives=2, types="bigint[]"), ex([], gives=0, types="string[]"), _NO_LIST),
    ),
    Function(
        "list_count", "How many elements of a list are not NULL.", (overload("T[]", gives="bigint"),),
        family="collection", null=_NONE_IN, rules=("V4",),
        examples=(ex([1, None], gives=1, types="bigint[]"), ex([None], gives=0, types="string[]"),
                  ex([], gives=0, types="string[]"), _NO_LIST),
    ),
    Function(
        "list_contains", "Whether a value is an element of a list; NULL elements equal nothing.",
        (overload("T[]", "T", gives="boolean"),), family="collection", compares=True, aliases=("array_contains", "list_has"),
        spelling={"duckdb": "list_contains({0}, {1})"}, rules=("V4",),
        examples=(ex([1, 2], 2, gives=True), ex([1, None], 2, gives=False, types="bigint[]; bigint"),
                  ex([], 1, gives=False, types="bigint[]; bigint"), ex([1], None, gives=None, types="bigint[]; bigint"),
                  ex(None, 1, gives=None, types="bigint[]; bigint"), ex([[1], [2]], [2], gives=True)),
    ),
    Function(
        "list_position", "Where a value stands first in a list, from 1; NULL when it is not there.",
        (overload("T[]", "T", gives="bigint"),), family="collection", compares=True, aliases=("array_position", "list_indexof"),
        null="any NULL gives NULL, and so does a value that is not there",
        # DuckDB finds a NULL among the elements.
        spelling={"duckdb": "CASE WHEN {1} IS NOT NULL THEN CAST(list_position({0}, {1}) AS BIGINT) END"}, rules=("V6",),
        examples=(ex(["a", "b", "b"], "b", gives=2), ex(["a"], "z", gives=None),
                  ex([1, None], None, gives=None, types="bigint[]; bigint"), ex([], 1, gives=None, types="bigint[]; bigint")),
    ),
    Function(
        "list_min", "The smallest element.", (overload("T[]", gives="T"),), family="collection", compares=True,
        null=_NONE_IN + "; without any it is NULL", aliases=("array_min",), spelling={"duckdb": "list_min({0})"},
        rules=("V4",),
        examples=(ex([3, None, 1], gives=1, types="bigint[]"), ex(["b", "B"], gives="B"), ex([], gives=None, types="bigint[]"),
                  ex([None], gives=None, types="bigint[]"), _NO_LIST),
    ),
    Function(
        "list_max", "The largest element.", (overload("T[]", gives="T"),), family="collection", compares=True,
        null=_NONE_IN + "; without any it is NULL", aliases=("array_max",), spelling={"duckdb": "list_max({0})"},
        rules=("V4",),
        examples=(ex([3, None, 1], gives=3, types="bigint[]"), ex(["z", "é"], gives="é"), ex([], gives=None, types="bigint[]"),
                  _NO_LIST),
    ),
    Function(
        "list_sum", "The sum of the elements; DECIMAL gives DECIMAL(38, s).",
        (overload("bigint[]", gives="bigint", duckdb="CAST(list_sum({0}) AS BIGINT)"),
         overload("double[]", gives="double", duckdb="list_sum({0})"),
         overload("decimal[]", gives=_sum_type, duckdb="list_sum({0})")),
        family="collection", null=_NONE_IN + "; without any it is NULL", fails="the sum does not fit its type",
        rules=("V1", "V5"),
        examples=(ex([3, None, 1], gives=4, types="bigint[]"), ex([], gives=None, types="bigint[]"),
                  ex([0.5, 0.25], gives=0.75), ex([Decimal("0.10"), Decimal("0.20")], gives=Decimal("0.30")), ex([9223372036854775807, 1], gives=Fails("more than BIGINT holds")),
                  ex([9223372036854775807, 1, -1], gives=9223372036854775807), _NO_LIST),
    ),
    Function(
        "list_avg", "The mean of the elements, as DOUBLE.", (overload("double[]", gives="double"),), family="collection",
        null=_NONE_IN + "; without any it is NULL", rules=("V2", "V5"),
        examples=(ex([1, None, 2], gives=1.5, types="bigint[]"), ex([], gives=None, types="double[]"), _NO_LIST,
                  ex([Decimal("0.1"), Decimal("0.2")], gives=0.15)),
    ),
    Function(
        "array_join", "The texts of a list in one, with a literal separator between them; NULL elements are left out, or written as the "
        "third argument. A list without any text gives the empty text.",
        (
            overload("string[]", "literal string", gives="string",
                     duckdb="CASE WHEN {0} IS NOT NULL THEN coalesce(array_to_string({0}, {1}), '') END"),
            overload("string[]", "literal string", "string", gives="string",
                     duckdb="CASE WHEN {0} IS NOT NULL AND {2} IS NOT NULL THEN coalesce(array_to_string("
                     "list_transform({0}, lambda __element: coalesce(__element, {2})), {1}), '') END"),
        ),
        family="collection", null="a NULL list or third argument gives NULL", aliases=("list_to_string", "array_to_string"), rules=("V4",),
        examples=(ex(["a", None, "b"], "-", gives="a-b"), ex(["a", None], "-", "NA", gives="a-NA"), ex([], ",", gives="", types="string[]; string"),
                  ex([None], ",", gives="", types="string[]; string"), ex(["a", "b"], "", gives="ab"),
                  ex(["a", None], "-", None, gives=None, types="string[]; string; string"),
                  ex(None, ",", gives=None, types="string[]; string")),
    ),
)  # fmt: skip

CHANGING = (
    Function(
        "list_append", "The list with one more element at its end.", (overload("T[]", "T", gives="T[]"),), family="collection",
        null="a NULL list gives NULL; a NULL element is appended", aliases=("array_append",),
        # DuckDB takes a NULL list for an empty one.
        spelling={"duckdb": "({0} || [{1}])"}, rules=("V4",),
        examples=(ex([1], 2, gives=[1, 2]), ex([], "a", gives=["a"], types="string[]; string"),
                  ex([1], None, gives=[1, None], types="bigint[]; bigint"), ex(None, 1, gives=None, types="bigint[]; bigint")),
    ),
    Function(
        "list_prepend", "The list with one more element before its first.", (overload("T", "T[]", gives="T[]"),), family="collection",
        null="a NULL list gives NULL; a NULL element is put there", aliases=("array_prepend",),
        spelling={"duckdb": "([{0}] || {1})"}, rules=("V4",),
        examples=(ex(1, [2], gives=[1, 2]), ex("a", [], gives=["a"], types="string; string[]"),
                  ex(None, [1], gives=[None, 1], types="bigint; bigint[]"), ex(1, None, gives=None, types="bigint; bigint[]")),
    ),
    Function(
        "list_concat", "The elements of all lists in one; NULL lists are skipped, as CONCAT skips NULL texts.",
        (overload("T[]", "T[]...", gives="T[]"),), family="collection", null="NULL lists are skipped; all NULL gives an empty list",
        aliases=("list_cat", "array_cat"), spelling={"duckdb": "list_concat({args})"}, rules=("V4",),
        examples=(ex([1], [2, 3], gives=[1, 2, 3]), ex([1], None, [2], gives=[1, 2], types="bigint[]; bigint[]; bigint[]"),
                  ex(None, None, gives=[], types="bigint[]; bigint[]"), ex([], [None], gives=[None], types="bigint[]; bigint[]")),
    ),
    Function(
        "list_reverse", "The elements from the last to the first.", (overload("T[]", gives="T[]"),), family="collection",
        aliases=("array_reverse",), spelling={"duckdb": "list_reverse({0})"}, rules=("V6",),
        examples=(ex([1, None, 2], gives=[2, None, 1], types="bigint[]"), ex([], gives=[], types="bigint[]"), _NO_LIST),
    ),
    Function(
        "list_slice", "The elements from one place to another, both included; below zero counts from the end, what lies outside "
        "is cut, 0 as the first place means 1.",
        (overload("T[]", "bigint", "bigint", gives="T[]"),), family="collection", aliases=("array_slice",),
        spelling={"duckdb": "list_slice({0}, {1}, {2})"}, rules=("V6",),
        examples=(ex([1, 2, 3, 4], 2, 3, gives=[2, 3]), ex([1, 2, 3, 4], -2, -1, gives=[3, 4]), ex([1, 2, 3, 4], 3, 99, gives=[3, 4]),
                  ex([1, 2], 2, 1, gives=[]), ex([1, 2, 3], 0, 2, gives=[1, 2]), ex([1, 2, 3], -9, 2, gives=[1, 2]), ex([1], 5, 6, gives=[]),
                  ex([1], None, 2, gives=None, types="bigint[]; bigint; bigint"), ex(None, 1, 2, gives=None, types="bigint[]; bigint; bigint")),
    ),
    Function(
        "list_sort", "The elements in ascending order, or with 'desc' in descending order; NULLs last either way.",
        (overload("T[]", gives="T[]", duckdb="list_sort({0}, 'ASC', 'NULLS LAST')"),
         overload("T[]", "'asc'", gives="T[]", duckdb="list_sort({0}, 'ASC', 'NULLS LAST')"),
         overload("T[]", "'desc'", gives="T[]", duckdb="list_sort({0}, 'DESC', 'NULLS LAST')")),
        family="collection", compares=True, null="a NULL list gives NULL; NULL elements come last", aliases=("array_sort",), rules=("V4", "V6"),
        examples=(ex([2, None, 1], gives=[1, 2, None], types="bigint[]"), ex([2, None, 1], "desc", gives=[2, 1, None], types="bigint[]; string"),
                  ex(["b", "B", "é", "a"], gives=["B", "a", "b", "é"]), ex([], gives=[], types="bigint[]"), _NO_LIST),
    ),
    Function(
        "list_distinct", "The different elements in ascending order, without NULL.", (overload("T[]", gives="T[]"),), family="collection", compares=True,
        null=_NONE_IN, aliases=("array_distinct",), spelling={"duckdb": "list_sort(list_distinct({0}), 'ASC', 'NULLS LAST')"}, rules=("V6",),
        examples=(ex([2, 1, None, 2], gives=[1, 2], types="bigint[]"), ex([None], gives=[], types="string[]"), ex(["a", "A"], gives=["A", "a"]),
                  _NO_LIST),
    ),
    Function(
        "flatten", "The elements of the lists in a list, in one; NULL lists in it are left out.", (overload("T[][]", gives="T[]"),),
        family="collection", null="a NULL list gives NULL; NULL lists inside are left out", rules=("V4",),
        examples=(ex([[1], [2, 3], []], gives=[1, 2, 3]), ex([[1, None], None], gives=[1, None], types="bigint[][]"),
                  ex([], gives=[], types="bigint[][]"), ex(None, gives=None, types="bigint[][]")),
    ),
)  # fmt: skip

SETS = (
    Function(
        "list_has_any", "Whether two lists have an element in common; NULL elements equal nothing.", (overload("T[]", "T[]", gives="boolean"),),
        family="collection", compares=True, aliases=("arrays_overlap",), spelling={"duckdb": "list_has_any({0}, {1})"}, rules=("V4",),
        examples=(ex([1, 2], [2, 3], gives=True), ex([1, None], [None, 3], gives=False, types="bigint[]; bigint[]"),
                  ex([], [1], gives=False, types="bigint[]; bigint[]"), ex([1], None, gives=None, types="bigint[]; bigint[]")),
    ),
    Function(
        "list_has_all", "Whether the first list has all elements of the second, NULL ones left out.",
        (overload("T[]", "T[]", gives="boolean"),), family="collection", compares=True, rules=("V4",),
        examples=(ex([1, 2, 3], [3, 1], gives=True), ex([1], [1, 2], gives=False), ex([1], [], gives=True, types="bigint[]; bigint[]"),
                  ex([1], [None], gives=True, types="bigint[]; bigint[]"), ex(None, [1], gives=None, types="bigint[]; bigint[]")),
    ),
    Function(
        "list_intersect", "The different elements that both lists have, in ascending order, without NULL.",
        (overload("T[]", "T[]", gives="T[]"),), family="collection", compares=True, aliases=("array_intersect",),
        # DuckDB gives an empty list beside a NULL one.
        spelling={"duckdb": "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN list_sort(list_distinct(list_intersect({0}, {1})), "
                  "'ASC', 'NULLS LAST') END"},
        rules=("V6",),
        examples=(ex([3, 1, 2, 2], [2, 3, 2], gives=[2, 3]), ex([1, None], [None], gives=[], types="bigint[]; bigint[]"),
                  ex([1], [], gives=[], types="bigint[]; bigint[]"), ex([1], None, gives=None, types="bigint[]; bigint[]")),
    ),
    Function(
        "list_union", "The different elements of both lists, in ascending order, without NULL.",
        (overload("T[]", "T[]", gives="T[]"),), family="collection", compares=True, aliases=("array_union",),
        spelling={"duckdb": "list_sort(list_distinct(({0} || {1})), 'ASC', 'NULLS LAST')"}, rules=("V6",),
        examples=(ex([3, 1], [2, 3], gives=[1, 2, 3]), ex([None], [], gives=[], types="bigint[]; bigint[]"),
                  ex([1], None, gives=None, types="bigint[]; bigint[]")),
    ),
    Function(
        "list_except", "The different elements of the first list that the second has not, in ascending order, without NULL.",
        (overload("T[]", "T[]", gives="T[]"),), family="collection", compares=True, aliases=("array_except",),
        spelling={"duckdb": "CASE WHEN {1} IS NOT NULL THEN list_sort(list_distinct(list_filter({0}, lambda __element: "
                  "NOT list_contains({1}, __element))), 'ASC', 'NULLS LAST') END"},
        rules=("V6",),
        examples=(ex([3, 1, 1, 2], [2], gives=[1, 3]), ex([1, None], [None], gives=[1], types="bigint[]; bigint[]"),
                  ex([], [1], gives=[], types="bigint[]; bigint[]"), ex([1], None, gives=None, types="bigint[]; bigint[]")),
    ),
)  # fmt: skip

FUNCTIONS = (*MAKING, *READING, *CHANGING, *SETS)
