"""Tables of the state file: what an epoch gave is written in its own transaction."""

from __future__ import annotations

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.spec import OPERATION, UPSERT
from mainstem.engines.embedded.types import quoted
from mainstem.plan.nodes import Step
from mainstem.plan.stream import UPDATING, StreamNode


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
