"""The SQL that writes one table: checks at the sink, then one COPY."""

from __future__ import annotations

from pathlib import Path

from mainstem.engines.embedded.failures import MARK
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.plan.types import Field, Schema, Type

# What a narrow integer of a sink can hold (V1: expressions know BIGINT only).
RANGES = {"smallint": (-(2**15), 2**15 - 1), "integer": (-(2**31), 2**31 - 1)}

# One spelling of an instant in text files, read back the same by JSON and CSV readers everywhere.
INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


def sink_select(relation: str, output: Output) -> str:
    """Give the rows of `relation` as the sink declares them, each checked.

    Parameters
    ----------
    relation : str
        A SELECT whose columns are those of the step.
    output : Output
        The target; nothing is wrapped around `relation` when nothing has to be checked.
    """
    columns = sink_columns(output)
    names = [quoted(name) for name in output.step.schema.names]
    if columns == names:
        return relation
    return f'SELECT {", ".join(columns)} FROM ({relation}) AS "__rows"'


def sink_columns(output: Output) -> list[str]:
    """Give each column as the sink declares it, checked, as SQL over the columns of the step."""
    have = {f.name: f for f in output.step.schema.fields}
    return [_column(f, have.get(f.name, f), output) for f in output.schema.fields]


def _column(field: Field, given: Field, output: Output) -> str:
    name = quoted(field.name)
    checks = _checks(field, given, output)
    value = name
    if field.type != given.type:
        value = f"CAST({name} AS {duckdb_type(field.type)})"
    if not checks:
        return value if value == name else f"{value} AS {name}"
    where = f"column {field.name!r} of table {output.step.name!r}: "
    arms = " ".join(
        f"WHEN {test} THEN error({literal(MARK + where)} || {message})" for test, message in checks
    )
    return f"CASE {arms} ELSE {value} END AS {name}"


def _checks(field: Field, given: Field, output: Output) -> list[tuple[str, str]]:
    """Give (test, message as an SQL text expression) of everything this column must not be."""
    name = quoted(field.name)
    found = []
    if not field.nullable and given.nullable:
        found.append((f"{name} IS NULL", literal("NULL, declared not null")))
    if field.type != given.type and field.type.kind in RANGES:
        low, high = RANGES[field.type.kind]
        text = f"CAST({name} AS VARCHAR) || {literal(f' does not fit {field.type}')}"
        found.append((f"{name} NOT BETWEEN {low} AND {high}", text))
    if output.format == "json" and field.type.has_float:
        # DuckDB writes NaN and Infinity as they are, and then no JSON reader takes the line.
        text = f"CAST({name} AS VARCHAR) || ' holds a value that is no JSON number'"
        found.append((_holds_no_number(name, field.type), text))
    if output.format == "text" and field.name not in output.partition_by:
        found.extend((
            (f"{name} IS NULL", literal("NULL, which a line of text cannot say")),
            (f"contains({name}, chr(10))", literal("a line end inside a line of text")),
        ))  # fmt: skip
    return found


def _holds_no_number(value: str, type_: Type, depth: int = 0) -> str:
    """Give the test whether a NaN or an infinity stands anywhere in a value."""
    if type_.kind == "double":
        return f"coalesce(NOT isfinite({value}), false)"
    item = quoted(f"item{depth}")
    if type_.kind in ("list", "map"):
        items = value if type_.kind == "list" else f"map_values({value})"
        test = _holds_no_number(item, type_.items[-1], depth + 1)
        return f"coalesce(len(list_filter({items}, lambda {item}: {test})) > 0, false)"
    if type_.kind == "struct":
        parts = [
            _holds_no_number(f"struct_extract({value}, {literal(name)})", part, depth)
            for name, part in zip(type_.names, type_.items, strict=True)
            if part.has_float
        ]
        return f"({' OR '.join(parts)})"
    return "false"


def copy_sql(select: str, output: Output, staged: Path, prefix: str, *, suffix: str = "") -> str:
    """Give the COPY that writes the rows of `select` below `staged`.

    Names of files begin with `prefix`; `suffix` stands behind their ending, so that no glob over
    it matches them yet.
    """
    ending = output.ending + suffix
    options = _format_options(output)
    target = staged
    if output.partition_by:
        options += [
            f"PARTITION_BY ({', '.join(quoted(c) for c in output.partition_by)})",
            f"FILENAME_PATTERN {literal(prefix + '{i}')}",
            f"FILE_EXTENSION {literal(ending.removeprefix('.'))}",
        ]
    elif output.kind != "file":
        target = staged / f"{prefix}0{ending}"
    if not output.partition_by:
        options.append("USE_TMP_FILE false")
    options.append("RETURN_STATS" if output.format == "parquet" else "RETURN_FILES")
    return f"COPY ({select}) TO {literal(str(target))} ({', '.join(options)})"


def _format_options(output: Output) -> list[str]:
    options = output.files
    if output.format == "parquet" or options is None:
        codec = "uncompressed" if output.compression == "none" else output.compression
        return ["FORMAT parquet", f"COMPRESSION {codec}"]
    packed = f"COMPRESSION {output.compression}"
    if output.format == "json":
        return ["FORMAT json", packed, f"TIMESTAMPFORMAT {literal(INSTANT)}"]
    if output.format == "text":
        # No quoting at all: a line is the text itself. The separator is never written, since
        # there is one column.
        return ["FORMAT csv", "HEADER false", "QUOTE ''", "ESCAPE ''", "DELIMITER '\x1f'", packed]
    return [*_csv_options(output.schema, options.null, output.partition_by), packed,
            f"HEADER {str(options.header).lower()}",
            f"DELIMITER {literal(options.delimiter or _separator(output.format))}"]  # fmt: skip


def _separator(format_: str) -> str:
    return "\t" if format_ == "tsv" else ","


def _csv_options(schema: Schema, null: str, partition_by: tuple[str, ...]) -> list[str]:
    options = ["FORMAT csv", f"NULLSTR {literal(null)}", f"TIMESTAMPFORMAT {literal(INSTANT)}"]
    written = [f for f in schema.fields if f.name not in partition_by]
    texts = [f.name for f in written if f.type.kind == "string"]
    if null and texts:
        # An empty text must stay apart from NULL for readers that take an empty field as NULL.
        options.append(f"FORCE_QUOTE ({', '.join(quoted(name) for name in texts)})")
    return options
