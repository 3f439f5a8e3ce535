"""The embedded engine: one process, DuckDB inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mainstem.engines.spec import Event, Program, RunSettings
from mainstem.errors import Finding
from mainstem.plan.nodes import Plan, Source, Step


class Embedded:
    """The engine that needs no server; the default."""

    name = "embedded"

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give what this version cannot run of a plan, by name; empty when all is well."""
        found = [f for source in plan.sources for f in _source_gaps(source)]
        return found + [f for step in plan.steps for f in _step_gaps(step)]

    def compile(self, plan: Plan) -> Program:
        """Give the plan as DuckDB's SQL; pure, opens nothing."""
        from mainstem.engines.embedded.compile import compile as compile_plan

        return compile_plan(plan)

    def run(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Read, compute, stage and commit; nothing is visible outside before its commit."""
        from mainstem.engines.embedded.run import run

        return run(program, settings)

    def recover(self, state_dir: Path, run_id: str) -> list[Event]:
        """Finish or undo what a killed run left."""
        from mainstem.engines.embedded.recover import recover

        return recover(state_dir, run_id)

    def versions(self) -> dict[str, str]:
        """Give the versions that a run is journaled with."""
        import duckdb

        return {"duckdb": duckdb.__version__}


ENGINE = Embedded()


def _source_gaps(source: Source) -> list[Finding]:
    if source.bounded:
        return []
    return [Finding(
        "StreamNotYet",
        f"source {source.name!r} is unbounded, and this version runs bounded inputs",
        source.where, "bind it to files or to a DuckDB table", step=source.name,
    )]  # fmt: skip


def _step_gaps(step: Step) -> list[Finding]:
    found = []
    if step.kind != "append":
        found.append(Finding(
            "UpdatingNotYet", f"table {step.name!r} is updating, which this version does not run",
            step.where, "window it, or read a bounded source", step=step.name,
        ))  # fmt: skip
    if step.outputs:
        found.append(Finding(
            "OutputsNotYet",
            f"step {step.name!r} has the named outputs {', '.join(step.outputs)}",
            step.where, "a bad row stops the run in this version", step=step.name,
        ))  # fmt: skip
    if step.sink is not None and step.sink.as_dict().get("mode") == "append":
        found.append(Finding(
            "AppendReserved",
            f"mode='append' of {step.name!r} is a reserved word: running twice would double rows",
            step.where, 'write mode="overwrite" or "overwrite_partitions"', step=step.name,
        ))  # fmt: skip
    return found
