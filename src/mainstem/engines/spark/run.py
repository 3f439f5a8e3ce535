"""Running a program whose steps are computed on Spark.

Sources come in, and rows go out, as the embedded engine does it, with its dead letters, expectations,
ledger and commit. Between them stand Parquet files: Spark reads what a step reads from there, and
writes there what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.run import Run
from mainstem.engines.embedded.run import preview as preview_with
from mainstem.engines.embedded.run import run as run_with
from mainstem.engines.embedded.session import spill_dir
from mainstem.engines.embedded.types import duckdb_type
from mainstem.engines.embedded.types import literal as duckdb_literal
from mainstem.engines.embedded.types import quoted as duckdb_quoted
from mainstem.engines.spark.compile import CLOCK, SparkStatement
from mainstem.engines.spark.failures import explained
from mainstem.engines.spark.inplace import selected
from mainstem.engines.spark.kernel import Kernel
from mainstem.engines.spark.session import opened, register
from mainstem.engines.spark.types import quoted, spark_type
from mainstem.engines.spec import Event, Program, RunSettings, SourceRead, Statement
from mainstem.errors import DataError, InternalError, MainstemError
from mainstem.filesystems import is_address
from mainstem.plan import tree as t
from mainstem.plan.nodes import Step
from mainstem.plan.types import Schema, in_expressions

# Gives an error of Spark's, in a step, as one of ours.
Words = Callable[[Exception, Step], MainstemError]


class SparkRun(Run):
    """One run on Spark; `master` is the address of a cluster, "" for this machine."""

    master = ""

    @cached_property
    def there(self) -> set[str]:
        """Give the relations that Spark has."""
        return set()

    @cached_property
    def spark(self) -> Any:
        """Give the session of the run."""
        given = self.settings
        made = opened(self.master, threads=given.threads, memory_limit=given.memory_limit)
        # A job knows nothing of an interrupt of DuckDB's.
        self.session.interrupt_too = made.sparkContext.cancelAllJobs
        return made

    @cached_property
    def values(self) -> dict[str, Any]:
        """Give the parameters that statements name."""
        found: dict[str, Any] = {
            p.name: self.settings.params.get(p.name, p.default) for p in self.program.plan.params
        }
        if self.settings.started_at:
            found[CLOCK] = self.settings.started_at
        return found

    @cached_property
    def read_facts(self) -> dict[str, dict[str, Any]]:
        """Give what is known of the sources that were read, by name."""
        return {}

    def _load(self, read: SourceRead) -> Iterator[Event]:
        for event in super()._load(read):
            if event.kind == "source_read":
                self.read_facts[event.name] = event.facts
            yield event

    def _step(self, statement: Statement) -> Iterator[Event]:
        step = statement.step
        if isinstance(statement, SparkStatement) and not self._is_given(step.name):
            yield from self.expected.ready(step.inputs)
            for name in step.inputs:
                yield from self._give(name)
            if statement.maps:
                yield from self._maps(statement)
                statement = replace(statement, maps=(), map_sql=())
            if not step.is_table and not self.expected.has_rules(step.name):
                yield from self._view(statement)
                return
        yield from super()._step(statement)

    def _maps(self, statement: Statement) -> Generator[Event, None, None]:
        from mainstem.engines.spark.maps import make_maps

        if isinstance(statement, SparkStatement):
            kept = yield from make_maps(self, statement)
            if kept is not None:
                self.expected.kept.append(kept)

    def _view(self, statement: SparkStatement) -> Generator[Event, None, None]:
        """Make a step that nobody keeps a view of Spark's, and of DuckDB's where a rule looks at it."""
        name = statement.step.name
        if name in self._looked_into:
            yield from super()._step((yield from self.computed(statement)))
            return

        def work() -> None:
            frame = self.frame(statement.sql, statement.kernels)
            if self._n_reads(name) > 1:
                self.once[name] = frame.persist()
            frame.createOrReplaceTempView(quoted(name))

        self.tried(statement.step, work)
        self.there.add(name)

    def computed(self, statement: Statement) -> Generator[Event, None, Statement]:
        """Run a step on Spark, and give the SELECT over the files that it wrote."""
        name = statement.step.name
        if not isinstance(statement, SparkStatement) or self._is_given(name):
            return statement
        folder = self.folder("out", name)

        def work() -> None:
            frame = self.frame(statement.sql, statement.kernels)
            check_types(frame, statement.step)
            frame.write.mode("overwrite").parquet(str(folder))

        # Spark is started here and not in the thread of the call, which Ctrl-C breaks anywhere.
        self.spark  # noqa: B018
        watched = self.session.watch_call(lambda: self.tried(statement.step, work))
        yield from as_events(name, watched)
        if not self.expected.has_rules(name):
            schema = _columns(statement.step)
            self.tried(statement.step, lambda: self._show(name, folder, schema))
        sql = f"SELECT * FROM read_parquet({duckdb_literal(f'{folder}/*.parquet')})"
        return Statement(statement.step, sql)

    def frame(self, sql: str, kernels: Iterable[Kernel]) -> Any:
        """Give a query of Spark's that calls some kernels, with the parameters that it names."""
        register(self.spark, kernels)
        named = {k: v for k, v in self.values.items() if f"CAST(:{k} AS" in sql}
        return self.spark.sql(sql, args=named or None)

    @cached_property
    def once(self) -> dict[str, Any]:
        """Give the views that several others read, which Spark computes once."""
        return {}

    def _n_reads(self, name: str) -> int:
        steps = self.program.plan.steps
        nodes = (n for step in steps for n in t.walk(step.query) if isinstance(n, t.Table))
        return sum(n.name == name and not n.is_cte for n in nodes)

    def steps(self, names: frozenset[str]) -> Iterator[Event]:
        """Run some steps; what Spark has kept for them it forgets."""
        try:
            yield from super().steps(names)
        finally:
            self.forget_views()

    def forget_views(self) -> None:
        """Let Spark compute views again, each time for those that read them."""
        from py4j.protocol import Py4JError

        for frame in self.once.values():
            # Where Spark is gone, so are they.
            with suppress(Py4JError):
                frame.unpersist()
        self.once.clear()

    def tried(self, step: Step, work: Callable[[], None], words: Words = explained) -> None:
        """Do something on Spark for a step; `words` make its errors ours.

        Raises
        ------
        MainstemError
            What `words` give.
        """  # noqa: DOC501 - errors of any class
        try:
            self._tried(step, work, words)
        except DataError:
            if not self.once:
                raise
            # A view that is computed for all is computed whole: perhaps on a row, or for a column,
            # that none of its readers gets to (V10).
            self.forget_views()
            self._tried(step, work, words)

    def _tried(self, step: Step, work: Callable[[], None], words: Words) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            work()
        except (PySparkException, Py4JError) as error:
            raise words(error, step) from error

    def _give(self, name: str) -> Generator[Event, None, None]:
        """Let Spark read a relation that DuckDB has."""
        if name in self.there:
            return
        schema = self._schema(name)
        texts = self._in_place(name, schema)
        if texts is not None:
            frame = self.spark.read.parquet(*self.session.in_place[name]).selectExpr(*texts)
            frame.createOrReplaceTempView(quoted(name))
            self.there.add(name)
            return
        columns = ", ".join(
            f"CAST({duckdb_quoted(n)} AS {duckdb_type(x)}) AS {duckdb_quoted(n)}" for n, x in schema
        )
        folder = self.folder("in", name)
        folder.mkdir(parents=True, exist_ok=True)
        target = duckdb_literal(str(folder / "part-0.parquet"))
        select = f"SELECT {columns or '1 AS __row'} FROM {duckdb_quoted(name)}"
        yield from as_events(
            name, self.session.watch(f"COPY ({select}) TO {target} (FORMAT parquet)")
        )
        self._show(name, folder, schema)

    def _in_place(self, name: str, schema: list[tuple[str, Any]]) -> list[str] | None:
        """Give the columns that Spark reads of the files of a source itself; None when it must not.

        They were checked when the source was read. Files of which some rows are dead letters, or are
        judged, or were seen by an earlier run, hold more rows than the source has.
        """
        source = self.program.plan.source(name)
        paths = self.session.in_place.get(name)
        if source is None or not paths or not schema or self.expected.has_rules(name):
            return None
        # Whether every worker reaches another machine, and as which user, is not known here.
        if any(map(is_address, paths)):
            return None
        is_whole = source.binding.type == "files" and not source.binding.as_dict().get(
            "incremental"
        )
        if not is_whole or self.read_facts.get(name, {}).get("dead") != 0:
            return None
        return selected(self.session, paths, schema)

    def _show(self, name: str, folder: Path, schema: list[tuple[str, Any]]) -> None:
        # Told the columns, Spark does not run a job to find them.
        columns = ", ".join(f"{quoted(n)} {spark_type(x)}" for n, x in schema)
        frame = self.spark.read.schema(columns or "__row INT").parquet(str(folder))
        frame.createOrReplaceTempView(quoted(name))
        self.there.add(name)

    def _schema(self, name: str) -> list[tuple[str, Any]]:
        plan = self.program.plan
        source, step = plan.source(name), plan.step(name)
        schema = source.schema if source else step.schema if step else Schema(())
        used = next((r.columns for r in self.program.reads if r.source.name == name), schema.names)
        return [(f.name, in_expressions(f.type)) for f in schema.fields if f.name in used]

    def folder(self, way: str, name: str) -> Path:
        """Give the folder of a relation on its way.

        ``out`` and ``in`` are two ways: what a step gave is judged, and those of its rows that pass
        are given back. ``maps`` are results of Python functions.
        """
        return spill_dir(self.settings) / "spark" / way / name

    @cached_property
    def _looked_into(self) -> frozenset[str]:
        """Give the relations that rules look into: DuckDB judges, so it must have them."""
        tests = [e.test for e in self.program.plan.expectations if e.test is not None]
        return frozenset(n.name for x in tests for n in t.walk(x) if isinstance(n, t.Table))


def check_types(frame: Any, step: Step) -> None:
    """Compare the columns that Spark is about to give with those of the plan.

    Raises
    ------
    InternalError
        When they differ: a number that was narrowed on the way could overflow unseen.
    """
    found = [(f.name, f.dataType.simpleString()) for f in frame.schema.fields]
    wanted = [(name, _simple(spark_type(type_))) for name, type_ in _columns(step)]
    if found != wanted:
        raise InternalError(
            f"step {step.name!r} gives {found} on Spark, and its plan says {wanted}"
        )


def _columns(step: Step) -> list[tuple[str, Any]]:
    """Give the columns of a step with their types in expressions."""
    return [(f.name, in_expressions(f.type)) for f in step.schema.fields]


def _simple(text: str) -> str:
    """Give a type's text as Spark shows it."""
    text = text.replace("TIMESTAMP_LTZ", "TIMESTAMP").replace(", ", ",").replace(": ", ":")
    parts = text.split("`")
    return "".join(part.lower() if i % 2 == 0 else part for i, part in enumerate(parts))


def _made(master: str, *stages: Any) -> SparkRun:
    made = SparkRun(*stages)
    made.master = master
    return made


def run(program: Program, settings: RunSettings, master: str) -> Iterator[Event]:
    """Run a program; nothing is visible outside before ``outputs_staged``."""
    return run_with(program, settings, partial(_made, master))


def preview(program: Program, settings: RunSettings, master: str) -> Iterator[Event]:
    """Judge the rows of a replay as its run would, and write nothing."""
    return preview_with(program, settings, partial(_made, master))
