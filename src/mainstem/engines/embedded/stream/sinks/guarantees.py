"""What each sink of a stream promises; `mainstem plan` and docs/delivery.md print this table."""

from __future__ import annotations

from mainstem.errors import UnsupportedError
from mainstem.plan.nodes import Step
from mainstem.record import record


@record
class Guarantee:
    """What a sink promises for one kind of table.

    Parameters
    ----------
    sink : str
        Type of the connector.
    kind : str
        ``append`` or ``updating``.
    delivery : str
        ``exactly-once``, ``at-least-once`` or ``refused``.
    token : str
        Where the commit token stands, or why it is refused.
    readers : str
        What a reader sees while the stream runs.
    """

    sink: str
    kind: str
    delivery: str
    token: str
    readers: str


GUARANTEES = (
    Guarantee("state", "append", "exactly-once", "the state's own transaction",
              "whole epochs; all such tables of a pipeline at one instant"),
    Guarantee("state", "updating", "exactly-once", "the state's own transaction",
              "whole epochs; all such tables of a pipeline at one instant"),
    Guarantee("duckdb", "append", "exactly-once", "a row of the file, in the transaction of the rows",
              "whole epochs, in order"),
    Guarantee("duckdb", "updating", "exactly-once",
              "a row of the file, in the transaction of the rows",
              "the latest row of each key as of a whole epoch"),
    Guarantee("files", "append", "exactly-once", "the folder's manifest, replaced in one step",
              "each row once; the files of one epoch appear one by one"),
    Guarantee("files", "updating", "refused", "files cannot delete rows by key", ""),
    Guarantee("kafka", "append", "exactly-once",
              "a record of the token topic, in the transaction of the rows",
              "whole epochs with isolation.level=read_committed; without it, also aborted rows"),
    Guarantee("kafka", "updating", "exactly-once",
              "a record of the token topic, in the transaction of the rows",
              "changes by key, a record without value for a row that is gone; read_committed"),
    Guarantee("console", "append", "at-least-once", "none: what was printed cannot be asked",
              "after a crash the last epochs may be printed again"),
    Guarantee("console", "updating", "at-least-once", "none: what was printed cannot be asked",
              "after a crash the last epochs may be printed again"),
)  # fmt: skip


def guarantee_of(step: Step) -> Guarantee:
    """Give what the sink of a table promises.

    Raises
    ------
    UnsupportedError
        When this kind of table cannot be written there by a stream.
    """
    sink = step.sink.type if step.sink else "state"
    found = next((g for g in GUARANTEES if (g.sink, g.kind) == (sink, step.kind)), None)
    if found is None or found.delivery == "refused":
        why = found.token if found else "it writes no streams"
        raise UnsupportedError(
            f"{sink} cannot be the sink of {step.name!r}, whose kind is {step.kind}: {why}",
            where=step.where, step=step.name, code="SinkKind",
            fix="write it to ms.duckdb(…) or ms.kafka(…), or say it per window: rows are then final",
        )  # fmt: skip
    return found
