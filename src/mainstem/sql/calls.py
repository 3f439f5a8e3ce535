"""Reads function calls: their arguments, lambdas, FILTER, OVER with its frame, and sort keys."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from functools import cache

from mainstem.functions.spec import catalogue
from mainstem.plan import tree as t
from mainstem.sql.cursor import Cursor


class Calls(Cursor, ABC):
    """The part of the grammar between a function's name and what follows its OVER."""

    @abstractmethod
    def expression(self) -> t.Expr:
        """Read one expression."""

    @abstractmethod
    def expressions(self) -> tuple[t.Expr, ...]:
        """Read expressions parted by commas."""

    @abstractmethod
    def joining(self) -> t.Expr:
        """Read an operand of a comparison."""

    @abstractmethod
    def adding(self) -> t.Expr:
        """Read an operand of ``||``."""

    def call(self) -> t.Expr:
        """Read a function call with all that may stand inside and behind its parentheses."""
        token = self.advance()
        name = token.text.lower()
        self.expect("(")
        special = self.special(name, token.at)
        if special is not None:
            self.expect(")")
            return self.behind(special)
        if self.peek("*") and self.next.upper == ")" and name == "count":
            self.advance()
            self.advance()
            return self.behind(t.Call(name, at=token.at))
        is_distinct = self.accept("DISTINCT")
        args: list[t.Expr] = []
        while (
            not self.peek(")")
            and not self.peek("ORDER")
            and self.token.upper not in ("IGNORE", "RESPECT")
        ):
            if args:
                self.expect(",")
            args.append(self.argument(name))
        order = self.order_by()
        ignore_nulls = self.null_treatment()
        self.expect(")")
        return self.behind(
            t.Call(name, tuple(args), is_distinct, order, ignore_nulls=ignore_nulls, at=token.at)
        )

    def special(self, name: str, at: int) -> t.Call | None:
        """Read the arguments of the few functions that have words instead of commas."""
        if name == "extract":
            unit = self.string("a unit") if self.token.kind == "string" else self.label()
            if not self.accept("FROM"):
                self.expect(",")
            return t.Call(
                name, (t.Literal(unit.lower(), "string", at=at), self.expression()), at=at
            )
        if name == "trim":
            sides = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
            side = sides.get(self.token.upper)
            if side:
                self.advance()
            chars = None if self.peek("FROM") else self.expression()
            args: tuple[t.Expr, ...]
            if self.accept("FROM"):
                args = (self.expression(),) if chars is None else (self.expression(), chars)
                return t.Call(side or "trim", args, at=at)
            if chars is None:
                raise self.wrong(f"a text should stand before {self.shown()}")
            args = (chars, self.expression()) if self.accept(",") else (chars,)
            return t.Call(side or "trim", args, at=at)
        if name == "position":
            first = self.joining()
            if self.accept("IN"):
                return t.Call(name, (first, self.expression()), at=at)
            self.expect(",")
            return t.Call(name, (first, self.expression()), at=at)
        if name in ("substring", "substr"):
            args = (self.expression(),)
            while self.accept(",") or self.accept("FROM") or self.accept("FOR"):
                args = (*args, self.expression())
            return t.Call(name, args, at=at)
        return None

    def argument(self, name: str) -> t.Expr:
        """Read one argument; a lambda where the function takes one."""
        if self.peek("LAMBDA") and self.next.kind == "word":
            return self.keyword_lambda()
        if takes_lambda(name):
            at = self.at
            params = self.lambda_params()
            if params is not None:
                return t.Lambda(params, self.expression(), at=self.tokens[at].at)
            self.at = at
        return self.expression()

    def keyword_lambda(self) -> t.Lambda:
        at = self.advance().at
        params = [self.identifier("a parameter name")]
        while self.accept(","):
            params.append(self.identifier("a parameter name"))
        self.expect(":")
        return t.Lambda(tuple(params), self.expression(), at=at)

    def lambda_params(self) -> tuple[str, ...] | None:
        """Read ``x ->`` or ``(x, y) ->``; None when this is no lambda."""
        if self.token.kind in ("word", "quoted") and self.next.upper == "->":
            name = self.advance().text
            self.advance()
            return (name,)
        if not self.accept("("):
            return None
        names = []
        while self.token.kind in ("word", "quoted"):
            names.append(self.advance().text)
            if not self.accept(","):
                break
        return tuple(names) if names and self.accept(")") and self.accept("->") else None

    def null_treatment(self) -> bool:
        if self.token.upper in ("IGNORE", "RESPECT") and self.next.upper == "NULLS":
            word = self.advance().upper
            self.advance()
            return word == "IGNORE"
        return False

    def behind(self, call: t.Call) -> t.Call:
        """Read WITHIN GROUP, FILTER, IGNORE NULLS and OVER."""
        if self.accept("WITHIN"):
            self.expect("GROUP")
            self.expect("(")
            order = self.order_by()
            self.expect(")")
            call = self.within(call, order)
        if self.peek("FILTER") and self.next.upper == "(":
            self.advance()
            self.advance()
            self.accept("WHERE")
            call = dataclasses.replace(call, where=self.expression())
            self.expect(")")
        if self.null_treatment():
            call = dataclasses.replace(call, ignore_nulls=True)
        if self.accept("OVER"):
            call = dataclasses.replace(call, window=self.over())
        return call

    def within(self, call: t.Call, order: tuple[t.Order, ...]) -> t.Call:
        names = {"percentile_cont": "quantile_cont", "percentile_disc": "quantile_disc"}
        if call.name not in names or len(order) != 1 or len(call.args) != 1 or order[0].descending:
            raise self.wrong(
                "WITHIN GROUP belongs to percentile_cont and percentile_disc, ascending",
                at=call.at,
                fix="write quantile_cont(x, 0.5), or string_agg(x, ',' ORDER BY x)",
            )
        return t.Call(names[call.name], (order[0].expr, call.args[0]), at=call.at)

    def over(self) -> t.Window:
        if self.peek("("):
            return self.window_body()
        at = self.token.at
        return t.Window(base=self.identifier("a window name"), at=at)

    def window_body(self) -> t.Window:
        at = self.expect("(").at
        base = ""
        if self.token.kind in ("word", "quoted") and self.token.upper not in (
            "PARTITION",
            "ORDER",
            "ROWS",
            "RANGE",
            "GROUPS",
        ):
            base = self.identifier("a window name")
        partition: tuple[t.Expr, ...] = ()
        if self.accept("PARTITION"):
            self.expect("BY")
            partition = self.expressions()
        order = self.order_by()
        frame = self.frame()
        self.expect(")")
        return t.Window(partition, order, frame, base, at=at)

    def order_by(self) -> tuple[t.Order, ...]:
        if not self.peek("ORDER"):
            return ()
        self.advance()
        self.expect("BY")
        if self.peek("ALL"):
            raise self.wrong("ORDER BY ALL is not in the dialect", fix="name the columns")
        keys = [self.order_key()]
        while self.accept(","):
            keys.append(self.order_key())
        return tuple(keys)

    def order_key(self) -> t.Order:
        at = self.token.at
        expr = self.expression()
        descending = self.accept("DESC")
        if not descending:
            self.accept("ASC")
        nulls_first = None
        if self.accept("NULLS"):
            nulls_first = self.accept("FIRST")
            if not nulls_first:
                self.expect("LAST")
        return t.Order(expr, descending, nulls_first, at=at)

    def frame(self) -> t.Frame | None:
        if self.token.upper not in ("ROWS", "RANGE", "GROUPS"):
            return None
        token = self.advance()
        if self.accept("BETWEEN"):
            start = self.bound()
            self.expect("AND")
            end = self.bound()
        else:
            start, end = self.bound(), t.Bound("current", at=token.at)
        if self.peek("EXCLUDE"):
            raise self.wrong("EXCLUDE of a window frame is not in the dialect")
        return t.Frame(token.upper.lower(), start, end, at=token.at)

    def bound(self) -> t.Bound:
        at = self.token.at
        if self.accept("CURRENT"):
            self.expect("ROW")
            return t.Bound("current", at=at)
        kind, offset = "unbounded", None
        if not self.accept("UNBOUNDED"):
            kind, offset = "offset", self.adding()
        is_following = self.accept("FOLLOWING")
        if not is_following:
            self.expect("PRECEDING")
        return t.Bound(kind, offset, is_following, at=at)


@cache
def takes_lambda(name: str) -> bool:
    """Say whether a function takes a lambda; only there ``x -> …`` is one."""
    row = catalogue().get(name)
    return row is not None and any(p.startswith("lambda") for o in row.overloads for p in o.takes)
