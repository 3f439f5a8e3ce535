"""Spark asked for queries and expressions over tables of a DuckDB, for random trials."""

import itertools
from pathlib import Path

from mainstem.engines.embedded.compile import expression_sql
from mainstem.engines.embedded.constants import judged
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.spark.compile import SparkPrinter
from mainstem.engines.spark.session import opened, register
from mainstem.testing.trial import TABLE, Laboratory


class Asked:
    """Tables of a connection in a Spark session; answers come back as files, to be read by DuckDB."""

    def __init__(self, connection, tables, folder: Path) -> None:
        self.connection = connection
        self.spark = opened("")
        self.folder = folder
        self.numbers = itertools.count()
        for name in tables:
            path = self.folder / f"{name}.parquet"
            connection.execute(f"COPY {name} TO '{path}' (FORMAT parquet)")
            self.spark.read.parquet(str(path)).createOrReplaceTempView(name)

    def rows(self, sql: str, kernels, order: str = "") -> list[tuple]:
        """The rows of a text of Spark's."""
        register(self.spark, kernels)
        path = self.folder / f"answer{next(self.numbers)}"
        self.spark.sql(sql).write.parquet(str(path))
        return fetch(self.connection, f"SELECT * FROM read_parquet('{path}/*.parquet') {order}")[2]

    def __call__(self, query) -> list[tuple]:
        """The rows of a bound query."""
        printer = SparkPrinter()
        return self.rows(printer.query(judged(query, expression_sql)), printer.kernels.values())


class SparkLaboratory(Laboratory):
    """Random expressions on Spark."""

    together_at_most = 60

    def __init__(self, seed: int, *, folder: Path) -> None:
        super().__init__(seed)
        self.asked = Asked(self.connection, [TABLE], folder)

    def together(self, trials):
        """The values of all trials by row; None when the query fails."""
        printer = SparkPrinter()
        try:
            columns = self.guarded(trials, lambda e: printer.expr(judged(e, expression_sql)))
            found = self.asked.rows(
                f"SELECT i AS row_, {columns} FROM {TABLE}",
                printer.kernels.values(),
                "ORDER BY row_",
            )
        except Exception:  # noqa: BLE001 - then each is asked alone
            return None
        return [row[1:] for row in found]

    def alone(self, trial, row):
        """The value of a trial on one row, or the error."""
        printer = SparkPrinter()
        try:
            text = printer.expr(judged(trial.bound, expression_sql))
            sql = f"SELECT {text} AS v FROM {TABLE} WHERE i = {row[0]}"
            return self.asked.rows(sql, printer.kernels.values())[0][0]
        except Exception as error:  # noqa: BLE001 - whatever fails there
            return error
