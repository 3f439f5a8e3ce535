"""What Mainstem runs: the files of BENCH_IN, a window, a table of the state."""

import os

import mainstem as ms

p = ms.Pipeline("files")
p.source(
    "bids",
    ms.files(os.environ["BENCH_IN"], stream=True),
    schema="auction bigint, price bigint, ts timestamp",
    event_time="ts",
    watermark="5 seconds",
)
p.table(
    "out",
    """
    SELECT auction, window_end, count(*) AS n, sum(price) AS total
    FROM TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY auction, window_end
    """,
)
