"""A slow, plain evaluator of bound trees: the contract in Python, to hold engines against.

It is written from the contract and the catalogue's documentation, never from an engine, and it goes for
plainness: one row at a time, one value at a time. Values are Python's int, Decimal, float, str, bool,
date, datetime (aware, UTC), bytes, list and None. A row that fails (V10) raises `RowFails`.

The meanings of functions stand in the `reference_…` modules beside this one; queries in
`reference_query`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from decimal import localcontext
from typing import Any, TypeAlias

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.record import record
from mainstem.testing.reference_conditional import MEANINGS as _CONDITIONAL
from mainstem.testing.reference_list import MEANINGS as _LIST
from mainstem.testing.reference_number import MEANINGS as _NUMBER
from mainstem.testing.reference_text import MEANINGS as _TEXT
from mainstem.testing.reference_time import MEANINGS as _TIME
from mainstem.testing.reference_values import WIDE, Meaning, RowFails, cast_value, equal, fitted

__all__ = ["MEANINGS", "Row", "RowFails", "evaluate", "knows"]

MEANINGS: dict[str, Meaning] = {**_CONDITIONAL, **_LIST, **_NUMBER, **_TEXT, **_TIME}

# What the evaluator does itself, because an operand may stay unreached (V10).
_LAZY = frozenset(["and", "or", "coalesce", "if", "nvl2", "choose", "list_value"])


@record
class Row:
    """What an expression sees: the columns of a row by (relation, name), lambda parameters, the outer row.

    `subquery` answers a query inside the expression, and `computed` holds calls whose value is already
    known: aggregates and windows, by identity.
    """

    columns: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    locals: Mapping[str, Any] = field(default_factory=dict)
    outer: Row | None = None
    computed: Mapping[t.Call, Any] = field(default_factory=dict)
    subquery: Callable[[t.Query, Row], list[tuple[Any, ...]]] | None = None
    # Let an operand beside a NULL of a strict call go unjudged, as an engine that folds constants does.
    is_lenient: bool = False

    def column(self, node: t.Column) -> Any:
        """Give the value of a column, `depth` rows further out."""
        row = self
        for _ in range(node.depth):
            if row.outer is None:
                raise KeyError(f"no outer row for {node.relation}.{node.name}")
            row = row.outer
        if not node.relation and node.name in row.locals:
            return row.locals[node.name]
        return row.columns[node.relation, node.name]


def knows(name: str) -> bool:
    """Say whether the reference has a meaning for a catalogue row."""
    return name in MEANINGS or name in _LAZY


def evaluate(node: t.Expr, row: Row) -> Any:
    """Give the value of a bound expression on a row.

    Parameters
    ----------
    node : Expr
        Bound: typed, every conversion explicit.
    row : Row
        The columns that it may name.

    Returns
    -------
    object
        A Python value, or None for NULL.

    Raises
    ------
    RowFails
        When the row fails by the contract (V10).
    NotImplementedError
        When the reference does not know a function; see `knows`.
    """
    return _NODES[type(node)](node, row)


_Evaluator: TypeAlias = Callable[[Any, Row], Any]


def _case(node: t.Case, row: Row) -> Any:
    for condition, value in node.whens:
        if evaluate(condition, row) is True:
            return evaluate(value, row)
    return None if node.default is None else evaluate(node.default, row)


def _cast(node: t.Cast, row: Row) -> Any:
    value = evaluate(node.expr, row)
    try:
        return cast_value(value, t.type_of(node.expr), node.to)
    except RowFails:
        if node.is_try:
            return None
        raise


def _in_list(node: t.InList, row: Row) -> bool | None:
    value = evaluate(node.expr, row)
    if value is None and row.is_lenient:
        return None
    return _member(value, [evaluate(item, row) for item in node.items], negated=node.negated)


def _member(value: Any, items: list[Any], *, negated: bool) -> bool | None:
    """Three-valued membership (V4): NULL among the items leaves a miss undecided."""
    found = [equal(value, item) for item in items]
    result = True if True in found else None if None in found else False
    return None if result is None else result != negated


def _in_query(node: t.InQuery, row: Row) -> bool | None:
    values = [evaluate(e, row) for e in node.exprs]
    results = []
    for found in _answer(node.query, row):
        pairs = [equal(a, b) for a, b in zip(values, found, strict=True)]
        results.append(False if False in pairs else None if None in pairs else True)
    result = True if True in results else None if None in results else False
    return None if result is None else result != node.negated


def _exists(node: t.Exists, row: Row) -> bool:
    return bool(_answer(node.query, row)) != node.negated


def _scalar(node: t.Scalar, row: Row) -> Any:
    found = _answer(node.query, row)
    if len(found) > 1:
        raise RowFails("a subquery used as a value gave more than one row")
    return found[0][0] if found else None


def _answer(query: t.Query, row: Row) -> list[tuple[Any, ...]]:
    if row.subquery is None:
        raise NotImplementedError("a subquery without tables")
    return row.subquery(query, row)


def _lambda(node: t.Lambda, row: Row) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        # A lambda of one parameter does not take the place that comes second.
        own = dict(zip(node.params, values, strict=False))
        inner = replace(row, locals={**row.locals, **own})
        return evaluate(node.body, inner)

    return call


def _call(node: t.Call, row: Row) -> Any:
    if node in row.computed:
        return row.computed[node]
    if node.name in _LAZY:
        return _lazy(node, row)
    name = node.name if node.name == "grouping" else catalogue()[node.name].name
    meaning = MEANINGS.get(name)
    if meaning is None:
        raise NotImplementedError(f"the reference has no meaning for {name}")
    args = _arguments(node, row)
    if args is None or (meaning.is_strict and any(a is None for a in args)):
        return None
    # Python rounds to 28 digits by itself, the sign of a DECIMAL(38, s) included.
    with localcontext(WIDE):
        return fitted(meaning.compute(*args), t.type_of(node))


def _arguments(node: t.Call, row: Row) -> list[Any] | None:
    """Give the values of the arguments; None where one failed beside a NULL and that may go unjudged."""
    values: list[Any] = []
    failure: RowFails | None = None
    for arg in node.args:
        try:
            value = evaluate(arg, row)
            # DECIMALs are brought to the scale of the result first, whatever the other operand is.
            if node.name in ("+", "-", "%") and t.type_of(node).kind == "decimal":
                value = fitted(value, t.type_of(node))
            values.append(value)
        except RowFails as error:
            failure = failure or error
            if row.is_lenient and node.name == "between":
                # One end alone may say that it is not between; otherwise the other is looked at.
                values.append(None)
    if failure is None or (row.is_lenient and len(values) == len(node.args)):
        return values
    if row.is_lenient and node.name == "is null":
        return [False]
    if row.is_lenient and (None in values or (node.name == "%" and 0 in values)):
        return None
    raise failure


def _lazy(node: t.Call, row: Row) -> Any:
    if node.name in ("and", "or"):
        return _connected(node, row, decides=node.name == "or")
    if node.name == "coalesce":
        return next((v for v in (evaluate(a, row) for a in node.args) if v is not None), None)
    if node.name == "list_value":
        return [evaluate(a, row) for a in node.args]
    if node.name == "choose":
        place = evaluate(node.args[0], row)
        is_one = place is not None and 1 <= place < len(node.args)
        return evaluate(node.args[place], row) if is_one else None
    try:
        first = evaluate(node.args[0], row)
    except RowFails:
        if node.name == "if" or not row.is_lenient:
            raise
        # Where no input is NULL an engine may know that a result is none without computing it.
        first = True
    chosen = first is True if node.name == "if" else first is not None
    return evaluate(node.args[1 if chosen else 2], row)


def _connected(node: t.Call, row: Row, *, decides: bool) -> bool | None:
    """AND and OR: a deciding operand on either side leaves the other unjudged (V10)."""
    failure: RowFails | None = None
    values: list[bool | None] = []
    for arg in node.args:
        try:
            value = evaluate(arg, row)
        except RowFails as error:
            failure = failure or error
            continue
        if value is decides:
            return bool(decides)
        values.append(value)
    if failure is not None:
        raise failure
    undecided: bool | None = None if None in values else not decides
    return undecided


_NODES: dict[type, _Evaluator] = {
    t.Literal: lambda node, row: node.value,
    t.Interval: lambda node, row: node,
    t.Column: lambda node, row: row.column(node),
    t.Case: _case,
    t.Cast: _cast,
    t.InList: _in_list,
    t.InQuery: _in_query,
    t.Exists: _exists,
    t.Scalar: _scalar,
    t.Lambda: _lambda,
    t.Call: _call,
    t.Struct: lambda node, row: dict(
        zip(node.names, (evaluate(v, row) for v in node.values), strict=True)
    ),
    t.Field: lambda node, row: None if (v := evaluate(node.expr, row)) is None else v[node.name],
}
