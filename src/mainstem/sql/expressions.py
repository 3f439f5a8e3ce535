"""Reads expressions: precedence climbing over the operators of docs/dialect.md.

From loose to tight: OR, AND, NOT, comparisons with IS / IN / BETWEEN / LIKE, ``||`` and the JSON
arrows, + −, * / // %, unary −, then the postfixes ``::type``, ``[i]``, ``.field``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal

from mainstem.errors import DefinitionError
from mainstem.plan import tree as t
from mainstem.plan.types import Type, parse_type
from mainstem.sql.calls import Calls
from mainstem.sql.intervals import UNITS, interval_parts

_COMPARISONS = {
    "=": "=",
    "==": "=",
    "<>": "<>",
    "!=": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_JOINING = ("||", "->", "->>")
_ADDING = ("+", "-")
_MULTIPLYING = ("*", "/", "//", "%")
_BARE_CALLS = {"CURRENT_DATE": "current_date", "CURRENT_TIMESTAMP": "now", "NOW": "now"}


class Expressions(Calls, ABC):
    """The part of the grammar below a query."""

    @abstractmethod
    def query(self) -> t.Query:
        """Read a whole query, for subqueries."""

    def expressions(self) -> tuple[t.Expr, ...]:
        """Read expressions parted by commas."""
        items = [self.expression()]
        while self.accept(","):
            items.append(self.expression())
        return tuple(items)

    def expression(self) -> t.Expr:
        """Read one expression."""
        parts, places = [self.conjunction()], []
        while self.peek("OR"):
            places.append(self.advance().at)
            parts.append(self.conjunction())
        return balanced("or", parts, places)

    def conjunction(self) -> t.Expr:
        parts, places = [self.negation()], []
        while self.peek("AND"):
            places.append(self.advance().at)
            parts.append(self.negation())
        return balanced("and", parts, places)

    def negation(self) -> t.Expr:
        if self.peek("NOT") and self.next.upper != "EXISTS":
            at = self.advance().at
            self.enter()
            operand = self.negation()
            self.depth -= 1
            return t.Call("not", (operand,), at=at)
        return self.comparison()

    def comparison(self) -> t.Expr:
        left = self.joining()
        while True:
            found = self.predicate(left)
            if found is None:
                return left
            left = found

    def predicate(self, left: t.Expr) -> t.Expr | None:
        """Read what may follow an operand at the level of comparisons, or give None."""
        at, upper = self.token.at, self.token.upper
        if upper in _COMPARISONS:
            self.advance()
            if self.token.upper in ("ANY", "SOME", "ALL") and self.next.upper == "(":
                return self.quantified(left, _COMPARISONS[upper], at)
            return t.Call(_COMPARISONS[upper], (left, self.joining()), at=at)
        if upper == "IS":
            return self.is_(left)
        is_negated = upper == "NOT" and self.next.upper in ("IN", "BETWEEN", "LIKE", "ILIKE")
        if is_negated:
            self.advance()
        found = self.membership(left, is_negated=is_negated)
        if found is None or not is_negated or isinstance(found, t.InList | t.InQuery):
            return found
        return t.Call("not", (found,), at=at)

    def membership(self, left: t.Expr, *, is_negated: bool) -> t.Expr | None:
        at = self.token.at
        if self.accept("BETWEEN"):
            low = self.joining()
            self.expect("AND")
            return t.Call("between", (left, low, self.joining()), at=at)
        for word in ("LIKE", "ILIKE"):
            if self.accept(word):
                args = [left, self.joining()]
                if self.accept("ESCAPE"):
                    args.append(self.joining())
                return t.Call(word.lower(), tuple(args), at=at)
        if self.accept("IN"):
            return self.in_(left, is_negated=is_negated, at=at)
        return None

    def in_(self, left: t.Expr, *, is_negated: bool, at: int) -> t.Expr:
        self.expect("(")
        if self.token.upper in ("SELECT", "WITH", "VALUES"):
            query = self.query()
            self.expect(")")
            exprs = left.items if isinstance(left, t.Row) else (left,)
            return t.InQuery(exprs, query, is_negated, at=at)
        items = self.expressions()
        self.expect(")")
        return t.InList(left, items, is_negated, at=at)

    def quantified(self, left: t.Expr, sign: str, at: int) -> t.Expr:
        word = self.advance().upper
        self.expect("(")
        query = self.query()
        self.expect(")")
        if sign == "=" and word in ("ANY", "SOME"):
            return t.InQuery((left,), query, at=at)
        if sign == "<>" and word == "ALL":
            return t.InQuery((left,), query, negated=True, at=at)
        raise self.wrong(
            f"{sign} {word} (SELECT …) is not in the dialect",
            at=at,
            fix="compare with (SELECT min(…)) or (SELECT max(…)), or use EXISTS",
        )

    def is_(self, left: t.Expr) -> t.Expr:
        at = self.advance().at
        is_negated = self.accept("NOT")
        found: t.Expr
        if self.accept("NULL"):
            found = t.Call("is null", (left,), at=at)
        elif self.accept("TRUE"):
            found = t.Call("is true", (left,), at=at)
        elif self.accept("FALSE"):
            found = t.Call("is false", (left,), at=at)
        elif self.accept("DISTINCT"):
            self.expect("FROM")
            name = "is not distinct from" if is_negated else "is distinct from"
            return t.Call(name, (left, self.joining()), at=at)
        else:
            raise self.wrong(
                f"NULL, TRUE, FALSE or DISTINCT FROM should stand before {self.shown()}"
            )
        return t.Call("not", (found,), at=at) if is_negated else found

    def joining(self) -> t.Expr:
        left = self.adding()
        while self.token.upper in _JOINING:
            token = self.advance()
            left = t.Call(token.text, (left, self.adding()), at=token.at)
        return left

    def adding(self) -> t.Expr:
        left = self.multiplying()
        while self.token.upper in _ADDING:
            token = self.advance()
            left = t.Call(token.text, (left, self.multiplying()), at=token.at)
        return left

    def multiplying(self) -> t.Expr:
        left = self.unary()
        while self.token.upper in _MULTIPLYING:
            token = self.advance()
            left = t.Call(token.text, (left, self.unary()), at=token.at)
        return left

    def unary(self) -> t.Expr:
        at = self.token.at
        if self.accept("-"):
            # A number keeps its sign, so that the lowest BIGINT can be written at all.
            if self.token.kind == "number":
                return self.postfix(self.number(negative=True, at=at))
            self.enter()
            operand = self.unary()
            self.depth -= 1
            return t.Call("negate", (operand,), at=at)
        while self.accept("+"):
            if self.peek("-"):
                return self.unary()
        return self.postfix()

    def postfix(self, left: t.Expr | None = None) -> t.Expr:
        expr = self.primary() if left is None else left
        while True:
            at = self.token.at
            if self.accept("::"):
                expr = t.Cast(expr, self.type(), at=at)
            elif self.peek("["):
                expr = self.subscript(expr)
            elif self.peek(".") and self.next.upper == "*" and isinstance(expr, t.Name):
                self.advance()
                return self.star(".".join(expr.parts))
            elif self.peek(".") and self.next.kind in ("word", "quoted"):
                self.advance()
                name = self.label()
                if isinstance(expr, t.Name):
                    expr = t.Name((*expr.parts, name), at=expr.at)
                else:
                    expr = t.Field(expr, name, at=at)
            elif self.peek("AT") and self.next.upper == "TIME":
                raise self.wrong(
                    "AT TIME ZONE makes a second kind of timestamp (V7)",
                    fix="use at_zone(ts, 'Europe/Rome') or from_local(text, 'Europe/Rome')",
                )
            elif self.peek("COLLATE"):
                raise self.wrong("COLLATE is not in the dialect: text orders by UTF-8 bytes (V6)")
            else:
                return expr

    def subscript(self, expr: t.Expr) -> t.Expr:
        at = self.advance().at
        index = self.expression()
        if self.peek(":"):
            raise self.wrong(
                "slices are written as a function", fix="use list_slice(list, from, to)"
            )
        self.expect("]")
        return t.Call("subscript", (expr, index), at=at)

    def type(self) -> Type:
        """Read a type by its own small language, up to where it ends."""
        start = self.token
        self.label()
        if start.upper == "TIMESTAMP" and self.accept("WITH"):
            self.expect("TIME")
            self.expect("ZONE")
        elif start.upper == "DOUBLE":
            self.accept("PRECISION")
        self._type_arguments()
        last = self.tokens[self.at - 1]
        try:
            return parse_type(self.text.text[start.at : last.end])
        except DefinitionError as error:
            found = error.finding
            raise self.text.error(found.code, found.what, start.at, found.fix) from error

    def _type_arguments(self) -> None:
        opener = self.token.upper
        if opener in ("(", "<"):
            closer, depth = {"(": ")", "<": ">"}[opener], 0
            while self.token.kind != "end":
                depth += (self.token.upper == opener) - (self.token.upper == closer)
                self.advance()
                if depth == 0:
                    break
        while self.peek("[") and self.next.upper == "]":
            self.advance()
            self.advance()

    def number(self, *, negative: bool = False, at: int | None = None) -> t.Literal:
        token = self.advance()
        text = ("-" if negative else "") + token.text.replace("_", "")
        place = token.at if at is None else at
        if "e" in text.lower():
            return t.Literal(float(text), "double", at=place)
        if "." in text:
            return t.Literal(
                Decimal(text.rstrip(".") if text.endswith(".") else text), "decimal", at=place
            )
        return t.Literal(int(text), "integer", at=place)

    def primary(self) -> t.Expr:
        """Read what stands on its own: a literal, a name, a call, something in brackets."""
        self.enter()
        found = self._primary()
        self.depth -= 1
        return found

    def _primary(self) -> t.Expr:
        token, upper = self.token, self.token.upper
        if token.kind == "number":
            return self.number()
        if token.kind == "string":
            return t.Literal(self.advance().text, "string", at=token.at)
        if token.kind == "sign":
            return self.bracketed()
        keyword = self.keyword()
        if keyword is not None:
            return keyword
        if token.kind in ("word", "quoted") and self.next.upper == "(" and self.next.kind == "sign":
            return self.call()
        if upper in _BARE_CALLS and upper != "NOW":
            self.advance()
            return t.Call(_BARE_CALLS[upper], at=token.at)
        if token.kind == "word" and self.is_reserved():
            raise self.wrong(
                f"a value should stand before {self.shown()}",
                fix=f'if it is a column, quote it: "{token.text}"',
            )
        if token.kind == "end":
            raise self.wrong("a value should stand before the end")
        return t.Name((self.advance().text,), at=token.at)

    def keyword(self) -> t.Expr | None:
        """Read what starts with a word of its own, or give None."""
        token, upper = self.token, self.token.upper
        if upper in ("TRUE", "FALSE"):
            self.advance()
            return t.Literal(upper == "TRUE", "boolean", at=token.at)
        if upper == "NULL":
            self.advance()
            return t.Literal(None, "null", at=token.at)
        if upper == "CASE":
            return self.case()
        if upper in ("CAST", "TRY_CAST"):
            return self.cast()
        if upper in ("EXISTS", "NOT"):
            return self.exists()
        if upper == "INTERVAL" and self.next.kind in ("string", "number"):
            return self.interval()
        if upper in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") and self.next.kind == "string":
            self.advance()
            literal = t.Literal(self.token.text, "string", at=self.advance().at)
            return t.Cast(literal, parse_type(upper.lower()), at=token.at)
        if upper == "MAP" and self.next.text == "{":
            return self.map()
        if upper == "ARRAY" and self.next.text == "[":
            self.advance()
            return self.bracketed()
        return None

    def bracketed(self) -> t.Expr:
        at = self.token.at
        if self.accept("("):
            return self.parenthesis(at)
        if self.accept("["):
            items = () if self.peek("]") else self.expressions()
            self.expect("]")
            return t.Call("list_value", items, at=at)
        if self.accept("{"):
            names, values = self.pairs()
            texts = [n.value for n in names if isinstance(n, t.Literal) and n.kind == "string"]
            if len(texts) != len(names):
                raise self.wrong(
                    "field names of a struct are text literals",
                    at=at,
                    fix="write {'name': value}, or MAP {key: value}",
                )
            return t.Struct(tuple(str(x) for x in texts), values, at=at)
        if self.peek("*"):
            return self.star("")
        if (
            self.token.text in (":", "$")
            and self.next.kind == "word"
            and self.next.at == self.token.end
        ):
            self.advance()
            return t.Param(self.advance().text, at=at)
        if self.peek("?"):
            raise self.wrong(
                "parameters have names", fix='declare p.param("day", "date") and write :day'
            )
        raise self.wrong(f"a value should stand before {self.shown()}")

    def parenthesis(self, at: int) -> t.Expr:
        if self.token.upper in ("SELECT", "WITH", "VALUES"):
            query = self.query()
            self.expect(")")
            return t.Scalar(query, at=at)
        items = self.expressions()
        self.expect(")")
        return items[0] if len(items) == 1 else t.Row(items, at=at)

    def pairs(self) -> tuple[tuple[t.Expr, ...], tuple[t.Expr, ...]]:
        names: list[t.Expr] = []
        values: list[t.Expr] = []
        while not self.peek("}"):
            if names:
                self.expect(",")
            if self.token.kind == "word" and self.next.upper == ":":
                names.append(t.Literal(self.token.text, "string", at=self.advance().at))
            else:
                names.append(self.joining())
            self.expect(":")
            values.append(self.expression())
        self.expect("}")
        return tuple(names), tuple(values)

    def map(self) -> t.Expr:
        at = self.advance().at
        self.expect("{")
        keys, values = self.pairs()
        lists = (t.Call("list_value", keys, at=at), t.Call("list_value", values, at=at))
        return t.Call("map", lists, at=at)

    def star(self, relation: str) -> t.Star:
        at = self.advance().at
        exclude: tuple[str, ...] = ()
        replace: list[tuple[str, t.Expr]] = []
        if self.token.upper in ("EXCLUDE", "EXCEPT") and self.next.upper == "(":
            self.advance()
            self.advance()
            names = [self.identifier("a column name")]
            while self.accept(","):
                names.append(self.identifier("a column name"))
            self.expect(")")
            exclude = tuple(names)
        elif self.peek("EXCLUDE"):
            self.advance()
            exclude = (self.identifier("a column name"),)
        if self.accept("REPLACE"):
            self.expect("(")
            while not replace or self.accept(","):
                expr = self.expression()
                self.expect("AS")
                replace.append((self.identifier("a column name"), expr))
            self.expect(")")
        return t.Star(relation, exclude, tuple(replace), self.renames(), at=at)

    def renames(self) -> tuple[tuple[str, str], ...]:
        """Read ``RENAME (a AS b, …)`` behind a star."""
        if self.token.upper != "RENAME" or self.next.upper != "(":
            return ()
        self.advance()
        pairs: list[tuple[str, str]] = []
        while self.accept("," if pairs else "("):
            old = self.identifier("a column name")
            self.expect("AS")
            pairs.append((old, self.identifier("a column name")))
        self.expect(")")
        return tuple(pairs)

    def case(self) -> t.Expr:
        at = self.advance().at
        operand = None if self.peek("WHEN") else self.expression()
        whens = []
        while self.accept("WHEN"):
            condition = self.expression()
            self.expect("THEN")
            whens.append((condition, self.expression()))
        if not whens:
            raise self.wrong(f"WHEN should stand before {self.shown()}")
        default = self.expression() if self.accept("ELSE") else None
        self.expect("END")
        return t.Case(tuple(whens), default, operand, at=at)

    def cast(self) -> t.Expr:
        token = self.advance()
        self.expect("(")
        expr = self.expression()
        self.expect("AS")
        to = self.type()
        self.expect(")")
        return t.Cast(expr, to, token.upper == "TRY_CAST", at=token.at)

    def exists(self) -> t.Expr:
        at = self.token.at
        is_negated = self.accept("NOT")
        self.expect("EXISTS")
        self.expect("(")
        query = self.query()
        self.expect(")")
        return t.Exists(query, is_negated, at=at)

    def interval(self) -> t.Interval:
        at = self.advance().at
        amount = self.advance().text
        if self.token.kind == "word" and self.token.upper.lower().removesuffix("s") in UNITS:
            amount += " " + self.advance().text
        try:
            months, days, micros = interval_parts(amount)
        except ValueError as error:
            raise self.wrong(
                f"cannot read the interval {amount!r}: {error}",
                at=at,
                fix="write INTERVAL '1 day 6 hours' or INTERVAL 5 MINUTES",
            ) from error
        return t.Interval(months, days, micros, at=at)


def balanced(name: str, parts: Sequence[t.Expr], places: Sequence[int]) -> t.Expr:
    """Give a chain of ANDs or ORs as a tree of small depth, in the order of the text.

    A chain of 5000 ORs is what programs write. As a tree that leans left it is 5000 levels deep,
    and everything that walks it would end in a RecursionError.
    """
    if len(parts) == 1:
        return parts[0]
    half = (len(parts) + 1) // 2
    left = balanced(name, parts[:half], places[: half - 1])
    right = balanced(name, parts[half:], places[half:])
    return t.Call(name, (left, right), at=places[half - 1])
