"""Aggregates in parts: what an epoch's rows come down to, and how such parts become the answer.

A part holds one row a group in place of the group's rows, so state is as large as its keys. What has
no parts here (a median, a list, DISTINCT) keeps the rows themselves and is computed when its window
closes; the answer is the same.
"""

from __future__ import annotations

from collections.abc import Callable

from mainstem.engines.embedded.compile import DuckdbPrinter
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import MAX_PRECISION, Type
from mainstem.record import record


@record
class Partial:
    """One aggregate in parts.

    Parameters
    ----------
    name : str
        Column of the result.
    makes : tuple of (column, SQL)
        What a part holds, over the kept columns.
    merge : str
        SQL over those columns of several parts: the aggregate's value.
    unions : tuple of (column, SQL)
        How several parts become one part.
    """

    name: str
    makes: tuple[tuple[str, str], ...]
    merge: str
    unions: tuple[tuple[str, str], ...]


def partial_of(name: str, call: t.Call, printer: DuckdbPrinter) -> Partial | None:
    """Give an aggregate in parts, or None when it needs its rows."""
    make = _MAKERS.get(call.name)
    row = catalogue().get(call.name)
    if make is None or row is None or call.distinct or call.order:
        return None
    args = [printer.expr(arg) for arg in call.args]
    where = f" FILTER (WHERE {printer.expr(call.where)})" if call.where is not None else ""
    kinds = [t.type_of(arg) for arg in call.args]
    return make(name, args, kinds, where, t.type_of(call))


def _simple(make: str, union: str) -> Callable[..., Partial | None]:
    """Give the maker of an aggregate whose parts are merged by one function."""

    def maker(name: str, args: list[str], _kinds: list[Type], where: str, gives: Type) -> Partial:
        column = quoted(f"{name}_p")
        united = f"{union}({column})"
        made = make.format(args[0] if args else "*") + where
        return Partial(
            name, ((column, made),), f"CAST({united} AS {duckdb_type(gives)})", ((column, united),)
        )

    return maker


def _count(name: str, args: list[str], _kinds: list[Type], where: str, _gives: Type) -> Partial:
    column = quoted(f"{name}_p")
    made = f"count({args[0] if args else '*'}){where}"
    # sum() of BIGINT is HUGEINT in DuckDB.
    united = f"CAST(coalesce(sum({column}), 0) AS BIGINT)"
    return Partial(name, ((column, made),), united, ((column, united),))


def _count_if(name: str, args: list[str], kinds: list[Type], where: str, gives: Type) -> Partial:
    return _count(name, [f"CASE WHEN {args[0]} THEN true END"], kinds, where, gives)


def _sum(name: str, args: list[str], kinds: list[Type], where: str, gives: Type) -> Partial:
    column = quoted(f"{name}_p")
    made, united = f"sum({args[0]}){where}", f"sum({column})"
    final = f"CAST({united} AS {duckdb_type(gives)})"
    # The sum of BIGINT is judged on its final value (V1): a part is a HUGEINT, as DuckDB gives it.
    return Partial(
        name, ((column, made),), final, ((column, united if kinds[0].kind == "bigint" else final),)
    )


def _avg(name: str, args: list[str], kinds: list[Type], where: str, gives: Type) -> Partial:
    kind = kinds[0]
    wide = Type("decimal", MAX_PRECISION, kind.scale) if kind.kind == "decimal" else kind
    total = _sum(f"{name}_s", args, kinds, where, wide)
    count = _count(f"{name}_n", args, kinds, where, gives)
    (sum_column, _), *_ = total.unions
    top = f"CAST(sum({sum_column}) AS DOUBLE)"
    # Division by zero is NULL here, as in an average of nothing (V2).
    merge = f"({top} / nullif({count.merge}, 0))"
    return Partial(name, (*total.makes, *count.makes), merge, (*total.unions, *count.unions))


_MAKERS: dict[str, Callable[..., Partial | None]] = {
    "count": _count, "count_if": _count_if, "sum": _sum, "avg": _avg,
    "min": _simple("min({0})", "min"), "max": _simple("max({0})", "max"),
    "bool_and": _simple("bool_and({0})", "bool_and"),
    "bool_or": _simple("bool_or({0})", "bool_or"),
}  # fmt: skip
