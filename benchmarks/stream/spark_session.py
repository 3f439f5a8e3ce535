"""A session of Spark in a process of its own: a line with a topic on stdin runs the query into it.

    python spark_session.py SERVERS TOPIC FOLDER JARS

Says `ready`, `started` and `stopped` on stdout. The query ends when all that the topic held is through.
"""

from __future__ import annotations

import os
import sys

SERVERS, TOPIC, FOLDER, JARS = sys.argv[1:]
CORES = len(os.sched_getaffinity(0))
os.environ["PYSPARK_PYTHON"] = sys.executable
OPTIONS = {
    "spark.jars": JARS,
    "spark.sql.shuffle.partitions": str(CORES),
    "spark.driver.memory": "2g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.metricsEnabled": "false",
}
COLUMNS = "auction BIGINT, price BIGINT, ts TIMESTAMP"
QUERY = """
SELECT to_json(struct(auction, window.end AS window_end, n, total)) AS value FROM (
  SELECT window, auction, count(*) AS n, sum(price) AS total
  FROM bids GROUP BY window(ts, '10 seconds'), auction)
"""


def main() -> None:
    """Serve until stdin ends."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master(f"local[{CORES}]").config(map=OPTIONS).getOrCreate()
    raw = session.readStream.format("kafka").option("kafka.bootstrap.servers", SERVERS)
    raw.option("subscribe", TOPIC).option("startingOffsets", "earliest").load().createTempView(
        "raw"
    )
    bids = session.sql(
        f"SELECT bid.* FROM (SELECT from_json(CAST(value AS STRING), '{COLUMNS}') AS bid FROM raw)"
    )
    bids.withWatermark("ts", "5 seconds").createTempView("bids")
    print("ready", flush=True)
    for line in sys.stdin:
        topic = line.strip()
        writer = session.sql(QUERY).writeStream.format("kafka").trigger(availableNow=True)
        writer = writer.option("kafka.bootstrap.servers", SERVERS).option("topic", topic)
        query = writer.option("checkpointLocation", f"{FOLDER}/{topic}").start()
        print("started", flush=True)
        query.awaitTermination()
        print("stopped", flush=True)
    session.stop()


if __name__ == "__main__":
    main()
