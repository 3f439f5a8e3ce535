"""A statement that turns messages into typed rows and says of which ones there is any doubt.

A row in doubt has a negative number of its part: -1 - part. So the table needs no further column, and
nothing has to be removed from it afterwards.
"""

from __future__ import annotations

from datetime import datetime

from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.engines.embedded.stream.spec import PART
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.plan.types import in_expressions
from mainstem.record import record

# Bytes that are no UTF-8 are left out, so that nothing is raised: where a vector of rows raises, DuckDB
# tries each of them alone, which is ten times as slow (measured). What was left out shows in the length.
DECODED = "decode(value, 'ignore')"
# As which type headers are read, also where a slice has none and so no type.
HEADERS = 'STRUCT("key" VARCHAR, "value" BLOB)[]'
IS_UTF8 = "strlen(line) = octet_length(value)"


@record
class Reading:
    """How values are made of messages.

    Parameters
    ----------
    layers : tuple of dict of str to str
        Names and SQL, computed one layer after the other over the columns of the messages.
    columns : dict of str to Checked
        Values of the columns of the value.
    sure : str
        A check of the whole message besides those of the columns.
    unknown : str
        SQL of how many fields no column has the name of, in a row without doubt.
    """

    layers: tuple[dict[str, str], ...]
    columns: dict[str, checks.Checked]
    sure: str
    unknown: str = "0"


def metadata(layout: Layout, partitions: tuple[str, ...]) -> dict[str, checks.Checked]:
    """Give the columns that are no part of the value."""
    made = {}
    for field in layout.source.schema.fields:
        word = layout.metadata.get(field.name, "")
        if word:
            if word == "key":
                checked = _key(layout)
            else:
                sure = f"NOT {wrong_headers(layout)}" if word == "headers" else "TRUE"
                checked = checks.Checked(_metadata(word, layout, partitions), sure)
            null = "" if field.nullable else f" AND {checked.value} IS NOT NULL"
            made[field.name] = checks.Checked(checked.value, checked.sure + null)
    return made


def _metadata(word: str, layout: Layout, partitions: tuple[str, ...]) -> str:
    if word == "timestamp":
        return "make_timestamptz(epoch_us(time))"
    if word == "offset":
        return "position"
    if word == "headers":
        return _headers(layout)
    splits = [name.rpartition("/") for name in partitions]
    if word == "topic":
        return _by_part([literal(topic or number) for topic, _, number in splits], "VARCHAR")
    numbers = [number if number.isdecimal() else "0" for _, _, number in splits]
    return _by_part(numbers, "BIGINT")


def _headers(layout: Layout) -> str:
    """Give the SQL of a map of headers; a key that stands twice, as Kafka allows, has its last value."""
    given = f"CAST(headers AS {HEADERS})"
    last = (
        f"list_filter({given}, lambda h, i: NOT list_contains("
        f"list_transform({given}[i + 1:], lambda x: x.key), h.key))"
    )
    if _has_texts(layout):
        text = "{'key': h.key, 'value': decode(h.value, 'ignore')}"
        last = f"list_transform({last}, lambda h: {text})"
    return f"map_from_entries({last})"


def _has_texts(layout: Layout) -> bool:
    """Say whether headers are declared as texts."""
    schema = layout.source.schema
    return any(
        layout.metadata.get(f.name) == "headers" and f.type.items[1].kind == "string"
        for f in schema.fields
    )


def wrong_headers(layout: Layout) -> str:
    """Give the SQL that is TRUE for a message with a header that should be a text and is none."""
    if not _has_texts(layout):
        return "FALSE"
    wrong = "strlen(decode(h.value, 'ignore')) <> octet_length(h.value)"
    found = f"list_filter(CAST(headers AS {HEADERS}), lambda h: {wrong})"
    return f"coalesce(len({found}) > 0, FALSE)"


def _by_part(values: list[str], type_: str) -> str:
    """Give the SQL of a value that all messages of a part share."""
    if len(set(values)) == 1:
        return f"CAST({values[0]} AS {type_})"
    return f"CAST([{', '.join(values)}] AS {type_}[])[part + 1]"


def _key(layout: Layout) -> checks.Checked:
    field, key = layout.key, "CAST(key AS BLOB)"
    if field is None or field.type.kind == "bytes":
        return checks.Checked(key, "TRUE")
    text = f"decode({key}, 'ignore')"
    made = checks.from_text(text, field)
    return checks.Checked(
        made.value, f"(key IS NULL OR strlen({text}) = octet_length({key})) AND {made.sure}"
    )


def statement(
    reading: Reading, layout: Layout, partitions: tuple[str, ...], relation: str, *,
    read_at: datetime, kept: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """Give the SELECT of the declared columns, `spec.PART`, and what else is `kept` of `relation`."""
    columns = reading.columns | metadata(layout, partitions)
    fields = layout.source.schema.fields
    names = {field.name: f"v{i}" for i, field in enumerate(fields)}
    tests = [reading.sure]
    for name, column in columns.items():
        tests.append(column.sure.replace(column.value, names[name]))
    if layout.rule.column:
        tests.append(_timely(names[layout.rule.column], layout, read_at))
    sure = " AND ".join(f"({test})" for test in tests if test != "TRUE") or "TRUE"
    outputs = [
        f"CAST({names[f.name]} AS {duckdb_type(in_expressions(f.type))}) AS {quoted(f.name)}"
        for f in fields
    ]
    outputs.append(f"CASE WHEN {sure} THEN part ELSE -1 - part END AS {quoted(PART)}")
    # One layer for each: so every expression is computed once.
    for layer in reading.layers:
        made = ", ".join(f"{sql} AS {name}" for name, sql in layer.items())
        relation = f"(SELECT *, {made} FROM {relation})"
    inner = ", ".join(f"{columns[name].value} AS {short}" for name, short in names.items())
    return f"SELECT {', '.join([*outputs, *kept])} FROM (SELECT *, {inner} FROM {relation})"


def _timely(value: str, layout: Layout, read_at: datetime) -> str:
    """Give the SQL of contract T2; NULL, which is not TRUE, for an event time that is NULL."""
    now = f"epoch_us(TIMESTAMPTZ {literal(read_at.isoformat())})"
    return f"epoch_us({value}) <= coalesce(epoch_us(time), {now}) + {layout.latest_ahead_us}"
