"""The maps of a step: its rows go through Python functions in Spark's workers, into files that it reads."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.judging.keep import Kept
from mainstem.engines.embedded.python.by_value import facts, pickled
from mainstem.engines.embedded.python.caller import decided, explained
from mainstem.engines.embedded.python.evaluate import Failure
from mainstem.engines.embedded.python.maps import DEAD_SCHEMA, dead_calls
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.types import literal
from mainstem.engines.spark.called import FAILED, Setup, called, names
from mainstem.engines.spark.compile import SparkStatement
from mainstem.engines.spark.failures import explained as spark_failure
from mainstem.engines.spark.failures import said
from mainstem.engines.spark.types import quoted, spark_type
from mainstem.engines.spec import Event
from mainstem.errors import EngineError, MainstemError, listing
from mainstem.plan.nodes import PythonFunction, Step
from mainstem.sql.lift import Map

if TYPE_CHECKING:
    from mainstem.engines.spark.kernel import Kernel
    from mainstem.engines.spark.run import SparkRun

# What Spark says of a worker that is gone.
_GONE = "Python worker exited unexpectedly"


def make_maps(run: SparkRun, statement: SparkStatement) -> Generator[Event, None, Kept | None]:
    """Make the relations that a step reads the results of its Python functions from.

    They are written once: a function need not give the same when it is called again, and what
    has failed is read apart.

    Returns
    -------
    Kept or None
        The rows that no function could be called for; None when none of them is kept aside.

    Raises
    ------
    DataError
        When a function fails.
    """
    step = statement.step
    functions = decided(run.program.plan, "fail")
    dead = []
    run.spark  # noqa: B018 - started here and not in the thread of the call
    for made, sql in zip(statement.maps, statement.map_sql, strict=True):
        folder = run.folder("maps", made.name)
        setup = _setup(run.settings.run_id, made, functions)
        write = partial(_write, run, (sql, statement.kernels), made, setup, str(folder))
        work = partial(run.tried, step, write, partial(_explained, functions))
        yield from as_events(step.name, run.session.watch_call(work))
        there = run.spark.read.schema(f"{_kept(made)}m {_made(made)}").parquet(str(folder))
        columns = [f"c{i}" for i in range(len(made.kept))]
        columns += [f"m.r{i} AS r{i}" for i in range(len(made.results))]
        alive = there.where("m.__function IS NULL").selectExpr(*columns)
        alive.createOrReplaceTempView(quoted(made.name))
        files = f"read_parquet({literal(f'{folder}/*.parquet')})"
        relation = f"(SELECT unnest(m) FROM {files} WHERE m.__function IS NOT NULL)"
        dead.append((relation, run.session.rows(f"SELECT count(*) FROM {relation}")[0][0]))
    used = {call.function for made in statement.maps for call in made.calls}
    if all(functions[name].on_error == "fail" for name in used):
        return None
    return dead_calls(step.name, dead)


def _setup(run_id: str, made: Map, functions: dict[str, PythonFunction]) -> Setup:
    used = [functions[name] for name in dict.fromkeys(call.function for call in made.calls)]
    sent = tuple(facts(one) | {"code": pickled(one, has_project=True)} for one in used)
    size = min(one.batch_size for one in used)
    return Setup(run_id, sent, made.calls, size)


def _write(
    run: SparkRun, query: tuple[str, Sequence[Kernel]], made: Map, setup: Setup, folder: str
) -> None:
    """Call the functions of a map for the rows of a query, and write what comes of each."""
    from pyspark.sql.functions import arrow_udf, lit  # type: ignore[attr-defined]

    # A row is called for once, wherever Spark would like to have the results again.
    call = arrow_udf(lambda *given: called(setup, given), _made(made)).asNondeterministic()
    arguments: list[Any] = [f"a{i}" for i in range(len(made.arguments))]
    run.spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", setup.batch_size)
    frame = run.frame(*query)
    kept = [f"c{i}" for i in range(len(made.kept))]
    results = frame.select(*kept, call(*(arguments or [lit(1)])).alias("m"))
    results.write.mode("overwrite").parquet(folder)


def _kept(made: Map) -> str:
    return "".join(f"c{i} {spark_type(x)}, " for i, x in enumerate(made.kept))


def _made(made: Map) -> str:
    """Give the type of what comes of a row, in Spark's words."""
    types = [*map(spark_type, made.results), *["STRING"] * len(DEAD_SCHEMA.names)]
    pairs = zip(names(len(made.results)), types, strict=True)
    return f"STRUCT<{', '.join(f'{name}: {x}' for name, x in pairs)}>"


def _explained(
    functions: Mapping[str, PythonFunction], error: Exception, step: Step
) -> MainstemError:
    """Give an error of Spark's as one of ours: of the function that failed, if one did."""
    text = said(error)
    failure = _failure(text)
    if failure is not None:
        return explained(failure, functions, step.name)
    if _GONE in text:
        return EngineError(
            f"a worker of Spark's that called {listing(list(functions))} ended, on the same rows each time",
            where=step.where, step=step.name, code="WorkerLost", fix="look at what the function "
            "does with memory and compiled code; batch_size= makes batches smaller",
        )  # fmt: skip
    return spark_failure(error, step)


def _failure(text: str) -> Failure | None:
    """Give which call failed, of what a worker said; None when it was something else."""
    line = next((x for x in text.splitlines() if FAILED in x), "")
    if not line:
        return None
    given, _ = json.JSONDecoder().raw_decode(line[line.index(FAILED) + len(FAILED) :])
    return Failure(**given | {"arguments": tuple(given["arguments"])})
