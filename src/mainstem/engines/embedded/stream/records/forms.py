r"""The form that most JSON messages of a source have, and a proof that a message has it.

DuckDB's JSON reader takes the first of two equal keys, ignores unknown ones, reads 1.9 into a BIGINT as
2, true as 1, and takes a comma before a closing brace. Matching each message with a pattern would show
that, and cost twice as much as reading it. Instead lengths are added up:

* Every member that the form names is asked for. Each was found, so the message has at least the bytes
  of these keys, of the values as they are printed, and of the signs between them. When it has *exactly*
  so many bytes, there is nothing else in it: no second key, unknown one, space, comma or escape.
* That holds when no value is written with fewer bytes than it is printed with. Each kind has a test
  that makes sure (`Member.test`):

  - A whole number can only be shorter with an exponent (1e5), and no longer than its digits only when it
    is a multiple of 100; exactly so below 2^53, where doubles are whole numbers. Such multiples have
    to stand in the message digit by digit.
  - A text is shorter when it is no string (12 is printed with two bytes, which a string writes with four):
    its key, colon and opening quote have to stand in the message.
  - Other numbers have to stand in it behind their key, letter by letter.

What these tests look for may also stand somewhere else, as a second key. Then that has more bytes than
what it hides has fewer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.formats.coercion import RANGES
from mainstem.formats.jsontext import Json
from mainstem.plan.types import Field, Schema, Type, in_expressions
from mainstem.record import record

# Whole numbers of more digits may be rounded on their way through a double.
MOST_DIGITS = 15
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_ .:/@$-]+")
# Lengths of whole numbers that are asked about one by one.
_LIKELY = 4
# Texts that cannot be anything printed but a string: true, false, null, NaN, Infinity, digits, minus and
# brackets begin otherwise. Asking that costs a fifth of looking for the quote.
_SAFE = (
    ("/", "0"), ("A", "I"), ("J", "N"), ("O", "["), ("a", "f"), ("g", "i"), ("j", "n"), ("o", "t"),
    ("u", "{"),
)  # fmt: skip
# Objects with more keys make a statement that takes longer to plan than it saves.
_MOST_KEYS = 60
# Between key and value, and between members: as JavaScript and as Python write them.
_STYLES = ((":", ","), (": ", ", "))


@record
class Member:
    """A key of the form.

    Parameters
    ----------
    place : int
        Its number in the form.
    key : str
        Its name.
    kind : str
        How its values are written: ``whole``, ``number``, ``text`` or ``truth``.
    lead : str
        What stands before the key, and has to be looked for; "" where nothing needs to be.
    colon, comma : str
        What stands between key and value, and between members.
    digits : tuple of int
        Lengths of whole numbers, the most frequent one first.
    safe : tuple of str
        Of texts: limits between which no printed number, word or nested value lies; () for none.
    field : Field or None
        The column of this name.
    has_gaps : bool
        Whether it is sometimes null or missing.
    """

    place: int
    key: str
    kind: str
    lead: str
    colon: str
    comma: str
    digits: tuple[int, ...] = ()
    safe: tuple[str, ...] = ()
    field: Field | None = None
    has_gaps: bool = False

    @property
    def asked(self) -> str:
        """Give the type that DuckDB's JSON reader is asked for."""
        return "BIGINT" if self.kind == "whole" else "VARCHAR"

    @property
    def needle(self) -> str:
        """Give what stands in a message before the value."""
        quote = '"' if self.kind == "text" else ""
        return f'{self.lead}"{self.key}"{self.colon}{quote}'

    @property
    def part(self) -> str:
        """Give the name of what the JSON reader found."""
        return f"m{self.place}"

    @property
    def found(self) -> str:
        """Give the SQL of what the JSON reader found, out of its result."""
        return f"struct_extract(j, {literal(self.key)})"

    @property
    def size(self) -> str:
        """Give the SQL of the bytes that it takes with the comma behind; NULL when in doubt."""
        around = len(self.key.encode()) + 2 + len(self.colon) + len(self.comma)
        part = self.part
        if self.kind == "whole":
            size = f"{around} + {_digits(part, self.digits)}"
        else:
            size = f"{around + 2 * (self.kind == 'text')} + strlen({part})"
        if not self.has_gaps:
            return size
        key = f'"{self.key}"'
        null = f"contains(line, {literal(self.lead + key + self.colon + 'null')})"
        # An unknown field that is missing is for the slower check: here all rows have equally many.
        missing = f" WHEN NOT contains(line, {literal(key)}) THEN 0" if self.field else ""
        return (
            f"CASE WHEN {part} IS NOT NULL THEN {size} WHEN {null} THEN {around + 4}{missing} END"
        )

    @property
    def test(self) -> str:
        """Give the SQL that is TRUE only where the value takes no fewer bytes than `size` says."""
        part, needle = self.part, literal(self.needle)
        behind = f"contains(line, concat({needle}, {part}))"
        if self.kind == "whole":
            # Not OR, whose sides are tried in any order.
            test = f"CASE WHEN {part} % 100 <> 0 THEN TRUE ELSE {behind} END"
        elif self.kind == "truth":
            test = f"{part} IN ('true', 'false')"
        elif self.kind == "text" and self.field and self.field.type.kind == "timestamp":
            # Its check wants hyphens, a T and colons: no number of JSON has them, so it stood in quotes.
            test = "TRUE"
        elif self.kind == "text":
            test = f"contains(line, {needle})"
            if self.safe and not self.lead:
                low, high = map(literal, self.safe)
                test = f"CASE WHEN {part} >= {low} AND {part} < {high} THEN TRUE ELSE {test} END"
        else:
            # Not NaN, which JSON has not and DuckDB's reader takes.
            test = f"isfinite(TRY_CAST({part} AS DOUBLE)) AND {behind}"
        if self.lead and self.kind in ("whole", "truth"):
            test = f"contains(line, {needle}) AND {test}"
        return f"CASE WHEN {part} IS NULL THEN TRUE ELSE {test} END" if self.has_gaps else test

    def column(self) -> checks.Checked | None:
        """Give the column's value and the check of it; None where its values do not fit it."""
        field = self.field
        if field is None:
            return None
        made = self._value(field)
        if made is None:
            return None
        null = "TRUE" if field.nullable else f"{self.part} IS NOT NULL"
        tests = [test for test in (made.sure, null) if test != "TRUE"]
        return checks.Checked(made.value, " AND ".join(tests) or "TRUE")

    def _value(self, field: Field) -> checks.Checked | None:
        part, kind = self.part, field.type.kind
        if self.kind == "text" or (self.kind == "number" and kind in ("double", "decimal")):
            return None if field.type.is_nested else checks.from_text(part, field)
        if kind == "string":
            return checks.Checked(f"CAST({part} AS VARCHAR)", "TRUE")
        if self.kind == "truth" and kind == "boolean":
            return checks.Checked(f"{part} = 'true'", "TRUE")
        if self.kind != "whole":
            return None
        if kind in RANGES:
            fits = f"({part} IS NULL OR {checks.in_range(part, field.type)})"
            return checks.Checked(part, "TRUE" if kind == "bigint" else fits)
        if kind in ("double", "decimal"):
            value = f"TRY_CAST({part} AS {duckdb_type(in_expressions(field.type))})"
            return checks.Checked(value, f"({value} IS NULL) = ({part} IS NULL)")
        return None


@record
class Form:
    """The usual form: its members, and how many of them are no column."""

    members: tuple[Member, ...]
    unknown: int

    @property
    def structure(self) -> str:
        """Give the structure text for DuckDB's JSON reader."""
        import json

        return json.dumps({m.key: m.asked for m in self.members})

    @property
    def test(self) -> str:
        """Give the SQL that is TRUE only for messages that have the form, with exact values."""
        comma = len(self.members[0].comma)
        # Two braces; and no comma behind the last member.
        sizes = " + ".join(m.size for m in self.members)
        tests = [f"octet_length(value) = {2 - comma} + {sizes}", *(m.test for m in self.members)]
        return " AND ".join(tests)


def _digits(value: str, likely: Sequence[int]) -> str:
    """Give the SQL of how many letters a whole number is printed with; NULL for long ones."""
    ranges = " ".join(
        f"WHEN {value} BETWEEN {10 ** (n - 1) if n > 1 else 0} AND {10**n - 1} THEN {n}"
        for n in likely[:_LIKELY]
    )
    most = 10**MOST_DIGITS - 1
    # Printing costs ten times as much as comparing.
    rest = f"WHEN {value} BETWEEN {-most} AND {most} THEN strlen(CAST({value} AS VARCHAR))"
    return f"CASE {ranges} {rest} END"


def form_of(messages: Sequence[tuple[str, Json]], schema: Schema) -> Form | None:
    """Give the form of most of some messages, given as text and what was read; None when there is none."""
    objects = [(text, found) for text, found in messages if found.kind == "object" and found.keys]
    for colon, comma in _STYLES:
        styled = [found for text, found in objects if _is_styled(text, found, colon, comma)]
        if styled and 2 * len(styled) >= len(messages):
            return _form(styled, schema, colon, comma)
    return None


def _is_styled(text: str, found: Json, colon: str, comma: str) -> bool:
    pairs = zip(found.keys, found.items, strict=True)
    return text == "{" + comma.join(f'"{key}"{colon}{item.raw}' for key, item in pairs) + "}"


def _form(objects: Sequence[Json], schema: Schema, colon: str, comma: str) -> Form | None:
    columns = {field.name: field for field in schema.fields}
    keys = _usual_keys(objects, columns)
    # A column that the sample never has is asked for too: a message may have it tomorrow.
    keys += [name for name in schema.names if name not in keys]
    if not _can_be_asked(keys) or not any(key in columns for key in keys):
        return None
    members = []
    for i, key in enumerate(keys):
        # Written without spaces, a message would have bytes to spare for what is not looked for.
        lead = "" if len(comma) == 1 else comma if i else "{"
        found = _member(i, key, objects, columns.get(key), (lead, colon, comma))
        if found is None or (found.field is not None and found.column() is None):
            return None
        members.append(found)
    return Form(tuple(members), sum(m.field is None for m in members))


def _can_be_asked(keys: Sequence[str]) -> bool:
    """Say whether a structure can have all these names; those of a struct have no case."""
    plain = all(_PLAIN_KEY.fullmatch(key) for key in keys)
    return plain and len(keys) <= _MOST_KEYS and len({key.lower() for key in keys}) == len(keys)


def _usual_keys(objects: Sequence[Json], columns: Mapping[str, Field]) -> list[str]:
    """Give the keys that are columns, and the others that most messages have."""
    counts = Counter(key for found in objects for key in dict.fromkeys(found.keys))
    return [key for key, n in counts.items() if key in columns or 2 * n > len(objects)]


def _member(
    place: int, key: str, objects: Sequence[Json], field: Field | None, style: tuple[str, str, str]
) -> Member | None:
    """Give the member of a key; None where its values have no kind that can be proved."""
    values = [
        item
        for found in objects
        for name, item in zip(found.keys, found.items, strict=True)
        if name == key and item.kind != "null"
    ]
    counts = Counter(_kind(item) for item in values)
    if not values:
        counts[_kind_of(field.type) if field else ""] += 1
    kind = counts.most_common(1)[0][0]
    is_whole = field is not None and field.type.kind in RANGES
    if kind == "whole" and "number" in counts and not is_whole:
        kind = "number"
    lengths = Counter(len(item.raw.lstrip("-")) for item in values if _kind(item) == "whole")
    digits = tuple(n for n, _ in lengths.most_common())
    # Where NULL is refused, a gap is for the slower check.
    # Few of them do too: asking costs something in every row.
    is_usual = len(values) >= 0.95 * len(objects)
    has_gaps = not is_usual and (field is None or field.nullable)
    safe = _safe([item.text for item in values if item.kind == "string"])
    return Member(place, key, kind, *style, digits, safe, field, has_gaps) if kind else None


def _safe(texts: Sequence[str]) -> tuple[str, ...]:
    """Give the limits of `_SAFE` in which most texts lie."""
    counts = Counter(pair for text in texts for pair in _SAFE if pair[0] <= text < pair[1])
    found = counts.most_common(1)
    return found[0][0] if found and 2 * found[0][1] >= len(texts) else ()


def _kind(item: Json) -> str:
    if item.kind == "number":
        return "whole" if _WHOLE.fullmatch(item.raw) else "number"
    return {"string": "text", "true": "truth", "false": "truth"}.get(item.kind, "")


def _kind_of(type_: Type) -> str:
    if type_.is_nested:
        return ""
    known = {"boolean": "truth", "double": "number", "decimal": "number"}
    return "whole" if type_.kind in RANGES else known.get(type_.kind, "text")
