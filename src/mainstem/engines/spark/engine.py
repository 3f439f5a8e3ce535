"""The engine that runs steps on Apache Spark."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mainstem.engines.embedded.engine import Embedded
from mainstem.engines.spec import Event, Program, RunSettings
from mainstem.errors import NOWHERE, Finding
from mainstem.plan import tree as t
from mainstem.plan.nodes import Plan, Step, is_stream

if TYPE_CHECKING:
    from mainstem.engines.desk import Desk


class Spark(Embedded):
    """Sources are read and sinks are written as the embedded engine does; steps run on Spark."""

    name = "spark"

    def __init__(self, master: str = "") -> None:
        self.master = master

    def at(self, address: str) -> Spark:
        """Give the engine that runs on the cluster at ``spark://host:port``."""
        return Spark(address)

    def gaps(self, plan: Plan) -> list[Finding]:
        """Give what this version cannot run of a plan on Spark, by name."""
        found = _missing_package(plan) + super().gaps(plan)
        if is_stream(plan):
            # Its steps are the embedded engine's, wherever they are computed.
            return found
        found += [
            Finding(
                "MapReduceNotYet", f"map/reduce step {step.name!r} runs on the embedded engine only in "
                "this version", step.where, "run it with --engine embedded", step=step.name,
            )
            for step in plan.steps if step.job is not None
        ]  # fmt: skip
        return found + [gap for step in plan.steps for gap in _step_gaps(step)]

    def compile(self, plan: Plan) -> Program:
        """Give the plan as Spark's SQL; pure, starts nothing."""
        from mainstem.engines.spark.compile import compile as compile_plan

        if any(step.ttl for step in plan.steps):
            from mainstem.sql.stream.latest import with_latest

            plan = with_latest(plan).plan
        return compile_plan(plan)

    def run(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Read, compute on Spark, stage and commit."""
        from mainstem.engines.spark.run import run

        return run(program, settings, self.master)

    def stream(
        self, plan: Plan, settings: RunSettings, desk: Desk | None = None
    ) -> Iterator[Event]:
        """Run a plan over sources that never end, each partition of an epoch in a task of Spark's."""
        from mainstem.engines.spark.stream.run import stream

        return stream(plan, settings, desk, self.master)

    def preview(self, program: Program, settings: RunSettings) -> Iterator[Event]:
        """Judge the rows of a replay, and write nothing."""
        from mainstem.engines.spark.run import preview

        return preview(program, settings, self.master)

    def versions(self) -> dict[str, str]:
        """Give the versions that a run is journaled with."""
        from importlib.metadata import version

        return super().versions() | {"pyspark": version("pyspark")}


ENGINE = Spark()


def _missing_package(plan: Plan) -> list[Finding]:
    # The code of functions goes to the workers by value.
    wanted = ["pyspark", "pyarrow", *(["cloudpickle"] if plan.functions else [])]
    missing = [name for name in wanted if find_spec(name) is None]
    return [Finding(
        "PackageMissing", f"the engine spark needs {' and '.join(missing)}, not installed here",
        NOWHERE, "run: pip install 'mainstem[spark]'",
    )] if missing else []  # fmt: skip


def _step_gaps(step: Step) -> list[Finding]:
    found = []
    for node in t.walk(step.query):
        what = _missing(node)
        if what:
            found.append(Finding(
                "NotOnSpark", f"{step.name!r} uses {what}, which this version does not run on Spark",
                step.where, "run it with --engine embedded", step=step.name,
            ))  # fmt: skip
    return found[:1]


def _missing(node: t.Node) -> str:
    if isinstance(node, t.Select) and _numbers_sets(node):
        return "a window over grouping sets of which one is empty"
    if isinstance(node, t.Frame) and node.unit == "groups":
        return "a frame in GROUPS"
    if isinstance(node, t.Query) and node.is_recursive and any(map(_is_union, node.ctes)):
        return "a recursive WITH with UNION"
    if isinstance(node, t.Scalar | t.Exists | t.InQuery) and _looks_far(node.query):
        return "a subquery that looks two levels out"
    return ""


def _numbers_sets(node: t.Select) -> bool:
    """Say whether a window goes over the rows of all grouping sets, which are printed apart."""
    sets = [one for g in node.group if isinstance(g, t.Grouping) for one in g.sets]
    tops = [i.expr for i in node.items] + [e for e in (node.qualify,) if e is not None]
    return () in sets and any(
        isinstance(n, t.Call) and n.window is not None for e in tops for n in t.walk(e)
    )


def _is_union(node: t.Cte) -> bool:
    """Say whether a WITH entry reads itself and drops rows that it has."""
    body = node.query.body
    return (
        isinstance(body, t.SetOperation) and not body.is_all
        and any(isinstance(n, t.Table) and n.name == node.name for n in t.walk(body))
    )  # fmt: skip


def _looks_far(query: t.Query) -> bool:
    """Say whether a subquery of a subquery looks at what stands outside of both."""
    from mainstem.engines.spark.compile import free_relations

    own = {n.alias for n in t.walk(query) if isinstance(n, t.Relation)}
    inner = [n.query for n in t.walk(query) if isinstance(n, t.Scalar | t.Exists | t.InQuery)]
    return any(free_relations(one) - own for one in inner)
