"""Pipelines as plain ``.sql`` files; each statement means what the Python word of its name means.

::

    CREATE PIPELINE name;
    CREATE PARAM name type [DEFAULT value];
    CREATE SOURCE name [(columns)] FROM connector(option => value, …) [WITH (word = value, …)];
    CREATE LOOKUP name [(columns)] FROM connector(…) WITH (key = column, …);
    CREATE VIEW name [WITH (allowed_lateness = '1 minute', ttl = span, state = 'unbounded')] AS query;
    CREATE TABLE name [(columns)] [INTO connector(…)] [WITH (mode = 'append', …)] AS query;
    CREATE EXPECTATION [name] ON name rule [ON FAIL word] [WITH (max_bad = value)];
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from mainstem.connectors.spec import connector
from mainstem.definition.binding import options_of
from mainstem.definition.declaration import SourceDeclaration, StepDeclaration
from mainstem.definition.parameter import declared_param
from mainstem.definition.pipeline import Pipeline
from mainstem.definition.place import Span
from mainstem.definition.recorder import MODES, STATES
from mainstem.definition.sqlrule import RuleReader
from mainstem.errors import DefinitionError, MainstemError, Place, listing, nearest
from mainstem.plan.duration import parse_duration
from mainstem.plan.nodes import Binding
from mainstem.plan.types import Field, Schema, parse_schema
from mainstem.settings.secret import KINDS, Secret
from mainstem.sql.tokens import Text, Token

KINDS_OF_STATEMENT = ("PIPELINE", "PARAM", "SOURCE", "LOOKUP", "VIEW", "TABLE", "EXPECTATION")
SOURCE_WORDS = ("event_time", "watermark", "idle", "max_ahead", "on_bad", "max_bad")
LOOKUP_WORDS = ("key", "refresh")
VIEW_WORDS = ("allowed_lateness", "ttl", "state")
TABLE_WORDS = ("mode", *VIEW_WORDS)
CHOICES = {"mode": MODES, "state": STATES}
DURATIONS = ("watermark", "idle", "max_ahead", "refresh", "allowed_lateness", "ttl")


def read_sql_file(text: str, file: str) -> Pipeline:
    """Read a pipeline from the text of a ``.sql`` file.

    Parameters
    ----------
    text : str
        The statements.
    file : str
        The file's path as people know it; its stem is the name when no statement gives one.

    Returns
    -------
    Pipeline
        Wrong statements are findings of it, so that `Pipeline.check` says everything at once.
    """
    try:
        return _SqlFile(Text(text, Place(file, 1, 1))).pipeline()
    except MainstemError as error:
        # A text literal or comment without an end: where the statements are cannot be known.
        empty = Pipeline(Path(file).stem, where=Place(file, 1))
        empty.findings.add(error.finding)
        return empty


class _SqlFile(RuleReader):
    """Reads statement after statement; an error ends one statement, not the file."""

    into: Pipeline

    def pipeline(self) -> Pipeline:
        file = self.text.place.file
        pipeline = Pipeline(self._name() or Path(file).stem, where=Place(file, 1))
        self.into = pipeline
        while self.token.kind != "end":
            if self.accept(";"):
                continue
            start = self.at
            try:
                self._statement()
                if self.token.kind != "end":
                    self.expect(";")
            except MainstemError as error:
                pipeline.findings.add(error.finding)
                self.at = start
                self._skip()
                pipeline.broken |= {token.text for token in self.tokens[start + 2 : start + 3]}
        return pipeline

    def _skip(self) -> None:
        while self.token.kind != "end" and not self.peek(";"):
            self.advance()

    def _name(self) -> str:
        """Give the name of ``CREATE PIPELINE`` when the file begins with it."""
        is_named = [token.upper for token in self.tokens[:2]] == ["CREATE", "PIPELINE"]
        token = self.tokens[2] if is_named else self.token
        return token.text if is_named and token.kind in ("word", "quoted") else ""

    def _statement(self) -> None:
        first = self.token
        if not self.accept("CREATE"):
            raise self.wrong(
                f"a statement starts with CREATE, not with {self.shown()}",
                fix=f"write CREATE {listing(KINDS_OF_STATEMENT[2:])} …",
            )
        kind = self.token.upper
        if kind not in KINDS_OF_STATEMENT:
            close = nearest(self.token.text, KINDS_OF_STATEMENT)
            raise self.wrong(
                f"CREATE {self.shown()} is no statement (there are: {listing(KINDS_OF_STATEMENT)})",
                fix=f"write CREATE {close}" if close else "see docs/pipelines.md",
            )
        self.advance()
        readers: dict[str, Callable[[Token], None]] = {
            "PIPELINE": self._pipeline, "PARAM": self._param, "SOURCE": self._source,
            "LOOKUP": self._source, "VIEW": self._step, "TABLE": self._step,
            "EXPECTATION": self._expectation,
        }  # fmt: skip
        readers[kind](first)

    def _pipeline(self, first: Token) -> None:
        self.identifier("the pipeline's name")
        if first is not self.tokens[0]:
            raise self.wrong(
                "CREATE PIPELINE stands at the top of the file, once",
                at=first.at,
                fix="move it to the top; one file holds one pipeline",
            )

    def _param(self, first: Token) -> None:
        where = self._line(self.token)
        name = self.identifier("a parameter's name")
        type_ = self._until("DEFAULT")
        default = None
        if self.accept("DEFAULT"):
            start = self.token.at
            default = self.value()
            if isinstance(default, float):
                # As it is written: a decimal of 38 digits does not fit into a float.
                default = self.text.text[start : self.tokens[self.at - 1].end].replace("_", "")
        try:
            self.into.add_param(declared_param(name, type_, default, where))
        except DefinitionError as error:
            self.into.broken.add(name)
            self.into.findings.add(dataclasses.replace(error.finding, where=where))

    def _source(self, first: Token) -> None:
        is_lookup = self.tokens[self.at - 1].upper == "LOOKUP"
        name_token = self.token
        name = self.identifier("a source's name")
        schema = self._columns() if self.peek("(") else None
        self.expect("FROM")
        binding = self._connector("sources")
        words = self.words(LOOKUP_WORDS if is_lookup else SOURCE_WORDS)
        key = words.get("key", ())
        self.into.add_source(SourceDeclaration(
            name, binding, schema, self._line(name_token), self._span(first),
            str(words.get("event_time", "")), words.get("watermark"), words.get("idle"),
            words.get("max_ahead"), is_lookup, (key,) if isinstance(key, str) else tuple(key),
            words.get("refresh"), words.get("on_bad", ""), words.get("max_bad"),
        ))  # fmt: skip

    def _expectation(self, first: Token) -> None:
        self.into.expectations.append(self.expectation(first))

    def _step(self, first: Token) -> None:
        is_table = self.tokens[self.at - 1].upper == "TABLE"
        name_token = self.token
        name = self.identifier("a name")
        schema = self._columns() if is_table and self.peek("(") else None
        sink = self._connector("sinks") if is_table and self.accept("INTO") else None
        words = self.words(TABLE_WORDS if is_table else VIEW_WORDS)
        for word, known in CHOICES.items():
            value = words.get(word, known[0])
            if value not in known:
                close = nearest(str(value), known)
                raise self.wrong(
                    f"{word} is {value!r} ({word}s: {listing(known)})",
                    fix=f"write '{close or known[0]}'",
                )
        self.expect("AS")
        start = self.token
        self._skip()
        if self.tokens[self.at - 1].upper == "AS":
            raise self.wrong(f"a query should stand before {self.shown()}", fix="write SELECT …")
        sql = self.text.text[start.at : self.tokens[self.at - 1].end]
        self.into.add_step(StepDeclaration(
            name, sql, self._line(name_token), self._span(first), is_table, sink, schema,
            str(words.get("mode", "")), self.text.locate(start.at), words.get("allowed_lateness"),
            words.get("ttl"), str(words.get("state", "")),
        ))  # fmt: skip

    # Parts

    def _columns(self) -> Schema:
        """Read ``(name type [NOT NULL], …)``; an error is at its own column."""
        self.expect("(")
        fields: list[Field] = []
        while True:
            start = self.token
            text = self._until(",", ")")
            try:
                # With those before it, so that a name that stands twice is found at the second.
                parse_schema(text)
                fields = list(parse_schema(", ".join([*map(str, fields), text])).fields)
            except DefinitionError as error:
                raise self._moved(error, start.at) from None
            if self.accept(")"):
                return Schema(tuple(fields))
            self.expect(",")

    def _until(self, *ends: str) -> str:
        """Give the text up to a word or sign outside of parentheses; without comments."""
        parts: list[str] = []
        depth = 0
        while self.token.kind != "end" and not self.peek(";"):
            if depth == 0 and self.token.upper in ends:
                break
            depth += {"(": 1, "[": 1, "<": 1, ")": -1, "]": -1, ">": -1}.get(self.token.upper, 0)
            token = self.advance()
            parts.append(self.text.text[token.at : token.end])
        return " ".join(parts)

    def _connector(self, section: str) -> Binding:
        at = self.token
        type_ = self.identifier("a connector, such as files(…),").lower()
        row = connector(Binding(type_), self.text.locate(at.at))
        options = options_of(section, row)
        known = [f.name for f in dataclasses.fields(typing.cast(Any, options))] if options else []
        self.expect("(")
        given: dict[str, Any] = {}
        while not self.peek(")"):
            if given:
                self.expect(",")
            self._argument(type_, known, given)
        self.expect(")")
        return Binding.of(type_, **given)

    def _argument(self, type_: str, known: list[str], given: dict[str, Any]) -> None:
        at = self.token.at
        if self.next.upper in ("=>", "="):
            name = self.label()
            self.advance()
        elif len(given) < len(known):
            # Without a name: the options in their documented order, path first.
            name = known[len(given)]
        else:
            raise self.wrong(f"{type_} takes {len(known)} options", fix="name it: option => value")
        if name in given:
            raise self.wrong(f"option {name!r} stands twice", at=at, fix="remove one of them")
        given[name] = self.value()

    def words(self, known: tuple[str, ...]) -> Mapping[str, Any]:
        """Read ``WITH (word = value, …)``."""
        found: dict[str, Any] = {}
        if not self.accept("WITH"):
            return found
        self.expect("(")
        while True:
            word = self.label().lower()
            if word not in known:
                close = nearest(word, known)
                raise self.wrong(
                    f"{word!r} has no meaning in this WITH (words: {listing(known)})",
                    fix=f"write {close}" if close else "remove it",
                    at=self.tokens[self.at - 1].at,
                )
            if not self.accept("=>"):
                self.expect("=")
            at = self.token.at
            value = self.value()
            found[word] = self._duration(word, value, at) if word in DURATIONS else value
            if not self.accept(","):
                break
        self.expect(")")
        return found

    def value(self) -> Any:
        token = self.token
        if self.accept("INTERVAL") or token.kind == "string":
            return self.string("a text")
        if token.kind == "number" or token.text in ("-", "+"):
            return self._number()
        if token.upper in ("TRUE", "FALSE"):
            return self.advance().upper == "TRUE"
        if token.upper in ("[", "("):
            return self._list({"[": "]", "(": ")"}[self.advance().text])
        if token.upper == "{" or (token.upper == "MAP" and self.next.text == "{"):
            return self._table()
        if token.upper == "SECRET" and self.next.text == "(":
            return self._secret()
        if token.upper in ("MERGE", "HISTORY") and self.next.text == "(":
            return self._keyed()
        if token.upper in ("DATE", "TIMESTAMP") and self.next.kind == "string":
            self.advance()
            return self.string("a text")
        return self.identifier("a value")

    def _number(self) -> int | float:
        sign = -1 if self.accept("-") else 1
        if sign == 1:
            self.accept("+")
        if self.token.kind != "number":
            raise self.wrong(f"a number should stand before {self.shown()}")
        text = self.advance().text.replace("_", "")
        return sign * (int(text) if text.isdigit() else float(text))

    def _list(self, end: str) -> list[Any]:
        items: list[Any] = []
        while not self.peek(end):
            if items:
                self.expect(",")
            items.append(self.value())
        self.expect(end)
        return items

    def _table(self) -> dict[str, Any]:
        """Read ``{'name': value, …}``, with MAP before it or not."""
        self.accept("MAP")
        self.expect("{")
        found: dict[str, Any] = {}
        while not self.peek("}"):
            if found:
                self.expect(",")
            at = self.token.at
            name = self.string("a name") if self.token.kind == "string" else self.label()
            if name in found:
                raise self.wrong(f"{name!r} stands twice", at=at, fix="remove one of them")
            self.expect(":")
            found[name] = self.value()
        self.expect("}")
        return found

    def _keyed(self) -> dict[str, Any]:
        """Read ``merge(key => 'id', …)``; its words are checked with the table's columns."""
        words: dict[str, Any] = {"kind": self.advance().text.lower()}
        self.expect("(")
        while not self.peek(")"):
            if len(words) > 1:
                self.expect(",")
            word = self.label().lower()
            if not self.accept("=>"):
                self.expect("=")
            value = self.value()
            is_list = word != "delete_when" and isinstance(value, str)
            words[word] = [value] if is_list else value
        self.expect(")")
        return words

    def _secret(self) -> Secret:
        at = self.advance().at
        self.expect("(")
        kind = self.label().lower()
        if kind not in KINDS:
            close = nearest(kind, KINDS)
            raise self.wrong(
                f"a secret names one of {listing(KINDS)}",
                at=at,
                fix=f"write secret({close or KINDS[0]} => 'NAME')",
            )
        if not self.accept("=>"):
            self.expect("=")
        value = self.string("the reference")
        self.expect(")")
        return Secret(**{kind: value})

    def _duration(self, word: str, value: Any, at: int) -> timedelta:
        try:
            return parse_duration(value, word)
        except DefinitionError as error:
            raise self._moved(error, at) from None

    def _moved(self, error: MainstemError, at: int) -> DefinitionError:
        """Give an error of a part the place of that part."""
        return self.text.error(error.finding.code, error.finding.what, at, error.finding.fix)

    def _line(self, token: Token) -> Place:
        return self.text.locate(token.at)

    def _span(self, first: Token) -> Span:
        end = self.text.locate(self.tokens[self.at - 1].at)
        return Span(self.text.locate(first.at).line, end.line)
