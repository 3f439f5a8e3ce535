"""The slow, exact way: what the plain-Python reference makes of one message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.formats.coercion import check_null, coerce_text
from mainstem.formats.csv import judge_csv
from mainstem.formats.jsonlines import json_values
from mainstem.formats.lines import Line
from mainstem.formats.records import BadRow, Misfit
from mainstem.record import record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Values of the columns of the value, and how many fields no column has the name of.
Values = tuple[tuple[Any, ...], int]


@record
class Message:
    """A message: the bytes of its value and key (None for none), and its time in microseconds.

    `has_wrong_headers` says that a header which should be a text is no UTF-8.
    """

    value: bytes | None
    key: bytes | None = None
    time_us: int | None = None
    has_wrong_headers: bool = False


@record
class Judge:
    """Judges messages of a source, each by itself.

    Parameters
    ----------
    layout : Layout
        What they should be.
    values : callable
        What gives the values of a message that has one.
    """

    layout: Layout
    values: Callable[[bytes], Values]

    def row(self, message: Message, read_at: datetime) -> tuple[dict[str, Any], int]:
        """Give the values of a message by column (of the metadata: key), and its unknown fields.

        Raises
        ------
        Misfit
            When it is bad.
        """
        layout = self.layout
        given: dict[str, Any] = {}
        if message.value is None:
            # A tombstone: every column of the value is NULL, and may be.
            unknown = 0
            for field in layout.value.fields:
                check_null(None, field)
                given[field.name] = None
        else:
            values, unknown = self.values(message.value)
            given = dict(zip(layout.value.names, values, strict=True))
        if layout.key is not None:
            given[layout.key.name] = self._of_key(message.key)
        self._check_metadata(message)
        self._check_time(given, message, read_at)
        return given, unknown

    def _of_key(self, key: bytes | None) -> Any:
        field = self.layout.key
        if field is None:
            return None
        value: Any = key
        try:
            if key is not None and field.type.kind != "bytes":
                value = coerce_text(Line(1, 0, key).text(), field.type)
        except Misfit as misfit:
            raise misfit.of_column(field.name) from None
        check_null(value, field)
        return value

    def _check_metadata(self, message: Message) -> None:
        for field in self.layout.source.schema.fields:
            word = self.layout.metadata.get(field.name)
            if word == "timestamp" and message.time_us is None:
                check_null(None, field)
            if word == "headers" and message.has_wrong_headers:
                raise Misfit("a header is not UTF-8", code="NotUtf8", column=field.name)

    def _check_time(self, given: dict[str, Any], message: Message, read_at: datetime) -> None:
        rule = self.layout.rule
        if not rule.column:
            return
        at = read_at if message.time_us is None else EPOCH + timedelta(microseconds=message.time_us)
        if self.layout.metadata.get(rule.column) == "timestamp":
            value = None if message.time_us is None else at
        else:
            value = given[rule.column]
        latest = at + rule.max_ahead
        if value is None or value <= latest:
            rule.check(value, latest)
            return
        raise Misfit(
            f"the event time is later than {latest.isoformat()}, the time of the record + "
            f"{rule.max_ahead} (T2)",
            code="EventTime", column=rule.column, value=value.isoformat(),
        )  # fmt: skip


def values_of(layout: Layout) -> Callable[[bytes], Values]:
    """Give what reads the value of a message of a format that is text, or bytes."""
    schema = layout.value
    if layout.format == "json":
        return lambda raw: json_values(_text(raw), schema)
    if layout.format == "csv":
        return lambda raw: _csv_values(raw, layout)
    if layout.format == "text":
        return lambda raw: ((_text(raw),), 0)
    return lambda raw: ((raw,), 0)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Misfit(
            f"not UTF-8: {error.reason} at byte {error.start + 1} of the message", code="NotUtf8"
        ) from None


def _csv_values(raw: bytes, layout: Layout) -> Values:
    line = Line(1, 0, raw.removesuffix(b"\n").removesuffix(b"\r"))
    row = judge_csv(line, layout.value, layout.csv, layout.names)
    if isinstance(row, BadRow):
        raise Misfit(row.reason, code=row.code, column=row.column, value=row.value)
    return row.values, row.unknown
