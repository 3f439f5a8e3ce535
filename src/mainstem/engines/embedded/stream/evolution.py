"""A pipeline that is another than the one whose state is there: go on, begin empty, drop, or refuse."""

from __future__ import annotations

import json

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG
from mainstem.engines.embedded.stream.prints import compare
from mainstem.engines.embedded.stream.program import Compiled
from mainstem.engines.embedded.stream.statefile import (
    OUTBOX,
    Saved,
    drop_operator,
    outbox_table,
)
from mainstem.errors import StateError, listing


def evolve(session: Session, saved: Saved, compiled: Compiled) -> list[tuple[str, str]]:
    """Bring the state to the operators of this pipeline; in the caller's transaction.

    Returns
    -------
    list of (step, words)
        What has begun empty and what was dropped.

    Raises
    ------
    StateError
        When an operator means something else than what it has kept, or when rows wait for a sink
        that is gone.
    """
    places = {step.name: step.where for step in compiled.plan.steps}
    changes, prints = compare(saved.prints, compiled.meant, places)
    _refuse_lost_rows(session, compiled)
    steps = {node.name: node.step for node in compiled.stream.nodes}
    added = dict.fromkeys(steps[name] for name in changes.added)
    told = [(step, "begins empty: rows of earlier epochs are not in it") for step in added]
    gone: dict[str, int] = {}
    for name in changes.removed:
        step = json.loads(saved.prints[name])["step"]
        gone[step] = gone.get(step, 0) + drop_operator(session, name)
        saved.marks.pop(name, None)
    told += [(step, f"is gone: {n:,} rows that it kept are dropped") for step, n in gone.items()]
    saved.prints.clear()
    saved.prints.update(prints)
    return told


def _refuse_lost_rows(session: Session, compiled: Compiled) -> None:
    """Refuse to leave rows behind that a sink was promised."""
    have = {
        step.name for step in compiled.plan.tables
        if step.sink is not None and step.sink.type != "state"
    }  # fmt: skip
    found = session.rows(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2",
        [CATALOG, OUTBOX],
    )
    gone = sorted(row[0] for row in found if row[0] not in have)
    waiting = [name for name in gone if session.rows(f"SELECT 1 FROM {outbox_table(name)} LIMIT 1")]
    if waiting:
        raise StateError(
            f"rows wait for the sink of {listing(waiting)}, which the pipeline does not have any more",
            code="StateChanged", fix="run it once more with the table, --until-caught-up, then remove it",
        )  # fmt: skip
    for name in gone:
        session.rows(f"DROP TABLE {outbox_table(name)}")
