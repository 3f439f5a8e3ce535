"""A stream whose partitions are read, checked and brought down by the tasks of a Spark cluster.

Spark is asked for one job an epoch, with a task for each partition that has new records. Positions,
watermarks, state, ledger and sinks stay with the process that started the run, as does the commit: so
a task, an executor or the driver may die at any time, and what is committed is what the embedded
engine would have committed (docs/decisions.md says why no query of Structured Streaming does this).
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.stream.run import run_stream
from mainstem.engines.embedded.stream.shards.task import ShardResult, ShardTask, run_pickled
from mainstem.engines.spark.session import opened
from mainstem.engines.spec import Event, RunSettings
from mainstem.errors import EngineError
from mainstem.settings.log import logger

if TYPE_CHECKING:
    from mainstem.engines.desk import Desk
    from mainstem.plan.nodes import Plan

# How often a waiting driver looks whether it is to end, in seconds.
_LOOK_S = 0.1
# How often a job is asked for: a task that dies is repeated by a cluster, on one machine by nobody.
_ATTEMPTS = 3


class Cluster:
    """Where the shards of a stream are computed.

    Parameters
    ----------
    master : str
        Address of a cluster; "" for this machine.
    settings : RunSettings
        Those of the run.
    """

    def __init__(self, master: str, settings: RunSettings) -> None:
        self.master, self.settings = master, settings

    @cached_property
    def context(self) -> Any:
        """Give Spark's context; it is started for the first records."""
        given = self.settings
        made = opened(self.master, threads=given.threads, memory_limit=given.memory_limit)
        return made.sparkContext

    def compute(self, tasks: Sequence[ShardTask]) -> Iterable[ShardResult]:
        """Compute shards, each in a task of one job.

        Raises
        ------
        EngineError
            When Spark gives up: nothing of the epoch is kept.
        """
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        sent = [pickle.dumps(task) for task in tasks]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                found = self.waited(lambda: self.collected(sent))
                break
            except (PySparkException, Py4JError) as error:
                words = str(error).splitlines()[0][:1000]
                if attempt == _ATTEMPTS:
                    raise EngineError(
                        f"Spark did not compute an epoch in {attempt} attempts: {words}",
                        code="EngineRefused", fix="look at the cluster; run again: the stream goes on "
                        "behind its last epoch", engine_message=str(error)[:4000],
                    ) from error  # fmt: skip
                logger("spark").warning("a job failed and is repeated: %s", words)
        return [pickle.loads(one) for one in found]  # noqa: S301 - our own tasks have made it

    def collected(self, sent: Sequence[bytes]) -> list[bytes]:
        """Run a job."""
        found: list[bytes] = self.context.parallelize(sent, len(sent)).map(run_pickled).collect()
        return found

    def waited(self, work: Callable[[], list[bytes]]) -> list[bytes]:
        """Do something in a thread of its own; whoever leaves while it runs ends the job."""
        context, found, errors = self.context, [], []

        def run() -> None:
            try:
                found.extend(work())
            except BaseException as error:  # noqa: BLE001  it is raised again in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=run, name="mainstem-spark-job", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_LOOK_S)
                if self.settings.hurry is not None:
                    self.settings.hurry()
        except BaseException:
            context.cancelAllJobs()
            thread.join()
            raise
        if errors:
            raise errors[0]
        return found


def stream(
    plan: Plan, settings: RunSettings, desk: Desk | None, master: str
) -> Iterator[Event]:  # fmt: skip
    """Run a plan over sources that never end; its shards are computed by Spark."""
    return run_stream(plan, settings, desk, Cluster(master, settings))
