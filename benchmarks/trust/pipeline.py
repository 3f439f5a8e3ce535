"""One process: lineitem from Parquet to Parquet, with some or all kinds of row rules, or none.

python pipeline.py DATA OUT.parquet WORK RULES

See `benchmarks.trust`. DATA has ``lineitem.parquet`` and ``orders.parquet``.
"""

import json
import os
import sys
from pathlib import Path

import mainstem as ms
from benchmarks.tpch.pipeline import TABLES

# What is computed beside the judging. `copy` is the batch job of every day: all columns, one more, some rows
# left out; `report` is query 1 of TPC-H, which reads 7 columns and writes 4 rows.
WORKS = {
    "copy": """
        SELECT *, l_extendedprice * (1 - l_discount) AS net FROM lineitem
        WHERE l_shipdate >= DATE '1993-01-01'""",
    "report": (Path(__file__).parents[1] / "tpch" / "q01.sql").read_text(),
}
MODES = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
ORDERS = ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"]


def conditions() -> list[object]:
    """Give rules that look at one row: 12 rules, all 16 columns."""
    return [
        ms.not_null(
            *(column.split()[0] for column in TABLES["lineitem"].split(",") if "l_" in column)
        ),
        ms.between("l_quantity", 1, 50),
        ms.between("l_discount", 0, 0.1),
        ms.between("l_tax", 0, 0.08),
        ms.between("l_linenumber", 1, 7),
        ms.accepted("l_returnflag", ["A", "N", "R"]),
        ms.accepted("l_linestatus", ["F", "O"]),
        ms.accepted("l_shipmode", MODES),
        ms.accepted("l_shipinstruct", ORDERS),
        ms.matches("l_shipmode", "[A-Z]+( [A-Z]+)*"),
        "l_extendedprice > 0",
        "l_shipdate < l_receiptdate",
    ]


def foreign_key() -> list[object]:
    """Give the rule that each line belongs to an order."""
    return [ms.foreign_key("l_orderkey", "orders", "o_orderkey")]


def unique() -> list[object]:
    """Give the rule that the key is one."""
    return [ms.unique("l_orderkey", "l_linenumber")]


def unique_unsorted() -> list[object]:
    """Give a key in whose order the file is not written."""
    return [ms.unique("l_suppkey", "l_orderkey", "l_linenumber")]


KINDS = {"conditions": conditions, "foreign_key": foreign_key, "unique": unique}
MORE = {"unique_unsorted": unique_unsorted}


def pipeline(data: Path, out: Path, work: str, rules: str) -> ms.Pipeline:
    """Define it; `rules` is "none", "all" or names of `KINDS` with commas between."""
    p = ms.Pipeline("trust")
    for name in ("lineitem", "orders"):
        p.source(name, ms.files(f"{data}/{name}.parquet"), schema=TABLES[name])
    kinds = {"none": [], "all": list(KINDS)}.get(rules, rules.split(","))
    for rule in (rule for kind in kinds for rule in (KINDS | MORE)[kind]()):
        p.expect("lineitem", rule, on_fail="quarantine")
    p.table("result", WORKS[work], sink=ms.files(str(out)))
    return p


if __name__ == "__main__":
    data, out, work, rules = sys.argv[1:]
    # A state directory of its own: each run is a first one.
    state = f"{out}.state-{os.getpid()}"
    result = pipeline(Path(data), Path(out), work, rules).run(state_dir=state)
    print(json.dumps([
        {name: line[name] for name in ("rule", "checked", "failed")}
        for line in result.ledger["expectations"].values()
    ]))  # fmt: skip
