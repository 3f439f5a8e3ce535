"""JSON messages: one object each."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.engines.embedded.native.columns import FITS
from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.reading.statements import DEEP
from mainstem.engines.embedded.stream.records.forms import Form
from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.engines.embedded.stream.records.reading import DECODED, IS_UTF8, Reading
from mainstem.engines.embedded.types import literal
from mainstem.plan.types import Field


def by_columns(fields: Sequence[Field]) -> Reading:
    """Give the columns that were made in C (`native.columns`), of messages without doubt."""
    columns = {
        field.name: checks.Checked(f"c{i}", "TRUE" if field.nullable else f"c{i} IS NOT NULL")
        for i, field in enumerate(fields)
    }
    return Reading((), columns, f"{FITS} = 1")


def by_form(form: Form, *, guarded: bool) -> Reading:
    """Give the fast way: values of messages that have a known form.

    `guarded` asks first whether a message is JSON at all. That costs half as much as reading it, and
    saves ten times as much where some are none.
    """
    line = "CASE WHEN json_valid(line) THEN line END" if guarded else "line"
    columns = {m.field.name: c for m in form.members if m.field and (c := m.column())}
    parsed = f"TRY(from_json({line}, {literal(form.structure)}))"
    # The length that is compared is the one of the bytes: what was left out of them is missing.
    return Reading(
        ({"line": DECODED}, {"j": parsed}, {m.part: m.found for m in form.members}),
        columns, form.test, str(form.unknown),
    )  # fmt: skip


def by_checks(layout: Layout) -> Reading:
    """Give the way for objects of any form: slower, and without doubt for most of what is right."""
    schema = layout.value
    columns = {f.name: checks.from_json("j", f) for f in schema.fields}
    names = ", ".join(literal(name) for name in schema.names)
    regex = literal(checks.json_doubt_regex(schema))
    first = "starts_with(line, '{') OR starts_with(ltrim(line, ' ' || chr(9) || chr(13) || chr(10)), '{')"
    sure = (
        f"({first}) AND j IS NOT NULL AND {IS_UTF8} AND NOT regexp_matches(line, {regex}) "
        f"AND NOT ({DEEP}) AND len(list_distinct(keys)) = len(keys)"
    )
    unknown = (
        f"len(keys) - len(list_filter(keys, lambda k: k IN ({names})))" if names else "len(keys)"
    )
    parsed = f"TRY(json_transform(line, {literal(checks.json_structure(schema))}))"
    layers = (
        {"line": DECODED},
        {"is_json": "json_valid(line)"},
        {
            "j": f"CASE WHEN is_json THEN {parsed} END",
            "keys": "CASE WHEN is_json THEN json_keys(line) END",
        },
    )
    return Reading(layers, columns, sure, unknown)
