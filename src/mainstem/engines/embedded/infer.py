"""What schema a file's content has; for ``init --from`` and ``check --infer``: a run never infers.

Text formats are read by the very ingest of a run, every column as text, and a type is proposed only
when every value is one that the run will accept. Numbers whose leading zeros would be lost stay
text.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from mainstem.connectors.duckdb.options import DuckdbSource
from mainstem.connectors.files.listing import InputFile, list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.failures import words
from mainstem.engines.embedded.reading.filetypes import NOTHING
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.reference import DELIMITERS, csv_format, file_header
from mainstem.engines.embedded.reading.remote import cause, register
from mainstem.engines.embedded.reading.sources import rooted
from mainstem.engines.embedded.session import plain_connection
from mainstem.engines.embedded.types import literal, quoted
from mainstem.errors import DataError, UnsupportedError
from mainstem.formats.compression import open_binary
from mainstem.formats.csv import csv_records
from mainstem.formats.records import Misfit
from mainstem.plan.nodes import Binding, Source
from mainstem.plan.types import (
    BIGINT,
    BOOL,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    SMALLINT,
    STRING,
    TIMESTAMP,
    Field,
    Schema,
    Type,
    decimal,
    list_of,
    map_of,
    struct_of,
)

# Whole files are read, as a sample of the first rows is what gives wrong schemas; but no more than
# these many bytes, one file at least.
LIMIT_BYTES = 256 << 20

# Column `v` holds the texts. Each pattern lies within what `formats.coercion` accepts.
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)?"
CANDIDATES: tuple[tuple[Type, str], ...] = (
    (BOOL, "lower(v) IN ('true', 'false')"),
    (BIGINT, r"regexp_full_match(v, '[+-]?(0|[1-9]\d{0,18})') "
             "AND TRY_CAST(v AS BIGINT) IS NOT NULL"),
    (DOUBLE, r"regexp_full_match(v, '[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d{1,2})?') "
             # Long whole numbers are identifiers: as DOUBLE they would lose digits.
             r"AND regexp_matches(v, '^[+-]?\.?\d') AND NOT regexp_full_match(v, '[+-]?\d{16,}')"),
    (DATE, r"regexp_full_match(v, '\d{4}-\d{2}-\d{2}') AND TRY_CAST(v AS DATE) IS NOT NULL"),
    (TIMESTAMP, rf"regexp_full_match(v, '\d{{4}}-\d{{2}}-\d{{2}}[T ]{_TIME}') "
                "AND TRY_CAST(v[1:10] AS DATE) IS NOT NULL"),
)  # fmt: skip

_PLAIN: dict[str, Type] = {
    "BOOLEAN": BOOL, "BIGINT": BIGINT, "INTEGER": INTEGER, "SMALLINT": SMALLINT,
    "TINYINT": SMALLINT, "UTINYINT": SMALLINT, "USMALLINT": INTEGER, "UINTEGER": BIGINT,
    "UBIGINT": decimal(20, 0), "HUGEINT": decimal(38, 0), "DOUBLE": DOUBLE, "FLOAT": DOUBLE,
    "VARCHAR": STRING, "UUID": STRING, "BLOB": BYTES, "DATE": DATE, "TIMESTAMP": TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMP, "TIMESTAMP_S": TIMESTAMP, "TIMESTAMP_MS": TIMESTAMP,
    "TIMESTAMP_NS": TIMESTAMP,
    # Of nothing but NULL, any type would do: text, as of an empty column of a CSV file.
    NOTHING: STRING,
}  # fmt: skip


def infer_schema(binding: Binding, base_dir: Path) -> Schema:
    """Give the schema that the content behind a binding has.

    Parameters
    ----------
    binding : Binding
        Checked: files or a DuckDB table.
    base_dir : Path
        Folder that relative paths start from.

    Returns
    -------
    Schema
        Every column nullable: a file without NULLs does not promise any.

    Raises
    ------
    OutsideError
        When nothing can be read there.
    DataError
        When the content has no columns, or cannot be read.
    UnsupportedError
        When a column has a type that has no place in the contract; all are named.
    """
    source = rooted(Source("inferred", binding, Schema(())), base_dir)
    connection = plain_connection()
    try:
        if binding.type == "duckdb":
            fields = _of_table(connection, read_options(DuckdbSource, source.binding))
        else:
            fields = _of_files(connection, source)
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise DataError(
            f"the content cannot be read: {words(error).splitlines()[0]}", code="FileDamaged",
            fix="write the file again",
        ) from error  # fmt: skip
    except duckdb.Error as error:
        raise (cause(error) or error) from error
    finally:
        connection.close()
    if not fields:
        raise DataError(
            "there are no columns to infer a schema from", code="SchemaNotInferred",
            fix="write the schema by hand",
        )  # fmt: skip
    return Schema(tuple(fields))


def _of_files(connection: duckdb.DuckDBPyConnection, source: Source) -> list[Field]:
    options = read_options(FilesSource, source.binding)
    files = _first(list_files(options))
    partitions = [name for name, _ in files[0].partition]
    if files[0].format == "text":
        return [Field("line", STRING)]
    if files[0].format == "parquet":
        register(connection, (file.path for file in files))
        paths = ", ".join(literal(file.path) for file in files)
        sql = f"SELECT * FROM read_parquet([{paths}], hive_partitioning = false)"
        inner = described(connection, sql)
    elif files[0].format == "json":
        inner = _of_json(connection, source, files)
    else:
        inner = _of_texts(connection, source, files, _csv_names(files[0], options))
    inner = [field for field in inner if field.name not in partitions]
    return inner + [Field(name, _partition_type(files, name)) for name in partitions]


def _first(files: tuple[InputFile, ...]) -> list[InputFile]:
    kept: list[InputFile] = []
    total = 0
    for file in files:
        total += file.size_bytes
        if kept and total > LIMIT_BYTES:
            break
        kept.append(file)
    return kept


def _csv_names(file: InputFile, options: FilesSource) -> list[str]:
    format_ = csv_format(options, file)
    with open_binary(file.path, file.compression, options.member) as stream:
        for record in csv_records(stream, format_):
            if record.misfit is not None:
                raise _no_header(file, options, f"cannot be read: {record.misfit}")
            if record.line.raw:
                names = [name or "" for name in record.fields or ()]
                # Its schema would be one text column, with which every later run succeeds.
                if len(names) == 1 and not options.delimiter and _other_delimiter(file, options):
                    raise _no_header(file, options, f"is one column, {names[0]!r}")
                return names if options.header else [f"column_{i + 1}" for i in range(len(names))]
    return []


def _other_delimiter(file: InputFile, options: FilesSource) -> str:
    """Give a delimiter with which the first line has several names; "" when there is none."""
    spelling = csv_format(options, file)
    for sign in DELIMITERS.replace(spelling.delimiter, ""):
        try:
            names = file_header(file, options, dataclasses.replace(spelling, delimiter=sign))
        except Misfit:
            continue
        if len(names or ()) > 1:
            return sign
    return ""


def _no_header(file: InputFile, options: FilesSource, why: str) -> DataError:
    """Give the error of a first line that gives no names; `delimiter` is one that would do."""
    sign = _other_delimiter(file, options)
    fix = "save it as UTF-8" if "UTF-8" in why else "set delimiter and quote"
    if sign:
        shown = {"\t": "\\t"}.get(sign, sign)
        fix = f'bind it with delimiter="{shown}", then run mainstem check --infer'
    return DataError(
        f"the first line of {file.path} {why}", code="SchemaNotInferred", fix=fix, delimiter=sign
    )


def _of_texts(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Iterable[InputFile],
    names: list[str],
) -> list[Field]:  # fmt: skip
    """Ingest every column as text and propose what fits all values of each."""
    named = [name for name in names if name]
    if not named:
        return []
    select = _ingested(connection, source, files, Schema(tuple(Field(n, STRING) for n in named)))
    return [Field(name, _type_of(connection, select, name)) for name in named]


def _ingested(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Iterable[InputFile],
    schema: Schema,
) -> str:  # fmt: skip
    changed = source.binding.overridden({"path": [file.path for file in files]}, "inference")
    # A record that cannot be read says nothing about the types of the others; a run or a profile
    # with the schema meets it again, and names it.
    return ingest(connection, Source(source.name, changed, schema, on_bad="dead_letter")).select


def _type_of(connection: duckdb.DuckDBPyConnection, select: str, name: str) -> Type:
    tests = ", ".join(f"bool_and({test})" for _, test in CANDIDATES)
    column = f"(SELECT {quoted(name)} AS v FROM ({select}))"
    row = connection.execute(f"SELECT {tests} FROM {column} WHERE v IS NOT NULL").fetchone() or ()
    # A column without any value fits everything, which says nothing: text.
    return next((type_ for (type_, _), fits in zip(CANDIDATES, row, strict=True) if fits), STRING)


def _partition_type(files: list[InputFile], name: str) -> Type:
    values = [dict(file.partition).get(name) for file in files]
    given = [value for value in values if value is not None]
    is_whole = all(re.fullmatch(r"0|[1-9][0-9]{0,17}", value) for value in given)
    return BIGINT if given and is_whole else STRING


def _of_json(
    connection: duckdb.DuckDBPyConnection, source: Source, files: list[InputFile]
) -> list[Field]:
    """Take names and nesting from DuckDB's structure of all lines, texts from `_of_texts`."""
    lines = source.binding.overridden({"format": "text"}, "inference")
    as_text = Source(source.name, lines, Schema(()))
    select = _ingested(connection, as_text, files, Schema((Field("line", STRING),)))
    row = connection.execute(
        f"SELECT json_group_structure(CAST(line AS JSON)) FROM ({select}) "
        "WHERE json_valid(line) AND json_type(line) = 'OBJECT'"
    ).fetchone()
    structure: dict[str, Any] = json.loads(row[0]) if row and row[0] else {}
    found = {name: _json_type(value) for name, value in structure.items()}
    unsure = [name for name, type_ in found.items() if type_ in (STRING, BIGINT)]
    for field in _of_texts(connection, source, files, unsure) if unsure else ():
        if found[field.name] == BIGINT and field.type != BIGINT:
            found[field.name] = decimal(38, 0)
        # "7" as a text stays a text: only times have no other way to be written in JSON.
        if found[field.name] == STRING and field.type in (DATE, TIMESTAMP):
            found[field.name] = field.type
    return [Field(name, type_) for name, type_ in found.items()]


def _json_type(structure: Any) -> Type:
    if isinstance(structure, dict):
        fields = {name: _json_type(value) for name, value in structure.items()}
        return struct_of(fields) if fields else STRING
    if isinstance(structure, list):
        return list_of(_json_type(structure[0])) if structure else list_of(STRING)
    # DuckDB calls whole numbers UBIGINT, and HUGEINT where some are negative, however small.
    if structure in ("UBIGINT", "HUGEINT"):
        return BIGINT
    return _PLAIN.get(structure, STRING)


def _of_table(connection: duckdb.DuckDBPyConnection, options: DuckdbSource) -> list[Field]:
    connection.execute(f"ATTACH {literal(options.path)} AS other (READ_ONLY)")
    name = ".".join(quoted(part) for part in options.table.split("."))
    return described(connection, f"SELECT * FROM other.{name}")


def described(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Field]:
    """Give the columns of a query as types of the contract.

    Raises
    ------
    UnsupportedError
        When a column has a type that has no place there; all are named.
    """
    relation = connection.sql(sql)
    refused: list[str] = []
    fields = []
    for name, type_ in zip(relation.columns, relation.types, strict=True):
        found = _from_duckdb(type_)
        if found is None:
            refused.append(f"{name} {type_}")
        else:
            fields.append(Field(name, found))
    if refused:
        raise UnsupportedError(
            f"columns of types that have no place in the contract: {', '.join(refused)}",
            code="SchemaNotInferred", fix="write the schema by hand, without these columns",
        )  # fmt: skip
    return fields


def _from_duckdb(type_: Any) -> Type | None:
    kind = str(type_.id)
    if kind == "decimal":
        (_, precision), (_, scale) = type_.children
        return decimal(precision, scale)
    if kind == "enum":
        return STRING
    if kind in ("list", "array"):
        item = _from_duckdb(type_.children[0][1])
        return None if item is None else list_of(item)
    if kind == "map":
        key, value = (_from_duckdb(child) for _, child in type_.children)
        return None if key is None or value is None else map_of(key, value)
    if kind == "struct":
        items = {name: _from_duckdb(child) for name, child in type_.children}
        known = {name: item for name, item in items.items() if item is not None}
        return struct_of(known) if len(known) == len(items) else None
    return _PLAIN.get(str(type_))
