"""What Mainstem runs: the topic BENCH_IN to the topic BENCH_OUT of the broker BENCH_SERVERS."""

import os

import mainstem as ms

servers = os.environ["BENCH_SERVERS"]

p = ms.Pipeline("bids")
p.source(
    "bids",
    ms.kafka(os.environ["BENCH_IN"], servers=servers, format="json"),
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
    sink=ms.kafka(
        os.environ["BENCH_OUT"], servers=servers, format="json", key="auction", partitions=2
    ),
)
