"""SQL that turns texts into typed values and says, for each row, whether there is any doubt.

A check may only err on one side: a row in doubt is judged again by the plain-Python reference
(`mainstem.formats`), a row not in doubt is taken as it is. So each expression here accepts a subset
of what the reference accepts, and gives the same value for it. DuckDB's own casts do neither: they
read 1.9 as 2, ' 7 ', 1_000 and 0x10 as numbers, 'yes' as true, +99 as an offset from UTC (measured).
"""

from __future__ import annotations

import re

from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.formats.coercion import RANGES
from mainstem.plan.types import Field, Schema, Type, in_expressions
from mainstem.record import record

FIRST_INSTANT = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"
LAST_INSTANT = "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
TIMESTAMP_REGEX = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?"
)


@record
class Checked:
    """A column: the SQL of its value, and the SQL that is TRUE only when there is no doubt.

    `plain` is enough where the text is known to look right (`shape`): a value that DuckDB then still
    cannot read, such as February 30, has become NULL.
    """

    value: str
    sure: str
    plain: str = "TRUE"


def from_text(text: str, field: Field) -> Checked:
    """Give the value and the check of a column whose text is the SQL expression `text`."""
    type_ = field.type
    target = duckdb_type(in_expressions(type_))
    if type_.kind == "string":
        return Checked(text, "TRUE" if field.nullable else f"{text} IS NOT NULL")
    if type_.is_nested:
        return _checked(f"CAST(NULL AS {target})", "FALSE", text, field)
    if type_.kind == "boolean":
        value = f"CASE {text} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
    elif type_.kind == "bytes":
        value = f"TRY(from_base64({text}))"
    else:
        value = f"TRY_CAST({text} AS {target})"
    return _checked(value, fits_text(text, value, type_), text, field)


def _checked(value: str, fits: str, text: str, field: Field) -> Checked:
    sure = f"({text} IS NULL OR ({fits}))" if field.nullable else f"({fits})"
    return Checked(value, sure, f"({value} IS NULL) = ({text} IS NULL)")


def in_range(value: str, type_: Type) -> str:
    """Give the SQL that is TRUE only for a value within the range of an integer type."""
    low, high = RANGES[type_.kind]
    return f"{value} IS NOT NULL" if type_.kind == "bigint" else f"{value} BETWEEN {low} AND {high}"


def fits_text(text: str, value: str, type_: Type) -> str:
    """Give the SQL that is TRUE only where `text` stands for `value`, what `from_text` made of it."""
    if type_.kind in RANGES:
        return f"regexp_full_match({text}, '[+-]?[0-9]+') AND {in_range(value, type_)}"
    if type_.kind == "decimal":
        point = rf"(\.[0-9]{{0,{type_.scale}}})?"
        return f"regexp_full_match({text}, '[+-]?[0-9]+{point}') AND {value} IS NOT NULL"
    if type_.kind == "double":
        return f"regexp_full_match({text}, '[-+0-9.eE]+') AND isfinite({value})"
    if type_.kind == "boolean":
        return f"{value} IS NOT NULL"
    if type_.kind == "date":
        # Printed back as written are YYYY-MM-DD, longer years, and infinity.
        return f"strlen({text}) = 10 AND CAST({value} AS VARCHAR) = {text}"
    if type_.kind == "bytes":
        return f"to_base64({value}) = {text}"
    regex = f"regexp_full_match({text}, '{TIMESTAMP_REGEX}')"
    return f"{regex} AND {value} BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT}"


# --- JSON ---------------------------------------------------------------------------------------

# What `json_transform` is asked for. Times and bytes come as text and are checked like CSV; decimals
# too, because it reads numbers as doubles first, and doubles, because their text is needed too and it
# prints them faster than a cast; nested values as JSON, to be compared with what became of them.
_ASKED = {
    "bigint": "BIGINT", "integer": "BIGINT", "smallint": "BIGINT", "boolean": "BOOLEAN",
    "list": "JSON", "struct": "JSON", "map": "JSON",
}  # fmt: skip
_NOT_NULL_WORD = "n[^u]"
# DuckDB's JSON reader takes a comma before a closing bracket, and NaN and Infinity; RFC 8259 does not.
_NOT_JSON = r",\s*[}\]]|[:\[,]\s*-?(?:[nN][aA][nN]|[iI][nN][fF])"
# A key written with escapes would hide from the patterns below, which look for its plain letters.
_ESCAPED_LETTER = r"\\u00(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])"


def json_structure(schema: Schema) -> str:
    """Give the structure text for DuckDB's ``json_transform``."""
    import json

    return json.dumps({f.name: _ASKED.get(f.type.kind, "VARCHAR") for f in schema.fields})


def json_doubt_regex(schema: Schema) -> str:
    """Give the regular expression that finds every line whose values `json_transform` may misread.

    It looks for a column's key followed by a value of another kind than the plain ones. The same
    text inside a nested value or a string only makes a line doubtful for nothing.
    """
    parts = [_NOT_JSON]
    plain = all(re.fullmatch(r"[A-Za-z0-9_]+", f.name) for f in schema.fields)
    parts.append(_ESCAPED_LETTER if plain else r"\\")
    for field in schema.fields:
        odd = _odd_value(field.type)
        if odd:
            parts.append(rf'"{re.escape(field.name)}"\s*:\s*(?:{odd})')
    return "|".join(parts)


def _odd_value(type_: Type) -> str:
    if type_.kind in RANGES:
        long = "-?(?:9[2-9][0-9]{17}|[0-9]{20})"
        text = f'"-?[0-9]*[^0-9"]|"-?"|"{long}'
        return rf'[^-0-9n"\s]|{_NOT_NULL_WORD}|-?[0-9]+[.eE]|{long}|{text}'
    if type_.kind == "double":
        # -0 is read as a whole number, which has no sign at zero.
        zero = "-0+(?:[^0-9.]|$)"
        odd = r"-?[0-9.]{25}|-?[0-9.]+[eE]\+?[0-9]{3}"
        return rf"[^-0-9n\s]|{_NOT_NULL_WORD}|{zero}|{odd}"
    if type_.kind == "boolean":
        return rf"[^tfn\s]|{_NOT_NULL_WORD}"
    if type_.kind in ("string", "bytes"):
        return rf'[^"n\s]|{_NOT_NULL_WORD}'
    if type_.kind == "decimal":
        digits = type_.scale + 1
        # A double keeps 15 digits of what was written, and 16 characters hold at most those and a point.
        number = rf"-?[0-9.]{{17}}|-?[0-9]+\.[0-9]{{{digits}}}|-?[0-9.]+[eE]"
        return rf'[^-0-9n"\s]|{_NOT_NULL_WORD}|{number}'
    return ""


def from_json(struct: str, field: Field) -> Checked:
    """Give the value and the check of a column taken from the result of `json_transform`."""
    part = f"struct_extract({struct}, {literal(field.name)})"
    kind = field.type.kind
    if kind in ("date", "timestamp", "bytes", "decimal", "double"):
        return from_text(part, field)
    if field.type.is_nested:
        return _nested(part, field)
    checks = [] if field.nullable else [f"{part} IS NOT NULL"]
    if kind in ("integer", "smallint"):
        checks.append(f"({part} IS NULL OR {in_range(part, field.type)})")
    return Checked(part, " AND ".join(checks) or "TRUE")


# Of these a nested value is printed back as it was written, and yet is another or out of range:
# DuckDB takes infinity for a day, and the letters of base64 for the bytes.
_DOUBTFUL_INSIDE = ("decimal", "integer", "smallint", "date", "timestamp", "bytes")


def _nested(part: str, field: Field) -> Checked:
    target = duckdb_type(in_expressions(field.type))
    if any(_has_kind(field.type, kind) for kind in _DOUBTFUL_INSIDE):
        return _checked(f"CAST(NULL AS {target})", "FALSE", part, field)
    value = f"TRY_CAST({part} AS {target})"
    # Whatever was bent on the way (1.9 to 2, true to 1, a missing field, a repeated key) is printed
    # back as another text than the file's.
    fits = f"CAST(to_json({value}) AS VARCHAR) = CAST({part} AS VARCHAR)"
    return _checked(value, fits, part, field)


def _has_kind(type_: Type, kind: str) -> bool:
    return type_.kind == kind or any(_has_kind(item, kind) for item in type_.items)
