"""Files to a table by windows, durable, in epochs of a million rows, beside one DuckDB query.

`python -m benchmarks.stream.files` runs this part alone. The time of Mainstem is that of the whole
process less that of the same pipeline over one row; the time of DuckDB is without its start.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import process
from benchmarks.datasets import kept
from benchmarks.report import Report
from mainstem.runtime.query import query

PIPELINE = Path(__file__).with_name("files_pipeline.py")
KEYS = (1_000, 100_000)
# Least share of the speed of one DuckDB query.
SHARES = {"parquet": 0.6, "json": 0.5}
_READERS = {"parquet": "read_parquet", "json": "read_json"}
# Equal when all rows are, but for a hash that collides.
_QUESTION = (
    "SELECT count(*), CAST(sum(n) AS BIGINT), CAST(sum(total) AS BIGINT), "
    "CAST(bit_xor(hash(auction, epoch_us(window_end), n, CAST(total AS BIGINT))) AS VARCHAR) FROM out"
)
# 20,000 bids in a second of event time.
_ROWS = """
SELECT CAST(hash(i) % {keys} AS BIGINT) AS auction, CAST(hash(i + 7) % 10000 AS BIGINT) AS price,
    {ts} AS ts FROM range({rows}) AS t(i)
"""
_TIME = "make_timestamptz(1767225600000000 + i * 50)"


def measure_files(folder: Path, report: Report, n_rows: int, n_runs: int) -> None:
    """Run both on each format and number of keys, in turn."""
    for form in SHARES:
        for keys in KEYS:
            _measure(folder, report, form, keys, n_rows=n_rows, n_runs=n_runs)


def _measure(
    folder: Path, report: Report, form: str, keys: int, *, n_rows: int, n_runs: int
) -> None:
    file, single = _data(form, keys, n_rows), _data(form, keys, 1)
    times: dict[str, list[float]] = {"mainstem": [], "one row": [], "duckdb": []}
    for run in range(n_runs + 1):
        whole, answer = _own(folder, file)
        fixed, _ = _own(folder, single)
        alone, expected = _duckdb(folder, form, file)
        report.check(
            None if answer == expected else f"{answer} instead of {expected}",
            f"{form}, {keys} keys",
        )
        if run:
            for name, seconds in zip(times, (whole, fixed, alone), strict=True):
                times[name].append(seconds)
    whole, fixed, alone = (statistics.median(found) for found in times.values())
    raw = "; ".join(f"{n} {' '.join(f'{s:.2f}' for s in found)}" for n, found in times.items())
    name = f"files_{form}_{keys // 1000}k_vs_duckdb"
    report.at_least(name, alone / (whole - fixed), SHARES[form], f"{raw} s, {n_rows:,} rows")


def _data(form: str, keys: int, n_rows: int) -> Path:
    def make(place: Path) -> None:
        import duckdb

        ts = f"strftime({_TIME}, '%Y-%m-%dT%H:%M:%S.%fZ')" if form == "json" else _TIME
        rows = _ROWS.format(keys=keys, rows=n_rows, ts=ts)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({rows}) TO '{place}/bids.{form}' (FORMAT {form})")

    return kept(f"stream-{form}-{keys}-{n_rows}", make) / f"bids.{form}"


def _own(folder: Path, file: Path) -> tuple[float, list[object]]:
    place = folder / "files"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(PIPELINE, place / "pipeline.py")
    command = [sys.executable, "-m", "mainstem", "run", "pipeline.py", "--bounded", "--quiet"]
    command += ["--epoch-rows", "1000000"]
    pattern = str(file.parent / f"*{file.suffix}")
    sample = process.run(command, cwd=place, environment={"BENCH_IN": pattern})
    return sample.wall_s, list(query(place / ".mainstem" / "files", _QUESTION).rows[0])


def _duckdb(folder: Path, form: str, file: Path) -> tuple[float, list[object]]:
    database = folder / "alone.duckdb"
    database.unlink(missing_ok=True)
    script = process.python("stream/files_duckdb.py", _READERS[form], file, database, _QUESTION)
    seconds, *answer = json.loads(process.run(script).out)
    return float(seconds), answer


if __name__ == "__main__":
    alone = Report("files")
    with tempfile.TemporaryDirectory() as given:
        measure_files(Path(given), alone, int(os.environ.get("ROWS") or 2_000_000), 1)
    print(alone)
