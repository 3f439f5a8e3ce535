"""Parquet files and DuckDB tables, read where they are, with pushdown.

Nothing is copied: the source is a SELECT that DuckDB's planner sees through. Before the run the
footers are read: a declared column must be there with a type that fits. What types and statistics
do not prove (NOT NULL, ranges, whole microseconds, event time) is checked by one scan of those
columns, also when no step selects them (V8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mainstem.connectors.duckdb.options import DuckdbSource
from mainstem.connectors.files.listing import InputFile, list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.reading.deadletters import fix_of
from mainstem.engines.embedded.reading.eventtime import EventTimeRule
from mainstem.engines.embedded.reading.fileread import SHOWN, FileRead, partition_values
from mainstem.engines.embedded.reading.filetypes import Fit, fit
from mainstem.engines.embedded.reading.rowgroups import Examined, examine, leaving_out, refused
from mainstem.engines.embedded.reading.rowgroups import bury as bury_groups
from mainstem.engines.embedded.reading.scanletters import bury, refuse_many
from mainstem.engines.embedded.reading.scantests import (
    Proof,
    Test,
    file_tests,
    needs_proofs,
    proofs_sql,
    table_tests,
)
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.errors import DataError, OutsideError, nearest
from mainstem.plan.nodes import Source
from mainstem.plan.types import Field, in_expressions
from mainstem.record import mutable, record

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
    pages, summed_pages : int
        With ``strict``: pages of the files, and those of them that carry a checksum.
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
    pages: int = 0
    summed_pages: int = 0


@mutable
class _Part:
    """Files that store the declared columns with the same types."""

    relation: str
    numbered: str
    files: list[InputFile] = field(default_factory=list)
    # Keeps the dead letters out; "" while there are none.
    good: str = ""

    @property
    def place(self) -> str:
        """Give the SQL of a row's path and number."""
        return "__filename, file_row_number" if self.files else "'', rowid"


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
        self.options = read_options(FilesSource, source.binding, source.where)
        self.files = list_files(self.options, source.where)
        self.examined = Examined()
        names = {name for name, _ in self.files[0].partition}
        self.inner = tuple(f for f in source.schema.fields if f.name not in names)
        self.outer = tuple(f for f in source.schema.fields if f.name in names)
        for file in self.files:
            partition_values(file, self.outer, source.where)
        self.paths = [file.path for file in self.files]

    def report(self, *, positions: bool) -> ScanReport:
        stored = self._stored()
        rows = self._row_counts()
        self.examined = self._examined()
        starts = _starts(self.paths, rows)
        fits = {path: _fits(self.source, self.inner, stored[path], path) for path in self.paths}
        parts = self._parts(stored)
        unproven = file_tests(self.source, self.inner, fits, self._proofs())
        bad = sum(_check(self.connection, self.source, part, unproven) for part in parts)
        bad += self.examined.rows
        read = sum(rows.values())
        refuse_many(self.connection, self.source, bad, read)
        selects = [
            self._select(p, fits[p.files[0].path], starts, positions=positions) for p in parts
        ]
        declared = {f.name for f in self.inner}
        unknown = sum(rows[p] * len(stored[p].keys() - declared) for p in self.paths)
        files = tuple(
            FileRead(f.path, rows[f.path], f.size_bytes, starts[f.path]) for f in self.files
        )
        return ScanReport(
            self.source.name, " UNION ALL ".join(selects), read, read - bad, bad, unknown, files,
            sum(f.size_bytes for f in self.files), tuple(sorted(unproven)),
            self.examined.pages, self.examined.summed,
        )  # fmt: skip

    def _examined(self) -> Examined:
        """Look for damaged row groups, where that is asked for; bury or refuse them."""
        if not self.options.strict:
            return Examined()
        found = examine(self.connection, self.paths)
        if found.lost and self.source.on_bad != "dead_letter":
            raise refused(found.lost, self.source.name, self.source.where)
        bury_groups(self.connection, self.source, found)
        return found

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
            # Row numbers count within a file: one that has lost some of its rows is read by itself.
            alone = file.path if self.examined.of(file.path) else ""
            return (alone, *(stored[file.path][name] for name in names))

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
            lost = [one.group for one in self.examined.of(files[0].path)]
            if lost:
                numbered = f"(SELECT * FROM {numbered} WHERE {leaving_out(lost)})"
            parts.append(_Part(numbered if lost else f"{plain})", numbered, files))
        return parts

    def _proofs(self) -> dict[str, dict[str, Proof]]:
        """Give what the footers say of each column of each file."""
        if not needs_proofs(self.source, self.inner):
            return {path: {} for path in self.paths}
        found: dict[str, dict[str, Proof]] = {path: {} for path in self.paths}
        for path, name, nulls, first, last in self._footers(proofs_sql(_list(self.paths))):
            found[path][name] = Proof(nulls, first, last)
        # A file without row groups has nothing to prove.
        for path, rows in self._row_counts().items():
            if rows == 0:
                found[path] = {f.name: Proof(0, 0.0, 0.0) for f in self.inner}
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
            first = f"CASE __filename {arms} END"
            if len(part.files) == 1:
                # No choice: then DuckDB knows which rows a join or a list of rows can need.
                first = str(starts[part.files[0].path])
            outputs.append(f"{first} + file_row_number AS __row")
        # Which rows are bad may depend on the file.
        relation = part.numbered if positions or part.good else part.relation
        return f"SELECT {', '.join(outputs)} FROM {relation}{part.good}"


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
    connection: duckdb.DuckDBPyConnection, source: Source, part: _Part,
    unproven: dict[str, list[Test]],
) -> int:  # fmt: skip
    """Look at the columns that nothing proves, in one scan of just these; give the dead letters."""
    if not unproven:
        return 0
    every = [test for tests in unproven.values() for test in tests]
    relation = part.numbered if any(test.by_file for test in every) else part.relation
    is_bad = " OR ".join(test.sql for test in every)
    found = connection.execute(f"SELECT count(*) FROM {relation} WHERE {is_bad}").fetchall()
    count = int(found[0][0])
    if not count:
        return 0
    if source.on_bad == "dead_letter":
        part.good = f" WHERE ({is_bad}) IS NOT TRUE"
        given = [(name, t.sql, t.reason) for name, tests in unproven.items() for t in tests]
        bury(connection, source, f"{part.place} FROM {part.numbered}", given)
        return count
    shown = []
    for name, tests in unproven.items():
        for test in tests:
            rows = connection.execute(
                f"SELECT {part.place}, CAST({quoted(name)} AS VARCHAR) FROM {part.numbered} "
                f"WHERE {test.sql} ORDER BY 1, 2 LIMIT {SHOWN}"
            ).fetchall()
            shown += [(path, row, name, value, test.reason) for path, row, value in rows]
    shown = sorted(shown, key=lambda item: item[:2])[:SHOWN]
    text = "\n".join(
        f"       {path} row {row}: column {name!r}: {'' if value is None else f'{value!r} '}{reason}"
        for path, row, name, value, reason in shown
    )
    raise DataError(
        f"{count} bad row{'s' if count > 1 else ''} in source {source.name!r}:\n{text}",
        where=source.where, code="BadRow", fix=fix_of(source.where, is_kept=False),
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
    rule = EventTimeRule.of(source)
    latest = rule.latest(options.path) if rule.column else None
    place = f"{options.path}:{options.table}"
    return scan_relation(
        connection, source, relation, described, place=place, latest=latest, positions=positions
    )


def scan_relation(
    connection: duckdb.DuckDBPyConnection, source: Source, relation: str,
    described: Sequence[tuple[Any, ...]], *, place: str, latest: datetime | None, positions: bool,
) -> ScanReport:  # fmt: skip
    """Check a relation that DuckDB can read as it is; `latest` is the limit of event time (T2)."""
    stored = {row[0]: row[1] for row in described}
    required = {row[0] for row in described if row[2] == "NO"}
    fits = _fits(source, source.schema.fields, stored, place)
    unproven = table_tests(source, fits, required, latest)
    part = _Part(relation, relation)
    bad = _check(connection, source, part, unproven)
    read = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
    refuse_many(connection, source, bad, read)
    outputs = [
        f"{fits[n].value.replace('{}', quoted(n))} AS {quoted(n)}" for n in source.schema.names
    ]
    if positions:
        outputs.append("rowid AS __row")
    select = f"SELECT {', '.join(outputs)} FROM {relation}{part.good}"
    unknown = read * len(stored.keys() - set(source.schema.names))
    return ScanReport(
        source.name, select, read, read - bad, bad, unknown, (), 0, tuple(sorted(unproven))
    )


def _dotted(table: str) -> tuple[str, ...]:
    schema, dot, name = table.rpartition(".")
    return (schema, name) if dot else ("main", name)
