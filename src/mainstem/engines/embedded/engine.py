"""The embedded engine: one process, DuckDB inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.connectors.files.path import not_local
from mainstem.connectors.keyed import mode_name
from mainstem.engines.spec import Event, Program, RunSettings, Written
from mainstem.errors import Finding, Place, SettingsError
from mainstem.filesystems import SCHEMES, is_address, is_known
from mainstem.plan.nodes import Binding, Plan, Source, Step, is_stream, streaming

if TYPE_CHECKING:
    from mainstem.engines.desk import Desk

# What runs over inputs that end read and write.
BATCH_SOURCES = ("files", "duckdb", "arrow", "generator")
BATCH_SINKS = ("files", "duckdb", "state")


class Embedded:
    """The engine that needs no server; the default."""

    name = "embedded"

    def at(self, address: str) -> Embedded:
        """Refuse an address.

        Raises
        ------
        SettingsError
            Always: this engine runs in the caller's process.
        """
        raise SettingsError(
            f"engine {address!r}: the embedded engine has no address", code="EngineAddress",
            fix="use --engine embedded",
        )  # fmt: skip

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give what this version cannot run of a plan, by name; empty when all is well."""
        if is_stream(plan):
            from mainstem.engines.embedded.stream.run import stream_gaps

            jobs = _jobs_beside_streams(plan)
            return jobs or _missing_packages(plan) + _stream_gaps(plan) + stream_gaps(plan)
        found = [f for source in plan.sources for f in _source_gaps(source)]
        found += _missing_packages(plan) + _missing_clients(plan)
        found += _batch_gaps(plan)
        return found + [f for step in plan.steps for f in _step_gaps(step)]

    def faults(self, plan: Plan, base_dir: Path) -> list[Finding]:
        """Give what is wrong with the targets of a plan: what `run` would refuse, by name."""
        from mainstem.engines.embedded.writing.outputs import judged

        # Where the state file stands is not judged: it is ours.
        return judged(plan, base_dir, Path())[1].errors

    def compile(self, plan: Plan) -> Program:
        """Give the plan as DuckDB's SQL; pure, opens nothing."""
        from mainstem.engines.embedded.compile import compile as compile_plan

        if any(step.ttl for step in plan.steps):
            from mainstem.sql.stream.latest import with_latest

            plan = with_latest(plan).plan
        return compile_plan(plan)

    def run(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Read, compute, stage and commit; nothing is visible outside before its commit."""
        from mainstem.engines.embedded.run import run

        return run(program, settings)

    def stream(
        self, plan: Plan, settings: RunSettings, desk: Desk | None = None
    ) -> Iterator[Event]:
        """Run a plan over sources that never end, epoch by epoch."""
        from mainstem.engines.embedded.stream.run import run_stream

        return run_stream(plan, settings, desk)

    def preview(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Judge the rows of a replay, and write nothing."""
        from mainstem.engines.embedded.run import preview

        return preview(program, settings)

    def try_jobs(self, plan: Plan, settings: RunSettings) -> list[Finding]:
        """Try the map/reduce steps of a plan on a sample, in ways that must not matter."""
        from mainstem.engines.embedded.mapreduce.trial import jobs_plan, try_jobs

        return try_jobs(self.compile(jobs_plan(plan)), settings)

    def recover(self, state_dir: Path, run_id: str) -> list[Event]:
        """Finish or undo what a killed run left."""
        from mainstem.engines.embedded.writing.recover import recover

        return recover(state_dir, run_id)

    def written(self, state_dir: Path, run_key: str) -> dict[str, Written]:
        """Give the tables that runs with this key have committed."""
        from mainstem.engines.embedded.reading.marks import read_keys

        return read_keys(state_dir, run_key)

    def versions(self) -> dict[str, str]:
        """Give the versions that a run is journaled with."""
        import duckdb

        return {"duckdb": duckdb.__version__}


ENGINE = Embedded()


def _missing_packages(plan: Plan) -> list[Finding]:
    """Say which packages the Python functions of a plan need and this environment has not."""
    jobs = [step for step in plan.steps if step.job is not None]
    if not plan.functions and not jobs:
        return []
    from importlib.util import find_spec

    by_value = any(not one.home and one.workers != 0 for one in plan.functions)
    wanted = ["pyarrow", *(["cloudpickle"] if by_value or jobs else [])]
    missing = [name for name in wanted if find_spec(name) is None]
    first, what = (
        (plan.functions[0], "Python functions") if plan.functions else (jobs[0], "map/reduce steps")
    )
    return [Finding(
        "PackageMissing", f"{what} need {' and '.join(missing)}, not installed here",
        first.where, "run: pip install 'mainstem[arrow]'",
    )] if missing else []  # fmt: skip


def _missing_clients(plan: Plan) -> list[Finding]:
    """Say which package an address of a plan needs and this environment has not."""
    from importlib.util import find_spec

    bindings = [(s.binding, s.where, s.name) for s in plan.sources]
    bindings += [(s.sink, s.where, s.name) for s in plan.tables if s.sink]
    found = {}
    for binding, where, name in bindings:
        for path in filter(is_address, _paths(binding)):
            scheme = path.partition("://")[0]
            package = SCHEMES.get(scheme)
            if package and find_spec(package) is None:
                found[scheme] = Finding(
                    "PackageMissing", f"{path} needs {package}, not installed here", where,
                    f"run: pip install 'mainstem[{scheme}]'", step=name,
                )  # fmt: skip
    return list(found.values())


def _paths(binding: Binding) -> tuple[str, ...]:
    path = binding.as_dict().get("path", ())
    return (path,) if isinstance(path, str) else tuple(path)


def _jobs_beside_streams(plan: Plan) -> list[Finding]:
    """Refuse map/reduce in a run that never ends, also over those of its sources that do."""
    return [
        Finding(
            "MapReduceOnStream", f"map/reduce step {step.name!r} stands in a pipeline with a source "
            "that never ends", step.where, "make it a pipeline of its own, whose table this one reads",
            step=step.name,
        )
        for step in plan.steps if step.job is not None
    ]  # fmt: skip


def _batch_gaps(plan: Plan) -> list[Finding]:
    """Give the connectors that only a stream reads or writes, where nothing is a stream."""
    endless = streaming(plan.sources, plan.steps)
    found = [
        Finding(
            "BatchNotYet", f"source {source.name!r} is bound to {source.binding.type}, which this "
            "version reads in a stream only", source.where,
            "bind it to files, or let it never end: leave count out", step=source.name,
        )
        for source in plan.sources
        if not endless and source.bounded and source.binding.type not in BATCH_SOURCES
    ]  # fmt: skip
    if any(step.ttl for step in plan.steps):
        from mainstem.sql.stream.latest import with_latest

        found += with_latest(plan, endless).findings
    # Without a refusal such a table would be kept in the state file, and its sink get nothing.
    return found + [
        Finding(
            "BatchNotYet", f"table {step.name!r} is written to {step.sink.type}, which this version "
            "does in a stream only", step.where, "write files or a DuckDB table", step=step.name,
        )
        for step in plan.steps
        if step.sink and step.sink.type not in BATCH_SINKS and step.name not in endless
    ]  # fmt: skip


def _source_gaps(source: Source) -> list[Finding]:
    return _not_local(source.binding, source.where, source.name)


def _not_local(binding: Binding, where: Place, name: str, what: str = "") -> list[Finding]:
    """Refuse addresses that are not known here; as a sink's path one would become a folder.

    `what`, when given, reads and writes local paths only.
    """
    if binding.type != "files":
        what = what or f"a binding to {binding.type}"
    return [not_local(p, where, name, what=what) for p in _paths(binding) if what or not is_known(p)
            if is_address(p)]  # fmt: skip


def _stream_gaps(plan: Plan) -> list[Finding]:
    """Refuse addresses where anything never ends."""
    found = [
        gap for source in plan.sources
        for gap in _not_local(source.binding, source.where, source.name, "a stream")
    ]  # fmt: skip
    return found + [
        gap for step in plan.tables if step.sink
        for gap in _not_local(step.sink, step.where, step.name, "a stream")
    ]  # fmt: skip


def _step_gaps(step: Step) -> list[Finding]:
    sink = step.sink
    if sink is None:
        return []
    mode = mode_name(sink.as_dict().get("mode") or "overwrite")
    what = "" if mode == "overwrite" else f"mode={mode!r}"
    found = _not_local(sink, step.where, step.name, what)
    if sink.type == "state" and mode == "append":
        found.append(Finding(
            "AppendReserved",
            f"mode='append' of {step.name!r} is a reserved word: the state file keeps what the last "
            "run computed", step.where, 'give it a sink: ms.duckdb(…, mode="append")',
            step=step.name,
        ))  # fmt: skip
    return found
