"""Binds names: columns, fields, select aliases; the ground that every other binding stands on.

An expression that has a finding gets the type UNKNOWN, which fits everywhere, so one mistake gives
one finding and the rest of the query is still checked.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

from mainstem.errors import Findings, listing, nearest
from mainstem.functions.spec import Function
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BOOL,
    DATE,
    DOUBLE,
    INTERVAL,
    NULL,
    TIMESTAMP,
    UNKNOWN,
    Type,
)
from mainstem.record import mutable
from mainstem.sql import overloads
from mainstem.sql.casts import time_literal
from mainstem.sql.order import has_map
from mainstem.sql.scope import Named, Scope
from mainstem.sql.tokens import Text

# `SELECT 1 AS a, a + a AS b, b + b AS c, …` doubles with each column: aliases are spelled out.
MAX_REUSED = 20_000


@mutable
class Context:
    """Where an expression stands: what it sees and what it may contain."""

    scope: Scope
    named: Named
    clause: str
    has_aggregates: bool = False
    has_windows: bool = False
    # Select aliases that may be used by name, unbound; and those being resolved (no circles).
    aliases: dict[str, t.Expr] = field(default_factory=dict)
    resolving: frozenset[str] = frozenset()
    locals: Mapping[str, Type] = field(default_factory=dict)
    windows: Mapping[str, t.Window] = field(default_factory=dict)

    def inside(self, **changes: Any) -> Context:
        """Give the context of a part."""
        return dataclasses.replace(self, **changes)


class NameBinder(ABC):
    """Findings, names and conversions."""

    def __init__(self, text: Text, params: Mapping[str, Type], findings: Findings) -> None:
        self.text = text
        self.params = params
        self.findings = findings
        self.n_reused = 0
        # The pipeline's own functions, by name; beside the catalogue, which is closed.
        self.functions: Mapping[str, Function] = {}

    @abstractmethod
    def subquery(
        self, query: t.Query, context: Context
    ) -> tuple[t.Query, tuple[tuple[str, Type], ...]]:
        """Bind a query inside an expression; it sees the scope of the context."""

    def report(
        self, code: str, what: str, node: t.Node, fix: str = "", *, severity: str = "error"
    ) -> None:
        """Keep a finding at a node's place."""
        self.findings.add(self.text.finding(code, what, node.at, fix, severity=severity))

    def unknown(self, node: t.Expr) -> t.Expr:
        """Give the stand-in for an expression that already has a finding."""
        return t.Literal(None, "null", at=node.at, type=UNKNOWN)

    def failed(self, node: t.Expr, code: str, what: str, fix: str = "") -> t.Expr:
        self.report(code, what, node, fix)
        return self.unknown(node)

    def expr(self, node: t.Expr, context: Context) -> t.Expr:
        """Bind any expression."""
        method = getattr(self, "bind_" + type(node).__name__.lower())
        return method(node, context)  # type: ignore[no-any-return]

    def check_equality(self, types: Sequence[Type], node: t.Node, what: str) -> None:
        """Report values that cannot be compared: engines compare maps by the order of insertion."""
        for type_ in types:
            if has_map(type_):
                self.report(
                    "MapCompared",
                    f"{what} compares values, and a map has no order of its keys ({type_})",
                    node,
                    "compare map_entries(x) sorted, or single keys: x['key']",
                )
                return

    def condition(self, node: t.Expr, context: Context) -> t.Expr:
        """Bind an expression that must be a condition."""
        bound = self.expr(node, context)
        if t.type_of(bound) not in (BOOL, NULL, UNKNOWN):
            return self.failed(
                node,
                "TypeMismatch",
                f"{context.clause} takes a condition, not {bound.type}",
                "compare it with something, such as x <> 0",
            )
        return bound

    def bind_name(self, node: t.Name, context: Context) -> t.Expr:
        head = node.parts[0]
        if head in context.locals:
            return self.fields(
                t.Column("", head, at=node.at, type=context.locals[head]), node.parts[1:], node
            )
        found = self.lookup(node, context)
        if found is not None:
            return found
        alias = context.aliases.get(head.lower())
        if alias is not None and head.lower() not in context.resolving:
            self.n_reused += 1
            if self.n_reused > MAX_REUSED:
                what = "aliases that use one another twice grow without bound"
                return self.failed(node, "SqlTooDeep", what, "compute them in a WITH query")
            inner = context.inside(resolving=context.resolving | {head.lower()})
            return self.fields(self.expr(alias, inner), node.parts[1:], node)
        return self.no_column(node, context)

    def lookup(self, node: t.Name, context: Context) -> t.Expr | None:
        """Find a name as relation.column[.field…] or column[.field…], nearest scope first."""
        head, rest = node.parts[0], node.parts[1:]
        for depth, scope in context.scope.chain():
            relation = scope.relation(head) if rest else None
            if relation is not None:
                column = relation.find(rest[0])
                if column is not None:
                    base = t.Column(relation.alias, column[0], depth, at=node.at, type=column[1])
                    return self.fields(base, rest[1:], node)
            found = scope.candidates(head)
            if len(found) > 1:
                owners = listing(r.shown for r in scope.relations if r.find(head))
                return self.failed(
                    node,
                    "ColumnAmbiguous",
                    f"column {head!r} is in several tables ({owners})",
                    f"write {scope.relations[0].shown}.{head}",
                )
            if found:
                return self.fields(_deeper(found[0], depth, node.at), rest, node)
            if relation is not None:
                close = nearest(rest[0], [c for c, _ in relation.columns])
                columns = listing(c for c, _ in relation.columns)
                return self.failed(
                    node,
                    "ColumnNotFound",
                    f"no column {rest[0]!r} in {head} (columns: {columns})",
                    f"write {head}.{close}" if close else "",
                )
        return None

    def no_column(self, node: t.Name, context: Context) -> t.Expr:
        name = node.parts[-1] if len(node.parts) == 1 else ".".join(node.parts)
        # An item that cannot be resolved is not its own nearest name.
        aliases = [alias for alias in context.aliases if alias.lower() != node.parts[-1].lower()]
        known = [*context.scope.column_names(), *aliases, *context.locals]
        close = nearest(node.parts[-1], known)
        if len(node.parts) > 1 and not any(
            s.relation(node.parts[0]) for _, s in context.scope.chain()
        ):
            tables = [r.shown for _, s in context.scope.chain() for r in s.relations if r.shown]
            near = nearest(node.parts[0], tables)
            return self.failed(
                node,
                "TableNotFound",
                f"no table {node.parts[0]!r} here (tables: {listing(tables)})",
                f"write {near}.{node.parts[-1]}" if near else "",
            )
        return self.failed(
            node,
            "ColumnNotFound",
            f"no column {name!r} (columns: {listing(dict.fromkeys(known))})",
            f"write {close}" if close else "text goes in single quotes: '…'",
        )

    def fields(self, base: t.Expr, names: Sequence[str], node: t.Expr) -> t.Expr:
        """Follow ``.field`` parts into a struct."""
        for name in names:
            type_ = t.type_of(base)
            if type_ == UNKNOWN:
                return base
            index = next((i for i, n in enumerate(type_.names) if n.lower() == name.lower()), -1)
            if index < 0:
                close = nearest(name, type_.names)
                what = f"no field {name!r} in {type_}"
                return self.failed(node, "FieldNotFound", what, f"write .{close}" if close else "")
            base = t.Field(base, type_.names[index], at=node.at, type=type_.items[index])
        return base

    def bind_field(self, node: t.Field, context: Context) -> t.Expr:
        return self.fields(self.expr(node.expr, context), (node.name,), node)

    def unified(self, values: Sequence[t.Expr], node: t.Node, what: str) -> Type:
        """Give the common type of values, or report and give UNKNOWN."""
        firm = [t.type_of(v) for v in values if not isinstance(v, t.Literal)]
        anchor = overloads.common(firm) or NULL
        types = [overloads.literal_type(v, anchor) for v in values]
        if INTERVAL in types:
            self.report("TypeMismatch", f"{what} cannot be an interval", node)
            return UNKNOWN
        type_ = overloads.common(types)
        if type_ is None:
            shown = listing(dict.fromkeys(str(x) for x in types))
            self.report(
                "TypeMismatch",
                f"{what} have types without a common one: {shown}",
                node,
                "CAST them to one type",
            )
            return UNKNOWN
        return type_

    def converted(self, node: t.Expr, to: Type) -> t.Expr:
        """Give the expression as `to`; a literal becomes a literal of that type."""
        own = t.type_of(node)
        if own == to or UNKNOWN in (own, to) or to == NULL:
            return node
        if isinstance(node, t.Literal) and node.kind == "string" and to in (DATE, TIMESTAMP):
            return self.time_constant(node, to)
        if isinstance(node, t.Literal) and isinstance(node.value, int | Decimal):
            if to.kind == "double" and float(node.value) == node.value:
                return t.Literal(float(node.value), "double", at=node.at, type=DOUBLE)
            if to.kind == "decimal" and _fits(Decimal(node.value), to):
                return t.Literal(Decimal(node.value), "decimal", at=node.at, type=to)
        return t.Cast(node, to, is_exact=True, at=node.at, type=to)

    def time_constant(self, node: t.Literal, to: Type) -> t.Expr:
        value = time_literal(str(node.value), to)
        if value is None:
            shape = "YYYY-MM-DD" if to == DATE else "YYYY-MM-DD HH:MM:SS[.ffffff][Z or +HH:MM]"
            return self.failed(
                node, "BadLiteral", f"{node.value!r} is not a {to}", f"write it as '{shape}'"
            )
        return t.Literal(value, to.kind, at=node.at, type=to)

    def orders(self, keys: Sequence[t.Order], context: Context) -> tuple[t.Order, ...]:
        """Bind sort keys; NULLS LAST is the rule unless the user says otherwise (V4)."""
        bound = []
        for key in keys:
            expr = self.expr(key.expr, context)
            bound.append(t.Order(expr, key.descending, bool(key.nulls_first), at=key.at))
        return tuple(bound)


def _fits(value: Decimal, to: Type) -> bool:
    """Say whether a decimal type holds a value without rounding.

    It looks at the digits: arithmetic would round 38 digits to the 28 of the default context.
    """
    parts = value.as_tuple()
    exponent = int(parts.exponent)
    return -exponent <= to.scale and len(parts.digits) + exponent <= to.precision - to.scale


def _deeper(expr: t.Expr, depth: int, at: int) -> t.Expr:
    """Give a candidate as seen from `depth` scopes further in."""

    def change(node: t.Node) -> t.Node:
        if isinstance(node, t.Column):
            return dataclasses.replace(node, depth=depth, at=at)
        return t.rebuilt(node, change)

    changed = change(expr)
    assert isinstance(changed, t.Expr)  # noqa: S101 - for the type checker
    return changed
