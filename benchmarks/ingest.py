"""Checked ingest against DuckDB's own typed readers without checks, in one process, alternating.

Prints raw times, the ratio of medians, the cost of each check, and one JSON object as last line.
``QUICK=1`` uses 200,000 rows and 5 rounds, otherwise 1,000,000 rows and 7.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb

from benchmarks import process
from benchmarks.report import Report
from mainstem.connectors.files import files
from mainstem.connectors.files.listing import list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.native import build, columns
from mainstem.engines.embedded.reading import checks
from mainstem.engines.embedded.reading.guard import Workspace
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.ingested import IngestOptions
from mainstem.engines.embedded.reading.shape import shape_of
from mainstem.engines.embedded.reading.template import Template
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

QUICK = bool(os.environ.get("QUICK"))
N_ROWS = 200_000 if QUICK else 1_000_000
N_ROUNDS = 5 if QUICK else 7
SCHEMA = (
    "id bigint not null, card string, amount decimal(12,2), country string, ok boolean, "
    "ts timestamp, day date, score double"
)
COLUMNS = (
    "{'id':'BIGINT','card':'VARCHAR','amount':'DECIMAL(12,2)','country':'VARCHAR','ok':'BOOLEAN',"
    "'ts':'TIMESTAMPTZ','day':'DATE','score':'DOUBLE'}"
)
WORDS = ["alpha", "beta", "gamma", "Rome", "Oslo", "München", "x,y", 'he said "hi"']


def measure(*, quick: bool) -> Report:
    """Run this file in a process of its own, and report the figures of its last line."""
    command = [sys.executable, "-m", "benchmarks.ingest"]
    quick_words = {"QUICK": "1" if quick else ""}
    sample = process.run(command, environment=quick_words, cwd=process.ROOT)
    found = json.loads(sample.out.splitlines()[-1])
    report = Report("ingest")
    for kind in found["kinds"]:
        medians = found[f"{kind}_median_s"]
        size_mb = found[f"{kind.removesuffix('_compiled')}_bytes"] / 1e6
        raw = (
            f"{medians['checked']:.3g} s / {medians['plain']:.3g} s "
            f"(CPU {medians['checked_cpu']:.3g} / {medians['plain_cpu']:.3g} s), {size_mb:.0f} MB"
        )
        report.at_most(f"ingest_{kind}_vs_duckdb", found[f"ingest_{kind}_vs_duckdb"], 2, raw)
    costs = ", ".join(f"{name} {cost:.3g} s" for name, cost in found["check_costs_s"].items())
    report.note(f"CPU time of the parts for {found['n_rows']} rows: {costs}")
    report.fact(ingest_rows=found["n_rows"], ingest_n_runs=found["n_runs"])
    report.fact(**{k: found[k] for k in (f"ingest_{kind}_cpu_ratio" for kind in found["kinds"])})
    report.fact(ingest_check_costs_s=found["check_costs_s"])
    return report


def write_data(folder: Path) -> tuple[Path, Path]:
    """Write the same rows as CSV and as JSON lines."""
    chance = random.Random(7)
    start = datetime(2024, 1, 1)  # noqa: DTZ001  it is written with a Z
    csv, lines = folder / "rows.csv", folder / "rows.jsonl"
    with csv.open("w") as left, lines.open("w") as right:
        left.write("id,card,amount,country,ok,ts,day,score\n")
        for i in range(N_ROWS):
            word = chance.choice(WORDS)
            at = (start + timedelta(milliseconds=137 * i)).isoformat(timespec="milliseconds") + "Z"
            day = (start + timedelta(days=chance.randrange(700))).date().isoformat()
            card, amount = f"card{chance.randrange(100000):06d}", f"{chance.random() * 1000:.2f}"
            ok, score = ("true" if chance.random() < 0.5 else "false"), repr(chance.random() * 100)
            quoted = '"' + word.replace('"', '""') + '"' if "," in word or '"' in word else word
            left.write(f"{i},{card},{amount},{quoted},{ok},{at},{day},{score}\n")
            right.write(
                f'{{"id":{i},"card":"{card}","amount":{amount},"country":{json.dumps(word)},"ok":{ok},'
                f'"ts":"{at}","day":"{day}","score":{score}}}\n'
            )
    return csv, lines


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed_twice(work: Callable[[], object]) -> tuple[float, float]:
    """Give wall and CPU seconds; on a machine that does other work only the second is steady."""
    cpu = time.process_time()
    wall = timed(work)
    return wall, time.process_time() - cpu


def cpu_ratio(times: dict[str, list[float]]) -> float:
    """Give the ratio of the medians of CPU seconds."""
    ratio = statistics.median(times["checked_cpu"]) / statistics.median(times["plain_cpu"])
    return round(ratio, 3)


def compare(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, reader: str
) -> tuple[float, dict[str, list[float]]]:
    """Give the ratio of medians and the raw times; the rows are compared first."""
    source = Source("rows", files(str(path)), parse_schema(SCHEMA))

    def unchecked() -> None:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE plain AS SELECT * FROM {reader}")

    def checked() -> None:
        ingest(connection, source, IngestOptions(table="checked"))

    unchecked()
    checked()
    for one, other in (("plain", "checked"), ("checked", "plain")):
        left = connection.execute(
            f"SELECT count(*) FROM (SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other})"
        ).fetchall()
        assert left == [(0,)], f"{name}: rows differ"
    times: dict[str, list[float]] = {"plain": [], "checked": [], "plain_cpu": [], "checked_cpu": []}
    for _ in range(N_ROUNDS):
        for label, work in (("plain", unchecked), ("checked", checked)):
            wall, cpu = timed_twice(work)
            times[label].append(wall)
            times[f"{label}_cpu"].append(cpu)
    ratio = statistics.median(times["checked"]) / statistics.median(times["plain"])
    size = path.stat().st_size
    print(
        f"{name}: {N_ROWS} rows, {size / 1e6:.0f} MB, ratio {ratio:.2f}, of CPU {cpu_ratio(times):.2f}"
    )
    for label, values in times.items():
        print(f"  {label:11} {' '.join(f'{v:.3f}' for v in values)}")
    return ratio, times


def cost_of_checks(
    connection: duckdb.DuckDBPyConnection, csv: Path, lines: Path
) -> dict[str, float]:
    """Give the CPU seconds that each check adds: to casting all columns of CSV, to parsing JSON."""
    fields = parse_schema(SCHEMA).fields
    texts_only = COLUMNS
    for kind in ("BIGINT", "DECIMAL(12,2)", "BOOLEAN", "TIMESTAMPTZ", "DATE", "DOUBLE"):
        texts_only = texts_only.replace(f"'{kind}'", "'VARCHAR'")
    relation = (
        f"read_csv('{csv}', columns = {texts_only}, auto_detect = false, header = true, "
        "nullstr = [''], allow_quoted_nulls = false, quote = '\"', escape = '\"', delim = ',')"
    )
    checked = {f.name: checks.from_text(f'"{f.name}"', replace(f, nullable=True)) for f in fields}
    values = ", ".join(c.value for c in checked.values())
    texts = (
        f"read_csv('{lines}', columns = {{'line': 'VARCHAR'}}, auto_detect = false, delim = chr(1), "
        "quote = '', escape = '', header = false)"
    )
    shape = shape_of(str(lines), parse_schema(SCHEMA))
    assert shape is not None
    structure = checks.json_structure(parse_schema(SCHEMA))
    parsed = f"FROM (SELECT line, json_transform(line, '{structure}') AS j FROM {texts})"
    tests = {
        f"csv {name}": (f"SELECT {values}, TEST AS sure FROM {relation}", one.sure)
        for name, one in checked.items()
        if one.sure != "TRUE"
    }
    tests["json matched line"] = (
        f"SELECT j, TEST AS sure {parsed}",
        f"regexp_full_match(line, '{shape.regex}')",
    )
    typed = {f.name: checks.from_json("j", f).value for f in fields}
    # What is left of the unchecked reader's time when nothing is checked at all.
    whole = f"SELECT {', '.join(typed.values())} {parsed}"
    times = [cpu_of(connection, whole) for _ in range(N_ROUNDS)]
    costs = {"json lines parsed, unchecked": round(statistics.median(times), 4)}
    assert shape.template is not None
    split = split_lines(shape.template, lines)
    times = [cpu_of(connection, split.replace("TEST", "TRUE")) for _ in range(N_ROUNDS)]
    costs["json lines split, unchecked"] = round(statistics.median(times), 4)
    names = {column.field.name: f"p{i}" for i, column in enumerate(shape.template.columns)}
    tests["json split line"] = split, shape.template.test(names, has_controls=False)
    for name, (query, test) in tests.items():
        pairs = [
            tuple(cpu_of(connection, query.replace("TEST", word)) for word in ("TRUE", test))
            for _ in range(N_ROUNDS)
        ]
        costs[name] = round(statistics.median(b - a for a, b in pairs), 4)
    source = Source("rows", files(str(csv)), parse_schema(SCHEMA))
    with Workspace(None) as workspace:
        for kind, path in (("csv", csv), ("json", lines)):
            (listed,) = list_files(
                read_options(FilesSource, files(str(path)), source.where), source.where
            )
            look = partial(workspace.scan, listed, None, tail=b",," if kind == "csv" else b"")
            found = [timed_twice(look) for _ in range(N_ROUNDS)]
            costs[f"{kind} lines and bytes"] = round(statistics.median(c for _, c in found), 4)
    return costs


def split_lines(template: Template, lines: Path) -> str:
    """Give the query of the values of lines that are split, with a test to be filled in."""
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in template.pieces)
    relation = (
        f"read_csv('{lines}', columns = {{{types}}}, auto_detect = false, quote = '', escape = '', "
        f"delim = '{template.delimiter}', header = false, null_padding = true, nullstr = chr(1))"
    )
    cuts = [f"{cut} AS {name}" for name, cut in template.cuts().items()]
    values = [f"{value} AS p{i}" for i, value in enumerate(template.values().values())]
    for outputs in (cuts, values):
        relation = f"(SELECT {', '.join(['*', *outputs])} FROM {relation})"
    names = ", ".join(f"p{i}" for i in range(len(values)))
    return f"SELECT {names}, TEST AS sure FROM {relation}"


def cpu_of(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    """Give the CPU seconds of loading a query's rows into a table."""
    sql = f"CREATE OR REPLACE TEMP TABLE one AS {query}"
    return timed_twice(lambda: connection.execute(sql))[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        csv, lines = write_data(Path(folder))
        connection = duckdb.connect(config={"threads": 2})
        connection.execute("SET TimeZone = 'UTC'")
        readers = {
            "csv": (
                csv,
                f"read_csv('{csv}', columns = {COLUMNS}, auto_detect = false, header = true, "
                "delim = ',', quote = '\"', escape = '\"')",
            ),
            "json": (lines, f"read_ndjson('{lines}', columns = {COLUMNS}, auto_detect = false)"),
        }
        kinds = ["csv", "json", *(["json_compiled"] if build.compiler() else [])]
        figures: dict[str, object] = {}
        for kind in kinds:
            # The compiled reader stands beside what everybody has.
            os.environ[build.CHOICE] = "yes" if kind == "json_compiled" else "no"
            if kind == "json_compiled" and columns.library() is None:
                build.build(columns.UNIT)
            ratio, times = compare(connection, kind, *readers[kind.removesuffix("_compiled")])
            figures[f"ingest_{kind}_vs_duckdb"] = round(ratio, 3)
            figures[f"ingest_{kind}_cpu_ratio"] = cpu_ratio(times)
            figures[f"{kind}_median_s"] = {
                k: round(statistics.median(v), 4) for k, v in times.items()
            }
        costs = cost_of_checks(connection, csv, lines)
        print("CPU seconds of each check:", costs)
        sizes = {"csv_bytes": csv.stat().st_size, "json_bytes": lines.stat().st_size}
        counts = {"kinds": kinds, "n_rows": N_ROWS, "n_runs": N_ROUNDS, "check_costs_s": costs}
        print(json.dumps(figures | sizes | counts))


if __name__ == "__main__":
    main()
