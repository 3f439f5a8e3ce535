"""Binds expressions: finds what each name means, chooses overloads, makes conversions explicit.

An expression that has a finding gets the type UNKNOWN, which fits everywhere, so one mistake gives
one finding and the rest of the query is still checked.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mainstem.errors import DefinitionError, Findings, listing, nearest
from mainstem.functions.spec import Function, catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT, BOOL, DATE, DOUBLE, INTERVAL, MAX_PRECISION, NULL, STRING, TIMESTAMP, UNKNOWN, Type,
    in_expressions, list_of, struct_of,
)  # fmt: skip
from mainstem.sql import overloads
from mainstem.sql.casts import cast_problem, time_literal
from mainstem.sql.scope import Named, Scope
from mainstem.sql.tokens import Text

MAX_BIGINT = 2**63 - 1
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "between")


@dataclass(slots=True)
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


class ExpressionBinder(ABC):
    """The half of the binder that knows expressions; `Binder` adds queries and relations."""

    def __init__(self, text: Text, params: Mapping[str, Type], findings: Findings) -> None:
        self.text = text
        self.params = params
        self.findings = findings

    @abstractmethod
    def subquery(self, query: t.Query, context: Context) -> tuple[t.Query, tuple[tuple[str, Type], ...]]:
        """Bind a query inside an expression; it sees the scope of the context."""

    # Findings

    def report(self, code: str, what: str, node: t.Node, fix: str = "", *, severity: str = "error") -> None:
        """Keep a finding at a node's place."""
        self.findings.add(self.text.finding(code, what, node.at, fix, severity=severity))

    def unknown(self, node: t.Expr) -> t.Expr:
        """Give the stand-in for an expression that already has a finding."""
        return t.Literal(None, "null", at=node.at, type=UNKNOWN)

    def failed(self, node: t.Expr, code: str, what: str, fix: str = "") -> t.Expr:
        self.report(code, what, node, fix)
        return self.unknown(node)

    # Expressions

    def expr(self, node: t.Expr, context: Context) -> t.Expr:
        """Bind any expression."""
        method = getattr(self, "bind_" + type(node).__name__.lower())
        return method(node, context)  # type: ignore[no-any-return]

    def condition(self, node: t.Expr, context: Context) -> t.Expr:
        """Bind an expression that must be a condition."""
        bound = self.expr(node, context)
        if t.type_of(bound) not in (BOOL, NULL, UNKNOWN):
            return self.failed(node, "TypeMismatch", f"{context.clause} takes a condition, not {bound.type}",
                               "compare it with something, such as x <> 0")  # fmt: skip
        return bound

    def bind_literal(self, node: t.Literal, context: Context) -> t.Expr:
        type_ = _literal_type(node)
        if type_ is None:
            return self.failed(node, "NumberTooLarge", f"{node.value} has more than {MAX_PRECISION} digits",
                               "write it as DOUBLE: 1e39")  # fmt: skip
        kind = "decimal" if type_.kind == "decimal" else node.kind
        value = Decimal(node.value) if kind == "decimal" and isinstance(node.value, int) else node.value
        return dataclasses.replace(node, value=value, kind=kind, type=type_)

    def bind_interval(self, node: t.Interval, context: Context) -> t.Expr:
        return dataclasses.replace(node, type=INTERVAL)

    def bind_param(self, node: t.Param, context: Context) -> t.Expr:
        if node.name not in self.params:
            close = nearest(node.name, self.params)
            return self.failed(node, "ParamNotFound", f"no parameter :{node.name}",
                               f"write :{close}" if close else f'declare p.param("{node.name}", "date")')  # fmt: skip
        return dataclasses.replace(node, type=in_expressions(self.params[node.name]))

    def bind_star(self, node: t.Star, context: Context) -> t.Expr:
        return self.failed(node, "SqlSyntax", f"* cannot stand in {context.clause} or inside an expression",
                           "name the columns, or write count(*)")  # fmt: skip

    def bind_row(self, node: t.Row, context: Context) -> t.Expr:
        return self.failed(node, "SqlSyntax", "a row of values stands only before IN and in VALUES",
                           "compare the columns one by one")  # fmt: skip

    def bind_lambda(self, node: t.Lambda, context: Context) -> t.Expr:
        return self.failed(node, "SqlSyntax", "a lambda stands only as an argument of a list function")

    def bind_column(self, node: t.Column, context: Context) -> t.Expr:
        return node

    # Names

    def bind_name(self, node: t.Name, context: Context) -> t.Expr:
        head = node.parts[0]
        if head in context.locals:
            return self.fields(t.Column("", head, at=node.at, type=context.locals[head]), node.parts[1:], node)
        found = self.lookup(node, context)
        if found is not None:
            return found
        alias = context.aliases.get(head.lower())
        if alias is not None and head.lower() not in context.resolving:
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
                return self.failed(node, "ColumnAmbiguous", f"column {head!r} is in several tables ({owners})",
                                   f"write {scope.relations[0].shown}.{head}")  # fmt: skip
            if found:
                return self.fields(_deeper(found[0], depth, node.at), rest, node)
            if relation is not None:
                close = nearest(rest[0], [c for c, _ in relation.columns])
                columns = listing(c for c, _ in relation.columns)
                return self.failed(node, "ColumnNotFound", f"no column {rest[0]!r} in {head} (columns: {columns})",
                                   f"write {head}.{close}" if close else "")  # fmt: skip
        return None

    def no_column(self, node: t.Name, context: Context) -> t.Expr:
        name = node.parts[-1] if len(node.parts) == 1 else ".".join(node.parts)
        # An item that cannot be resolved is not its own nearest name: `SELECT amout` has the alias amout.
        aliases = [alias for alias in context.aliases if alias.lower() != node.parts[-1].lower()]
        known = [*context.scope.column_names(), *aliases, *context.locals]
        close = nearest(node.parts[-1], known)
        if len(node.parts) > 1 and not any(s.relation(node.parts[0]) for _, s in context.scope.chain()):
            tables = [r.shown for _, s in context.scope.chain() for r in s.relations if r.shown]
            near = nearest(node.parts[0], tables)
            return self.failed(node, "TableNotFound", f"no table {node.parts[0]!r} here (tables: {listing(tables)})",
                               f"write {near}.{node.parts[-1]}" if near else "")  # fmt: skip
        return self.failed(node, "ColumnNotFound", f"no column {name!r} (columns: {listing(dict.fromkeys(known))})",
                           f"write {close}" if close else "text goes in single quotes: '…'")  # fmt: skip

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

    # Syntax with a type rule of its own

    def bind_case(self, node: t.Case, context: Context) -> t.Expr:
        whens = []
        for condition, value in node.whens:
            if node.operand is not None:
                condition = t.Call("=", (node.operand, condition), at=condition.at)
            inner = context.inside(clause="WHEN")
            whens.append((self.condition(condition, inner), self.expr(value, context)))
        default = self.expr(node.default, context) if node.default is not None else None
        values = [v for _, v in whens] + ([default] if default is not None else [])
        type_ = self.unified(values, node, "the results of CASE")
        bound = tuple((c, self.converted(v, type_)) for c, v in whens)
        last = self.converted(default, type_) if default is not None else None
        return t.Case(bound, last, at=node.at, type=type_)

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
            self.report("TypeMismatch", f"{what} have types without a common one: {shown}", node,
                        "CAST them to one type")  # fmt: skip
            return UNKNOWN
        return type_

    def bind_cast(self, node: t.Cast, context: Context) -> t.Expr:
        inner = self.expr(node.expr, context)
        own, to = t.type_of(inner), node.to
        if own == UNKNOWN:
            return self.unknown(node)
        if isinstance(inner, t.Literal) and inner.kind == "string" and to in (DATE, TIMESTAMP) and not node.is_try:
            return self.time_constant(inner, to)
        problem = cast_problem(own, to)
        if problem:
            return self.failed(node, "CastNotPossible", f"CAST from {own} to {to} is not possible", problem)
        if to == STRING and own.has_float:
            self.report("DoubleAsText", "a DOUBLE is spelled differently by each engine (V3)", node,
                        "CAST it to DECIMAL first, or use format_decimal", severity="warning")  # fmt: skip
        if own == to:
            return inner
        if isinstance(inner, t.Literal) and not node.is_try and own.is_numeric and to.is_numeric:
            made = self.converted(inner, to)
            if isinstance(made, t.Literal):
                return made
        is_exact = overloads.cost(own, to) is not None
        return t.Cast(inner, to, node.is_try, is_exact, at=node.at, type=in_expressions(to))

    def time_constant(self, node: t.Literal, to: Type) -> t.Expr:
        value = time_literal(str(node.value), to)
        if value is None:
            shape = "YYYY-MM-DD" if to == DATE else "YYYY-MM-DD HH:MM:SS[.ffffff][Z or +HH:MM]"
            return self.failed(node, "BadLiteral", f"{node.value!r} is not a {to}", f"write it as '{shape}'")
        return t.Literal(value, to.kind, at=node.at, type=to)

    def bind_inlist(self, node: t.InList, context: Context) -> t.Expr:
        if isinstance(node.expr, t.Row):
            return self.row_in_list(node, node.expr, context)
        values = [self.expr(e, context) for e in (node.expr, *node.items)]
        type_ = self.unified(values, node, "the two sides of IN")
        bound = [self.converted(v, type_) for v in values]
        return t.InList(bound[0], tuple(bound[1:]), node.negated, at=node.at, type=BOOL)

    def row_in_list(self, node: t.InList, row: t.Row, context: Context) -> t.Expr:
        """Bind ``(a, b) IN ((1, 2), …)`` as ORs of ANDs, which have its three-valued meaning."""
        arms: list[t.Expr] = []
        for item in node.items:
            if not isinstance(item, t.Row) or len(item.items) != len(row.items):
                return self.failed(item, "TypeMismatch", f"a row of {len(row.items)} values should stand here")
            pairs = [t.Call("=", p, at=node.at) for p in zip(row.items, item.items, strict=True)]
            arms.append(_chained("and", pairs, node.at))
        found = _chained("or", arms, node.at)
        return self.expr(t.Call("not", (found,), at=node.at) if node.negated else found, context)

    def bind_inquery(self, node: t.InQuery, context: Context) -> t.Expr:
        query, columns = self.subquery(node.query, context)
        exprs = [self.expr(e, context) for e in node.exprs]
        if len(columns) != len(exprs):
            return self.failed(node, "ColumnCount", f"IN compares {len(exprs)} with {len(columns)} columns")
        types = []
        for expr, (_, type_) in zip(exprs, columns, strict=True):
            types.append(self.unified([expr, t.Column("", "", type=type_)], node, "the two sides of IN"))
        bound = tuple(self.converted(e, x) for e, x in zip(exprs, types, strict=True))
        return t.InQuery(bound, projected(query, columns, types), node.negated, at=node.at, type=BOOL)

    def bind_exists(self, node: t.Exists, context: Context) -> t.Expr:
        query, _ = self.subquery(node.query, context)
        return t.Exists(query, node.negated, at=node.at, type=BOOL)

    def bind_scalar(self, node: t.Scalar, context: Context) -> t.Expr:
        query, columns = self.subquery(node.query, context)
        if len(columns) != 1:
            return self.failed(node, "ColumnCount", f"a subquery used as a value has one column, not {len(columns)}")
        return t.Scalar(query, at=node.at, type=columns[0][1])

    def bind_struct(self, node: t.Struct, context: Context) -> t.Expr:
        values = tuple(self.expr(v, context) for v in node.values)
        lowered = [n.lower() for n in node.names]
        if len(set(lowered)) < len(lowered):
            return self.failed(node, "DuplicateName", f"a field stands twice in {{{listing(node.names)}}}")
        if any(t.type_of(v) in (NULL, INTERVAL) for v in values):
            return self.failed(node, "TypeMismatch", "a struct's field needs a type", "write CAST(NULL AS …)")
        type_ = struct_of(dict(zip(node.names, (t.type_of(v) for v in values), strict=True)))
        return t.Struct(node.names, values, at=node.at, type=type_)

    # Calls

    def bind_call(self, node: t.Call, context: Context) -> t.Expr:
        if node.name == "list_value":
            return self.list_literal(node, context)
        if node.name in ("grouping", "grouping_id"):
            return self.grouping(node, context)
        row = catalogue().get(node.name)
        if row is None:
            return self.no_function(node)
        if not self.may_stand(row, node, context):
            return self.unknown(node)
        inner = self.argument_context(row, node, context)
        args = [a if isinstance(a, t.Lambda) else self.expr(a, inner) for a in node.args]
        if any(t.type_of(a) == UNKNOWN for a in args if not isinstance(a, t.Lambda)):
            return self.unknown(node)
        chosen = overloads.match(row, args)
        if chosen is None:
            return self.no_overload(row, node, args)
        bound = self.with_arguments(row, node, args, chosen, inner)
        if bound is None:
            return self.unknown(node)
        return self.decorated(row, bound, node, context)

    def with_arguments(
        self, row: Function, node: t.Call, args: Sequence[t.Expr], chosen: overloads.Match, context: Context
    ) -> t.Call | None:
        """Convert the arguments, bind the lambdas and give the call its type."""
        lambdas = dict(chosen.lambdas)
        bound: list[t.Expr] = []
        for i, arg in enumerate(args):
            wanted = chosen.takes[i]
            if i in lambdas and isinstance(arg, t.Lambda):
                made = self.lambda_(arg, lambdas[i], chosen.variables, context)
                if made is None:
                    return None
                bound.append(made)
            else:
                bound.append(self.converted(arg, wanted) if wanted is not None else arg)
        try:
            type_ = overloads.result(row, chosen, [t.type_of(b) for b in bound])
        except DefinitionError as error:
            self.report("DecimalTooWide", f"{row.name} would give {error.finding.what.split(' ')[0]}, over 38 digits (V1)",
                        node, "CAST the arguments to smaller types first")  # fmt: skip
            return None
        for arg, problem in overloads.literal_problems(row, chosen, args):
            self.report("LiteralRefused", f"{row.name}: {problem}", arg)
        if row.name in _COMPARISONS:
            self.warn_float_aggregate(node, bound)
        return t.Call(row.name, tuple(bound), overload=chosen.index, at=node.at, type=type_)

    def lambda_(
        self, node: t.Lambda, item: overloads.Pattern, variables: dict[str, Type], context: Context
    ) -> t.Lambda | None:
        takes, gives = item.parts[:-1], item.parts[-1]
        if len(node.params) != len(takes):
            self.report("ArgumentCount", f"the lambda takes {len(takes)} parameters, not {len(node.params)}", node)
            return None
        types = {n: overloads.filled(p, variables) for n, p in zip(node.params, takes, strict=True)}
        body = self.expr(node.body, context.inside(locals={**context.locals, **types}))
        own = t.type_of(body)
        if gives.kind == "variable" and gives.name not in variables:
            variables[gives.name] = own
        wanted = overloads.filled(gives, variables)
        if overloads.cost(own, wanted) is None:
            self.report("TypeMismatch", f"the lambda gives {own}, not {wanted}", node)
            return None
        return t.Lambda(node.params, self.converted(body, wanted), at=node.at, type=wanted)

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

    def list_literal(self, node: t.Call, context: Context) -> t.Expr:
        values = [self.expr(a, context) for a in node.args]
        type_ = self.unified(values, node, "the elements of a list") if values else NULL
        args = tuple(self.converted(v, type_) for v in values)
        return t.Call("list_value", args, at=node.at, type=UNKNOWN if type_ == UNKNOWN else list_of(type_))

    def grouping(self, node: t.Call, context: Context) -> t.Expr:
        if not context.has_aggregates:
            return self.failed(node, "SqlSyntax", f"GROUPING cannot stand in {context.clause}")
        args = tuple(self.expr(a, context.inside(has_aggregates=False, has_windows=False)) for a in node.args)
        return t.Call("grouping", args, at=node.at, type=BIGINT)

    def no_function(self, node: t.Call) -> t.Expr:
        close = nearest(node.name, catalogue())
        fix = f"write {close}" if close else "see docs/functions.md for all functions"
        if node.name in ELSEWHERE:
            fix = ELSEWHERE[node.name]
        return self.failed(node, "FunctionNotFound", f"no function {node.name!r}", fix)

    def no_overload(self, row: Function, node: t.Call, args: Sequence[t.Expr]) -> t.Expr:
        shown = ", ".join("lambda" if isinstance(a, t.Lambda) else str(a.type) for a in args)
        fix = "CAST an argument; text is never converted by itself"
        if not any(overloads.spread(o, len(args)) for o in row.overloads):
            return self.failed(node, "ArgumentCount", f"{row.name} does not take {len(args)} arguments",
                               f"it is {overloads.signatures(row)}")  # fmt: skip
        if len(args) == 2 and not row.name.isidentifier():
            return self.failed(node, "TypeMismatch", f"{args[0].type} {row.name} {args[1].type} has no meaning", fix)
        return self.failed(node, "TypeMismatch", f"{row.name}({shown}) has no meaning; it is "
                           f"{overloads.signatures(row)}", fix)  # fmt: skip

    # Aggregates and windows

    def may_stand(self, row: Function, node: t.Call, context: Context) -> bool:
        """Report what may not stand here; say whether the call makes sense."""
        is_window = node.window is not None
        if row.kind == "window" and not is_window:
            self.report("WindowMissing", f"{row.name} needs OVER (…)", node, f"write {row.name}(…) OVER (ORDER BY …)")
            return False
        if is_window and row.kind == "scalar":
            self.report("WindowNotAllowed", f"{row.name} is no aggregate, so OVER means nothing", node, "remove OVER")
            return False
        if is_window and not context.has_windows:
            self.report("WindowNotAllowed", f"a window function cannot stand in {context.clause}", node,
                        "use QUALIFY, or compute it in a subquery")  # fmt: skip
            return False
        if row.kind == "aggregate" and not is_window and not context.has_aggregates:
            self.report("AggregateNotAllowed", f"an aggregate cannot stand in {context.clause}", node,
                        "use HAVING, or compute it in a subquery")  # fmt: skip
            return False
        if row.kind == "scalar" and (node.distinct or node.order or node.where is not None):
            self.report("AggregateNotAllowed", f"{row.name} is no aggregate: DISTINCT, ORDER BY and FILTER mean "
                        "nothing in it", node)  # fmt: skip
            return False
        return True

    def argument_context(self, row: Function, node: t.Call, context: Context) -> Context:
        """Aggregates hold no aggregates and windows; windows may hold aggregates."""
        if row.kind == "scalar":
            return context
        if node.window is not None:
            return context.inside(has_windows=False, clause="a window function")
        return context.inside(has_aggregates=False, has_windows=False, clause="an aggregate")

    def decorated(self, row: Function, call: t.Call, node: t.Call, context: Context) -> t.Expr:
        """Add DISTINCT, ORDER BY, FILTER and OVER."""
        if row.kind == "scalar":
            return call
        inner = self.argument_context(row, node, context)
        where = self.condition(node.where, inner.inside(clause="FILTER")) if node.where is not None else None
        order = self.orders(node.order, inner)
        if row.order == "own":
            # Rows that tie on the user's keys are then equal in what is collected (V6).
            order = (*order, t.Order(call.args[0], nulls_first=False, at=node.at))
        window = self.window(node.window, inner) if node.window is not None else None
        self.judge_words(row, call, node, order)
        return dataclasses.replace(
            call, distinct=node.distinct, order=order, where=where, window=window, ignore_nulls=node.ignore_nulls,
        )  # fmt: skip

    def judge_words(self, row: Function, call: t.Call, node: t.Call, order: Sequence[t.Order]) -> None:
        """Report DISTINCT, ORDER BY and IGNORE NULLS where the row has no place for them."""
        words = (("distinct", "DISTINCT", node.distinct), ("order", "ORDER BY", bool(node.order)),
                 ("nulls", "IGNORE NULLS", node.ignore_nulls))  # fmt: skip
        for name, shown, is_written in words:
            if is_written and (not row.allows(call.overload, name) or not call.args):
                self.report("WordNotPossible", f"{row.name} takes no {shown}", node, f"leave {shown} out")
        if node.distinct and any(key.expr != call.args[0] for key in order):
            self.report("OrderNotTotal", f"{row.name} with DISTINCT is ordered by its own values only (V6)", node,
                        f"ORDER BY the first argument of {row.name}")  # fmt: skip

    def orders(self, keys: Sequence[t.Order], context: Context) -> tuple[t.Order, ...]:
        """Bind sort keys; NULLS LAST is the rule unless the user says otherwise (V4)."""
        bound = []
        for key in keys:
            expr = self.expr(key.expr, context)
            bound.append(t.Order(expr, key.descending, bool(key.nulls_first), at=key.at))
        return tuple(bound)

    def window(self, node: t.Window, context: Context) -> t.Window:
        inner = context.inside(clause="OVER")
        base = t.Window()
        if node.base:
            found = context.windows.get(node.base.lower())
            if found is None:
                self.report("WindowNotFound", f"no window {node.base!r}", node,
                            f"add WINDOW {node.base} AS (…) (windows: {listing(context.windows)})")  # fmt: skip
            else:
                base = self.window(found, context)
        partition = tuple(self.expr(e, inner) for e in node.partition)
        order = self.orders(node.order, inner)
        frame = self.frame(node.frame, inner) if node.frame is not None else base.frame
        return t.Window(partition or base.partition, order or base.order, frame, at=node.at)

    def frame(self, node: t.Frame, context: Context) -> t.Frame:
        def bound(end: t.Bound) -> t.Bound:
            if end.offset is None:
                return end
            offset = self.expr(end.offset, context)
            if not isinstance(offset, t.Literal | t.Interval | t.Param):
                self.report("FrameNotConstant", "a frame's offset is a constant", end)
            return dataclasses.replace(end, offset=offset)

        return dataclasses.replace(node, start=bound(node.start), end=bound(node.end))

    def warn_float_aggregate(self, node: t.Call, args: Sequence[t.Expr]) -> None:
        for arg in args:
            if t.type_of(arg) == DOUBLE and any(_is_aggregate(n) and n.type == DOUBLE for n in t.walk(arg)):
                self.report("FloatCompared", "a DOUBLE aggregate is compared: its last digits depend on the order of "
                            "the rows (V5)", node, "aggregate a DECIMAL, or round the result", severity="warning")  # fmt: skip
                return


# Functions of other dialects, and what this one says instead.
ELSEWHERE = {
    "any_value": "it depends on order: use min(x), max(x) or arg_min(x, key) (V6)",
    "first": "it depends on order: use arg_min(x, key) (V6)",
    "last": "it depends on order: use arg_max(x, key) (V6)",
    "log": "use ln(x) or log10(x): engines differ in the base of log",
    "dayofweek": "use isodow(ts): 1 is Monday; engines differ in dayofweek",
    "dow": "use isodow(ts): 1 is Monday; engines differ in dow",
    "unnest": "write FROM t, UNNEST(t.list) AS u(x)",
    "explode": "write FROM t, UNNEST(t.list) AS u(x)",
    "random": "it differs from run to run (V9)",
    "uuid": "it differs from run to run (V9)",
}


def _fits(value: Decimal, to: Type) -> bool:
    """Say whether a decimal type holds a value without rounding."""
    scaled = value.scaleb(to.scale)
    return scaled == scaled.to_integral_value() and len(str(abs(int(scaled)))) <= max(to.precision, 1)


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
    kinds = {"null": NULL, "boolean": BOOL, "double": DOUBLE, "string": STRING, "date": DATE, "timestamp": TIMESTAMP}
    return kinds[node.kind]


def _deeper(expr: t.Expr, depth: int, at: int) -> t.Expr:
    """Give a candidate as seen from `depth` scopes further in."""

    def change(node: t.Node) -> t.Node:
        if isinstance(node, t.Column):
            return dataclasses.replace(node, depth=depth, at=at)
        return t.rebuilt(node, change)

    changed = change(expr)
    assert isinstance(changed, t.Expr)
    return changed


def _chained(name: str, parts: Sequence[t.Expr], at: int) -> t.Expr:
    result = parts[0]
    for part in parts[1:]:
        result = t.Call(name, (result, part), at=at)
    return result


def _is_aggregate(node: t.Node) -> bool:
    if not isinstance(node, t.Call) or node.window is not None:
        return False
    row = catalogue().get(node.name)
    return row is not None and row.kind == "aggregate"


def is_aggregate(node: t.Node) -> bool:
    """Say whether a node is an aggregate call without OVER, or GROUPING."""
    return _is_aggregate(node) or (isinstance(node, t.Call) and node.name == "grouping")


def projected(
    query: t.Query, columns: Sequence[tuple[str, Type]], types: Sequence[Type], names: Sequence[str] = ()
) -> t.Query:
    """Give a query whose columns are converted to `types` (and renamed); itself when nothing changes."""
    wanted = tuple(names) or tuple(n for n, _ in columns)
    if all(c[1] == x for c, x in zip(columns, types, strict=True)) and not names:
        return query
    items = []
    for i, ((name, own), type_) in enumerate(zip(columns, types, strict=True)):
        column: t.Expr = t.Column("_part", f"c{i}" if names or _repeats(columns) else name, type=own)
        if own != type_:
            column = t.Cast(column, type_, is_exact=True, type=type_)
        items.append(t.Item(column, wanted[i]))
    inner_names = tuple(f"c{i}" for i in range(len(columns))) if names or _repeats(columns) else ()
    inner = t.Subquery(query, alias="_part", columns=inner_names)
    return t.Query(t.Select(tuple(items), inner), at=query.at)


def _repeats(columns: Sequence[tuple[str, Type]]) -> bool:
    return len({n.lower() for n, _ in columns}) < len(columns)

