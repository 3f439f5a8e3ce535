"""The fast reader accepts exactly what the slow reference accepts, with the same rows."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.engines.embedded.native import build, columns
from mainstem.engines.embedded.reading import ahead, blocks, guard
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.ingested import IngestOptions, IngestReport
from mainstem.errors import DataError
from mainstem.formats.records import BadRow
from mainstem.plan.nodes import Source
from tests.unit.embedded_reading import dirty

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Forty files each.
SIZES = {"MAINSTEM_LONG": 40, "MAINSTEM_FAST": 1}
BLOCKS = next((n for name, n in SIZES.items() if os.environ.get(name) == "1"), 4)
CSV_NAMES = ["id", "small", "price", "ratio", "ok", "day", "at", "name", "data"]


def rows_of(
    connection: duckdb.DuckDBPyConnection, report: IngestReport, source: Source
) -> list[Any]:
    """Fetch the rows as Python values; instants by their microseconds, maps as pairs."""
    outputs = []
    for field in source.schema.fields:
        name = f'"{field.name}"'
        outputs.append(f"epoch_us({name})" if field.type.kind == "timestamp" else name)
    found = connection.execute(f"SELECT {', '.join(outputs)} FROM ({report.select})").fetchall()
    return [
        tuple(
            EPOCH + timedelta(microseconds=v) if f.type.kind == "timestamp" and v is not None else v
            for v, f in zip(row, source.schema.fields, strict=True)
        )
        for row in found
    ]


def check_file(source: Source) -> tuple[str, IngestReport]:
    """Read one file both ways; give how it went."""
    good, bad, unknown = dirty.slowly(source)
    connection = duckdb.connect(config={"threads": 1})
    refusal = None
    try:
        report = ingest(connection, source)
    except DataError as error:
        refusal = error
    if refusal is not None:
        assert bad, f"refused by the fast reader only: {refusal}"
        assert refusal.attributes["count"] == len(bad)
        first = refusal.attributes["bad_rows"]
        told = [(b["line"], b["offset"], b["raw"], b["reason"], b["column"]) for b in first]
        assert told == [(b.line, b.offset, b.raw, b.reason, b.column) for _, b in bad[:5]]
        return "bad", check_dead_letters(source, good, bad, unknown)
    assert not bad, f"accepted by the fast reader only: {bad[0]}"
    fast = dirty.comparable(rows_of(connection, report, source), source)
    assert fast == dirty.comparable(good, source)
    assert (report.read, report.admitted, report.unknown_fields) == (len(good), len(good), unknown)
    return way_of(report), report


def way_of(report: IngestReport) -> str:
    """Give which way a file was read."""
    return "slow" if report.slow_files else "sifted" if report.sifted_files else "fast"


def check_dead_letters(
    source: Source, good: list[Any], bad: list[tuple[int, BadRow]], unknown: int
) -> IngestReport:
    """Read a file again, keeping its bad records: the same rows, and each bad record by itself."""
    connection = duckdb.connect(config={"threads": 1})
    report = ingest(
        connection, replace(source, on_bad="dead_letter"), IngestOptions(positions=True)
    )
    fast = dirty.comparable(rows_of(connection, report, source), source)
    assert fast == dirty.comparable(good, source)
    counts = (report.read, report.admitted, report.bad, report.unknown_fields)
    assert counts == (len(good) + len(bad), len(good), len(bad), unknown)
    letters = connection.execute(
        f'SELECT * EXCLUDE (rows) FROM {report.dead_letters} ORDER BY "row"'
    ).fetchall()
    path = report.files[0].path
    assert [letter[:-1] for letter in letters] == [
        ("events", path, n, b.line, b.offset, b.raw, b.column, b.code) for n, b in bad
    ]
    for letter, (_, row) in zip(letters, bad, strict=True):
        assert letter[-1].endswith(row.reason)
    check_positions(connection, report, {n for n, _ in bad})
    return report


def check_positions(
    connection: duckdb.DuckDBPyConnection, report: IngestReport, bad: set[int]
) -> None:
    """A row's position is its number among the records, whatever became of those before it."""
    found = connection.execute(f"SELECT __row FROM ({report.select}) ORDER BY 1").fetchall()
    assert [n for (n,) in found] == [n for n in range(report.read) if n not in bad]


# Without a compiler there is nothing compiled.
WAYS = ("looked at first", "loaded ahead", *(("in blocks",) if build.compiler() else ()))


@pytest.fixture(autouse=True, params=WAYS)
def way(request, monkeypatch) -> str:
    """Files are looked at first, or loaded as their first bytes promise; or JSON is read by C, in blocks."""
    if request.param == "in blocks":
        monkeypatch.delenv(build.CHOICE, raising=False)
        if columns.library() is None:
            build.build(columns.UNIT)
        # However much is in doubt.
        monkeypatch.setattr(blocks, "MOST_DOUBTS", 1)
        monkeypatch.setattr(blocks, "BLOCK", 700)
    else:
        monkeypatch.setenv(build.CHOICE, "no")
    if request.param == "loaded ahead":
        monkeypatch.setattr(ahead, "LEAST_BYTES", 0)
        monkeypatch.setattr(guard, "CHUNK", 150)
    return str(request.param)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_csv(tmp_path: Path, block: int) -> None:
    """400 random CSV files, some columns undeclared, some with quoted line ends allowed."""
    outcomes, ways = [], set()
    for seed in range(block * 40, block * 40 + 40):
        names = [*CSV_NAMES, "other"] if seed % 3 else list(CSV_NAMES)
        path = tmp_path / f"{seed}.csv"
        path.write_bytes(dirty.csv_bytes(seed, names))
        try:
            multiline = True if seed % 4 == 3 else None
            source = dirty.source_of(path, dirty.SCHEMA, null="NA", multiline=multiline)
            outcome, report = check_file(source)
            outcomes.append(outcome)
            ways.add(way_of(report))
        except Exception:
            print("seed", seed, path.read_bytes())
            raise
    # The comparison is worth something only when all ways of the reader are taken.
    assert {"fast", "bad"} <= set(outcomes)
    assert {"fast", "sifted"} <= ways


@pytest.mark.parametrize("block", range(BLOCKS))
def test_json(tmp_path: Path, block: int) -> None:
    """400 random JSON lines files, nested columns among them in every other one."""
    outcomes = []
    for seed in range(block * 40, block * 40 + 40):
        schema = dirty.SCHEMA + (dirty.NESTED if seed % 2 else "")
        names = [*CSV_NAMES, *(dirty.NESTED_TEXTS if seed % 2 else ())]
        path = tmp_path / f"{seed}.jsonl"
        path.write_bytes(dirty.json_bytes(seed, names))
        try:
            outcome, report = check_file(dirty.source_of(path, schema))
            outcomes.append(outcome)
            assert not report.slow_files, "only CSV over several lines needs the slow way"
        except Exception:
            print("seed", seed, path.read_bytes())
            raise
    assert {"fast", "bad"} <= set(outcomes)
