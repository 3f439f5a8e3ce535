"""``CREATE EXPECTATION`` of ``.sql`` files.

::

    CREATE EXPECTATION [name] ON relation rule [ON FAIL word] [WITH (max_bad = value)];

A rule is ``CHECK (condition)``, or one of the functions of `mainstem.definition.rule` with the same
arguments as in Python, such as ``UNIQUE (id)`` or ``BETWEEN (amount, 0, 1000)``. ``NOT NULL (id)`` and
``FOREIGN KEY (a) REFERENCES t (b)`` are written as SQL has them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mainstem.definition.expectation import ExpectationDeclaration
from mainstem.definition.place import Span
from mainstem.definition.rule import RULES, Rule, foreign_key
from mainstem.errors import listing, nearest
from mainstem.sql.cursor import Cursor
from mainstem.sql.tokens import Token

WORDS = ("max_bad",)


class RuleReader(Cursor):
    """Reads an expectation; a file's reader brings how values and WITH are read."""

    def value(self) -> Any:
        """Read a literal, a list or a name."""
        raise NotImplementedError

    def words(self, known: tuple[str, ...]) -> Mapping[str, Any]:
        """Read ``WITH (word = value, …)``, or nothing."""
        raise NotImplementedError

    def expectation(self, first: Token) -> ExpectationDeclaration:
        """Read what follows ``CREATE EXPECTATION``; `first` is the statement's first token."""
        name_token = self.token
        name = "" if self.peek("ON") else self.identifier("an expectation's name, or ON,")
        self.expect("ON")
        on = self.identifier("a source, view or table")
        start = self.token
        rule = self._rule()
        is_check = isinstance(rule, str)
        text_at = self.text.locate(self._condition_at) if is_check else None
        on_fail = "fail"
        if self.accept("ON"):
            self.expect("FAIL")
            on_fail = self.label().lower()
        words = self.words(WORDS)
        where = self.text.locate((start if is_check and not name else name_token).at)
        span = Span(self.text.locate(first.at).line, where.line)
        return ExpectationDeclaration(
            on, rule, where, span, name, on_fail, words.get("max_bad"), text_at
        )

    _condition_at = 0

    def _rule(self) -> str | Rule:
        at = self.token.at
        if self.accept("CHECK"):
            return self._condition()
        if self.accept("FOREIGN"):
            return self._foreign_key()
        kind = self.label().lower()
        if kind == "not":
            self.expect("NULL")
            kind = "not_null"
        if kind not in RULES:
            close = nearest(kind, ["check", *RULES])
            raise self.wrong(
                f"{kind!r} is no rule (rules: {listing(['check', *RULES])})", at=at,
                fix=f"write {(close or 'check').upper()} (…)",
            )  # fmt: skip
        args, named = self._rule_values()
        try:
            inspect.signature(RULES[kind]).bind(*args, **named)
        except TypeError as error:
            takes = str(inspect.signature(RULES[kind])).partition(" ->")[0]
            raise self.wrong(
                f"{kind}: {error}", at=at, fix=f"it takes {', '.join(_names(takes))}"
            ) from None
        return RULES[kind](*args, **named)

    def _condition(self) -> str:
        if not self.peek("("):
            self.expect("(")
        end = self.closing.get(self.at)
        if end is None:
            raise self.wrong("the parenthesis of CHECK is not closed", fix="add )")
        inside = self.tokens[self.at + 1 : end - 1]
        if not inside:
            raise self.wrong("CHECK has no condition", fix="write CHECK (amount > 0)")
        self._condition_at = inside[0].at
        self.at = end
        return self.text.text[inside[0].at : inside[-1].end]

    def _foreign_key(self) -> Rule:
        if not self.accept("KEY"):
            self.expect("KEY")
        columns, _ = self._rule_values()
        self.expect("REFERENCES")
        to = self.identifier("a source, view or table")
        key, _ = self._rule_values()
        return foreign_key([str(c) for c in columns], to, [str(k) for k in key])

    def _rule_values(self) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        named: dict[str, Any] = {}
        self.expect("(")
        while not self.peek(")"):
            if args or named:
                self.expect(",")
            if self.next.upper in ("=>", "="):
                name = self.label().lower()
                self.advance()
                named[name] = self._rule_value()
            else:
                args.append(self._rule_value())
        self.expect(")")
        return args, named

    def _rule_value(self) -> Any:
        if self.accept("NULL"):
            return None
        if not self.accept("["):
            return self.value()
        items = [] if self.peek("]") else [self._rule_value()]
        while self.accept(","):
            items.append(self._rule_value())
        self.expect("]")
        return items


def _names(signature: str) -> list[str]:
    """Give the parameters of a signature without their types."""
    inner = signature.strip("()")
    return [part.split(":")[0].strip(" *") for part in inner.split(", ") if part.strip() != "*"]
