"""One process: a pipeline of one row. Usage: row_mainstem.py IN OUT."""

import os
import sys

import mainstem as ms

source, out = sys.argv[1:]
p = ms.Pipeline("row")
p.source("one", ms.files(source), schema="id bigint, name string")
p.table("result", "SELECT id + 1 AS id, name FROM one", sink=ms.files(out))
# A state directory of its own: each run is a first one.
p.run(state_dir=f"{out}.state-{os.getpid()}")
