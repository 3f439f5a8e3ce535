"""Judging the rows in doubt: the reference decides, the table is corrected."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.reading.reference import BATCH, Corrections
from mainstem.engines.embedded.reading.statements import KEYS, RAW, Layout
from mainstem.formats.csv import csv_values
from mainstem.formats.jsonlines import json_values
from mainstem.formats.records import BadRow, Misfit, Row
from mainstem.record import mutable

if TYPE_CHECKING:
    import duckdb

# A row id, and the values of the row.
Known = tuple[int, tuple[Any, ...] | None]


@mutable
class Settled:
    """The outcome: bad records by file (numbers from 0), and what the good ones ignored."""

    judged: int = 0
    unknown: int = 0
    bad: dict[str, array[int]] = field(default_factory=dict)

    def add_bad(self, path: str, record: int) -> None:
        """Take the number of a bad record."""
        self.bad.setdefault(path, array("q")).append(record)


def timely(rows: Iterable[Row | BadRow], layout: Layout, path: str) -> Iterator[Row | BadRow]:
    """Turn rows whose event time breaks T2 into bad rows."""
    if layout.rule.column not in layout.schema.names:
        yield from rows
        return
    latest = layout.rule.latest(path)
    place = layout.schema.names.index(layout.rule.column)
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            layout.rule.check(row.values[place], latest)
        except Misfit as misfit:
            yield BadRow.of(row.line, row.offset, row.raw, misfit)
        else:
            yield row


def settle(
    connection: duckdb.DuckDBPyConnection, table: str, layout: Layout, starts: dict[str, int],
    known: Iterator[Known],
) -> Settled:  # fmt: skip
    """Judge every row in doubt, correct the good ones in the table and tell the bad ones.

    Of `known` rows the table holds stand-ins; their values are given, or that they are bad (None).
    """
    settled = Settled()
    place = _Places(starts)
    after = -1
    corrections: Corrections | None = None
    stand_ins: set[int] = set()
    while given := list(islice(known, BATCH)):
        corrections = corrections or Corrections(connection, table, layout.schema)
        corrections.add((rowid, values) for rowid, values in given if values is not None)
        stand_ins.update(rowid for rowid, _ in given)
    while True:
        batch = connection.execute(
            f"SELECT rowid, {RAW} FROM {table} WHERE {RAW} IS NOT NULL AND rowid > ? "
            f"ORDER BY rowid LIMIT {BATCH}",
            [after],
        ).fetchall()
        if not batch:
            break
        after = batch[-1][0]
        batch = [row for row in batch if row[0] not in stand_ins]
        settled.judged += len(batch)
        corrections = corrections or Corrections(connection, table, layout.schema)
        corrections.add(_judge(batch, layout, place, settled))
    if layout.format == "json":
        _count_keys(connection, table, layout, place, settled)
    if corrections:
        corrections.apply()
    return settled


@mutable
class _Places:
    """Finds the file and record of a row id."""

    starts: dict[str, int]

    def of(self, rowid: int) -> tuple[str, int]:
        paths = list(self.starts)
        # The last file that starts there: those before it with the same start are empty.
        at = bisect_right(list(self.starts.values()), rowid) - 1
        return paths[at], rowid - self.starts[paths[at]]


def _judge(
    batch: list[tuple[int, list[str | None]]], layout: Layout, place: _Places, settled: Settled
) -> list[tuple[int, tuple[Any, ...]]]:  # fmt: skip
    good: list[tuple[int, tuple[Any, ...]]] = []
    time = (
        layout.schema.names.index(layout.rule.column)
        if layout.rule.column in layout.schema.names
        else -1
    )
    for rowid, raw in batch:
        try:
            if layout.format == "json":
                values, unknown = json_values(raw[0] or "", layout.schema)
            else:
                given = dict(zip(layout.schema.names, raw, strict=True))
                values, unknown = csv_values(given, layout.schema), 0
            if time >= 0:
                layout.rule.check(values[time], layout.rule.latest(place.of(rowid)[0]))
        except Misfit:
            path, record = place.of(rowid)
            settled.add_bad(path, record)
        else:
            settled.unknown += unknown
            good.append((rowid, values))
    return good


def _count_keys(
    connection: duckdb.DuckDBPyConnection, table: str, layout: Layout, place: _Places, settled: Settled
) -> None:  # fmt: skip
    """Count unknown fields and find repeated ones, once for each list of keys that occurs."""
    names = frozenset(layout.schema.names)
    shapes = connection.execute(
        f"SELECT {KEYS}, count(*) FROM {table} WHERE {KEYS} IS NOT NULL GROUP BY 1"
    ).fetchall()
    for keys, count in shapes:
        known = [key for key in keys if key in names]
        if len(known) == len(set(known)):
            settled.unknown += count * (len(keys) - len(known))
            continue
        found = connection.execute(
            f"SELECT rowid FROM {table} WHERE {KEYS} = CAST(? AS VARCHAR[])", [keys]
        ).fetchall()
        for (rowid,) in found:
            path, record = place.of(rowid)
            settled.add_bad(path, record)
