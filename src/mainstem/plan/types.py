"""The types of columns and expressions.

Expressions know one integer type (BIGINT, contract V1), one floating type (DOUBLE), one instant
type (TIMESTAMP, UTC, microseconds, V7). `smallint` and `integer` exist at sources and sinks only.
"""

from __future__ import annotations

import re

from mainstem.errors import DefinitionError, nearest
from mainstem.record import record

MAX_PRECISION = 38
# A type is read by functions that call themselves; beyond this the text is no type that a person wrote.
MAX_NESTING = 30


@record
class Type:
    """A column type.

    Parameters
    ----------
    kind : str
        One of the names in `KINDS`, or ``null`` (an untyped NULL) and ``interval`` (literals only).
    precision, scale : int
        Digits in all and after the point, of a decimal.
    items : tuple of Type
        Element type of a list; key and value type of a map; field types of a struct.
    names : tuple of str
        Field names of a struct.
    """

    kind: str
    precision: int = 0
    scale: int = 0
    items: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind == "list":
            return f"{self.items[0]}[]"
        if self.kind == "map":
            return f"map({self.items[0]}, {self.items[1]})"
        if self.kind == "struct":
            inner = ", ".join(f"{n} {t}" for n, t in zip(self.names, self.items, strict=True))
            return f"struct({inner})"
        return self.kind

    @property
    def is_numeric(self) -> bool:
        """Say whether arithmetic is possible."""
        return self.kind in ("bigint", "decimal", "double")

    @property
    def is_nested(self) -> bool:
        """Say whether the type holds other types."""
        return self.kind in ("list", "map", "struct")

    @property
    def has_float(self) -> bool:
        """Say whether a value may hold a DOUBLE, whose last digits are not exact (V5)."""
        return self.kind == "double" or any(t.has_float for t in self.items)


BOOL = Type("boolean")
BIGINT = Type("bigint")
INTEGER = Type("integer")
SMALLINT = Type("smallint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
DATE = Type("date")
TIMESTAMP = Type("timestamp")
NULL = Type("null")
INTERVAL = Type("interval")
# The type of an expression that already has a finding; it silences what would only follow from it.
UNKNOWN = Type("unknown")


def decimal(precision: int, scale: int) -> Type:
    """Give DECIMAL(precision, scale); 1 ≤ precision ≤ 38, 0 ≤ scale ≤ precision."""
    if not (1 <= precision <= MAX_PRECISION and 0 <= scale <= precision):
        raise DefinitionError(
            f"decimal({precision},{scale}) is not a type", code="TypeNotKnown",
            fix="use decimal(p,s) with 1 <= p <= 38 and 0 <= s <= p",
        )  # fmt: skip
    return Type("decimal", precision, scale)


def list_of(item: Type) -> Type:
    """Give the type of a list of `item`."""
    return Type("list", items=(item,))


def map_of(key: Type, value: Type) -> Type:
    """Give the type of a map from `key` to `value`."""
    return Type("map", items=(key, value))


def struct_of(fields: dict[str, Type]) -> Type:
    """Give the type of a struct with these fields, in order."""
    return Type("struct", items=tuple(fields.values()), names=tuple(fields))


# Every spelling that users of the engines write, to the one type it means.
SPELLINGS: dict[str, Type] = {
    "bool": BOOL, "boolean": BOOL,
    "bigint": BIGINT, "long": BIGINT, "int8": BIGINT, "int64": BIGINT,
    "int": INTEGER, "integer": INTEGER, "int4": INTEGER, "int32": INTEGER,
    "smallint": SMALLINT, "short": SMALLINT, "int2": SMALLINT, "int16": SMALLINT,
    "double": DOUBLE, "float8": DOUBLE, "float64": DOUBLE,
    "string": STRING, "varchar": STRING, "text": STRING, "char": STRING,
    "bytes": BYTES, "blob": BYTES, "binary": BYTES, "varbinary": BYTES, "bytea": BYTES,
    "date": DATE, "timestamp": TIMESTAMP, "timestamptz": TIMESTAMP,
}  # fmt: skip

# Names that have no place in the contract, with what to write instead.
REFUSED_TYPES: dict[str, str] = {
    "float": "double", "real": "double", "float4": "double", "hugeint": "decimal(38,0)",
    "tinyint": "smallint", "utinyint": "bigint", "usmallint": "bigint", "uinteger": "bigint",
    "ubigint": "decimal(20,0)", "time": "string", "interval": "a literal, INTERVAL '1 minute'",
    "json": "string, with the json_ functions", "uuid": "string",
}  # fmt: skip


def in_expressions(type_: Type) -> Type:
    """Give the type that a source's column has inside expressions (V1: BIGINT only)."""
    if type_.kind in ("integer", "smallint"):
        return BIGINT
    if type_.items:
        items = tuple(in_expressions(t) for t in type_.items)
        return Type(type_.kind, type_.precision, type_.scale, items, type_.names)
    return type_


# What needs no quotes, in a schema as in SQL.
PLAIN_NAME = r"[^\W\d]\w*"
_TOKEN = re.compile(
    rf'\s*(?:(?P<word>{PLAIN_NAME})|"(?P<quoted>(?:[^"]|"")+)"|(?P<number>\d+)|(?P<sign>[(),<>:\[\]]))'
)


class _TypeText:
    """Reads the small language of types: names, decimal(p,s), t[], struct(...), map(k, v)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        at = 0
        stripped = text.rstrip()
        while at < len(stripped):
            match = _TOKEN.match(stripped, at)
            if match is None or match.lastgroup is None:
                raise self.wrong(f"unexpected {stripped[at:].strip()[:1]!r}")
            value = match[match.lastgroup]
            quoted = match.lastgroup == "quoted"
            self.tokens.append((match.lastgroup, value.replace('""', '"') if quoted else value))
            at = match.end()
        self.at = 0
        self.depth = 0

    def wrong(self, why: str) -> DefinitionError:
        return DefinitionError(
            f"cannot read the type or schema {self.text!r}: {why}", code="SchemaSyntax",
            fix='write it as "id bigint, name string not null, price decimal(12,2), tags string[]"',
        )  # fmt: skip

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, sign: str = "") -> str:
        if self.at >= len(self.tokens):
            raise self.wrong(f"it ends where {sign or 'a name'!r} should follow")
        value = self.tokens[self.at][1]
        if sign and value != sign:
            raise self.wrong(f"{value!r} where {sign!r} should stand")
        self.at += 1
        return value

    def accept(self, *words: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][1].lower() in words:
            self.at += 1
            return True
        return False

    def name(self) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] not in ("word", "quoted"):
            raise self.wrong(f"a name should stand before {self.peek()!r}")
        return self.take()

    def type(self) -> Type:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.wrong(f"it is nested deeper than {MAX_NESTING} levels")
        result, lists = self.named(), 0
        while self.accept("["):
            self.take("]")
            result = list_of(result)
            lists += 1
            if lists > MAX_NESTING:
                raise self.wrong(f"it is nested deeper than {MAX_NESTING} levels")
        self.depth -= 1
        return result

    def named(self) -> Type:
        word = self.name().lower()
        if word in ("decimal", "numeric"):
            result = self.decimal()
        elif word in ("struct", "row"):
            result = self.struct()
        elif word == "map":
            close = self.open()
            key = self.type()
            self.take(",")
            result = map_of(key, self.type())
            self.take(close)
        elif word in ("list", "array"):
            close = self.open()
            result = list_of(self.type())
            self.take(close)
        else:
            result = self.plain(word)
        return result

    def open(self) -> str:
        return ">" if self.accept("<") else ")" if self.take("(") else ""

    def plain(self, word: str) -> Type:
        if word in ("varchar", "char") and self.accept("("):
            self.take()
            self.take(")")
        if word == "timestamp" and self.accept("with"):
            if not (self.accept("time") and self.accept("zone")):
                raise self.wrong("'timestamp with' is followed by 'time zone'")
            return TIMESTAMP
        if word == "double":
            self.accept("precision")
        if word in SPELLINGS:
            return SPELLINGS[word]
        if word in REFUSED_TYPES:
            raise DefinitionError(
                f"type {word!r} is not in the contract", code="TypeNotKnown",
                fix=f"use {REFUSED_TYPES[word]}",
            )  # fmt: skip
        close = nearest(word, [*SPELLINGS, "decimal", "struct", "map"])
        raise DefinitionError(
            f"no type {word!r}", code="TypeNotKnown",
            fix=f"write {close}" if close else "see the list of types in docs/dialect.md",
        )  # fmt: skip

    def decimal(self) -> Type:
        if not self.accept("("):
            return decimal(18, 3)
        precision = int(self.number())
        scale = int(self.number()) if self.accept(",") else 0
        self.take(")")
        return decimal(precision, scale)

    def number(self) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "number":
            raise self.wrong(f"a number should stand before {self.peek()!r}")
        return self.take()

    def struct(self) -> Type:
        close = self.open()
        fields: dict[str, Type] = {}
        while True:
            name = self.name()
            self.accept(":")
            if name in fields:
                raise self.wrong(f"field {name!r} stands twice")
            fields[name] = self.type()
            if not self.accept(","):
                break
        self.take(close)
        return struct_of(fields)


def parse_type(text: str) -> Type:
    """Read one type, such as ``decimal(12,2)`` or ``struct(a bigint, b string)[]``.

    Raises
    ------
    DefinitionError
        When the text is not a type; the nearest name is in the fix.
    """
    reader = _TypeText(text)
    result = reader.type()
    if reader.at < len(reader.tokens):
        raise reader.wrong(f"{reader.peek()!r} is too much")
    return result


@record
class Field:
    """A declared column of a source or sink."""

    name: str
    type: Type
    nullable: bool = True

    def __str__(self) -> str:
        # Always quoted where it would not be read back as the same plain name.
        name = (
            self.name
            if re.fullmatch(PLAIN_NAME, self.name)
            else '"' + self.name.replace('"', '""') + '"'
        )
        return f"{name} {self.type}{'' if self.nullable else ' not null'}"


@record
class Schema:
    """Declared columns, in order; names are unique without regard to case."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return ", ".join(str(f) for f in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """Give the column names, in order."""
        return tuple(f.name for f in self.fields)

    def __len__(self) -> int:
        return len(self.fields)


def _unique(fields: list[Field], text: str) -> Schema:
    seen: dict[str, str] = {}
    for item in fields:
        if item.name.lower() in seen:
            raise DefinitionError(
                f"column {item.name!r} stands twice in the schema {text!r}", code="DuplicateName",
                fix="rename one of them (names are compared without regard to case)",
            )  # fmt: skip
        seen[item.name.lower()] = item.name
    return Schema(tuple(fields))


def parse_schema(source: str | dict[str, str] | Schema) -> Schema:
    """Read a schema from one text, a dict of name to type text, or an existing schema.

    Parameters
    ----------
    source : str, dict or Schema
        ``"id bigint not null, name string"`` or ``{"id": "bigint not null", "name": "string"}``.

    Returns
    -------
    Schema
        The columns, in order.

    Raises
    ------
    DefinitionError
        When a name stands twice, a type is unknown or the text cannot be read.
    """
    if isinstance(source, Schema):
        return source
    if isinstance(source, dict):
        fields = []
        for name, text in source.items():
            parsed = _fields(_TypeText(f'"{name.replace(chr(34), chr(34) * 2)}" {text}'))
            if len(parsed) != 1:
                raise _TypeText(text).wrong("one type is expected for each name")
            fields += parsed
        return _unique(fields, str(source))
    if not isinstance(source, str):
        raise DefinitionError(
            f"a schema is a text or a dict, not a {type(source).__name__}", code="SchemaSyntax",
            fix='write it as "id bigint, name string not null"',
        )  # fmt: skip
    return _unique(_fields(_TypeText(source)), source)


def _fields(reader: _TypeText) -> list[Field]:
    fields = []
    while True:
        name = reader.name()
        type_ = reader.type()
        nullable = True
        if reader.accept("not"):
            if not reader.accept("null"):
                raise reader.wrong("'not' is followed by 'null'")
            nullable = False
        else:
            reader.accept("null")
        fields.append(Field(name, type_, nullable))
        if not reader.accept(","):
            break
    if reader.at < len(reader.tokens):
        raise reader.wrong(f"{reader.peek()!r} where ',' or the end should stand")
    return fields
