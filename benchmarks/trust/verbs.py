"""One process: queries of TPC-H as verbs and as SQL, compiled several times, and run once. See `benchmarks.trust`.

python verbs.py DATA OUT N_RUNS

Prints JSON with the milliseconds of each time; OUT gets ``q01_sql.parquet``, ``q01_verbs.parquet`` and so on.
"""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import mainstem as ms
from benchmarks.tpch.pipeline import TABLES
from mainstem.engines.embedded import compile as compiler
from tests.conformance.tpch_verbs import QUERIES

SQL = {name: (Path(__file__).parents[1] / "tpch" / f"{name}.sql").read_text() for name in QUERIES}
SIDES = ("verbs", "sql")


def pipeline(data: Path, out: Path, sides: Iterable[str]) -> ms.Pipeline:
    """Define the queries on one or both sides."""
    p = ms.Pipeline("verbs")
    for name, schema in TABLES.items():
        p.source(name, ms.files(f"{data}/{name}.parquet"), schema=schema)
    for side in sides:
        for name, build in QUERIES.items():
            query = build(p) if side == "verbs" else SQL[name]
            p.table(f"{name}_{side}", query, sink=ms.files(f"{out}/{name}_{side}.parquet"))
    return p


def compiled_ms(data: Path, out: Path, side: str) -> float:
    """Give what it takes to define, check and compile all queries of one side."""
    begun = time.perf_counter()
    compiler.compile(pipeline(data, out, [side]).plan())
    return 1000 * (time.perf_counter() - begun)


def main(data: Path, out: Path, n_runs: int) -> None:
    """Compile in turn, compare the plans, and run both sides."""
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(n_runs):
        for side in SIDES:
            times[side].append(compiled_ms(data, out, side))
    both = pipeline(data, out, SIDES)
    plan = both.plan()
    other = [n for n in QUERIES if plan.step(f"{n}_sql").query != plan.step(f"{n}_verbs").query]
    if other:
        raise SystemExit(f"verbs with another plan than their SQL: {', '.join(other)}")
    both.run(state_dir=f"{out}.state")
    print(
        json.dumps({f"{side}_ms": found for side, found in times.items()} | {"queries": [*QUERIES]})
    )


if __name__ == "__main__":
    data, out, n_runs = sys.argv[1:]
    main(Path(data), Path(out), int(n_runs))
