"""Cuts SQL text into tokens that know their offsets, and offsets into places of the user's file."""

from __future__ import annotations

import re

from mainstem.errors import NOWHERE, DefinitionError, Finding, Place
from mainstem.plan.types import PLAIN_NAME
from mainstem.record import record


@record
class Text:
    """SQL text and where its first character stands in the user's file.

    Parameters
    ----------
    text : str
        The SQL.
    place : Place
        File, line and column of the first character; a column of 0 means unknown, and then only
        the lines are told.
    step : str
        Name of the pipeline step it belongs to.
    """

    text: str
    place: Place = NOWHERE
    step: str = ""

    def locate(self, at: int) -> Place:
        """Give the place of an offset."""
        if at < 0:
            return self.place
        before = self.text[:at]
        line = before.count("\n")
        column = at - (before.rfind("\n") + 1) + 1
        first = self.place.line or 1
        if line == 0 and self.place.column:
            column += self.place.column - 1
        return Place(self.place.file, first + line, column)

    def snippet(self, at: int) -> str:
        """Give the user's line with a caret under the offset."""
        if at < 0 or at > len(self.text):
            return ""
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[start : end if end >= 0 else len(self.text)].replace("\t", " ")
        indent = len(line) - len(line.lstrip())
        return f"{line.strip()}\n{' ' * (at - start - indent)}^"

    def error(self, code: str, what: str, at: int, fix: str = "") -> DefinitionError:
        """Build an error that points at an offset."""
        error = DefinitionError(what, where=self.locate(at), fix=fix, code=code, step=self.step)
        error.finding = self.finding(code, what, at, fix)
        return error

    def finding(
        self, code: str, what: str, at: int, fix: str = "", *, severity: str = "error"
    ) -> Finding:
        """Build a finding that points at an offset and shows the user's line."""
        return Finding(code, what, self.locate(at), fix, severity, self.step, self.snippet(at))


@record
class Token:
    """One token: kind is word, quoted, string, number, sign or end; `at`/`end` are offsets."""

    kind: str
    text: str
    at: int
    end: int

    @property
    def upper(self) -> str:
        """Give an unquoted word in upper case, a sign as it is, and "" for everything else."""
        return (
            self.text.upper() if self.kind == "word" else self.text if self.kind == "sign" else ""
        )


_SIGNS = r"->>|->|::|<=|>=|<>|!=|==|\|\||//|=>|:=|[-+*/%=<>().,;:\[\]{}?$]"
_PATTERN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      |(?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
      |(?P<word>"""
    + PLAIN_NAME
    + r""")
      |(?P<quoted>"(?:[^"]|"")*")
      |(?P<string>'(?:[^']|'')*')
      |(?P<sign>"""
    + _SIGNS
    + ")",
    re.VERBOSE | re.DOTALL,
)


_NAME = re.compile(r"\w")


def tokenize(source: Text) -> list[Token]:
    """Cut a text into tokens; comments and white space are dropped, the last token is ``end``.

    Raises
    ------
    DefinitionError
        For an unterminated string, name or comment, or a character that means nothing here.
    """
    text, tokens, at = source.text, [], 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None or (text.startswith("/*", at) and match.lastgroup != "space"):
            raise source.error("SqlSyntax", *_unreadable(text, at))
        kind = match.lastgroup or ""
        if kind != "space":
            value = match[0]
            if kind in ("quoted", "string"):
                value = value[1:-1].replace(value[0] * 2, value[0])
                if not value and kind == "quoted":
                    raise source.error("SqlSyntax", "a quoted name is empty", at, "write the name")
            if kind == "number" and _NAME.match(text, match.end()):
                # Elsewhere `12abc` is read as 12 AS abc.
                what = f"the number {value} runs into a name"
                raise source.error(
                    "SqlSyntax", what, at, "put a space, an operator or a comma between"
                )
            tokens.append(Token(kind, value, at, match.end()))
        at = match.end()
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _unreadable(text: str, at: int) -> tuple[str, int, str]:
    if text[at] == "'":
        return "a text literal is not closed", at, "add the closing '"
    if text[at] == '"':
        return "a quoted name is not closed", at, 'add the closing "'
    if text.startswith("/*", at):
        return "a comment is not closed", at, "add */"
    if text[at] == "`":
        return "names are not quoted with backticks", at, 'use double quotes: "name"'
    return f"{text[at]!r} means nothing in SQL here", at, "remove it"
