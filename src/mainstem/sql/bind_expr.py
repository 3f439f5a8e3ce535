"""Binds literals, CASE, CAST, IN and subqueries: the syntax that has a type rule of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from math import inf

from mainstem.errors import listing, nearest
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT,
    BOOL,
    DATE,
    DOUBLE,
    INTERVAL,
    MAX_PRECISION,
    NULL,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Type,
    in_expressions,
    struct_of,
)
from mainstem.sql import overloads
from mainstem.sql.bind_call import CallBinder
from mainstem.sql.bind_name import Context
from mainstem.sql.casts import cast_problem

MAX_BIGINT = 2**63 - 1


class ExpressionBinder(CallBinder):
    """The half of the binder that knows expressions; `Binder` adds queries and relations."""

    def bind_literal(self, node: t.Literal, context: Context) -> t.Expr:
        type_ = _literal_type(node)
        if type_ is None or node.value in (inf, -inf):
            return self.failed(
                node,
                "NumberTooLarge",
                f"{node.value!s} has more than {MAX_PRECISION} digits",
                "write it as DOUBLE: 1e39",
            )
        kind = "decimal" if type_.kind == "decimal" else node.kind
        value = (
            Decimal(node.value) if kind == "decimal" and isinstance(node.value, int) else node.value
        )
        return dataclasses.replace(node, value=value, kind=kind, type=type_)

    def bind_interval(self, node: t.Interval, context: Context) -> t.Expr:
        return dataclasses.replace(node, type=INTERVAL)

    def bind_param(self, node: t.Param, context: Context) -> t.Expr:
        if node.name not in self.params:
            close = nearest(node.name, self.params)
            return self.failed(
                node,
                "ParamNotFound",
                f"no parameter :{node.name}",
                f"write :{close}" if close else f'declare p.param("{node.name}", "date")',
            )
        return dataclasses.replace(node, type=in_expressions(self.params[node.name]))

    def bind_star(self, node: t.Star, context: Context) -> t.Expr:
        return self.failed(
            node,
            "SqlSyntax",
            f"* cannot stand in {context.clause} or inside an expression",
            "name the columns, or write count(*)",
        )

    def bind_row(self, node: t.Row, context: Context) -> t.Expr:
        return self.failed(
            node,
            "SqlSyntax",
            "a row of values stands only before IN and in VALUES",
            "compare the columns one by one",
        )

    def bind_lambda(self, node: t.Lambda, context: Context) -> t.Expr:
        return self.failed(
            node, "SqlSyntax", "a lambda stands only as an argument of a list function"
        )

    def bind_column(self, node: t.Column, context: Context) -> t.Expr:
        return node

    def bind_case(self, node: t.Case, context: Context) -> t.Expr:
        whens = []
        for condition, value in node.whens:
            if node.operand is not None:
                condition = t.Call("=", (node.operand, condition), at=condition.at)  # noqa: PLW2901 - spelled out
            inner = context.inside(clause="WHEN")
            whens.append((self.condition(condition, inner), self.expr(value, context)))
        default = self.expr(node.default, context) if node.default is not None else None
        values = [v for _, v in whens] + ([default] if default is not None else [])
        type_ = self.unified(values, node, "the results of CASE")
        bound = tuple((c, self.converted(v, type_)) for c, v in whens)
        last = self.converted(default, type_) if default is not None else None
        return t.Case(bound, last, at=node.at, type=type_)

    def bind_cast(self, node: t.Cast, context: Context) -> t.Expr:
        inner = self.expr(node.expr, context)
        own, to = t.type_of(inner), node.to
        if own == UNKNOWN:
            return self.unknown(node)
        if (
            isinstance(inner, t.Literal)
            and inner.kind == "string"
            and to in (DATE, TIMESTAMP)
            and not node.is_try
        ):
            return self.time_constant(inner, to)
        problem = cast_problem(own, to)
        if problem:
            return self.failed(
                node, "CastNotPossible", f"CAST from {own} to {to} is not possible", problem
            )
        if to == STRING and own.has_float:
            self.report(
                "DoubleAsText",
                "a DOUBLE is spelled differently by each engine (V3)",
                node,
                "CAST it to DECIMAL first, or use format_decimal",
                severity="warning",
            )
        if own == to:
            return inner
        if isinstance(inner, t.Literal) and not node.is_try and own.is_numeric and to.is_numeric:
            made = self.converted(inner, to)
            if isinstance(made, t.Literal):
                return made
        is_exact = overloads.cost(own, to) is not None
        return t.Cast(inner, to, node.is_try, is_exact, at=node.at, type=in_expressions(to))

    def bind_inlist(self, node: t.InList, context: Context) -> t.Expr:
        if isinstance(node.expr, t.Row):
            return self.row_in_list(node, node.expr, context)
        values = [self.expr(e, context) for e in (node.expr, *node.items)]
        type_ = self.unified(values, node, "the two sides of IN")
        bound = [self.converted(v, type_) for v in values]
        self.check_equality([type_], node, "IN")
        return t.InList(bound[0], tuple(bound[1:]), node.negated, at=node.at, type=BOOL)

    def row_in_list(self, node: t.InList, row: t.Row, context: Context) -> t.Expr:
        """Bind ``(a, b) IN ((1, 2), …)`` as ORs of ANDs, which have its three-valued meaning."""
        arms: list[t.Expr] = []
        for item in node.items:
            if not isinstance(item, t.Row) or len(item.items) != len(row.items):
                return self.failed(
                    item, "TypeMismatch", f"a row of {len(row.items)} values should stand here"
                )
            pairs = [t.Call("=", p, at=node.at) for p in zip(row.items, item.items, strict=True)]
            arms.append(_chained("and", pairs, node.at))
        found = _chained("or", arms, node.at)
        return self.expr(t.Call("not", (found,), at=node.at) if node.negated else found, context)

    def bind_inquery(self, node: t.InQuery, context: Context) -> t.Expr:
        query, columns = self.subquery(node.query, context)
        exprs = [self.expr(e, context) for e in node.exprs]
        if len(columns) != len(exprs):
            return self.failed(
                node, "ColumnCount", f"IN compares {len(exprs)} with {len(columns)} columns"
            )
        types: list[Type] = []
        for expr, (_, type_) in zip(exprs, columns, strict=True):
            types.append(
                self.unified([expr, t.Column("", "", type=type_)], node, "the two sides of IN")
            )
        bound = tuple(self.converted(e, x) for e, x in zip(exprs, types, strict=True))
        self.check_equality(types, node, "IN")
        return t.InQuery(
            bound, projected(query, columns, types), node.negated, at=node.at, type=BOOL
        )

    def bind_exists(self, node: t.Exists, context: Context) -> t.Expr:
        query, _ = self.subquery(node.query, context)
        return t.Exists(query, node.negated, at=node.at, type=BOOL)

    def bind_scalar(self, node: t.Scalar, context: Context) -> t.Expr:
        query, columns = self.subquery(node.query, context)
        if len(columns) != 1:
            return self.failed(
                node,
                "ColumnCount",
                f"a subquery used as a value has one column, not {len(columns)}",
            )
        return t.Scalar(query, at=node.at, type=columns[0][1])

    def bind_struct(self, node: t.Struct, context: Context) -> t.Expr:
        values = tuple(self.expr(v, context) for v in node.values)
        lowered = [n.lower() for n in node.names]
        if len(set(lowered)) < len(lowered):
            return self.failed(
                node, "DuplicateName", f"a field stands twice in {{{listing(node.names)}}}"
            )
        if any(t.type_of(v) in (NULL, INTERVAL) for v in values):
            return self.failed(
                node, "TypeMismatch", "a struct's field needs a type", "write CAST(NULL AS …)"
            )
        type_ = struct_of(dict(zip(node.names, (t.type_of(v) for v in values), strict=True)))
        return t.Struct(node.names, values, at=node.at, type=type_)


def _literal_type(node: t.Literal) -> Type | None:
    value = node.value
    if node.kind == "integer" and isinstance(value, int):
        if -MAX_BIGINT - 1 <= value <= MAX_BIGINT:
            return BIGINT
        digits = len(str(abs(value)))
        return Type("decimal", digits, 0) if digits <= MAX_PRECISION else None
    if node.kind == "decimal" and isinstance(value, Decimal):
        parts = value.as_tuple()
        scale = -int(parts.exponent)
        precision = max(len(parts.digits), scale, 1)
        return Type("decimal", precision, scale) if precision <= MAX_PRECISION else None
    kinds = {
        "null": NULL,
        "boolean": BOOL,
        "double": DOUBLE,
        "string": STRING,
        "date": DATE,
        "timestamp": TIMESTAMP,
    }
    return kinds[node.kind]


def _chained(name: str, parts: Sequence[t.Expr], at: int) -> t.Expr:
    result = parts[0]
    for part in parts[1:]:
        result = t.Call(name, (result, part), at=at)
    return result


def projected(
    query: t.Query,
    columns: Sequence[tuple[str, Type]],
    types: Sequence[Type],
    names: Sequence[str] = (),
) -> t.Query:
    """Give a query with its columns converted and renamed; itself if nothing changes."""
    wanted = tuple(names) or tuple(n for n, _ in columns)
    if all(c[1] == x for c, x in zip(columns, types, strict=True)) and not names:
        return query
    items = []
    for i, ((name, own), type_) in enumerate(zip(columns, types, strict=True)):
        column: t.Expr = t.Column(
            "_part", f"c{i}" if names or _repeats(columns) else name, type=own
        )
        if own != type_:
            column = t.Cast(column, type_, is_exact=True, type=type_)
        items.append(t.Item(column, wanted[i]))
    is_renamed = bool(names) or _repeats(columns)
    inner_names = tuple(f"c{i}" if is_renamed else name for i, (name, _) in enumerate(columns))
    inner = t.Subquery(query, alias="_part", columns=inner_names)
    return t.Query(t.Select(tuple(items), inner), at=query.at)


def _repeats(columns: Sequence[tuple[str, Type]]) -> bool:
    return len({n.lower() for n, _ in columns}) < len(columns)
