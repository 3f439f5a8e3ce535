"""One Spark per process, with every setting on which an answer depends."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from mainstem.engines.spark.jvm import java, memory, own_memory, quiet, unbroken
from mainstem.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainstem.engines.spark.kernel import Kernel

# What an answer depends on; set for each run, so that no file of a cluster's says otherwise.
MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.caseSensitive": "true",
    # Names and numbers are what the binder made of them; Spark must not look for others.
    "spark.sql.groupByOrdinal": "false",
    "spark.sql.orderByOrdinal": "false",
    "spark.sql.groupByAliases": "false",
    "spark.sql.lateralColumnAlias.enableImplicitResolution": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    # A decimal keeps its scale, and overflows (V1).
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.mapKeyDedupPolicy": "EXCEPTION",
    "spark.sql.legacy.sizeOfNull": "false",
    "spark.sql.crossJoin.enabled": "true",
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parquet.binaryAsString": "false",
    # Of types that a query leaves out, nothing is dropped silently.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}


LOOPBACK = "127.0.0.1"


def opened(master: str, *, threads: int = 0, memory_limit: str = "") -> Any:
    """Give a Spark session of its own names and settings, in this process's one Spark.

    Parameters
    ----------
    master : str
        ``""`` for this machine, else the address of a cluster.
    threads : int
        Cores of this machine; 0 for all.
    memory_limit : str
        Of the driver, which on this machine does the whole work; "" for a quarter of the machine's, and
        on a cluster for Spark's own.

    Raises
    ------
    EngineError
        When Spark does not start, with what its JVM has said.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    # Workers would take the first python3 of PATH, which has neither our packages nor our version.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Each error of a query would be printed twice, with the whole stack of the JVM.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    cores = threads or os.cpu_count() or 1
    builder = (
        SparkSession.builder.master(master or f"local[{cores}]")
        .appName("mainstem")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "OFF")
        .config("spark.sql.shuffle.partitions", str(cores))
        .config("spark.sql.catalogImplementation", "in-memory")
    )
    if not master or f"//{LOOPBACK}:" in master or "//localhost:" in master:
        # Nobody else has to reach the driver, so nobody else can.
        builder = builder.config("spark.driver.host", LOOPBACK)
        builder = builder.config("spark.driver.bindAddress", LOOPBACK)
    if memory_limit:
        builder = builder.config("spark.driver.memory", memory(memory_limit))
    elif not master:
        builder = builder.config("spark.driver.memory", own_memory())
    active = SparkSession.getActiveSession()
    if active is not None and not _is_at(str(active.sparkContext.master), master):
        # One process has one Spark; asked for another, it would give the old one without a word.
        active.stop()
    with java(), unbroken(), quiet() as lines:
        try:
            session = builder.getOrCreate().newSession()
        except (PySparkException, Py4JError) as error:
            said = "; ".join([str(error).splitlines()[0], *lines])
            raise EngineError(
                f"Spark did not start: {said}", code="EngineRefused",
                fix="see that JAVA_HOME is a Java 17, 21 or 25, and that the cluster answers",
            ) from error  # fmt: skip
    for name, value in MEANING.items():
        session.conf.set(name, value)
    return session


def _is_at(address: str, master: str) -> bool:
    return address == master if master else address.startswith("local")


def register(session: Any, kernels: Iterable[Kernel]) -> None:
    """Make the kernels of a statement functions of a session."""
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]

    from mainstem.engines.embedded.types import duckdb_type
    from mainstem.engines.spark.kernel import ERROR, VALUE, evaluate
    from mainstem.engines.spark.types import spark_type

    for one in kernels:
        gives = spark_type(one.gives)
        if one.can_fail:
            gives = f"STRUCT<{VALUE}: {gives}, {ERROR}: STRING>"
        call = partial(evaluate, one.sql, duckdb_type(one.gives), one.can_fail)
        # A lambda, because Spark reads types of arguments where it finds some, and knows few.
        made = arrow_udf(lambda *arrays, call=call: call(*arrays), gives)
        session.udf.register(one.name, made if one.is_deterministic else made.asNondeterministic())
