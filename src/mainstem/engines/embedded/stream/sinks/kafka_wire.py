"""The records of a topic as SQL: the columns ``key`` and ``value``, and what else a record has."""

from __future__ import annotations

from pathlib import Path

from mainstem.connectors.kafka.options import KafkaSink
from mainstem.engines.embedded.failures import MARK
from mainstem.engines.embedded.stream.spec import DELETE, OPERATION
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.embedded.writing.write import INSTANT, sink_columns
from mainstem.errors import CheckFailed, Finding, UnsupportedError
from mainstem.plan.nodes import Step
from mainstem.plan.types import Field, Type

# Of a record besides key and value, in this order, when a column gives it.
MORE = ("headers", "partition", "timestamp")


class Records:
    """How the rows of a table become records.

    Parameters
    ----------
    step : Step
        The table.
    options : KafkaSink
        Of its topic.
    key : tuple of str
        Of an updating table: what tells its rows apart.

    Raises
    ------
    CheckFailed
        When the columns do not go with the format, or the key is not that of the table.
    UnsupportedError
        For a format that is not written yet.
    """

    def __init__(self, step: Step, options: KafkaSink, key: tuple[str, ...]) -> None:
        self._step = step
        self._options = options
        self._is_updating = step.kind == "updating"
        self._output = Output(step, "state", Path(), format=options.format)
        self._by_name = {f.name.lower(): f for f in self._output.schema.fields}
        self._taken: dict[str, str] = {word: column for column, word in options.columns.items()}
        if options.format == "avro":
            raise UnsupportedError(
                f"the topic of {step.name!r} cannot be written as avro yet", where=step.where,
                step=step.name, code="SinkFormatOfStream", fix='write format="json"',
            )  # fmt: skip
        self._key = options.key_columns
        if self._is_updating and not self._key and "key" not in self._taken:
            self._key = key
        self._check(key)

    @property
    def more(self) -> tuple[str, ...]:
        """Give what a record has besides key and value."""
        return tuple(word for word in MORE if word in self._taken)

    def select(self, select: str) -> str:
        """Give the SQL of the records of some rows."""
        columns = [f"{self._key_sql()} AS key", f"{self._value_sql()} AS value"]
        for word in self.more:
            name = quoted(self._field(self._taken[word]).name)
            columns.append(f"epoch_ms({name}) AS timestamp" if word == "timestamp"
                           else f"{name} AS {word}")  # fmt: skip
        inner = sink_columns(self._output)
        if self._is_updating:
            inner.append(quoted(OPERATION))
        return (
            f"SELECT {', '.join(columns)} FROM (SELECT {', '.join(inner)} FROM ({select}) "
            'AS "__rows")'
        )

    def _field(self, name: str) -> Field:
        return self._by_name[name.lower()]

    def _fields(self) -> list[Field]:
        """Give the columns that stand in the value."""
        others = {column.lower() for column in self._taken.values()}
        return [f for name, f in self._by_name.items() if name not in others]

    def _check(self, key: tuple[str, ...]) -> None:
        if self._is_updating:
            found = {c.lower() for c in self._key}
            if "key" in self._taken:
                found = {self._taken["key"].lower()}
            if found != {name.lower() for name in key}:
                raise self._wrong(
                    "TopicKey", f"the key of the topic is {sorted(found)}, that of the table is "
                    f"{sorted(key)}: a row that changes would leave its older one behind",
                    "leave key= out: the key of the table is taken",
                )  # fmt: skip
        if self._options.format in ("json", "csv"):
            for field in self._fields():
                is_wrong = _has(field.type, "bytes")
                if self._options.format == "csv":
                    is_wrong = is_wrong or field.type.is_nested
                if is_wrong:
                    raise self._wrong(
                        "TypeInFormat", f"column {field.name!r} is {field.type}, which "
                        f"{self._options.format} cannot hold", f"write to_base64({field.name})"
                        if field.type.kind == "bytes" else 'write format="json"',
                    )  # fmt: skip

    def _wrong(self, code: str, what: str, fix: str) -> CheckFailed:
        return CheckFailed([Finding(code, what, self._step.where, fix, step=self._step.name)])

    def _key_sql(self) -> str:
        if "key" in self._taken:
            return self._key_text(self._field(self._taken["key"]))
        if not self._key:
            # An updating table without a key has one row, which replaces itself.
            return "''::BLOB" if self._is_updating else "NULL::BLOB"
        fields = [self._field(name) for name in self._key]
        if len(fields) == 1:
            return self._key_text(fields[0])
        return f"encode({_object(fields)})"

    def _key_text(self, field: Field) -> str:
        name = quoted(field.name)
        value = name if field.type.kind == "bytes" else f"encode({_text(name, field.type)})"
        if not self._is_updating:
            return value
        # A record without a key is never replaced: the row would stay in the topic for ever.
        said = literal(f"{MARK}column {field.name!r} of table {self._step.name!r}: NULL, and it is "
                       "the key of a record")  # fmt: skip
        return f"CASE WHEN {name} IS NULL THEN error({said}) ELSE {value} END"

    def _value_sql(self) -> str:
        value = self._whole_value()
        if not self._is_updating:
            return value
        gone = f"{quoted(OPERATION)} = {literal(DELETE)}"
        return f"CASE WHEN {gone} THEN NULL::BLOB ELSE {value} END"

    def _whole_value(self) -> str:
        fields = self._fields()
        if self._options.format == "bytes":
            return quoted(fields[0].name)
        if self._options.format == "text":
            return f"encode({quoted(fields[0].name)})"
        if self._options.format == "csv":
            sign = literal(self._options.delimiter)
            return f"encode({f' || {sign} || '.join(self._csv(f) for f in fields)})"
        return f"encode({_object(fields)})"

    def _csv(self, field: Field) -> str:
        """Give a field of a CSV line: quoted where it must be, and an empty text apart from NULL."""
        name, null = quoted(field.name), literal(self._options.null)
        text = _text(name, field.type)
        inside = f"'\"' || replace({text}, '\"', '\"\"') || '\"'"
        signs = " OR ".join(
            f"contains({text}, {sign})"
            for sign in (literal(self._options.delimiter), "'\"'", "chr(10)", "chr(13)")
        )
        return (
            f"CASE WHEN {name} IS NULL THEN {null} WHEN {text} IN ('', {null}) OR {signs} "
            f"THEN {inside} ELSE {text} END"
        )


def _object(fields: list[Field]) -> str:
    parts = ", ".join(f"{literal(f.name)}: {_spelled(quoted(f.name), f.type)}" for f in fields)
    return f"CAST(to_json({{{parts}}}) AS VARCHAR)"


def _text(value: str, type_: Type) -> str:
    if type_.kind == "string":
        return value
    if type_.kind == "timestamp":
        return f"strftime({value}, {literal(INSTANT)})"
    return f"CAST({value} AS VARCHAR)"


def _has(type_: Type, kind: str) -> bool:
    return type_.kind == kind or any(_has(item, kind) for item in type_.items)


def _spelled(value: str, type_: Type, depth: int = 0) -> str:
    """Give a value in which every instant is the text that all our text formats have for it."""
    if not _has(type_, "timestamp"):
        return value
    if type_.kind == "timestamp":
        return _text(value, type_)
    item = quoted(f"item{depth}")
    if type_.kind == "list":
        inner = _spelled(item, type_.items[0], depth + 1)
        return f"list_transform({value}, lambda {item}: {inner})"
    if type_.kind == "map":
        pair = (f"{{'k': {_spelled(f'{item}.key', type_.items[0], depth + 1)}, "
                f"'v': {_spelled(f'{item}.value', type_.items[1], depth + 1)}}}")  # fmt: skip
        return f"map_from_entries(list_transform(map_entries({value}), lambda {item}: {pair}))"
    parts = ", ".join(
        f"{literal(n)}: {_spelled(f'struct_extract({value}, {literal(n)})', t, depth)}"
        for n, t in zip(type_.names, type_.items, strict=True)
    )
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE {{{parts}}} END"
