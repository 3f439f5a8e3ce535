"""From the declaration of a source or lookup to a checked `Source`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainstem.connectors.arrow.options import ArrowSource
from mainstem.connectors.arrow.schema import Column
from mainstem.connectors.spec import Connector, connector, read_options
from mainstem.definition.binding import bound, is_text
from mainstem.definition.declaration import SourceDeclaration
from mainstem.definition.expectation import MAX_BAD_FIX, wrong_max_bad
from mainstem.errors import Finding, Findings, Place, listing, nearest
from mainstem.plan.nodes import Binding, Source
from mainstem.plan.types import Field, Schema, Type, parse_schema
from mainstem.settings.values import Settings

# A text file has columns of its own; `line` is what nearly everybody wants of them.
TEXT_SCHEMA = "line string"
BAD_ACTIONS = ("fail", "dead_letter")
# Types of connectors whose data can be looked at before a run.
INFERRED = ("files", "duckdb")
# What has one order everywhere, and a largest value: NaN has no place in the order of doubles.
CURSOR_TYPES = ("bigint", "integer", "smallint", "decimal", "date", "timestamp", "string")


class SourceWork:
    """Checks sources one by one; what is wrong goes to `findings`."""

    def __init__(self, settings: Settings, findings: Findings) -> None:
        self.settings = settings
        self.findings = findings

    def source(self, declared: SourceDeclaration) -> Source | None:
        """Give the source, or None when its binding or schema cannot be read."""
        binding = bound(
            "sources", declared.name, declared.binding, self.settings, where=declared.where,
            findings=self.findings,
        )  # fmt: skip
        schema = self._schema(declared, binding)
        if binding is None or schema is None:
            return None
        event_time = self._event_time(declared, schema)
        row = connector(binding)
        self._option_columns(declared, binding, row, schema)
        is_bounded = row.ends(binding)
        if declared.is_lookup and not is_bounded:
            self._add(
                "LookupNotWhole", f"lookup {declared.name!r} never ends ({row.name}): it can not be "
                "loaded whole", declared.where, "bind it to files or a table, with refresh=",
                declared.name,
            )  # fmt: skip
        self._key(declared, schema)
        on_bad = self._on_bad(declared, "fail" if is_bounded else "dead_letter")
        self._incremental(declared, binding, schema)
        return Source(
            declared.name, binding, schema, event_time, declared.watermark, declared.idle,
            declared.max_ahead, bounded=is_bounded, key=declared.key,
            refresh=declared.refresh, on_bad=on_bad, max_bad=declared.max_bad,
            where=declared.where,
        )  # fmt: skip

    def _option_columns(
        self, declared: SourceDeclaration, binding: Binding, row: Connector, schema: Schema
    ) -> None:
        """Check the columns that the options of a source name."""
        if row.source_options is None or not hasattr(row.source_options, "column_problems"):
            return
        options: Any = read_options(row.source_options, binding)
        for one in options.column_problems(schema, declared.event_time):
            self._add(one.code, one.what, declared.where, one.fix, declared.name)

    def _schema(self, declared: SourceDeclaration, binding: Binding | None) -> Schema | None:
        if declared.schema is not None:
            return declared.schema if len(declared.schema) else None
        if binding is not None and is_text(binding):
            return parse_schema(TEXT_SCHEMA)
        if binding is not None and binding.type == "arrow":
            return self._arrow(declared, binding)
        is_seen = binding is None or binding.type in INFERRED
        self._add(
            "SchemaMissing", f"source {declared.name!r} has no schema", declared.where,
            "run mainstem check --infer, which writes it into the file" if is_seen
            else 'add schema="column type, …"', declared.name,
        )  # fmt: skip
        return None

    def _arrow(self, declared: SourceDeclaration, binding: Binding) -> Schema | None:
        """Give the object's own columns: they are stated, so taking them is no guess."""
        columns = read_options(ArrowSource, binding).data.columns
        unknown = [column for column in columns if column.type is None]
        if unknown:
            self._add(
                "ArrowType", f"source {declared.name!r} has columns without a type here: "
                f"{listing(map(str, unknown))}", declared.where, _arrow_fix(columns), declared.name,
            )  # fmt: skip
            return None
        if not all(column.name for column in columns):
            self._add(
                "ArrowType", f"source {declared.name!r} has a column without a name", declared.where,
                "name it in the object", declared.name,
            )  # fmt: skip
            return None
        fields = [Field(c.name, c.type, c.nullable) for c in columns if c.type is not None]
        return Schema(tuple(fields))

    def _event_time(self, declared: SourceDeclaration, schema: Schema) -> str:
        """Check the event time and give its column as the schema spells it.

        Engines find the column by that name: in another case it would not be judged at all (T2).
        """
        where, name = declared.where, declared.name
        spans = {
            "watermark": declared.watermark, "idle": declared.idle, "max_ahead": declared.max_ahead,
        }  # fmt: skip
        if not declared.event_time:
            for word, span in spans.items():
                if span is not None:
                    self._add(
                        "EventTimeMissing", f"{name!r} has {word} and no event_time", where,
                        f'add event_time="column", or remove {word}', name,
                    )  # fmt: skip
            return ""
        column = self._column(declared, schema, declared.event_time, "event_time")
        if column is not None and schema.fields[column].type.kind != "timestamp":
            kind = schema.fields[column].type
            self._add(
                "EventTimeType", f"event_time {declared.event_time!r} of {name!r} is {kind}", where,
                "declare the column as timestamp", name,
            )  # fmt: skip
        return declared.event_time if column is None else schema.names[column]

    def _key(self, declared: SourceDeclaration, schema: Schema) -> None:
        if declared.is_lookup and not declared.key:
            self._add(
                "KeyMissing", f"lookup {declared.name!r} has no key", declared.where,
                f'add key="{schema.names[0]}"', declared.name,
            )  # fmt: skip
        for name in declared.key:
            self._column(declared, schema, name, "key")

    def _incremental(self, declared: SourceDeclaration, binding: Binding, schema: Schema) -> None:
        """Check what says that a run reads only new files or rows."""
        options, where, name = binding.as_dict(), declared.where, declared.name
        cursor = options.get("cursor")
        if declared.is_lookup and (cursor or options.get("incremental")):
            self._add(
                "LookupNotWhole", f"lookup {name!r} is incremental: rows would be completed from "
                "the newest entries only", where, "remove incremental= or cursor=", name,
            )  # fmt: skip
        if options.get("changed") and not options.get("incremental"):
            self._add(
                "ChangedNotUsed", f"{name!r} has changed= and is not incremental", where,
                "add incremental=True, or remove changed=", name,
            )  # fmt: skip
        if cursor:
            column = self._column(declared, schema, cursor, "cursor")
            if column is not None and schema.fields[column].type.kind not in CURSOR_TYPES:
                self._add(
                    "CursorType", f"cursor {cursor!r} of {name!r} is {schema.fields[column].type}",
                    where, f"name a column of type {listing(CURSOR_TYPES)}", name,
                )  # fmt: skip

    def _on_bad(self, declared: SourceDeclaration, default: str) -> str:
        """Give what becomes of bad records: one of them never stops a stream unasked (V10)."""
        on_bad = declared.on_bad or default
        if on_bad not in BAD_ACTIONS:
            close = nearest(str(declared.on_bad), BAD_ACTIONS)
            self._add(
                "OptionType", f"on_bad of {declared.name!r} is {declared.on_bad!r} (words: "
                f"{listing(BAD_ACTIONS)})", declared.where,
                f'write on_bad="{close or BAD_ACTIONS[0]}"', declared.name,
            )  # fmt: skip
        elif declared.max_bad is not None and on_bad == "fail":
            self._add(
                "OptionType", f"{declared.name!r} has max_bad, and the first bad record stops the "
                "run", declared.where, 'add on_bad="dead_letter", or remove max_bad', declared.name,
            )  # fmt: skip
        wrong = "" if declared.max_bad is None else wrong_max_bad(declared.max_bad)
        if wrong:
            self._add("OptionType", wrong, declared.where, MAX_BAD_FIX, declared.name)
        return on_bad

    def _column(
        self, declared: SourceDeclaration, schema: Schema, name: str, word: str
    ) -> int | None:
        lowered = [known.lower() for known in schema.names]
        if name.lower() in lowered:
            return lowered.index(name.lower())
        close = nearest(name, schema.names)
        self._add(
            "ColumnNotFound",
            f"no column {name!r} for {word} of {declared.name!r} (columns: "
            f"{listing(schema.names)})", declared.where,
            f"write {close}" if close else "add it to the schema", declared.name,
        )  # fmt: skip
        return None

    def _add(self, code: str, what: str, where: Place, fix: str, step: str = "") -> None:
        self.findings.add(Finding(code, what, where, fix, step=step))


def _arrow_fix(columns: Sequence[Column]) -> str:
    """Give the schema that can be declared; nothing but NULL fits any type, so text is offered."""
    fields = tuple(
        Field(column.name, column.type or Type("string"), column.nullable)
        for column in columns if column.type is not None or column.is_null
    )  # fmt: skip
    if not fields:
        return "cast them in the object"
    text = str(Schema(fields))
    schema = f"schema={text!r}" if '"' in text else f'schema="{text}"'
    has_null = any(column.is_null for column in columns)
    return f"{'say which type is meant' if has_null else 'leave them out'}: {schema}"
