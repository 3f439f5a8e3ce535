"""Damaged Parquet files: which row group, and what becomes of the others."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.cli.ledger import ledger_text
from mainstem.connectors.files import files
from mainstem.definition.pipeline import Pipeline
from mainstem.engines.embedded.reading.scan import scan
from mainstem.errors import DataError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema
from mainstem.runtime.query import connect
from mainstem.runtime.start import RunResult
from tests.faults.battery.containers import flipped
from tests.faults.battery.pages import GROUPS, PAGE, page, parquet, place

SCHEMA = "id bigint, n bigint"
ALL = [(n, 10 * n) for group in GROUPS for n in group]
HEADER = len(page(GROUPS[0], has_crc=True, times=1)) - PAGE


def read(
    path: Path, *, on_bad: str = "fail", max_bad: float | None = None, strict: bool = False,
    schema: str = SCHEMA,
) -> RunResult:  # fmt: skip
    """Run a pipeline that copies a Parquet file into the state file."""
    p = Pipeline("battery")
    p.source(
        "s", files(str(path), strict=strict), schema=schema, on_bad=on_bad, max_bad=max_bad
    )  # fmt: skip
    p.table("t", "SELECT * FROM s")
    return p.run(state_dir=path.parent / "state")


def tables(folder: Path) -> tuple[list[Any], list[Any]]:
    """Give the rows that were read, and the dead letters."""
    with connect(folder / "state") as state:
        return (
            sorted(state.query("FROM t").rows),
            list(state.query(
                "SELECT __path, __row, __line, __offset, __raw, __column, __reason, __rows, __message "
                "FROM s__dead ORDER BY __row"
            ).rows),
        )  # fmt: skip


def refusal(path: Path, **options: Any) -> DataError:
    """Give the error of a run."""
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return caught.value


def test_whole_file(tmp_path: Path) -> None:
    """The file that the tests damage is a right one, and every page of it is checked."""
    path = tmp_path / "in.parquet"
    path.write_bytes(parquet())
    result = read(path, strict=True)
    line = result.ledger["sources"]["s"]
    assert (line["pages"], line["summed_pages"]) == (6, 6)
    assert "without checksum" not in ledger_text(result.ledger)
    with connect(tmp_path / "state") as state:
        assert sorted(state.query("FROM t").rows) == ALL


@pytest.mark.parametrize("group", range(3))
@pytest.mark.parametrize("column", ["id", "n"])
def test_flipped_bit_with_checksum(tmp_path: Path, group: int, column: str) -> None:
    """A wrong number in an uncompressed page, which DuckDB reads: strict names its row group."""
    path = tmp_path / "in.parquet"
    at = place(group, column)
    path.write_bytes(flipped(parquet(), at + HEADER + 9))
    # The column that is damaged need not be declared.
    error = refusal(path, strict=True, schema="id bigint")
    assert error.findings[0].code == "FileDamaged"
    (told,) = error.attributes["row_groups"]
    start, last = place(group, "id"), page(GROUPS[group], has_crc=True, times=10)
    assert told == {
        "file": str(path), "row_group": group, "first_row": 3 * group, "rows": 3,
        "bytes": (start, place(group, "n") + len(last)), "column": column, "offset": at,
        "reason": "the checksum of a page is another one",
    }  # fmt: skip
    assert f"row group {group} (rows {3 * group} to {3 * group + 2}, " in str(error)
    # Without strict it is read, as every reader reads it: this is why there is strict.
    read(path)
    with connect(tmp_path / "state") as state:
        assert sorted(state.query("FROM t").rows) != ALL


def test_lost_row_groups_as_dead_letters(tmp_path: Path) -> None:
    """One dead letter for a row group, for all of its rows; the other groups are read."""
    path = tmp_path / "in.parquet"
    path.write_bytes(
        flipped(flipped(parquet(), place(0, "n") + HEADER), place(2, "id") + HEADER + 20)
    )
    result = read(path, strict=True, on_bad="dead_letter")
    line = result.ledger["sources"]["s"]
    assert (line["read"], line["admitted"], line["dead"]) == (9, 3, 6)
    assert result.ledger["kept"]["s__dead"] | {"on": ""} == {
        "on": "", "table": "s__dead", "rows": 6, "open": 2
    }  # fmt: skip
    rows, letters = tables(tmp_path)
    assert rows == [(4, 40), (5, 50), (6, 60)]
    name = str(path)
    assert [letter[:-1] for letter in letters] == [
        (name, 0, None, place(0, "n"), None, "n", "RowGroupDamaged", 3),
        (name, 6, None, place(2, "id"), None, "id", "RowGroupDamaged", 3),
    ]
    assert letters[0][-1].startswith("row group 0 (rows 0 to 2, bytes 4 to ")


def test_positions_and_other_files_stay(tmp_path: Path) -> None:
    """Rows of a damaged file keep their numbers, and whole files beside it are read whole."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.parquet").write_bytes(parquet())
    damaged = flipped(parquet(), place(1, "id") + HEADER)
    (folder / "b.parquet").write_bytes(damaged)
    binding = files(str(folder), strict=True)
    source = Source("s", binding, parse_schema(SCHEMA), on_bad="dead_letter")
    connection = duckdb.connect()
    report = scan(connection, source, positions=True)
    assert (report.read, report.admitted, report.bad) == (27, 24, 3)
    found = connection.execute(f"SELECT __row, id FROM ({report.select}) ORDER BY 1").fetchall()
    assert found == [(at, at % 9 + 1) for at in range(27) if not 12 <= at < 15]


def test_too_many_lost_rows(tmp_path: Path) -> None:
    """`max_bad` counts rows, not row groups."""
    path = tmp_path / "in.parquet"
    path.write_bytes(flipped(parquet(), place(1, "id") + HEADER))
    error = refusal(path, strict=True, on_bad="dead_letter", max_bad=2)
    assert error.findings[0].code == "BadRow"
    assert "3 bad rows" in str(error)
    assert "row group 1" in str(error)
    read(path, strict=True, on_bad="dead_letter", max_bad=3)


def test_file_without_checksums(tmp_path: Path) -> None:
    """Nothing can be proved of such a file, and the ledger says so."""
    path = tmp_path / "in.parquet"
    path.write_bytes(flipped(parquet(has_crc=False), place(1, "n", has_crc=False) + HEADER))
    result = read(path, strict=True)
    line = result.ledger["sources"]["s"]
    assert (line["pages"], line["summed_pages"]) == (6, 0)
    assert "6 of 6 pages without checksum" in ledger_text(result.ledger)


def compressed(path: Path, codec: str) -> bytes:
    """Write a file of five compressed row groups with DuckDB; give its bytes."""
    duckdb.connect().execute(
        "COPY (SELECT i AS id, md5(i::VARCHAR) AS t FROM range(10000) AS r(i)) "
        f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048, COMPRESSION {codec})"
    )
    return path.read_bytes()


def chunk(path: Path, group: int, column: str) -> tuple[int, int]:
    """Give where the pages of a column begin, and their bytes."""
    (found,) = duckdb.connect().execute(
        "SELECT least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset)), "
        "total_compressed_size FROM parquet_metadata(?) WHERE row_group_id = ? AND path_in_schema = ?",
        [str(path), group, column],
    ).fetchall()  # fmt: skip
    return found


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip"])
@pytest.mark.parametrize("strict", [False, True])
def test_flipped_bytes_of_a_compressed_page(tmp_path: Path, codec: str, strict: bool) -> None:
    """Named by its row group, whether it is looked for or met; the other groups can be read."""
    path = tmp_path / "in.parquet"
    data = bytearray(compressed(path, codec))
    start, size = chunk(path, 3, "t")
    middle = start + size // 2
    data[middle : middle + 64] = bytes(255 - byte for byte in data[middle : middle + 64])
    path.write_bytes(data)
    error = refusal(path, strict=strict, schema="id bigint, t string")
    assert error.findings[0].code == "FileDamaged"
    (told,) = error.attributes["row_groups"]
    assert (told["row_group"], told["first_row"], told["rows"]) == (3, 6144, 2048)
    assert (told["column"], told["offset"]) == ("t", start)
    result = read(path, strict=True, on_bad="dead_letter", schema="id bigint, t string")
    line = result.ledger["sources"]["s"]
    assert (line["read"], line["admitted"], line["dead"]) == (10_000, 7952, 2048)
    rows, letters = tables(tmp_path)
    assert [row[0] for row in rows] == [*range(6144), *range(8192, 10_000)]
    assert [letter[7] for letter in letters] == [2048]


def test_page_header(tmp_path: Path) -> None:
    """A header that cannot be read, or tells of other sizes than the footer."""
    good = parquet()
    at = place(1, "n")
    for damaged in (
        good[:at] + b"\xff" * 8 + good[at + 8 :],
        flipped(good, at + 3),
        good[:at] + bytes(HEADER) + good[at + HEADER :],
    ):
        path = tmp_path / "in.parquet"
        path.write_bytes(damaged)
        (told,) = refusal(path, strict=True).attributes["row_groups"]
        assert (told["row_group"], told["column"], told["offset"]) == (1, "n", at)


def test_footer(tmp_path: Path) -> None:
    """A file cut short, without its magic bytes, or with another footer: refused as a whole."""
    good = parquet()
    (length,) = (int.from_bytes(good[-8:-4], "little"),)
    for number, damaged in enumerate((
        good[:-1], good[: len(good) // 2], good[:3], b"PARX" + good[4:-4] + b"PARX",
        good[:-8] + b"\xff\xff\xff\x7f" + good[-4:], good[: -8 - length] + bytes(length) + good[-8:],
        good[:-6] + good[-4:],
    )):  # fmt: skip
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(damaged)
        for on_bad in ("fail", "dead_letter"):
            error = refusal(path, strict=True, on_bad=on_bad)
            assert error.findings[0].code == "FileDamaged", number
            assert path.name in str(error)


def test_every_flipped_bit_of_a_page_is_found(tmp_path: Path) -> None:
    """Bits from a seed, anywhere in the pages of a file with checksums: never a wrong number."""
    chance = random.Random(4)
    good = parquet()
    end = place(2, "n") + HEADER + PAGE
    for number in range(40):
        path = tmp_path / f"{number}.parquet"
        at = chance.randrange(4, end)
        bit = 1 << chance.randrange(8)
        path.write_bytes(good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :])
        result = read(path, strict=True, on_bad="dead_letter")
        line = result.ledger["sources"]["s"]
        rows, letters = tables(tmp_path)
        lost = {number for letter in letters for number in range(letter[1], letter[1] + letter[7])}
        assert rows == [row for n, row in enumerate(ALL) if n not in lost], at
        assert (line["admitted"], line["dead"]) == (9 - len(lost), len(lost))
