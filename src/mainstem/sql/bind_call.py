"""Binds calls: chooses the overload, converts the arguments, judges aggregates and windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

from mainstem.errors import DefinitionError, listing, nearest
from mainstem.functions.spec import Function, catalogue
from mainstem.plan import tree as t
from mainstem.plan.types import (
    BIGINT,
    DATE,
    DOUBLE,
    NULL,
    TIMESTAMP,
    UNKNOWN,
    Type,
    list_of,
)
from mainstem.sql import overloads
from mainstem.sql.bind_name import Context, NameBinder


class CallBinder(NameBinder):
    """Functions, operators, aggregates and windows: all are rows of the catalogue."""

    def bind_call(self, node: t.Call, context: Context) -> t.Expr:
        if node.name == "list_value":
            return self.list_literal(node, context)
        if node.name in ("grouping", "grouping_id"):
            return self.grouping(node, context)
        row = self.functions.get(node.name) or catalogue().get(node.name)
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
        self,
        row: Function,
        node: t.Call,
        args: Sequence[t.Expr],
        chosen: overloads.Match,
        context: Context,
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
            self.report(
                "DecimalTooWide",
                f"{row.name} would give {error.finding.what.split(' ')[0]}, over 38 digits (V1)",
                node,
                "CAST the arguments to smaller types first",
            )
            return None
        for arg, problem in overloads.literal_problems(row, chosen, args):
            self.report("LiteralRefused", f"{row.name}: {problem}", arg)
        if row.compares or node.distinct:
            self.check_equality([t.type_of(b) for b in bound], node, row.name)
        if row.compares and row.family == "operators":
            self.warn_float_aggregate(node, bound)
        return t.Call(row.name, tuple(bound), overload=chosen.index, at=node.at, type=type_)

    def lambda_(
        self, node: t.Lambda, item: overloads.Pattern, variables: dict[str, Type], context: Context
    ) -> t.Lambda | None:
        takes, gives = item.parts[:-1], item.parts[-1]
        if len(node.params) != len(takes):
            self.report(
                "ArgumentCount",
                f"the lambda takes {len(takes)} parameters, not {len(node.params)}",
                node,
            )
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

    def list_literal(self, node: t.Call, context: Context) -> t.Expr:
        values = [self.expr(a, context) for a in node.args]
        type_ = self.unified(values, node, "the elements of a list") if values else NULL
        args = tuple(self.converted(v, type_) for v in values)
        return t.Call(
            "list_value", args, at=node.at, type=UNKNOWN if type_ == UNKNOWN else list_of(type_)
        )

    def grouping(self, node: t.Call, context: Context) -> t.Expr:
        if not context.has_aggregates:
            return self.failed(node, "SqlSyntax", f"GROUPING cannot stand in {context.clause}")
        args = tuple(
            self.expr(a, context.inside(has_aggregates=False, has_windows=False)) for a in node.args
        )
        return t.Call("grouping", args, at=node.at, type=BIGINT)

    def no_function(self, node: t.Call) -> t.Expr:
        close = nearest(node.name, [*self.functions, *catalogue()])
        fix = f"write {close}" if close else _NO_FUNCTION
        if node.name in ELSEWHERE:
            fix = ELSEWHERE[node.name]
        return self.failed(node, "FunctionNotFound", f"no function {node.name!r}", fix)

    def no_overload(self, row: Function, node: t.Call, args: Sequence[t.Expr]) -> t.Expr:
        shown = ", ".join("lambda" if isinstance(a, t.Lambda) else str(a.type) for a in args)
        fix = "CAST an argument; text is never converted by itself"
        if not any(overloads.spread(o, len(args)) for o in row.overloads):
            return self.failed(
                node,
                "ArgumentCount",
                f"{row.name} does not take {len(args)} arguments",
                f"it is {overloads.signatures(row)}",
            )
        if len(args) == 2 and not row.name.isidentifier():
            return self.failed(
                node,
                "TypeMismatch",
                f"{args[0].type} {row.name} {args[1].type} has no meaning",
                fix,
            )
        return self.failed(
            node,
            "TypeMismatch",
            f"{row.name}({shown}) has no meaning; it is {overloads.signatures(row)}",
            fix,
        )

    def may_stand(self, row: Function, node: t.Call, context: Context) -> bool:
        """Report what may not stand here; say whether the call makes sense."""
        is_window = node.window is not None
        if row.kind == "window" and not is_window:
            self.report(
                "WindowMissing",
                f"{row.name} needs OVER (…)",
                node,
                f"write {row.name}(…) OVER (ORDER BY …)",
            )
            return False
        if is_window and row.kind == "scalar":
            self.report(
                "WindowNotAllowed",
                f"{row.name} is no aggregate, so OVER means nothing",
                node,
                "remove OVER",
            )
            return False
        if is_window and not context.has_windows:
            self.report(
                "WindowNotAllowed",
                f"a window function cannot stand in {context.clause}",
                node,
                "use QUALIFY, or compute it in a subquery",
            )
            return False
        if row.kind == "aggregate" and not is_window and not context.has_aggregates:
            self.report(
                "AggregateNotAllowed",
                f"an aggregate cannot stand in {context.clause}",
                node,
                "use HAVING, or compute it in a subquery",
            )
            return False
        if row.kind == "window" and node.where is not None:
            what = f"FILTER belongs to aggregates, and {row.name} is none"
            self.report("AggregateNotAllowed", what, node, "filter the rows in a subquery")
            return False
        if row.kind == "scalar" and (node.distinct or node.order or node.where is not None):
            self.report(
                "AggregateNotAllowed",
                f"{row.name} is no aggregate: DISTINCT, ORDER BY and FILTER mean nothing in it",
                node,
            )
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
        where = (
            self.condition(node.where, inner.inside(clause="FILTER"))
            if node.where is not None
            else None
        )
        order = self.orders(node.order, inner)
        if row.order == "own" and all(key.expr != call.args[0] for key in order):
            # Rows that tie on the user's keys are then equal in what is collected (V6).
            order = (*order, t.Order(call.args[0], nulls_first=False, at=node.at))
        window = self.window(node.window, inner) if node.window is not None else None
        self.judge_words(row, call, node, order)
        return dataclasses.replace(
            call,
            distinct=node.distinct,
            order=order,
            where=where,
            window=window,
            ignore_nulls=node.ignore_nulls,
        )

    def judge_words(
        self, row: Function, call: t.Call, node: t.Call, order: Sequence[t.Order]
    ) -> None:
        """Report DISTINCT, ORDER BY and IGNORE NULLS where the row has no place for them."""
        words = (
            ("distinct", "DISTINCT", node.distinct),
            ("order", "ORDER BY", bool(node.order)),
            ("nulls", "IGNORE NULLS", node.ignore_nulls),
        )
        for name, shown, is_written in words:
            if is_written and (not row.allows(call.overload, name) or not call.args):
                self.report(
                    "WordNotPossible", f"{row.name} takes no {shown}", node, f"leave {shown} out"
                )
        if node.distinct and any(key.expr != call.args[0] for key in order):
            self.report(
                "OrderNotTotal",
                f"{row.name} with DISTINCT is ordered by its own values only (V6)",
                node,
                f"ORDER BY the first argument of {row.name}",
            )

    def window(self, node: t.Window, context: Context) -> t.Window:
        inner = context.inside(clause="OVER")
        base = t.Window()
        if node.base:
            # A window sees the others but itself, so `WINDOW w AS (w)` ends.
            found = context.windows.get(node.base.lower())
            others = {n: w for n, w in context.windows.items() if n != node.base.lower()}
            context = context.inside(windows=others)
            if found is None:
                self.report(
                    "WindowNotFound",
                    f"no window {node.base!r}",
                    node,
                    f"add WINDOW {node.base} AS (…) (windows: {listing(context.windows)})",
                )
            else:
                base = self.window(found, context)
        partition = tuple(self.expr(e, inner) for e in node.partition)
        order = self.orders(node.order, inner)
        keys = order or base.order
        frame = base.frame
        if node.frame is not None:
            frame = self.frame(node.frame, keys, inner, node)
        self.check_equality([t.type_of(e) for e in partition], node, "PARTITION BY")
        return t.Window(partition or base.partition, keys, frame, at=node.at)

    def frame(
        self, node: t.Frame, order: Sequence[t.Order], context: Context, of: t.Node
    ) -> t.Frame:
        """Bind a frame; what an engine would only find when it runs is reported here."""
        if not order and node.unit != "rows":
            self.frame_wrong(f"a {node.unit.upper()} frame needs ORDER BY", of, "add ORDER BY")
        first, last = _reach(node.start), _reach(node.end)
        if first > last or first == _LAST or last == -_LAST:
            self.frame_wrong("the frame ends before it starts", node, "turn its two ends around")

        def bound(end: t.Bound) -> t.Bound:
            if end.offset is None:
                return end
            offset = self.expr(end.offset, context)
            self.check_offset(offset, node.unit, order, end)
            return dataclasses.replace(end, offset=offset)

        return dataclasses.replace(node, start=bound(node.start), end=bound(node.end))

    def frame_wrong(self, what: str, node: t.Node, fix: str) -> None:
        self.report("FrameNotPossible", what, node, fix)

    def check_offset(
        self, offset: t.Expr, unit: str, order: Sequence[t.Order], node: t.Bound
    ) -> None:
        """ROWS and GROUPS count; RANGE measures along the one key of ORDER BY."""
        if UNKNOWN in (t.type_of(offset), *(t.type_of(k.expr) for k in order)):
            return
        if not isinstance(offset, t.Literal | t.Interval):
            self.report("FrameNotConstant", "a frame's offset is a constant", node)
        elif isinstance(offset, t.Literal) and isinstance(offset.value, int | Decimal | float):
            if offset.value < 0:
                self.frame_wrong(
                    "a frame's offset is not negative", node, "use the other direction"
                )
            elif unit != "range" and t.type_of(offset) != BIGINT:
                self.frame_wrong(f"{unit.upper()} counts whole numbers", node, "write 1")
        elif isinstance(offset, t.Literal) or unit != "range":
            what = (
                f"{unit.upper()} takes a {'number or an interval' if unit == 'range' else 'number'}"
            )
            self.frame_wrong(what, node, "use RANGE for a span of time")
        if unit != "range":
            return
        if len(order) != 1:
            self.frame_wrong("a RANGE frame with an offset needs one ORDER BY key", node, "")
            return
        key = t.type_of(order[0].expr)
        is_span = isinstance(offset, t.Interval)
        if is_span != (key in (DATE, TIMESTAMP)) or not (is_span or key.is_numeric):
            self.frame_wrong(f"this offset cannot be added to a {key}", node,
                             "write an INTERVAL over time, a number over numbers")  # fmt: skip

    def warn_float_aggregate(self, node: t.Call, args: Sequence[t.Expr]) -> None:
        for arg in args:
            if t.type_of(arg) == DOUBLE and any(
                _is_aggregate(n) and isinstance(n, t.Call) and n.type == DOUBLE for n in t.walk(arg)
            ):
                self.report(
                    "FloatCompared",
                    "a DOUBLE aggregate is compared: its last digits depend on the order of "
                    "the rows (V5)",
                    node,
                    "aggregate a DECIMAL, or round the result",
                    severity="warning",
                )
                return


_LAST = 2


def _reach(bound: t.Bound) -> int:
    """Give where an end of a frame lies, from -2, the first row, over 0, the current, to 2."""
    if bound.kind == "current":
        return 0
    size = _LAST if bound.kind == "unbounded" else 1
    return size if bound.following else -size


_NO_FUNCTION = (
    "see docs/functions.md for all functions; @p.function adds your own to the queries of a Python "
    "pipeline"
)

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


def _is_aggregate(node: t.Node) -> bool:
    if not isinstance(node, t.Call) or node.window is not None:
        return False
    row = catalogue().get(node.name)
    return row is not None and row.kind == "aggregate"


def is_aggregate(node: t.Node) -> bool:
    """Say whether a node is an aggregate call without OVER, or GROUPING."""
    return _is_aggregate(node) or (isinstance(node, t.Call) and node.name == "grouping")
