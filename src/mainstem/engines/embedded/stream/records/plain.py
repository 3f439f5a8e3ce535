"""Messages that are a line of CSV, a text or bytes."""

from __future__ import annotations

from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.engines.embedded.stream.records.reading import DECODED, IS_UTF8, Reading
from mainstem.engines.embedded.types import duckdb_type, literal
from mainstem.plan.types import in_expressions


def by_text(layout: Layout) -> Reading:
    """Give how a message becomes one text; one that is no UTF-8 is in doubt."""
    (field,) = layout.value.fields
    return Reading(({"line": DECODED},), {field.name: checks.Checked("line", "TRUE")}, f"{IS_UTF8}")


def by_bytes(layout: Layout) -> Reading:
    """Give how a message becomes one column of bytes."""
    (field,) = layout.value.fields
    return Reading((), {field.name: checks.Checked("value", "TRUE")}, "value IS NOT NULL")


def by_delimiter(layout: Layout) -> Reading:
    """Give how a line without quotes becomes columns; one with quotes is in doubt."""
    names, spelling = layout.names, layout.csv
    nulls = ", ".join(literal(text) for text in ("", *spelling.nulls))
    columns = {}
    for field in layout.value.fields:
        text = f"f{names.index(field.name)}" if field.name in names else "CAST(NULL AS VARCHAR)"
        columns[field.name] = checks.from_text(text, field)
    # One line end is taken off, as from a line of a file.
    unended = r"regexp_replace(line, '\r?\n?\z', '')"
    has_end = "ends_with(line, chr(10)) OR ends_with(line, chr(13))"
    layers = (
        {"line": DECODED},
        {"row": f"CASE WHEN {has_end} THEN {unended} ELSE line END"},
        {"fields": f"string_split(row, {literal(spelling.delimiter)})"},
        {
            f"f{i}": f"CASE WHEN fields[{i + 1}] IN ({nulls}) THEN NULL ELSE fields[{i + 1}] END"
            for i, name in enumerate(names)
            if name in layout.value.names
        },
    )
    n = len(names)
    # A delimiter behind the last column is ignored.
    fits = f"(len(fields) = {n} OR (len(fields) = {n + 1} AND fields[{n + 1}] = ''))"
    quotes = f" AND NOT contains(line, {literal(spelling.quote)})" if spelling.quote else ""
    unknown = sum(name not in layout.value.names for name in names)
    return Reading(layers, columns, f"{IS_UTF8} AND {fits}{quotes}", str(unknown))


def by_reference(layout: Layout) -> Reading:
    """Give the way of formats that DuckDB cannot read: every message is in doubt."""
    columns = {
        f.name: checks.Checked(f"CAST(NULL AS {duckdb_type(in_expressions(f.type))})", "TRUE")
        for f in layout.value.fields
    }
    return Reading((), columns, "FALSE")
