"""JSON lines by way of C: the same rows, in blocks, and when it is left to SQL."""

from dataclasses import replace

import duckdb
import pytest

from mainstem.engines.embedded.native import arrow, build, columns
from mainstem.engines.embedded.reading import blocks
from mainstem.engines.embedded.reading.ingest import IngestOptions, ingest
from mainstem.errors import DataError
from tests.unit.embedded_reading import dirty

SCHEMA = "id bigint not null, name string, at timestamp"
N_ROWS = 2000


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of a few records, read by what was compiled."""
    monkeypatch.delenv(build.CHOICE, raising=False)
    if columns.library() is None:
        build.build(columns.UNIT)
    monkeypatch.setattr(blocks, "BLOCK", 1000)


@pytest.fixture
def counted(monkeypatch):
    """Rows and doubts of each block."""
    found = []
    lines = columns.Columns.lines

    def noted(self, data):
        parsed = lines(self, data)
        found.append((parsed.table.rows, parsed.doubts))
        return parsed

    monkeypatch.setattr(columns.Columns, "lines", noted)
    return found


def record(i, rest=""):
    """One record of many."""
    return f'{{"id":{i},"name":"n{i % 7}","at":"2026-01-05T10:00:00Z"{rest}}}\n'


def read(path, schema=SCHEMA, **words):
    """Give rows and report of a file."""
    connection = duckdb.connect()
    report = ingest(
        connection, dirty.source_of(path, schema, **words), IngestOptions(positions=True)
    )
    shown = report.select.replace('"at"', 'epoch_us("at")')
    return connection.execute(f"{shown} ORDER BY __row").fetchall(), report


@pytest.mark.parametrize("end", ["", "\n", "\n \t\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_all_records_of_all_blocks(tmp_path, counted, start, end):
    """In their order, whatever stands before the first and behind the last."""
    path = tmp_path / "a.jsonl"
    text = "".join(record(i, ',"x":[1]' if i % 2 else "") for i in range(N_ROWS)).rstrip("\n")
    path.write_text(start + text + end, "utf-8")

    rows, report = read(path)

    instant = 1767607200000000
    assert rows == [(i, f"n{i % 7}", instant, i) for i in range(N_ROWS)]
    assert (report.read, report.unknown_fields, report.doubtful_rows) == (N_ROWS, N_ROWS // 2, 0)
    # Each block ends with a record; what is left of a file is one more.
    assert sum(n for n, _ in counted) % N_ROWS == 0
    assert len(counted) > 100


def test_a_record_in_doubt_is_judged_by_the_reference(tmp_path, monkeypatch, counted):
    """A good one stands where it stood, a bad one is named with its line."""
    monkeypatch.setattr(blocks, "BLOCK", 20_000)
    path = tmp_path / "a.jsonl"
    lines = [record(i) for i in range(N_ROWS)]
    lines[700] = '{"id":"700","name":"x","at":"2026-01-05T10:00:00+01:00","z":1}\n'
    path.write_text("".join(lines), "utf-8")
    rows, report = read(path)
    assert rows[700] == (700, "x", 1767603600000000, 700)
    assert (len(rows), report.doubtful_rows, report.unknown_fields) == (N_ROWS, 1, 1)
    assert sum(doubts for _, doubts in counted) == 1

    lines[1500] = '{"id":1.5}\n'
    path.write_text("".join(lines), "utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl:1501"):
        read(path)


@pytest.mark.parametrize("odd", ['{"id":"7"}\n', '{"id":7,"name":"' + "x" * 3000 + '"}\n'])
def test_what_it_does_not_suit_is_read_in_sql(tmp_path, counted, odd):
    """Many records in doubt, or one that is longer than a block: from the first block on."""
    path = tmp_path / "a.jsonl"
    n_odd = 300 if len(odd) < 100 else 1
    path.write_text("".join(record(i) for i in range(500)) + odd * n_odd, "utf-8")
    rows, report = read(path)
    assert len(rows) == report.read == 500 + n_odd
    assert rows[499][0] == 499
    assert rows[500][0] == 7
    assert not report.slow_files
    # It was tried once.
    assert 10 < len(counted) < 200


def test_bytes_that_are_no_text_are_a_bad_row(tmp_path):
    """They stop the run with their line, wherever the block is cut."""
    path = tmp_path / "a.jsonl"
    raw = [record(i).encode() for i in range(N_ROWS)]
    raw[1234] = b'{"id":1234,"name":"\xff"}\n'
    path.write_bytes(b"".join(raw))
    with pytest.raises(DataError, match=r"a\.jsonl:1235.*not UTF-8"):
        read(path)


@pytest.mark.parametrize("times", [0, 2])
def test_a_block_that_is_lost_or_doubled_on_the_way_is_noticed(tmp_path, monkeypatch, times):
    """What DuckDB says that it took is compared with the lines of the file; SQL reads it again."""
    taken = []
    give = arrow.Tables.next

    def tampered(self):
        taken.append(give(self) if len(taken) != 3 or times == 0 else taken[-1])
        return give(self) if len(taken) == 3 and times == 0 else taken[-1]

    monkeypatch.setattr(arrow.Tables, "next", tampered)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(record(i) for i in range(N_ROWS)), "utf-8")
    rows, report = read(path)
    assert len(taken) > 100
    assert [row[0] for row in rows] == list(range(N_ROWS))
    assert (report.read, report.slow_files) == (N_ROWS, ())


def test_partitions_of_a_folder(tmp_path, counted):
    """A value out of the path is no part of a record."""
    folder = tmp_path / "day=2026-01-05"
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(record(i) for i in range(50)), "utf-8")
    rows, report = read(tmp_path, f"{SCHEMA}, day date", hive=True)
    assert [(row[0], str(row[3])) for row in rows] == [(i, "2026-01-05") for i in range(50)]
    assert (report.doubtful_rows, sum(n for n, _ in counted)) == (0, 50)


def test_a_time_in_the_future_is_bad(tmp_path):
    """An event time is compared with the time of its file (T2), whatever reads it."""
    path = tmp_path / "a.jsonl"
    late = record(7).replace("2026-01", "2199-01")
    path.write_text("".join(record(i) for i in range(7)) + late, "utf-8")
    source = replace(dirty.source_of(path, SCHEMA), event_time="at")
    with pytest.raises(DataError, match=r"a\.jsonl:8.*T2"):
        ingest(duckdb.connect(), source)
