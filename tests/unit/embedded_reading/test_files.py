"""Which files are read, compressed ones, and Parquet in place."""

from __future__ import annotations

import gzip
import importlib
import os
import random
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

from mainstem.connectors.duckdb import duckdb as duckdb_table
from mainstem.connectors.files import files
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.ingested import IngestOptions
from mainstem.engines.embedded.reading.scan import scan
from mainstem.errors import DataError, OutsideError, SettingsError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema


def source(path: Path | str, schema: str, event_time: str = "", **options: Any) -> Source:
    """Give a source of files."""
    return Source("s", files(str(path), **options), parse_schema(schema), event_time=event_time)


def test_zip_with_na(tmp_path: Path) -> None:
    """A CSV in a zip with NA for NULL is read; the temporary copy is gone afterwards."""
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "id,delay\n1,NA\n2,7\n")
    connection = duckdb.connect()
    copies = tmp_path / "copies"
    copies.mkdir()
    report = ingest(
        connection, source(tmp_path / "flights.csv.zip", "id bigint, delay bigint", null="NA"),
        IngestOptions(temp_directory=str(copies)),
    )  # fmt: skip
    assert connection.execute(report.select).fetchall() == [(1, None), (2, 7)]
    assert list(copies.iterdir()) == []


def test_damaged_gzip(tmp_path: Path) -> None:
    """A gzip file that was cut short stops the run and is named."""
    whole = gzip.compress(os.urandom(5000).hex().encode() + b"\n")
    (tmp_path / "a.txt.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.txt\.gz is damaged or cut short"):
        ingest(duckdb.connect(), source(tmp_path / "a.txt.gz", "line string"))


def zstd() -> Any:
    """Give the module, wherever this Python has it."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return importlib.import_module(name)


def test_zstd(tmp_path: Path) -> None:
    """A zstd file is read whole, and one that was cut short stops the run and is named."""
    path = tmp_path / "a.txt.zst"
    whole = zstd().compress(os.urandom(5000).hex().encode() + b"\nlast\n")
    path.write_bytes(whole)
    connection = duckdb.connect()
    report = ingest(connection, source(path, "line string"))
    lengths = connection.execute(f"SELECT length(line) FROM ({report.select})").fetchall()
    assert lengths == [(10_000,), (4,)]
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.txt\.zst is damaged or cut short"):
        ingest(duckdb.connect(), source(path, "line string"))


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [("a.csv", b"text\n", b""), ("a.jsonl", b'{"text":"', b'"}'), ("a.txt", b"", b"")],
)
def test_line_longer_than_the_reader_takes(
    tmp_path: Path, name: str, start: bytes, end: bytes
) -> None:
    """A line of 20 MB is read, slowly, without its neighbours; the report says in which file."""
    path = tmp_path / name
    line = b"y" + end + b"\n"
    path.write_bytes(start + line + start.rpartition(b"\n")[2] + b"x" * 20_000_000 + end + b"\n")
    column = "line" if name.endswith("txt") else "text"
    connection = duckdb.connect()
    report = ingest(connection, source(path, f"{column} string"))
    lengths = connection.execute(f"SELECT length({column}) FROM ({report.select})").fetchall()
    assert lengths == [(1,), (20_000_000,)]
    assert ([path for path, _ in report.sifted_files], report.slow_files) == ([str(path)], ())
    assert report.doubtful_rows == 1


def test_table_larger_than_memory(tmp_path: Path) -> None:
    """The checked table spills: 96 MB of text that hardly compresses, with a limit of 64 MB."""
    path = tmp_path / "a.txt"
    chance = random.Random(1)
    with path.open("wb") as stream:
        for _ in range(96):
            stream.writelines(chance.randbytes(4000).hex().encode() + b"\n" for _ in range(125))
    config = {
        "memory_limit": "64MB", "threads": 1, "temp_directory": str(tmp_path / "spill"),
    }  # fmt: skip
    connection = duckdb.connect(config=config)
    report = ingest(connection, source(path, "line string"))
    assert report.read == 12_000
    found = connection.execute(f"SELECT sum(length(line)) FROM ({report.select})").fetchall()
    assert found == [(12_000 * 8000,)]


def test_blank_lines_between_objects(tmp_path: Path) -> None:
    """Blank lines of JSON lines are no rows, and do not make the file slow."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n":1}\n\n{"n":2}\n \t \n{"n":3}\n')
    connection = duckdb.connect()
    report = ingest(connection, source(path, "n bigint"), IngestOptions(positions=True))
    rows = connection.execute(f"{report.select} ORDER BY __row").fetchall()
    assert (rows, report.slow_files) == ([(1, 0), (2, 1), (3, 2)], ())


def test_glob_order_and_positions(tmp_path: Path) -> None:
    """Files are read in path order and rows are numbered through, also when a line is taken out of one."""
    (tmp_path / "b.csv").write_bytes(b"n\n3\n4\n")
    (tmp_path / "a.csv").write_bytes(b"n,x\n1,0\n2,0\n")
    (tmp_path / "c.csv").write_bytes(b'n,x\n5,"a\rb"\n')
    connection = duckdb.connect()
    report = ingest(
        connection, source(tmp_path / "*.csv", "n bigint"), IngestOptions(positions=True)
    )
    rows = connection.execute(f"SELECT n, __row FROM ({report.select}) ORDER BY __row").fetchall()
    assert rows == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    assert [Path(f.path).name for f in report.files] == ["a.csv", "b.csv", "c.csv"]
    assert (report.read, report.unknown_fields) == (5, 3)
    assert [Path(path).name for path, _ in report.sifted_files] == ["c.csv"]


@pytest.mark.parametrize("text", ["infinity", "-infinity", "10000-01-01", "0044-03-15 (BC)"])
@pytest.mark.parametrize(
    ("name", "data"),
    [("a.csv", "d\n{}\n"), ("a.jsonl", '{{"d":"{}"}}\n'), ("b.jsonl", '{{"d":["{}"]}}\n')],
)
def test_what_only_duckdb_calls_a_day(tmp_path: Path, name: str, data: str, text: str) -> None:
    """DuckDB prints these days back as they were written, and they are bad rows all the same."""
    path = tmp_path / name
    path.write_text(data.format(text))
    with pytest.raises(DataError, match="1 bad row"):
        ingest(duckdb.connect(), source(path, "d date[]" if name == "b.jsonl" else "d date"))


def test_bytes_inside_lists(tmp_path: Path) -> None:
    """They are base64 there too; DuckDB would take the letters for the bytes."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"b":["YWI="]}\n')
    connection = duckdb.connect()
    report = ingest(connection, source(path, "b bytes[]"))
    assert connection.execute(report.select).fetchall() == [([b"ab"],)]


@pytest.mark.parametrize("multiline", [None, True])
@pytest.mark.parametrize("line", ["3,4,,", "3,4,,,", '3,"4",,', ",,,"])
def test_fields_after_the_last_column(tmp_path: Path, line: str, multiline: bool | None) -> None:
    """One delimiter may follow the last column; DuckDB would take any number of them."""
    path = tmp_path / "a.csv"
    for first, end in (("\n", "\n"), ("\r\n", "\r\n"), ("\r\n", "\n"), ("\n", "")):
        path.write_bytes(f"a,b{first}1,2,{first}{line}{end}".encode())
        with pytest.raises(DataError, match=r"a\.csv:3: [45] fields, the file has 2 columns"):
            ingest(duckdb.connect(), source(path, "a bigint, b string", multiline=multiline))


def test_empty_columns_at_the_end(tmp_path: Path) -> None:
    """Lines that end with empty columns are read by the fast way."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b,c\n1,,\n,,\n")
    connection = duckdb.connect()
    report = ingest(connection, source(path, "a bigint, b bigint, c string"))
    rows = connection.execute(report.select).fetchall()
    assert (rows, report.slow_files) == ([(1, None, None), (None, None, None)], ())


@pytest.mark.parametrize("multiline", [None, True])
@pytest.mark.parametrize("start", ["\n", "\r\n", "\n\n", "\ufeff\n", "\r\n\n"])
def test_empty_lines_before_the_header(
    tmp_path: Path, start: str, multiline: bool | None
) -> None:  # fmt: skip
    """They are no header, and the header is no row: DuckDB would take it for one."""
    path = tmp_path / "a.csv"
    path.write_text(f"{start}a,b\n1,x\n2,y\n", "utf-8", newline="")
    connection = duckdb.connect()
    report = ingest(connection, source(path, "a string, b string", multiline=multiline))
    assert connection.execute(report.select).fetchall() == [("1", "x"), ("2", "y")]
    assert report.read == 2


def test_nothing_matches(tmp_path: Path) -> None:
    """A glob without files is an error that names the glob."""
    with pytest.raises(OutsideError, match=r"no file matches .*none\*\.csv"):
        ingest(duckdb.connect(), source(tmp_path / "none*.csv", "n bigint"))


def test_unknown_ending(tmp_path: Path) -> None:
    """A format that cannot be told is asked for."""
    (tmp_path / "a.dat").write_bytes(b"")
    with pytest.raises(SettingsError, match="cannot tell the format"):
        ingest(duckdb.connect(), source(tmp_path / "a.dat", "n bigint"))


def test_hive(tmp_path: Path) -> None:
    """Partition columns come from the path and are checked like any other."""
    for year in ("2023", "2024"):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        (folder / "a.csv").write_bytes(b"n\n1\n")
    connection = duckdb.connect()
    report = ingest(connection, source(tmp_path, "year bigint, n bigint", hive=True))
    assert connection.execute(report.select).fetchall() == [(2023, 1), (2024, 1)]
    (tmp_path / "year=2024").rename(tmp_path / "year=soon")
    with pytest.raises(DataError, match="partition column year"):
        ingest(connection, source(tmp_path, "year bigint, n bigint", hive=True))


def test_text_columns(tmp_path: Path) -> None:
    """Empty lines are rows of a text file; it has line, line_number and file."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n\n\xc3\xa9\r\n")
    connection = duckdb.connect()
    report = ingest(connection, source(path, "line_number bigint, line string, file string"))
    name = str(path)
    assert connection.execute(report.select).fetchall() == [
        (1, "x", name),
        (2, "", name),
        (3, "é", name),
    ]


@pytest.mark.parametrize(("name", "data"), [("a.csv", "at\n{}\n"), ("a.jsonl", '{{"at":"{}"}}\n')])
def test_event_time(tmp_path: Path, name: str, data: str) -> None:
    """T2: an event time more than a day after the file was written is a bad row."""
    path = tmp_path / name
    written = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    path.write_text(data.format("2024-01-02T00:00:00Z"))
    os.utime(path, (written, written))
    assert ingest(duckdb.connect(), source(path, "at timestamp", "at")).read == 1
    path.write_text(data.format("2024-01-02T00:00:00.000001Z"))
    os.utime(path, (written, written))
    with pytest.raises(DataError, match=r"a\.\w+:\d: column 'at'.*T2"):
        ingest(duckdb.connect(), source(path, "at timestamp", "at"))


def parquet(path: Path, select: str) -> Path:
    """Write a Parquet file with the rows of a query."""
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_event_times_are_judged_by_their_own_file(tmp_path: Path) -> None:
    """A folder to which a file is added every day: the oldest file's limit is not that of the others."""
    for day in ("01", "30"):
        time = f"2024-01-{day} 10:00:00Z"
        path = parquet(tmp_path / f"{day}.parquet", f"SELECT TIMESTAMPTZ '{time}' AS at")
        written = datetime(2024, 1, int(day), 12, tzinfo=UTC).timestamp()
        os.utime(path, (written, written))
    daily = source(tmp_path / "*.parquet", "at timestamp", "at")

    assert scan(duckdb.connect(), daily).admitted == 2

    late = parquet(tmp_path / "01.parquet", "SELECT TIMESTAMPTZ '2024-01-03 10:00:00Z' AS at")
    written = datetime(2024, 1, 1, 12, tzinfo=UTC).timestamp()
    os.utime(late, (written, written))
    with pytest.raises(DataError, match=r"01.parquet row 0: .* later than the file was written"):
        scan(duckdb.connect(), daily)


def test_parquet_types_that_fit(tmp_path: Path) -> None:
    """Narrow types widen without a look at the rows; instants are UTC."""
    path = parquet(
        tmp_path / "a.parquet",
        "SELECT 1::SMALLINT AS a, 1.5::DECIMAL(4,1) AS b, TIMESTAMP '2024-01-01 00:00:00' AS t, "
        "[1::INTEGER] AS l, {'x': 1::INTEGER, 'y': 'z'} AS s, 9 AS other",
    )
    connection = duckdb.connect()
    report = scan(
        connection,
        source(
            path,
            "a bigint not null, b decimal(6,2), t timestamp, l bigint[], s struct(x bigint, y string)",
        ),
    )
    rows = connection.execute(
        f"SELECT a, b::VARCHAR, epoch_us(t), l, s FROM ({report.select})"
    ).fetchall()
    assert rows == [(1, "1.50", 1704067200000000, [1], {"x": 1, "y": "z"})]
    assert (report.read, report.unknown_fields, report.checked_columns) == (1, 1, ())


def test_parquet_column_of_nothing_but_null_fits_any_type(tmp_path: Path) -> None:
    """Dataframes write such a day without a type, and its neighbours with one."""
    for name, values in (("a", [None, None]), ("b", [3, None])):
        table = pyarrow.table({"id": [1, 2], "n": pyarrow.array(values), "s": [{"x": None}] * 2})
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    connection = duckdb.connect()
    report = scan(
        connection, source(tmp_path / "*.parquet", "id bigint, n bigint, s struct(x string)")
    )

    assert connection.execute(f"SELECT n, s FROM ({report.select}) ORDER BY n").fetchall() == [
        (3, {"x": None}), (None, {"x": None}), (None, {"x": None}), (None, {"x": None}),
    ]  # fmt: skip
    with pytest.raises(DataError, match="1 bad row"):
        scan(connection, source(tmp_path / "b.parquet", "n bigint not null"))


@pytest.mark.parametrize(
    ("select", "schema", "message"),
    [
        ("SELECT 1 AS a", "b bigint", "has no column 'b'"),
        ("SELECT 'x' AS a", "a bigint", "is VARCHAR, declared as bigint"),
        ("SELECT 1.55::DECIMAL(4,2) AS a", "a decimal(4,1)", "declared as decimal"),
        ("SELECT 70000 AS a UNION ALL SELECT 1", "a smallint", "1 bad row"),
        ("SELECT NULL::INTEGER AS a UNION ALL SELECT 1", "a bigint not null", "row 0: column 'a'"),
        ("SELECT TIMESTAMP_NS '2024-01-01 00:00:00.000000001' AS a", "a timestamp", "1 bad row"),
        ("SELECT 'infinity'::TIMESTAMP_NS AS a", "a timestamp", "1 bad row"),
    ],
)
def test_parquet_that_does_not_fit(tmp_path: Path, select: str, schema: str, message: str) -> None:
    """A declared column is checked before the run, also when nothing selects it."""
    path = parquet(tmp_path / "a.parquet", select)
    with pytest.raises(DataError, match=message):
        scan(duckdb.connect(), source(path, schema))


def test_nanoseconds_are_read_as_microseconds(tmp_path: Path) -> None:
    """Whole microseconds stay what they are, before 1970 too."""
    values = "('1969-12-31 23:59:59.999999'), ('1677-09-22 00:00:00.000001'), (NULL)"
    path = parquet(
        tmp_path / "a.parquet", f"SELECT t::TIMESTAMP_NS AS a FROM (VALUES {values}) v(t)"
    )
    connection = duckdb.connect()
    report = scan(connection, source(path, "a timestamp"))

    rows = connection.execute(f"SELECT epoch_us(a), typeof(a) FROM ({report.select})").fetchall()

    # 1677-09-22 is 106,751 days and 1 microsecond less before 1970.
    first = -106_751 * 86_400_000_000 + 1
    zone = "TIMESTAMP WITH TIME ZONE"
    assert rows == [(-1, zone), (first, zone), (None, zone)]


@pytest.mark.parametrize(
    ("stored", "declared"),
    [
        ("'infinity'::TIMESTAMP", "timestamp"),
        ("'-infinity'::TIMESTAMPTZ", "timestamp"),
        ("'infinity'::DATE", "date"),
        ("'10000-01-01'::DATE", "date"),
        ("'0001-01-01 (BC)'::TIMESTAMP", "timestamp"),
    ],
)
def test_no_date_outside_of_the_calendar(tmp_path: Path, stored: str, declared: str) -> None:
    """Infinity and years that no text may hold are bad rows in Parquet files and tables too."""
    connection = duckdb.connect()
    rows = f"SELECT 1::BIGINT AS id, DATE '2026-01-01' AS at UNION ALL SELECT 2, {stored}"
    if declared == "timestamp":
        rows = rows.replace("DATE '2026-01-01'", "TIMESTAMPTZ '2026-01-01 00:00:00+00'")
    connection.execute(f"COPY ({rows}) TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)")
    connection.execute(f"ATTACH '{tmp_path / 'a.db'}' AS a; CREATE TABLE a.t AS {rows}; DETACH a")
    schema = parse_schema(f"id bigint, at {declared}")
    for binding in (files(str(tmp_path / "a.parquet")), duckdb_table(str(tmp_path / "a.db"), "t")):
        with pytest.raises(
            DataError, match=r"1 bad row .*\n.*row 1: column 'at': .*years 1 to 9999"
        ):
            scan(duckdb.connect(), Source("s", binding, schema))


def test_dates_are_proven_by_statistics(tmp_path: Path) -> None:
    """Ordinary dates cost no scan: the footer shows that they lie in the calendar."""
    connection = duckdb.connect()
    connection.execute(
        f"COPY (SELECT DATE '0001-01-01' AS d, TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' AS ts) "
        f"TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)"
    )
    report = scan(connection, source(tmp_path / "a.parquet", "d date, ts timestamp"))
    assert report.checked_columns == ()


def test_parquet_hive_and_positions(tmp_path: Path) -> None:
    """Files of different but fitting types are one source; rows are numbered through."""
    for name, value in (("k=1", "1::SMALLINT"), ("k=2", "2::BIGINT")):
        (tmp_path / name).mkdir()
        parquet(tmp_path / name / "a.parquet", f"SELECT {value} AS n")
    connection = duckdb.connect()
    report = scan(connection, source(tmp_path, "n bigint, k bigint", hive=True), positions=True)
    rows = connection.execute(f"SELECT * FROM ({report.select}) ORDER BY __row").fetchall()
    assert rows == [(1, 1, 0), (2, 2, 1)]


def test_duckdb_table(tmp_path: Path) -> None:
    """A table of another DuckDB file is read in place, and checked."""
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE t AS SELECT 1::INTEGER AS a UNION ALL SELECT NULL")
    connection = duckdb.connect()
    found = Source("t", duckdb_table(str(path), "t"), parse_schema("a bigint"))
    report = scan(connection, found)
    assert sorted(connection.execute(report.select).fetchall(), key=str) == [(1,), (None,)]
    strict = Source("u", duckdb_table(str(path), "t"), parse_schema("a bigint not null"))
    with pytest.raises(DataError, match="1 bad row"):
        scan(duckdb.connect(), strict)


def test_csv_files_without_rows(tmp_path: Path) -> None:
    """Empty, blank lines only, header only: each has no rows, alone and beside a file that has."""
    for name, data in {"a": "", "b": "\n\n", "c": "id,x\n", "d": "id,x\n1,2\n"}.items():
        (tmp_path / f"{name}.csv").write_text(data)

    for pattern, rows in {"a.csv": 0, "b.csv": 0, "c.csv": 0, "*.csv": 1}.items():
        source = Source("s", files(str(tmp_path / pattern)), parse_schema("id bigint, x bigint"))
        with duckdb.connect() as connection:
            report = ingest(connection, source)
            found = connection.execute(report.select).fetchall()
        assert (report.read, found) == (rows, [(1, 2)] * rows)
