"""What all messages of a source share: columns, format, and what is no part of the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.errors import DefinitionError, SettingsError
from mainstem.formats.csv import CsvFormat
from mainstem.plan.nodes import Source
from mainstem.plan.types import Field, Schema
from mainstem.record import record

FORMATS = ("json", "csv", "text", "bytes", "avro")
# What a column may be besides a part of the value.
METADATA = ("key", "headers", "partition", "offset", "timestamp", "topic")


@record
class Layout:
    """How the messages of a source are read.

    Parameters
    ----------
    source : Source
        Name, declared columns, event time, what becomes of bad messages.
    format : str
        One of `FORMATS`.
    value : Schema
        The declared columns that are part of the value.
    metadata : dict of str to str
        The other columns, each with one of `METADATA`.
    rule : EventTimeRule
        Contract T2.
    csv : CsvFormat
        How CSV is spelled; its header is none of a message's.
    names : tuple of str
        The columns of a CSV line, in order; those of `value` when empty.
    """

    source: Source
    format: str
    value: Schema
    metadata: dict[str, str]
    rule: EventTimeRule
    csv: CsvFormat = field(default_factory=CsvFormat)
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, source: Source, format_: str, metadata: Mapping[str, str] | None = None,
        csv: CsvFormat | None = None, names: tuple[str, ...] = (),
    ) -> Layout:  # fmt: skip
        """Give the layout of a source.

        Raises
        ------
        DefinitionError
            When text or bytes have another number of columns than one, or one of another type.
        SettingsError
            For a format or a word that does not exist.
        """
        found = {
            f.name: word
            for f in source.schema.fields
            for column, word in (metadata or {}).items()
            if column.lower() == f.name.lower()
        }
        wrong = [w for w in found.values() if w not in METADATA]
        if format_ not in FORMATS or wrong:
            shown = f"metadata {wrong[0]!r}" if wrong else f"format {format_!r}"
            raise SettingsError(
                f"source {source.name!r}: no {shown}", where=source.where, code="OptionType",
                fix=f"write one of: {', '.join(METADATA if wrong else FORMATS)}",
            )  # fmt: skip
        value = Schema(tuple(f for f in source.schema.fields if f.name not in found))
        if format_ in ("text", "bytes"):
            _check_one(source, value, "string" if format_ == "text" else "bytes")
        return cls(
            source, format_, value, found, EventTimeRule.of(source), csv or CsvFormat(),
            (names or value.names) if format_ == "csv" else (),
        )  # fmt: skip

    @property
    def key(self) -> Field | None:
        """Give the column that holds the messages' keys."""
        fields = self.source.schema.fields
        return next((f for f in fields if self.metadata.get(f.name) == "key"), None)

    @property
    def is_flat(self) -> bool:
        """Say whether messages are JSON, and nothing of them (headers) lies in several pieces of memory."""
        return self.format == "json" and "headers" not in self.metadata.values()

    @property
    def latest_ahead_us(self) -> int:
        """Give how many microseconds an event time may be later than its record."""
        ahead = self.rule.max_ahead
        return (ahead.days * 86_400 + ahead.seconds) * 1_000_000 + ahead.microseconds


def _check_one(source: Source, value: Schema, kind: str) -> None:
    if len(value) != 1 or value.fields[0].type.kind != kind:
        shown: Any = str(value) or "none"
        raise DefinitionError(
            f"source {source.name!r}: a message is one {kind} column, declared are: {shown}",
            where=source.where, code="FormatColumns",
            fix=f"declare one column of type {kind} besides those of metadata=",
        )  # fmt: skip
