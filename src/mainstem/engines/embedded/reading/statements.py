"""The statements that let DuckDB read text files, and what must be true of their outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from mainstem.connectors.files.options import FilesSource
from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.reading.checks import Checked
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.fileread import partition_values
from mainstem.engines.embedded.reading.guard import Scanned
from mainstem.engines.embedded.reading.reference import encoded
from mainstem.engines.embedded.reading.shape import Shape, shape_of
from mainstem.engines.embedded.reading.template import Template
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.errors import Place
from mainstem.formats.jsontext import MAX_DEPTH
from mainstem.formats.lines import raw_lines
from mainstem.plan.types import Field, Schema, in_expressions
from mainstem.record import record

# Hidden columns of the table while it is loaded: the texts of a row in doubt, and the keys of a JSON
# object that are not just the declared ones.
RAW = '"__raw"'
KEYS = '"__keys"'
# What a thread reads at a time: DuckDB's own 32 MB leave all cores but one idle on smaller files.
BUFFER = 8_000_000


@record
class Layout:
    """What all files of a source share."""

    format: str
    options: FilesSource
    schema: Schema
    partition: tuple[Field, ...]
    rule: EventTimeRule


@record
class Group:
    """Files next to each other that one statement can read."""

    files: tuple[Scanned, ...]
    names: tuple[str, ...]
    constants: tuple[Any, ...]
    is_slow: bool
    shape: Shape | None = None

    @property
    def template(self) -> Template | None:
        """Give how lines are split into pieces; None where they are not (JSON lines)."""
        splits = all(one.splits and not one.has_blanks for one in self.files)
        return self.shape.template if self.shape and splits else None

    def unknown_columns(self, schema: Schema) -> int:
        """Give how many CSV columns no declared column has the name of."""
        return sum(name not in schema.names for name in self.names)

    def latest(self, rule: EventTimeRule) -> datetime:
        """Give an event time that is early enough for every file."""
        return min(rule.latest(one.file.path) for one in self.files)


@record
class Reading:
    """How DuckDB reads a group.

    Parameters
    ----------
    columns : dict of str to Checked
        Their values out of `relation`, and their checks.
    sure : str
        A check of the whole row besides those.
    plain : str
        A test that makes the columns' checks unnecessary, but for their `Checked.plain`; it may use
        ``form``.
    form : str
        Whether a line has the plain form of its file: 2 (nothing is left to check), 1 or 0.
    raw, keys : str
        What is kept of a row in doubt, and of one that is not.
    """

    columns: dict[str, Checked]
    relation: str
    sure: str = "TRUE"
    plain: str = ""
    form: str = ""
    raw: str = "NULL"
    keys: str = "NULL"


def refusals() -> tuple[type[Exception], ...]:
    """Give what DuckDB raises when it does not take a file."""
    import duckdb

    return (
        UnicodeDecodeError,  # of its own message
        duckdb.InvalidInputException,
        duckdb.ConversionException,
        duckdb.OutOfRangeException,
        duckdb.NotImplementedException,  # a line longer than what a thread reads at a time
    )


def takes_all(layout: Layout, names: Sequence[str]) -> bool:
    """Say whether DuckDB reads, and so checks, every byte of a file's lines."""
    if layout.format == "text":
        return "line" in layout.schema.names
    return layout.format == "json" or set(names) <= set(layout.schema.names)


def groups(scanned: Sequence[Scanned], layout: Layout, where: Place) -> list[Group]:
    """Split files, in order, into groups with the same columns, line ends and path values."""
    separate = layout.options.multiline or "line_number" in layout.schema.names
    separate = separate or "file" in layout.schema.names

    def key(one: Scanned) -> tuple[Any, ...]:
        constants = partition_values(one.file, layout.partition, where)
        alone = one.file.path if separate else ""
        return one.names or (), one.pairs > 0, one.separators[:1], bool(one.doubt), constants, alone

    def shape(first: Scanned, *, is_slow: bool) -> Shape | None:
        has_shape = layout.format == "json" and not is_slow
        return shape_of(first.path, layout.schema) if has_shape else None

    if layout.format not in ("json", "text"):
        # An empty CSV file has no header and no rows: nothing to load, and no columns to load it by.
        scanned = [one for one in scanned if one.names]
    made = [
        Group(tuple(members), names, constants, is_slow)
        for (names, _, _, is_slow, constants, _), members in groupby(scanned, key)
    ]
    return [replace(one, shape=shape(one.files[0], is_slow=one.is_slow)) for one in made]


def insert_sql(
    table: str, schema: Schema, group: Group, layout: Layout
) -> tuple[str, list[Any]]:  # fmt: skip
    """Give the statement that loads a group, and its parameters."""
    if layout.format == "json":
        way = _json(group, layout)
    else:
        way = (_text if layout.format == "text" else _csv)(group, layout)
    values: list[Any] = []
    outputs = []
    for field in schema.fields:
        if field.name in way.columns:
            outputs.append(way.columns[field.name].value)
        else:
            place = [f.name for f in layout.partition].index(field.name)
            values.append(encoded(group.constants[place], field.type))
            outputs.append(f"CAST(? AS {duckdb_type(in_expressions(field.type))})")
    # Layers: values, the form of the line, the check of both, its uses. So each is computed once.
    inner = ", ".join(f"{value} AS v{i}" for i, value in enumerate(outputs))
    outer = ", ".join(f"v{i}" for i in range(len(outputs)))
    names = ", ".join(quoted(name) for name in schema.names)
    valued = f"(SELECT *, {inner} FROM {way.relation})"
    if way.form:
        valued = f"(SELECT *, {way.form} AS form FROM {valued})"
    return (
        f"INSERT INTO {table} ({names}, {RAW}, {KEYS}) "
        f"SELECT {outer}, CASE WHEN sure THEN NULL ELSE {way.raw} END, "
        f"CASE WHEN sure THEN {way.keys} END "
        f"FROM (SELECT *, CASE WHEN {_sure(way, schema, group, layout)} THEN TRUE ELSE FALSE END "
        f"AS sure FROM {valued})",
        values,
    )


def _sure(way: Reading, schema: Schema, group: Group, layout: Layout) -> str:
    """Give the check of a row, over the values that the layer below has computed."""
    tests = [way.sure]
    fast = [way.plain]
    late = ""
    for i, name in enumerate(schema.names):
        column = way.columns.get(name)
        if column is None:
            continue
        tests.append(column.sure.replace(column.value, f"v{i}"))
        fast.append(column.plain.replace(column.value, f"v{i}"))
        if name == layout.rule.column:
            late = f" AND v{i} <= TIMESTAMPTZ {literal(group.latest(layout.rule).isoformat())}"
    slow = " AND ".join(test for test in tests if test != "TRUE") or "TRUE"
    if way.plain:
        quick = " AND ".join(test for test in fast if test != "TRUE")
        slow = f"CASE WHEN form = 2 THEN TRUE WHEN {quick} THEN TRUE ELSE {slow} END"
    return f"({slow}){late}"


def _csv(group: Group, layout: Layout) -> Reading:
    # Plain names of our own: a header may hold anything, and empty names twice.
    places = {name: f"c{i}" for i, name in enumerate(group.names)}
    columns = {f.name: checks.from_text(places[f.name], f) for f in layout.schema.fields}
    delimiter = layout.options.delimiter or ("\t" if layout.format == "tsv" else ",")
    nulls = ", ".join(literal(text) for text in ("", *layout.options.nulls))
    relation = _read_csv(
        group, [f"c{i}" for i in range(len(group.names))], delimiter, layout.options.quote,
        f"header = {'true' if layout.options.header else 'false'}, nullstr = [{nulls}], "
        "allow_quoted_nulls = false",
    )  # fmt: skip
    raw = ", ".join(places[f.name] for f in layout.schema.fields)
    return Reading(columns, relation, raw=f"CAST([{raw}] AS VARCHAR[])")


def _read_csv(group: Group, columns: list[str], delimiter: str, quote: str, rest: str) -> str:
    paths = ", ".join(literal(one.path) for one in group.files)
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    return (
        f"read_csv([{paths}], columns = {{{types}}}, auto_detect = false, compression = 'none', "
        f"delim = {literal(delimiter)}, quote = {literal(quote)}, escape = {literal(quote)}, "
        f"strict_mode = true, hive_partitioning = false, buffer_size = {BUFFER}, {rest})"
    )


def _lines(group: Group) -> str:
    return _read_csv(group, ["line"], chr(group.files[0].separators[0]), "", "header = false")


# A line that may be nested deeper than the reference follows; DuckDB follows any depth.
DEEP = (
    f"strlen(line) > {2 * MAX_DEPTH} AND "
    f"strlen(line) - strlen(replace(replace(line, '[', ''), '{{', '')) > {MAX_DEPTH}"
)


def _json(group: Group, layout: Layout) -> Reading:
    columns = {f.name: checks.from_json("j", f) for f in layout.schema.fields}
    regex = literal(checks.json_doubt_regex(layout.schema))
    parts = [f"struct_extract(j, {literal(f.name)})" for f in layout.schema.fields]
    usual = " AND ".join(f"{part} IS NOT NULL" for part in parts)
    keys = f"CASE WHEN len(json_keys(line)) = {len(parts)} AND {usual} THEN NULL ELSE json_keys(line) END"
    form = ""
    if group.shape:
        fits = "WHEN fits THEN 2 " if group.template else ""
        matched = f"regexp_full_match(line, {literal(group.shape.regex)})"
        form = f"CASE {fits}WHEN {matched} THEN 1 ELSE 0 END"
        # Where plain lines have unknown fields, they are counted as the rows without a list of keys.
        keys = f"CASE WHEN form > 0 THEN NULL ELSE {'json_keys(line)' if group.shape.unknown else keys} END"
    structure = literal(checks.json_structure(layout.schema))
    parsed = f"TRY(json_transform(line, {structure}))"
    if group.template:
        relation = _pieces(group, group.template, parsed)
        columns = _of_pieces(group.template, columns)
    else:
        relation = f"(SELECT line, {parsed} AS j FROM {_lines(group)}{_but_blanks(group)})"
    # DuckDB makes an object without fields of every other JSON value: 7 would be a row of NULLs.
    first = "starts_with(line, '{') OR starts_with(ltrim(line, ' ' || chr(9) || chr(13)), '{')"
    sure = f"({first}) AND j IS NOT NULL AND NOT regexp_matches(line, {regex}) AND NOT ({DEEP})"
    plain = "form = 1 AND j IS NOT NULL" if form else ""
    return Reading(columns, relation, sure, plain, form, "[line]", keys)


def _but_blanks(group: Group) -> str:
    # Lines of nothing but spaces are no rows. Looking for them costs a third of reading, so it is
    # done only after one was met.
    some = any(one.has_blanks for one in group.files)
    return " WHERE trim(line, ' ' || chr(9) || chr(13)) <> ''" if some else ""


def _pieces(group: Group, template: Template, parsed: str) -> str:
    """Give the relation of values p0, p1 and so on, or of lines that do not fit and are parsed."""
    separator = chr(group.files[0].separators[0])
    # Pieces that are not there become NULL, and no other ones: so no line loses its letters.
    padding = f"header = false, null_padding = true, nullstr = {literal(separator)}"
    relation = _read_csv(group, template.pieces, template.delimiter, "", padding)
    cuts = [f"{cut} AS {name}" for name, cut in template.cuts().items()]
    values = [f"{value} AS p{i}" for i, value in enumerate(template.values().values())]
    names = {column.field.name: f"p{i}" for i, column in enumerate(template.columns)}
    has_controls = any(one.has_controls for one in group.files)
    fits = f"coalesce({template.test(names, has_controls=has_controls)}, FALSE) AS fits"
    line = f"CASE WHEN fits THEN NULL ELSE {template.line} END AS line"
    # What a row that fits does not need is a constant NULL, which costs nothing.
    for outputs in (
        cuts,
        values,
        [fits],
        [line],
        [f"CASE WHEN fits THEN NULL ELSE {parsed} END AS j"],
    ):
        relation = f"(SELECT {', '.join(['*', *outputs])} FROM {relation})"
    return relation


def _of_pieces(template: Template, columns: dict[str, Checked]) -> dict[str, Checked]:
    found = {}
    for i, column in enumerate(template.columns):
        old = columns[column.field.name]
        value = f"CASE WHEN fits THEN p{i} ELSE {old.value} END"
        found[column.field.name] = Checked(
            value, old.sure.replace(old.value, value), old.plain.replace(old.value, value)
        )
    return found


def _text(group: Group, layout: Layout) -> Reading:
    known = {
        "line": "coalesce(line, '')",
        "line_number": "row_number() OVER ()",
        "file": literal(group.files[0].file.path),
    }
    columns = {name: Checked(known[name], "TRUE") for name in layout.schema.names}
    return Reading(columns, _lines(group))


def expected_rows(group: Group, layout: Layout, n_rows: int) -> list[int] | None:
    """Give the number of rows of each file, or None when it does not fit its lines.

    Every way in which DuckDB's idea of a record differs from ours makes fewer rows: a quoted field
    that runs over lines joins them. So equal sums mean equal rows in every file.
    """
    if layout.options.multiline and layout.format in ("csv", "tsv"):
        return [n_rows]
    header = int(layout.format in ("csv", "tsv") and layout.options.header)
    counts = [max(one.lines - header, 0) for one in group.files]
    if sum(counts) != n_rows:
        keeps_empty = layout.format == "text" or (layout.format != "json" and len(group.names) == 1)
        counts = [max(_records(one, layout, keeps_empty) - header, 0) for one in group.files]
    return counts if sum(counts) == n_rows else None


def has_blanks(one: Scanned) -> bool:
    """Say whether a JSON lines file has lines that are no records."""
    with Path(one.path).open("rb") as stream:
        lines = raw_lines(stream)
        return any(not raw.strip(b" \t\r\n") and size == len(raw) for _, raw, size in lines)


def _records(one: Scanned, layout: Layout, keeps_empty: bool) -> int:  # noqa: FBT001
    if keeps_empty:
        return one.lines
    spaces = b" \t\r\n" if layout.format == "json" else b"\r\n"
    with Path(one.path).open("rb") as stream:
        lines = raw_lines(stream)
        return sum(1 for _, raw, size in lines if raw.strip(spaces) or size > len(raw))
