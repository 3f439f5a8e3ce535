"""One process: one step as a pipeline, inside a memory limit.

python pipeline.py STEP DATA OUT LIMIT
"""

import sys

from steps import SCHEMAS, STEPS

import mainstem as ms

step, data, out, limit = sys.argv[1:]
p = ms.Pipeline(f"memory_{step}")
for name, schema in SCHEMAS.items():
    if name in STEPS[step]:
        p.source(name, ms.files(f"{data}/{name}.parquet"), schema=schema)
p.table("answer", STEPS[step], sink=ms.files(out))
p.run(memory_limit=limit, state_dir=f"{out}.state")
