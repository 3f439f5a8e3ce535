"""Parquet files and DuckDB tables, read where they are, with pushdown.

Nothing is copied: the source is a SELECT that DuckDB's planner sees through. Before the run the
footers are read: a declared column must be there with a type that fits. What types and statistics
do not prove (NOT NULL, ranges, whole microseconds, event time) is checked by one scan of those
columns, also when no step selects them (V8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mainstem.connectors.duckdb.options import DuckdbSource
from mainstem.connectors.files.listing import InputFile, list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.eventtime import EventTimeRule
from mainstem.engines.embedded.filetypes import Fit, fit, instant
from mainstem.engines.embedded.ingest import FileRead
from mainstem.engines.embedded.reference import SHOWN, partition_values
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.errors import DataError, OutsideError, nearest
from mainstem.plan.nodes import Source
from mainstem.plan.types import Field, in_expressions
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb


@record
class ScanReport:
    """A source that is read in place: its ledger (L1), and the SELECT that reads it.

    Parameters
    ----------
    source, select : str
        Name, and SQL that gives the declared columns with the types that they have in expressions;
        with positions also ``__row``, the row's number in (path, row) order, from 0.
    read, admitted, bad : int
        Rows, from the footers (files) or counted (tables).
    unknown_fields : int
        Stored columns without a declared name, times the rows of their files.
    checked_columns : tuple of str
        Columns that had to be scanned because types and statistics did not prove them.
    """

    source: str
    select: str
    read: int
    admitted: int
    bad: int
    unknown_fields: int
    files: tuple[FileRead, ...]
    size_bytes: int
    checked_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class _Part:
    """Files that store the declared columns with the same types."""

    relation: str
    numbered: str
    files: list[InputFile] = field(default_factory=list)


def scan(
    connection: duckdb.DuckDBPyConnection, source: Source, *, positions: bool = False
) -> ScanReport:  # fmt: skip
    """Check a Parquet or DuckDB source and give the SELECT that reads it in place.

    Parameters
    ----------
    connection : DuckDBPyConnection
        ``TimeZone`` is set to UTC. A DuckDB file is attached to it, for reading only.
    source : Source
        Bound to Parquet files or to a table of a DuckDB file.
    positions : bool
        Whether `ScanReport.select` gives ``__row`` (T11).

    Returns
    -------
    ScanReport
        Counts and the SELECT.

    Raises
    ------
    DataError
        When a column is missing, has a type that does not fit, or holds a bad value; names the file.
    OutsideError
        When nothing matches or a file cannot be read.
    """
    connection.execute("SET TimeZone = 'UTC'")
    if source.binding.type == "duckdb":
        return _table(connection, source, positions=positions)
    return _Parquet(connection, source).report(positions=positions)


class _Parquet:
    def __init__(self, connection: duckdb.DuckDBPyConnection, source: Source) -> None:
        self.connection = connection
        self.source = source
        self.files = list_files(
            read_options(FilesSource, source.binding, source.where), source.where
        )
        names = {name for name, _ in self.files[0].partition}
        self.inner = tuple(f for f in source.schema.fields if f.name not in names)
        self.outer = tuple(f for f in source.schema.fields if f.name in names)
        for file in self.files:
            partition_values(file, self.outer, source.where)
        self.paths = [file.path for file in self.files]

    def report(self, *, positions: bool) -> ScanReport:
        stored = self._stored()
        rows = self._row_counts()
        starts = _starts(self.paths, rows)
        fits = {path: _fits(self.source, self.inner, stored[path], path) for path in self.paths}
        parts = self._parts(stored)
        unproven = self._unproven(fits)
        for part in parts:
            _check(self.connection, self.source, part, unproven)
        selects = [
            self._select(p, fits[p.files[0].path], starts, positions=positions) for p in parts
        ]
        declared = {f.name for f in self.inner}
        unknown = sum(rows[p] * len(stored[p].keys() - declared) for p in self.paths)
        read = sum(rows.values())
        files = tuple(
            FileRead(f.path, rows[f.path], f.size_bytes, starts[f.path]) for f in self.files
        )
        return ScanReport(
            self.source.name, " UNION ALL ".join(selects), read, read, 0, unknown, files,
            sum(f.size_bytes for f in self.files), tuple(sorted(unproven)),
        )  # fmt: skip

    def _stored(self) -> dict[str, dict[str, str]]:
        """Give the name and DuckDB type of every top-level column of every file."""
        found: dict[str, dict[str, str]] = {path: {} for path in self.paths}
        skip: dict[str, int] = {}
        rows = self._footers(
            f"SELECT file_name, name, coalesce(num_children, 0), duckdb_type FROM "
            f"parquet_schema({_list(self.paths)}) ORDER BY file_name, column_id"
        )
        for path, name, children, type_ in rows:
            if path not in skip:
                skip[path] = 0  # the root of the schema
            elif skip[path]:
                skip[path] += children - 1
            else:
                found[path][name] = type_
                skip[path] = children
        return found

    def _row_counts(self) -> dict[str, int]:
        sql = f"SELECT file_name, num_rows FROM parquet_file_metadata({_list(self.paths)})"
        return {path: int(rows) for path, rows in self._footers(sql)}

    def _footers(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self.connection.execute(sql).fetchall()
        except (duckdb.InvalidInputException, duckdb.IOException) as error:
            raise DataError(
                f"source {self.source.name!r}: a Parquet footer cannot be read: "
                f"{str(error).splitlines()[0]}",
                where=self.source.where, code="FileDamaged", fix="write the file again",
            ) from error  # fmt: skip

    def _parts(self, stored: dict[str, dict[str, str]]) -> list[_Part]:
        names = [f.name for f in self.inner]

        def key(file: InputFile) -> tuple[str, ...]:
            return tuple(stored[file.path][name] for name in names)

        parts = []
        hive = {f.name: duckdb_type(in_expressions(f.type)) for f in self.outer}
        for _, group in groupby(self.files, key):
            files = list(group)
            rest = ", hive_partitioning = false"
            if hive:
                pairs = ", ".join(f"{quoted(n)}: {literal(t)}" for n, t in hive.items())
                rest = f", hive_partitioning = true, hive_types = {{{pairs}}}"
            plain = f"read_parquet({_list([f.path for f in files])}{rest}"
            # Numbers are asked for only where needed: they are columns beside the file's own.
            numbered = f"{plain}, filename = '__filename', file_row_number = true)"
            parts.append(_Part(f"{plain})", numbered, files))
        return parts

    def _unproven(self, fits: dict[str, dict[str, Fit]]) -> dict[str, str]:
        """Give, for each column that must be looked at, the SQL that is TRUE for a bad value."""
        rule = EventTimeRule.of(self.source)
        unproven: dict[str, str] = {}
        proofs = (
            self._statistics() if rule.column or any(not f.nullable for f in self.inner) else {}
        )
        latest = min(rule.latest(path) for path in self.paths) if rule.column else None
        for item in self.inner:
            bad = {fits[p][item.name].bad for p in self.paths} - {""}
            name = quoted(item.name)
            tests = [text.replace("{}", name) for text in bad]
            is_time = item.name == rule.column
            nulls, last = zip(
                *(proofs.get((p, item.name), (None, None)) for p in self.paths), strict=True
            )
            if (is_time or not item.nullable) and any(n != 0 for n in nulls):
                tests.append(f"{name} IS NULL")
            if is_time and latest and any(v is None or v > latest.timestamp() * 1e6 for v in last):
                tests.append(f"CAST({name} AS TIMESTAMPTZ) > {instant(latest.isoformat())}")
            if tests:
                unproven[item.name] = " OR ".join(tests)
        return unproven

    def _statistics(self) -> dict[tuple[str, str], tuple[int | None, float | None]]:
        """Give NULLs (None: not known) and the latest microsecond of each column of each file."""
        sql = (
            "SELECT file_name, path_in_schema, "
            "CASE WHEN count(stats_null_count) = count(*) THEN sum(stats_null_count) END, "
            "CASE WHEN count(stats_max_value) = count(*) THEN "
            "max(epoch_us(TRY_CAST(stats_max_value AS TIMESTAMPTZ))) END "
            f"FROM parquet_metadata({_list(self.paths)}) GROUP BY 1, 2"
        )
        found = {(path, name): (nulls, last) for path, name, nulls, last in self._footers(sql)}
        # A file without row groups has nothing to prove.
        for path, rows in self._row_counts().items():
            if rows == 0:
                found |= {(path, f.name): (0, 0.0) for f in self.inner}
        return found

    def _select(
        self, part: _Part, fits: dict[str, Fit], starts: dict[str, int], *, positions: bool
    ) -> str:  # fmt: skip
        outputs = []
        for item in self.source.schema.fields:
            name = quoted(item.name)
            value = fits[item.name].value.replace("{}", name) if item.name in fits else name
            outputs.append(f"{value} AS {name}")
        if positions:
            arms = " ".join(f"WHEN {literal(f.path)} THEN {starts[f.path]}" for f in part.files)
            outputs.append(f"CASE __filename {arms} END + file_row_number AS __row")
        return f"SELECT {', '.join(outputs)} FROM {part.numbered if positions else part.relation}"


def _starts(paths: Sequence[str], rows: dict[str, int]) -> dict[str, int]:
    starts, at = {}, 0
    for path in paths:
        starts[path] = at
        at += rows[path]
    return starts


def _list(paths: Sequence[str]) -> str:
    return "[" + ", ".join(literal(path) for path in paths) + "]"


def _fits(
    source: Source, fields: Sequence[Field], stored: dict[str, str], place: str
) -> dict[str, Fit]:  # fmt: skip
    fits = {}
    for item in fields:
        if item.name not in stored:
            close = nearest(item.name, stored)
            raise DataError(
                f"{place} has no column {item.name!r} (columns: {', '.join(stored)[:300]})",
                where=source.where, code="ColumnMissing",
                fix=f"declare {close}" if close else "correct the schema",
            )  # fmt: skip
        found = fit(stored[item.name], item.type)
        if found is None:
            raise DataError(
                f"column {item.name!r} of {place} is {stored[item.name]}, declared as {item.type}",
                where=source.where, code="TypeMismatch",
                fix="declare the type that is stored, and cast in a step",
            )  # fmt: skip
        fits[item.name] = found
    return fits


def _check(
    connection: duckdb.DuckDBPyConnection, source: Source, part: _Part, unproven: dict[str, str]
) -> None:  # fmt: skip
    """Look at the columns that nothing proves; one scan of just these columns."""
    if not unproven:
        return
    count = connection.execute(
        f"SELECT count(*) FROM {part.relation} WHERE {' OR '.join(unproven.values())}"
    ).fetchall()[0][0]
    if not count:
        return
    place = "__filename, file_row_number" if part.files else "'', rowid"
    shown = []
    for name, test in unproven.items():
        rows = connection.execute(
            f"SELECT {place}, CAST({quoted(name)} AS VARCHAR) FROM {part.numbered} "
            f"WHERE {test} ORDER BY 1, 2 LIMIT {SHOWN}"
        ).fetchall()
        field_ = next(f for f in source.schema.fields if f.name == name)
        shown += [(path, row, name, value, str(field_)) for path, row, value in rows]
    shown = sorted(shown, key=lambda item: item[:2])[:SHOWN]
    text = "\n".join(
        f"       {path} row {row}: column {name!r}: {value!r} does not fit {declared}"
        + (" as event time (T2)" if name == source.event_time else "")
        for path, row, name, value, declared in shown
    )
    raise DataError(
        f"{count} bad row{'s' if count > 1 else ''} in source {source.name!r}:\n{text}",
        where=source.where, code="BadRow", fix="correct the data, or widen the column's type",
        source=source.name, count=count,
    )  # fmt: skip


def _table(
    connection: duckdb.DuckDBPyConnection, source: Source, *, positions: bool
) -> ScanReport:  # fmt: skip
    import duckdb

    options = read_options(DuckdbSource, source.binding, source.where)
    alias = f"__file_{source.name}"
    try:
        connection.execute(f"ATTACH {literal(options.path)} AS {quoted(alias)} (READ_ONLY)")
        relation = ".".join(quoted(part) for part in (alias, *_dotted(options.table)))
        described = connection.execute(f"DESCRIBE {relation}").fetchall()
    except (duckdb.IOException, duckdb.CatalogException, duckdb.BinderException) as error:
        raise OutsideError(
            f"cannot read table {options.table!r} of {options.path}: {str(error).splitlines()[0]}",
            where=source.where, code="TableNotRead", fix="correct path and table",
        ) from error  # fmt: skip
    stored = {row[0]: row[1] for row in described}
    required = {row[0] for row in described if row[2] == "NO"}
    fits = _fits(source, source.schema.fields, stored, f"{options.path}:{options.table}")
    unproven = _table_tests(source, fits, required)
    _check(connection, source, _Part(relation, relation), unproven)
    read = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
    outputs = [
        f"{fits[n].value.replace('{}', quoted(n))} AS {quoted(n)}" for n in source.schema.names
    ]
    if positions:
        outputs.append("rowid AS __row")
    select = f"SELECT {', '.join(outputs)} FROM {relation}"
    unknown = read * len(stored.keys() - set(source.schema.names))
    return ScanReport(source.name, select, read, read, 0, unknown, (), 0, tuple(sorted(unproven)))


def _dotted(table: str) -> tuple[str, ...]:
    schema, dot, name = table.rpartition(".")
    return (schema, name) if dot else ("main", name)


def _table_tests(source: Source, fits: dict[str, Fit], required: set[str]) -> dict[str, str]:
    rule = EventTimeRule.of(source)
    unproven = {}
    for item in source.schema.fields:
        name = quoted(item.name)
        tests = [fits[item.name].bad.replace("{}", name)] if fits[item.name].bad else []
        is_time = item.name == rule.column
        if (is_time or not item.nullable) and item.name not in required:
            tests.append(f"{name} IS NULL")
        if is_time:
            latest = rule.latest(read_options(DuckdbSource, source.binding, source.where).path)
            tests.append(f"CAST({name} AS TIMESTAMPTZ) > {instant(latest.isoformat())}")
        if tests:
            unproven[item.name] = " OR ".join(tests)
    return unproven
