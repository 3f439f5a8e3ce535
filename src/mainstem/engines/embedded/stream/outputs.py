"""The tables of a stream: those of the state file, written in its epoch's transaction, and those of sinks."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.delivery import Delivery, table_select
from mainstem.engines.embedded.stream.ledger import Counts
from mainstem.engines.embedded.stream.program import Compiled, node_columns
from mainstem.engines.embedded.stream.spec import OPERATION, UPSERT, Sink
from mainstem.engines.embedded.stream.statefile import make_growing
from mainstem.engines.embedded.types import quoted
from mainstem.plan.nodes import Step
from mainstem.plan.stream import STATIC, UPDATING, StreamNode
from mainstem.record import record

Tokens = Callable[[Iterable[str]], Mapping[str, dict[str, Any]]]


@record
class Offered:
    """What an epoch has put into an outbox; to be sent when it is committed."""

    delivery: Delivery
    n_rows: int
    token: dict[str, Any]


class Outputs:
    """Where the rows of tables go.

    Parameters
    ----------
    session : Session
        The engine's.
    compiled : Compiled
        What runs.
    sinks : mapping of str to Sink
        Those of tables that have one; the others are tables of the state file.
    max_pending : int
        How many epochs may wait for a sink.
    """

    def __init__(
        self, session: Session, compiled: Compiled, sinks: Mapping[str, Sink], max_pending: int
    ) -> None:  # fmt: skip
        self.session, self.compiled, self.sinks = session, compiled, sinks
        self.max_pending = max_pending
        self.deliveries: dict[str, Delivery] = {}

    def create(self, step: Step, *, is_first: bool) -> str:
        """Make the table of the state file, or the outbox, of a table; say what has changed."""
        select, sink = self.select_of(step), self.sinks.get(step.name)
        if sink is not None:
            delivery = self.deliveries[step.name] = Delivery(step.name, sink, self.max_pending)
            delivery.create(self.session, select)
            return ""
        table = state_table(step.name)
        plain = ", ".join(map(quoted, step.schema.names))
        if is_first:
            # What a run over bounded inputs has left here is another table.
            self.session.rows(f"DROP TABLE IF EXISTS {table}")
        select = f"SELECT {plain} FROM ({select})"
        return make_growing(self.session, table, select, step.name, may_move=False)

    def select_of(self, step: Step) -> str:
        """Give the SELECT of what a table got in this epoch."""
        node = self.compiled.stream.node(step.name)
        names = step.schema.names
        columns = ", ".join(map(quoted, names)) if node is None else node_columns(node, names)
        return table_select(step.name, columns)

    def start(self) -> None:
        """Start the sinks."""
        for delivery in self.deliveries.values():
            delivery.start(self.session)

    def check(self) -> None:
        """Raise what has ended a sink."""
        for delivery in self.deliveries.values():
            delivery.check()

    def write(
        self, epoch: int, given: Mapping[str, int], met: Container[str], tokens: Tokens, counts: Counts
    ) -> list[Offered]:  # fmt: skip
        """Write what the tables got in an epoch.

        Parameters
        ----------
        epoch : int
            Its number.
        given : mapping of str to int
            How many rows steps gave, where that was counted.
        met : container of str
            Tables whose sinks have these rows.
        tokens : callable
            Gives the tokens of tables by name.
        counts : Counts
            The epoch's ledger.
        """
        giving = {n: d for n, d in self.deliveries.items() if given.get(n) != 0}
        made = tokens(giving) if giving else {}
        offered = []
        for name, delivery in giving.items():
            if name in met:
                counts.sinks[name] = delivery.suppress(self.session)
                continue
            n_rows = counts.sinks[name] = delivery.put(self.session, epoch, made[name])
            offered.append(Offered(delivery, n_rows, made[name]))
        for step in self.compiled.plan.tables:
            is_streamed = self.compiled.stream.shapes[step.name].kind != STATIC
            if is_streamed and step.name not in self.sinks and given.get(step.name) != 0:
                node = self.compiled.stream.node(step.name)
                assert node is not None  # noqa: S101 - every streamed step has a node
                select = self.select_of(step)
                counts.sinks[step.name] = write_table(self.session, step, node, select)
        return offered

    def forget(self) -> None:
        """Let go of what every sink has: a table that is gone next time leaves nothing behind."""
        if self.deliveries:
            self.session.rows("BEGIN")
            for delivery in self.deliveries.values():
                delivery.forget(self.session)
            self.session.rows("COMMIT")

    def delivered(self) -> dict[str, dict[str, Any]]:
        """Give what each sink has and what waits for it."""
        return {name: delivery.counted() for name, delivery in self.deliveries.items()}

    def stop(self) -> None:
        """End the sinks."""
        for delivery in self.deliveries.values():
            delivery.stop()


def write_table(session: Session, step: Step, node: StreamNode, select: str) -> int:
    """Write a table of the state file: new rows are added, those of a key take its place (C1)."""
    columns = ", ".join(map(quoted, step.schema.names))
    table = state_table(step.name)
    if node.shape.kind != UPDATING:
        ((n_rows,),) = session.rows(f"INSERT INTO {table} ({columns}) {select}")
        return int(n_rows)
    session.rows(f"CREATE OR REPLACE TEMP TABLE __changes AS {select}")
    same = " AND ".join(f"s.{quoted(k)} IS NOT DISTINCT FROM n.{quoted(k)}" for k in node.shape.key)
    session.rows(
        f"DELETE FROM {table} AS s WHERE EXISTS (SELECT 1 FROM __changes AS n WHERE {same or 'TRUE'})"
    )
    ((n_rows,),) = session.rows(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM __changes WHERE "
        f"{quoted(OPERATION)} = '{UPSERT}'"
    )
    return int(n_rows)
