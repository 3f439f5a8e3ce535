"""Which part of an epoch needs the rows of one partition only, and no state.

Reading, checking, filters, projections, windows of single rows, and what rows come down to before they
are kept: a count of each key and window in place of the rows. All of that can be computed wherever a
partition's records are; what it comes down to is put together where the state is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mainstem.engines.embedded.stream.operators.operator import Operator
from mainstem.engines.embedded.stream.program import Compiled
from mainstem.engines.embedded.types import quoted
from mainstem.plan import tree as t
from mainstem.plan.stream import DELTA, StreamNode
from mainstem.record import record


@record
class ShardPlan:
    """What is computed of the rows of one partition.

    Parameters
    ----------
    sources : tuple of str
        Those whose rows themselves are needed behind.
    views : tuple of str
        Nodes that are computed of a shard, in order.
    rows : tuple of str
        Those of `views` whose rows are needed behind.
    taken : tuple of str
        Stateful nodes that get what rows come down to.
    """

    sources: tuple[str, ...]
    views: tuple[str, ...]
    rows: tuple[str, ...]
    taken: tuple[str, ...]

    def wanted(self, *, is_whole: bool) -> tuple[str, ...]:
        """Give the names of what a shard is asked for besides the rows of its source."""
        return () if is_whole else (*self.rows, *self.taken)


def shard_plan(compiled: Compiled, judged: Iterable[str]) -> ShardPlan:
    """Divide the nodes of a stream.

    Parameters
    ----------
    compiled : Compiled
        What runs.
    judged : iterable of str
        Relations with expectations: those are judged where quarantine is written.
    """
    judged = frozenset(judged)
    nodes = compiled.stream.nodes
    own = {source.name for source in compiled.sources} - judged
    views, taken = [], []
    for node in nodes:
        if not _reads(node) <= own:
            continue
        if node.is_stateful:
            taken.append(node.name)
        elif node.kind == DELTA and node.first is None:
            views.append(node.name)
            own |= {node.name} - judged
    behind = [n for n in nodes if n.name not in views and n.name not in taken]
    needed = {name for node in behind for name in node.inputs}
    needed |= judged | {step.name for step in compiled.plan.tables}
    return ShardPlan(
        tuple(s.name for s in compiled.sources if s.name in needed), tuple(views),
        tuple(name for name in views if name in needed), tuple(taken),
    )  # fmt: skip


def _reads(node: StreamNode) -> set[str]:
    """Give every relation that a node reads, also those that end."""
    queries = [q for q in (node.query, node.rows, node.late) if q is not None]
    if node.is_stateful:
        # The closing query is asked where the state is.
        queries.remove(node.query)
    found = {
        n.name for query in queries for n in t.walk(query)
        if isinstance(n, t.Table) and not n.is_cte
    }  # fmt: skip
    return found | set(node.inputs)


def shard_tables(name: str, operators: Mapping[str, Operator]) -> dict[str, str]:
    """Give the tables that a wanted relation of a shard comes as, each with its SELECT.

    That of late rows stands behind what a node's rows come down to.
    """
    operator = operators.get(name)
    if operator is None:
        return {rows_table(name): f"SELECT * FROM {quoted(name)}"}
    found = {taken_table(name): operator.taken_select()}
    if operator.is_judged:
        found[late_table(name)] = operator.late_select()
    return found


def rows_table(node: str) -> str:
    """Give the table of the rows of a node that keeps nothing."""
    return f"__shard_rows_{node}"


def taken_table(node: str) -> str:
    """Give the table of what a stateful node's rows come down to."""
    return f"__shard_taken_{node}"


def late_table(node: str) -> str:
    """Give the table of a stateful node's late rows."""
    return f"__shard_late_{node}"
