"""Functions of lists that take a lambda. A place, where a lambda takes one, counts from 1."""

from __future__ import annotations

from mainstem.functions.spec import Fails, Function, Sql, ex, overload

_OWN = "a NULL list gives NULL; the lambda sees NULL elements"
_FAILS = "the lambda fails for an element"

FUNCTIONS = (
    Function(
        "list_transform", "The results of a lambda for each element, or for each element and its place.",
        (overload("T[]", "lambda(T) -> U", gives="U[]"), overload("T[]", "lambda(T, bigint) -> U", gives="U[]")),
        family="collection", null=_OWN, fails=_FAILS, aliases=("array_transform", "transform"),
        spelling={"duckdb": "list_transform({0}, {1})"}, rules=("V4", "V10"),
        examples=(
            ex([1, None, 3], Sql("x -> x + 1"), gives=[2, None, 4], types="bigint[]"),
            ex(["a", "b"], Sql("(x, i) -> i"), gives=[1, 2]),
            ex([], Sql("x -> x + 1"), gives=[], types="bigint[]"),
            ex([9223372036854775807], Sql("x -> x + 1"), gives=Fails("more than BIGINT holds")),
            ex(None, Sql("x -> x + 1"), gives=None, types="bigint[]"),
        ),
    ),
    Function(
        "list_filter", "The elements for which a lambda, of the element or of it and its place, is true.",
        (overload("T[]", "lambda(T) -> boolean", gives="T[]"), overload("T[]", "lambda(T, bigint) -> boolean", gives="T[]")),
        family="collection", null=_OWN, fails=_FAILS, aliases=("array_filter",),
        spelling={"duckdb": "list_filter({0}, {1})"}, rules=("V4", "V10"),
        examples=(
            ex([1, None, 3], Sql("x -> x > 1"), gives=[3], types="bigint[]"),
            ex(["a", "b", "c"], Sql("(x, i) -> i > 1"), gives=["b", "c"]),
            ex([1, None], Sql("x -> x IS NULL"), gives=[None], types="bigint[]"),
            ex([], Sql("x -> true"), gives=[], types="bigint[]"),
            ex(None, Sql("x -> true"), gives=None, types="bigint[]"),
        ),
    ),
    Function(
        "list_any", "Whether a lambda is true for an element at least; of no element it is false.",
        (overload("T[]", "lambda(T) -> boolean", gives="boolean"),), family="collection", null=_OWN, fails=_FAILS,
        aliases=("any_match",), spelling={"duckdb": "(len(list_filter({0}, {1})) > 0)"}, rules=("V4", "V10"),
        examples=(
            ex([1, 2], Sql("x -> x > 1"), gives=True), ex([1, None], Sql("x -> x > 1"), gives=False, types="bigint[]"),
            ex([], Sql("x -> true"), gives=False, types="bigint[]"), ex(None, Sql("x -> true"), gives=None, types="bigint[]"),
        ),
    ),
    Function(
        "list_all", "Whether a lambda is true for all elements; of no element it is true.",
        (overload("T[]", "lambda(T) -> boolean", gives="boolean"),), family="collection", null=_OWN, fails=_FAILS,
        aliases=("all_match",), spelling={"duckdb": "(len(list_filter({0}, {1})) = len({0}))"}, rules=("V4", "V10"),
        examples=(
            ex([2, 3], Sql("x -> x > 1"), gives=True), ex([2, None], Sql("x -> x > 1"), gives=False, types="bigint[]"),
            ex([], Sql("x -> false"), gives=True, types="bigint[]"), ex(None, Sql("x -> true"), gives=None, types="bigint[]"),
        ),
    ),
    Function(
        "list_reduce", "What a lambda of the result so far and the next element makes of a list, from the first element or from "
        "a value given.",
        (
            # DuckDB refuses an empty list without a first value.
            overload("T[]", "lambda(T, T) -> T", gives="T", duckdb="CASE WHEN len({0}) > 0 THEN list_reduce({0}, {1}) END"),
            overload("T[]", "lambda(U, T) -> U", "U", gives="U", duckdb="list_reduce({0}, {1}, {2})"),
        ),
        family="collection", null="a NULL list gives NULL; an empty list gives the value given, or NULL", fails=_FAILS,
        aliases=("reduce",), rules=("V4", "V10"),
        examples=(
            ex([1, 2, 3], Sql("(a, x) -> a * 10 + x"), gives=123), ex([5], Sql("(a, x) -> a + x"), gives=5),
            ex([1, 2], Sql("(a, x) -> a + x"), 10, gives=13, types="bigint[]; lambda; bigint"),
            ex(["a", "b"], Sql("(a, x) -> a || x"), "", gives="ab", types="string[]; lambda; string"),
            ex([], Sql("(a, x) -> a + x"), gives=None, types="bigint[]"),
            ex([], Sql("(a, x) -> a + x"), 7, gives=7, types="bigint[]; lambda; bigint"),
            ex([1, None], Sql("(a, x) -> a + x"), gives=None, types="bigint[]"),
            ex([9223372036854775807, 1], Sql("(a, x) -> a + x"), gives=Fails("more than BIGINT holds")),
            ex(None, Sql("(a, x) -> a + x"), 1, gives=None, types="bigint[]; lambda; bigint"),
        ),
    ),
)  # fmt: skip
