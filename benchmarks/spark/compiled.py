"""One process: how long Mainstem takes to make Spark's SQL of the 22 queries. See `benchmarks.spark`.

python compiled.py DATA OUT
"""

import sys
import time
from pathlib import Path

from benchmarks.tpch.pipeline import pipeline
from mainstem.engines.spark.engine import Spark

if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    plan = pipeline(data, out).plan()
    begun = time.perf_counter()
    Spark().compile(plan)
    print(time.perf_counter() - begun)
