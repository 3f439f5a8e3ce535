"""What is asked while it runs: one table of the state, a row for each record."""

import os

import mainstem as ms

p = ms.Pipeline("ticks")
p.source(
    "ticks",
    ms.kafka(os.environ["BENCH_IN"], servers=os.environ["BENCH_SERVERS"], format="json"),
    schema="id bigint, price bigint, ts timestamp",
    event_time="ts",
    watermark="5 seconds",
)
p.table("seen", "SELECT id, price FROM ticks")
