"""One process: the 22 queries as PySpark would be written by hand. See `benchmarks.spark`.

python handwritten.py DATA OUT CORES

Each text as it stands over views of the Parquet files, each answer into a folder of Parquet files. It has
no check of its input, no ledger, and its outputs do not appear together.
"""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

QUERIES = sorted((Path(__file__).parent.parent / "tpch").glob("q*.sql"))


def main(data: Path, out: Path, cores: int) -> None:
    """Run all, with the settings on which speed depends that Mainstem has too."""
    options = {
        "spark.sql.shuffle.partitions": str(cores),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.sql.session.timeZone": "UTC",
    }
    session = SparkSession.builder.master(f"local[{cores}]").config(map=options).getOrCreate()
    for table in data.glob("*.parquet"):
        session.read.parquet(str(table)).createOrReplaceTempView(table.stem)
    for query in QUERIES:
        answer = session.sql(query.read_text())
        answer.write.mode("overwrite").parquet(str(out / f"{query.stem}.parquet"))
    session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
