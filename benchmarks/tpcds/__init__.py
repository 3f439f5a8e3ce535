"""TPC-DS: how many of the 99 queries run as pipelines and match DuckDB alone.

The texts are Spark SQL's own test resources, fetched at run time and kept in the user's cache;
nothing of them is in this repository. Both sides get the same text, after the adaptations below.
Queries 14, 23, 24 and 39 have two parts; they count when both match.
"""

from __future__ import annotations

import json
import pickle
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import answers, datasets, process
from benchmarks.report import Report

SCALE = 1.0
BOTH_YEARS = """SELECT this_year.*, last_year.channel AS channel_2,
  last_year.i_brand_id AS i_brand_id_2, last_year.i_class_id AS i_class_id_2,
  last_year.i_category_id AS i_category_id_2, last_year.sales AS sales_2,
  last_year.number_sales AS number_sales_2"""
TWICE = "a star over two relations gives two columns of one name, which no table has"
# What is changed in the texts, and why. (query or "" for all, pattern, replacement, reason)
ADAPTATIONS = (
    ("", r"`([^`]*)`", r'"\1"', "names are quoted as in the SQL standard, not with back ticks"),
    ("q30", r"\bc_last_review_date\b", "c_last_review_date_sk", "the column's name in the data"),
    ("q14b", r"SELECT \*(?=\s+FROM\s+\(SELECT\s+'store' channel)", BOTH_YEARS, TWICE),
    ("q90", r"\) at,", ') "at",', "AT is a reserved word in DuckDB"),
)
FINAL_LIMIT = re.compile(r"\bLIMIT\s+\d+\s*$", re.IGNORECASE)

Raw = dict[str, dict[str, Any]]
Ours = dict[str, float | str]
Rows = dict[str, list[tuple[Any, ...]]]


def measure(*, quick: bool) -> Report:
    """Run every query on both sides and compare."""
    report = Report("tpcds")
    data = datasets.tpcds(SCALE)
    with tempfile.TemporaryDirectory(prefix="bench-tpcds-") as name:
        work = Path(name)
        texts = adapted(report, datasets.tpcds_texts(), work / "texts")
        raw, ours, rows = _both(data, texts, work / "all", quick=quick)
        verdicts = {query: _verdict(query, raw, ours, rows) for query in raw}
        _without_limit(report, verdicts, texts, data, work)
    _count(report, verdicts)
    if not quick:
        _times(report, raw, ours, verdicts)
    report.fact(tpcds_sf=SCALE, tpcds_mb=round(datasets.size_mb(data)))
    return report


def adapted(report: Report, source: Path, place: Path) -> Path:
    """Write the texts as both sides get them; each adaptation must still change something."""
    place.mkdir()
    used: dict[str, list[str]] = {reason: [] for *_, reason in ADAPTATIONS}
    for path in source.glob("q*.sql"):
        text = path.read_text()
        for query, pattern, replacement, reason in ADAPTATIONS:
            if query in ("", path.stem):
                text, n = re.subn(pattern, replacement, text)
                used[reason] += [path.stem] * bool(n)
        (place / path.name).write_text(text.rstrip().rstrip(";"))
    for reason, queries in used.items():
        report.check(None if queries else "changes nothing any more", f"adaptation: {reason}")
        report.note(f"adapted {', '.join(sorted(queries, key=_natural))}: {reason}")
    return place


def _both(data: Path, texts: Path, work: Path, *, quick: bool) -> tuple[Raw, Ours, Rows]:
    """Run both sides; give DuckDB's results, our seconds or messages, and our rows."""
    work.mkdir()
    out, pickled, seconds = work / "out", work / "raw.pickle", work / "seconds.json"
    commands = [
        process.python("tpcds/raw.py", data, texts, pickled),
        process.python("tpcds/pipelines.py", data, texts, out, seconds),
    ]
    # Side by side in the quick form, whose times are then no figures.
    with ThreadPoolExecutor(len(commands) if quick else 1) as threads:
        list(threads.map(lambda command: process.run(command, cwd=work), commands))
    process.run(process.python("readback.py", out, work / "out.pickle"))
    rows = pickle.loads((work / "out.pickle").read_bytes())
    return pickle.loads(pickled.read_bytes()), json.loads(seconds.read_text()), rows


def _verdict(query: str, raw: Raw, ours: Ours, rows: Rows) -> str:
    """Give `equal`, `empty`, or why a query does not count."""
    if "error" in raw[query]:
        return f"DuckDB refuses it: {raw[query]['error']}"
    if isinstance(message := ours[query], str):
        return f"refused: {message}"
    if query not in rows:
        return "different: no answer was written"
    if found := answers.difference(raw[query]["rows"], rows[query]):
        return f"different: {found}"
    return "equal" if rows[query] else "empty"


def _without_limit(
    report: Report, verdicts: dict[str, str], texts: Path, data: Path, work: Path
) -> None:
    """Compare again without the final LIMIT what differs with it: ties may be cut anywhere (V6)."""
    whole = work / "whole"
    whole.mkdir()
    for query, verdict in verdicts.items():
        text = (texts / f"{query}.sql").read_text()
        if verdict.startswith("different") and FINAL_LIMIT.search(text):
            (whole / f"{query}.sql").write_text(FINAL_LIMIT.sub("", text))
    queries = sorted((path.stem for path in whole.iterdir()), key=_natural)
    if not queries:
        return
    raw, ours, rows = _both(data, whole, work / "again", quick=True)
    verdicts |= {query: _verdict(query, raw, ours, rows) for query in queries}
    report.note(f"compared without their final LIMIT (ties are cut anywhere): {', '.join(queries)}")


def _count(report: Report, verdicts: dict[str, str]) -> None:
    parts: dict[int, list[str]] = {}
    for query in sorted(verdicts, key=_natural):
        verdict = verdicts[query]
        parts.setdefault(_natural(query)[0], []).append(verdict)
        if verdict.startswith("different"):
            report.check(verdict, query)
        elif verdict != "equal":
            report.note(f"{query}: {verdict}")
    equal = [n for n, found in parts.items() if set(found) == {"equal"}]
    report.at_least("tpcds_equal", len(equal), 95, f"of {len(parts)} at scale {SCALE:g}")
    empty = sorted((q for q, verdict in verdicts.items() if verdict == "empty"), key=_natural)
    report.fact(tpcds_texts=len(verdicts), tpcds_empty=empty)


def _times(report: Report, raw: Raw, ours: Ours, verdicts: dict[str, str]) -> None:
    timed = [query for query, verdict in verdicts.items() if verdict == "equal"]
    ours_s = sum(float(ours[query]) for query in timed)
    raw_s = sum(raw[query]["seconds"] for query in timed)
    stated = f"{ours_s:.3g} s / {raw_s:.3g} s, {len(timed)} texts, one run, no process start"
    if timed:
        report.at_most("tpcds_vs_duckdb", ours_s / raw_s, None, stated)


def _natural(query: str) -> tuple[int, str]:
    found = re.fullmatch(r"q(\d+)(\w?)", query)
    if found is None:
        raise ValueError(query)
    return int(found[1]), found[2]
