r"""What most lines of a JSON lines file are: the same keys in one order, with plain values between.

Such a file is read by DuckDB's CSV reader, split where a comma and the quote of the next key stand. The
pieces of ``{"id":7,"name":"x"}`` are ``{"id":7`` and ``name":"x"}``. When each piece begins with its own
key and holds one value and nothing else, then so does the line: the keys stand there once and in order.
So nothing is left to prove but the values, each by a test of its kind, and no line is parsed or
even put together. That takes half the time of parsing lines and printing them back. Lines of another
form (another order, a field more or less, a number in quotes) are put together again, parsed, and
matched with the pattern of `shape`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.formats.coercion import coerce_json
from mainstem.formats.jsontext import Json
from mainstem.formats.records import Misfit
from mainstem.plan.types import Field, Schema, in_expressions
from mainstem.record import record

# Between key and value, and between members: as JavaScript and as Python write them.
_STYLES = ((":", ","), (": ", ", "))
_WHOLE = frozenset(("bigint", "integer", "smallint"))
_KINDS = _WHOLE | {"double", "decimal", "boolean", "string", "date", "timestamp"}
# How many more pieces than the template a line may have; each costs time, read or not.
_MOST_SPARE = 16
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{3}(?:\d{3})?)?(Z|\+00:00|\+00)?", re.ASCII
)
# The first year that is written in four digits: strptime takes fewer.
_YEAR_1000 = "TIMESTAMPTZ '1000-01-01 00:00:00+00'"


@record
class Column:
    """How a column is written in most lines.

    Parameters
    ----------
    field : Field
        The column.
    before, after : str
        What stands in its piece before and after the value.
    is_exact : bool
        Whether a decimal is written with all the digits of its scale.
    has_escapes, has_nulls : bool
        Whether a string holds backslashes, and whether NULL was seen.
    instant : tuple of (format, letters)
        How strptime reads most of its instants, and how long they are; empty for unusual ones.
    """

    field: Field
    before: str
    after: str
    is_exact: bool = False
    has_escapes: bool = False
    has_nulls: bool = False
    instant: tuple[str, int] | tuple[()] = ()


@record
class Template:
    """How a line falls into pieces; the SQL is about pieces named ``c0``, ``c1`` and so on.

    Parameters
    ----------
    columns : tuple of Column
        The columns in the order of the keys.
    comma : str
        What stands between members.
    spare : int
        How many more pieces a line may have. One of even more makes DuckDB refuse the file, which
        is then read without a template.
    """

    columns: tuple[Column, ...]
    comma: str
    spare: int = 1

    @property
    def delimiter(self) -> str:
        """Give what the CSV reader splits lines at."""
        return self.comma + '"'

    @property
    def pieces(self) -> list[str]:
        """Give the names of all pieces that are read, the spare ones included."""
        return [f"c{i}" for i in range(len(self.columns) + self.spare)]

    @property
    def line(self) -> str:
        """Give the SQL of the line; pieces that are not there are NULL, empty ones are not."""
        return f"concat_ws({literal(self.delimiter)}, {', '.join(self.pieces)})"

    def cuts(self) -> dict[str, str]:
        """Give the SQL, over pieces, of the texts that `values` and `test` need besides."""
        found = {f"t{i}": _cut(f"c{i}", column) for i, column in enumerate(self.columns)}
        return {name: cut for name, cut in found.items() if cut}

    def values(self) -> dict[str, str]:
        """Give the SQL, over pieces and cuts, of each column's value; NULL where there is none."""
        found = {}
        for i, column in enumerate(self.columns):
            value = _value(f"c{i}", f"t{i}", column)
            if column.has_nulls and column.field.type.kind != "boolean":
                value = f"CASE WHEN c{i} = {_piece(column, 'null')} THEN NULL ELSE {value} END"
            found[column.field.name] = value
        return found

    def test(self, values: dict[str, str], *, has_controls: bool) -> str:
        """Give the SQL that is TRUE only for lines without doubt.

        Parameters
        ----------
        values : dict of str to str
            SQL of each column's value.
        has_controls : bool
            Whether there may be control characters in the file; a string may hold none.
        """
        tests = [f"c{len(self.columns)} IS NULL"]
        for i, column in enumerate(self.columns):
            value = values[column.field.name]
            fits = " AND ".join(_tests(f"c{i}", f"t{i}", value, column, has_controls=has_controls))
            null = f"c{i} = {_piece(column, 'null')} OR " if column.has_nulls else ""
            tests.append(f"({null}({fits}))" if null else fits)
        return " AND ".join(tests)


def _cut(piece: str, column: Column) -> str:
    kind = column.field.type.kind
    start, end = len(column.before) + 1, len(column.after)
    if kind == "string":
        if column.has_escapes:
            return ""
        return _inside(piece, column)
    if kind == "timestamp" and not column.instant:
        return _inside(piece, column)
    if kind == "double" or (kind == "decimal" and not column.is_exact):
        return f"substr({piece}, {start}, strlen({piece}) - {start - 1 + end})"
    return ""


def _inside(piece: str, column: Column) -> str:
    # Positions and lengths are of letters, not of bytes.
    start, end = len(column.before) + 2, len(column.after) + 1
    return f"substr({piece}, {start}, length({piece}) - {start - 1 + end})"


def _value(piece: str, cut: str, column: Column) -> str:
    type_ = column.field.type
    kind = type_.kind
    start, end = len(column.before) + 1, len(column.after)
    rest = f", length({piece}) - {start - 1 + end}" if end else ""
    whole = f"substr({piece}, {start}{rest})"
    if kind == "string":
        parsed = f"TRY(json_extract_string({whole}, '$'))"
        if column.has_escapes:
            plain = _inside(piece, column)
            return f"CASE WHEN contains({piece}, '\\') THEN {parsed} ELSE {plain} END"
        return cut
    if kind == "boolean":
        words = [f"WHEN {_piece(column, word)} THEN {word}" for word in ("true", "false")]
        return f"CASE {piece} {' '.join(words)} END"
    if kind == "date":
        return f"CAST({_parsed(piece, column, '%Y-%m-%d')} AS DATE)"
    if kind == "timestamp" and column.instant:
        return f"make_timestamptz(epoch_us({_parsed(piece, column, column.instant[0])}))"
    target = duckdb_type(in_expressions(type_))
    is_cut = kind in ("double", "timestamp") or (kind == "decimal" and not column.is_exact)
    return f"TRY_CAST({cut if is_cut else whole} AS {target})"


def _parsed(piece: str, column: Column, spelling: str) -> str:
    # Names of columns that make a template hold no percent sign.
    return f"try_strptime({piece}, {_piece(column, f'{chr(34)}{spelling}{chr(34)}')})"


def _piece(column: Column, value: str) -> str:
    return literal(f"{column.before}{value}{column.after}")


def _tests(
    piece: str, cut: str, value: str, column: Column, *, has_controls: bool
) -> list[str]:  # fmt: skip
    """Give the tests that a piece holds just its key and one value, which is `value`."""
    type_ = column.field.type
    kind = type_.kind
    if kind == "boolean":
        return [f"{value} IS NOT NULL"]
    if kind == "string":
        return _string_tests(piece, value, column, has_controls=has_controls)
    if kind in _WHOLE or column.is_exact:
        after = f" || {literal(column.after)}" if column.after else ""
        printed = f"{literal(column.before)} || {value}{after} = {piece}"
        return (
            [printed] if kind in ("bigint", "decimal") else [printed, checks.in_range(value, type_)]
        )
    if kind in ("double", "decimal"):
        # DuckDB's cast also takes 01, 5., .5, +5 and 1_000, its JSON parser also NaN.
        number = f"json_valid({cut})"
        return [*_framed(piece, column.before, column.after), number, *_fits(cut, value, column)]
    if kind == "date":
        return [*_timely(piece, 10, column), f"{value} >= DATE '1000-01-01'"]
    if column.instant:
        return [*_timely(piece, column.instant[1], column), f"{value} >= {_YEAR_1000}"]
    frame = _framed(piece, f'{column.before}"', f'"{column.after}')
    return [*frame, checks.fits_text(cut, value, type_)]


def _framed(piece: str, before: str, after: str) -> list[str]:
    if not after:
        return [f"starts_with({piece}, {literal(before)})"]
    if "_" not in before:
        # One call instead of two; an underscore would stand for any letter.
        return [f"{piece} LIKE {literal(f'{before}%{after}')}"]
    framed = [
        f"{test}({piece}, {literal(text)})"
        for test, text in (("starts_with", before), ("ends_with", after))
    ]
    return [*framed, f"strlen({piece}) >= {len(before) + len(after)}"]


def _string_tests(piece: str, value: str, column: Column, *, has_controls: bool) -> list[str]:
    before, after = f'{column.before}"', f'"{column.after}'
    # A string without backslash ends at the next quote.
    plain = f"NOT contains({value}, '\"')"
    if has_controls:
        # DuckDB escapes control characters where it prints a string.
        plain += f" AND strlen(to_json({value})) = strlen({value}) + 2"
    if not column.has_escapes:
        return [*_framed(piece, before, after), f"NOT contains({piece}, '\\')", plain]
    # One with backslashes was parsed, with its quotes around it: the parser takes it all or not.
    judged = f"({value} IS NOT NULL AND (contains({piece}, '\\') OR ({plain})))"
    return [*_framed(piece, before, after), judged]


def _fits(text: str, value: str, column: Column) -> list[str]:
    if column.field.type.kind == "double":
        return [f"isfinite({value})"]
    scale = column.field.type.scale
    digits = f"(NOT contains({text}, '.') OR strlen({text}) - instr({text}, '.') <= {scale})"
    # The cast rounds what an exponent makes of digits.
    exponents = [f"NOT contains({text}, '{letter}')" for letter in "eE"]
    return [*exponents, digits, f"{value} IS NOT NULL"]


def _timely(piece: str, size: int, column: Column) -> list[str]:
    # Strptime takes fewer digits and spaces at both ends: of the full size there are neither.
    before, after = f'{column.before}"', f'"{column.after}'
    return [
        f"strlen({piece}) = {len(before) + size + len(after)}",
        *_framed(piece, before, after),
    ]


# --- learning -----------------------------------------------------------------------------------


def template_of(lines: Sequence[tuple[str, Json]], schema: Schema) -> Template | None:
    """Give the template that most of some lines are written by; None when none is."""
    if not lines or any(f.type.kind not in _KINDS for f in schema.fields):
        return None
    keys = max((found.keys for _, found in lines), key=[j.keys for _, j in lines].count)
    if sorted(keys) != sorted(schema.names):
        return None
    likely = [found for _, found in lines if found.keys == keys]
    for colon, comma in _STYLES:
        count = sum(_is_written_so(text, found, keys, colon, comma) for text, found in lines)
        if 2 * count >= len(lines):
            columns = [
                _column(i, keys, schema, colon, [found.items[i] for found in likely])
                for i in range(len(keys))
            ]
            most = max(text.count(f'{comma}"') for text, _ in lines) + 1 - len(keys)
            return Template(tuple(columns), comma, min(max(most, 1), _MOST_SPARE))
    return None


def _column(
    at: int, keys: Sequence[str], schema: Schema, colon: str, items: Sequence[Json]
) -> Column:  # fmt: skip
    field = schema.fields[schema.names.index(keys[at])]
    kind = field.type.kind
    start = '{"' if at == 0 else ""
    return Column(
        field,
        f'{start}{field.name}"{colon}',
        "}" if at == len(keys) - 1 else "",
        is_exact=kind == "decimal" and _is_exact(field, items),
        has_escapes=kind == "string" and any("\\" in item.raw for item in items),
        has_nulls=field.nullable and any(item.kind == "null" for item in items),
        instant=_instant([item.text for item in items if item.kind == "string"])
        if kind == "timestamp"
        else (),
    )


def _instant(texts: Sequence[str]) -> tuple[str, int] | tuple[()]:
    """Give how strptime reads most of some instants, and how many letters they have."""
    found = [match for text in texts if (match := _INSTANT.fullmatch(text))]
    shapes = [(m[1], len(m[2] or ""), m[3] or "") for m in found]
    if not shapes or 2 * len(found) < len(texts):
        return ()
    between, digits, zone = max(shapes, key=shapes.count)
    point = {0: "", 4: ".%g", 7: ".%f"}[digits]
    return f"%Y-%m-%d{between}%H:%M:%S{point}{zone}", 19 + digits + len(zone)


def _is_exact(field: Field, items: Sequence[Json]) -> bool:
    """Say whether most values of a decimal column are written with all digits of its scale."""
    count = 0
    for item in items:
        try:
            count += f"{coerce_json(item, field.type)}" == item.raw
        except Misfit:
            continue
    return 2 * count >= len(items)


def _is_written_so(text: str, found: Json, keys: Sequence[str], colon: str, comma: str) -> bool:
    members = comma.join(
        f'"{key}"{colon}{item.raw}' for key, item in zip(keys, found.items, strict=False)
    )
    return found.keys == keys and text == "{" + members + "}"
