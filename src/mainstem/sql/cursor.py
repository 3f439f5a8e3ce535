"""A cursor over tokens, shared by the readers of queries, expressions and pipeline files."""

from __future__ import annotations

from functools import cached_property

from mainstem.errors import DefinitionError
from mainstem.sql.tokens import Text, Token, tokenize

# Words that end an expression or a relation, so they cannot be a name without quotes.
RESERVED = frozenset(
    ["ALL", "AND", "ANTI", "AS", "ASC", "ASOF", "BETWEEN", "BY", "CASE",
     "CAST", "CROSS", "DESC", "DISTINCT", "ELSE", "END", "EXCEPT", "EXISTS", "FALSE",
     "FETCH", "FILTER", "FOR", "FROM", "FULL", "GROUP", "HAVING", "ILIKE", "IN",
     "INNER", "INTERSECT", "IS", "JOIN", "LATERAL", "LEFT", "LIKE", "LIMIT", "NATURAL",
     "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "PIVOT",
     "POSITIONAL", "QUALIFY", "RIGHT", "SELECT", "SEMI", "TABLESAMPLE", "THEN", "TRUE", "TRY_CAST",
     "UNION", "UNPIVOT", "USING", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH"]
)  # fmt: skip

# A tree is walked by functions that call themselves; beyond these Python's own limit would end the
# program. A user may nest MAX_NESTING levels; the reader takes some more, because the canonical
# text of a bound tree, which is read again, has conversions in it that the user did not write.
MAX_NESTING = 40
MAX_READ = 48
# Levels of a whole tree: a chain such as a + b + c + … has one for each sign.
MAX_LEVELS = 120


class Cursor:
    """Where a reader stands in its tokens."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0

    def enter(self) -> None:
        """Count one more level of nesting; the caller takes it back."""
        self.depth += 1
        if self.depth > MAX_READ:
            raise self.text.error(
                "SqlTooDeep",
                f"the query is nested deeper than {MAX_NESTING} levels",
                self.token.at,
                "take parts out into WITH queries or views",
            )

    @cached_property
    def closing(self) -> dict[int, int]:
        """Give, for each opening parenthesis, the index of the token behind its closing one."""
        found, opened = {}, []
        for index, token in enumerate(self.tokens):
            if token.upper == "(":
                opened.append(index)
            elif token.upper == ")" and opened:
                found[opened.pop()] = index + 1
        return found

    @property
    def token(self) -> Token:
        """Give the current token."""
        return self.tokens[self.at]

    @property
    def next(self) -> Token:
        """Give the token after the current one."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Give the current token and step over it."""
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def peek(self, word: str) -> bool:
        """Say whether the current token is this unquoted word or sign."""
        return self.token.upper == word

    def accept(self, word: str) -> bool:
        """Step over the current token when it is this word or sign."""
        if self.token.upper == word:
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> Token:
        """Step over this word or sign, or raise."""
        if self.token.upper != word:
            raise self.wrong(f"{word} should stand before {self.shown()}")
        return self.advance()

    def shown(self) -> str:
        """Give the current token as messages show it."""
        return "the end" if self.token.kind == "end" else repr(self.token.text)

    def wrong(self, what: str, *, fix: str = "", at: int | None = None) -> DefinitionError:
        """Build a syntax error at the current token."""
        return self.text.error("SqlSyntax", what, self.token.at if at is None else at, fix)

    def finish(self) -> None:
        """Raise unless everything was read."""
        if self.token.kind != "end":
            fix = "remove it"
            if self.token.kind == "word" and self.token.upper in RESERVED:
                fix = f'if it is a name, quote it: "{self.token.text}"'
            raise self.wrong(f"{self.shown()} should not stand here", fix=fix)

    def is_reserved(self) -> bool:
        """Say whether the current token is an unquoted reserved word."""
        return self.token.kind == "word" and self.token.upper in RESERVED

    def identifier(self, what: str) -> str:
        """Read a name that is quoted or not reserved."""
        if self.token.kind == "quoted" or (self.token.kind == "word" and not self.is_reserved()):
            return self.advance().text
        fix = f'if it is a name, quote it: "{self.token.text}"' if self.is_reserved() else ""
        raise self.wrong(f"{what} should stand before {self.shown()}", fix=fix)

    def label(self) -> str:
        """Read a name after AS or a point, where reserved words are allowed too."""
        if self.token.kind in ("quoted", "word"):
            return self.advance().text
        raise self.wrong(f"a name should stand before {self.shown()}")

    def string(self, what: str) -> str:
        """Read a text literal."""
        if self.token.kind != "string":
            raise self.wrong(f"{what} should stand before {self.shown()}", fix="write it in '…'")
        return self.advance().text
