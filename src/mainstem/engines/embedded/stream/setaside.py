"""Rows of a stream that go aside: written in the transaction of their epoch, so each is kept once.

The tables are those of a batch (`judging.keep`), with the epoch beside; the number of an epoch and of
the row in it make the id.
"""

from __future__ import annotations

from mainstem.engines.embedded.judging import keep
from mainstem.engines.embedded.reading.deadletters import SCHEMA
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import state_table
from mainstem.engines.embedded.stream.letters import keep_letters
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.errors import InternalError
from mainstem.record import record

EPOCH = "__epoch"
# Of dead letters of a source: why they are none of its rows.
REASON = "ExpressionFailed"


@record
class Kept:
    """Rows that go into the quarantine of a relation.

    Parameters
    ----------
    relation : str
        Whose rows.
    fields : tuple of (name, DuckDB type)
        Its columns.
    table : str
        Quoted name of the temporary table with the rows, ``__nth``, ``__rule``, ``__path``, ``__row``.
    rows : int
        How many there are.
    before : int
        The largest number of a row that a run over inputs that end has left there.
    """

    relation: str
    fields: tuple[tuple[str, str], ...]
    table: str
    rows: int
    before: int = 0

    @property
    def name(self) -> str:
        """Give the name of its table in the state file."""
        return f"{self.relation}{keep.QUARANTINE}"


def make_quarantine(session: Session, kept: Kept) -> tuple[int, int]:
    """Make the table of a quarantine, or give it the columns that have come since.

    Returns
    -------
    tuple of int
        Its open rows, and `Kept.before`.

    Raises
    ------
    StateError
        When open rows would not fit its columns any more.
    """
    columns = (*keep.QUARANTINED, (EPOCH, "BIGINT"), *kept.fields)
    keep.prepare(session, keep.Kept(kept.relation, kept.name, columns, "", 0), is_whole=False)
    number = "CAST(split_part(__id, '-', 2) AS BIGINT)"
    ((n_open, before),) = session.rows(
        f"SELECT count(*) FILTER (WHERE __status = 'open'), coalesce(max({number}) FILTER (WHERE {EPOCH} IS NULL), 0) "
        f"FROM {state_table(kept.name)}"
    )
    return int(n_open), int(before)


def write_quarantined(session: Session, kept: Kept, epoch: int, run_id: str) -> None:
    """Write an epoch's rows into their quarantine.

    Raises
    ------
    InternalError
        When another number of rows was written than counted.
    """
    table = state_table(kept.name)
    own = ", ".join(quoted(name) for name, _ in kept.fields)
    ((n_rows,),) = session.rows(
        f"INSERT INTO {table} (__id, __run_id, __at, __status, {EPOCH}, __rule, __path, __row, {own}) "
        f"SELECT '{epoch}-' || (__nth + {kept.before}), {literal(run_id)}, now(), 'open', {epoch}, __rule, "
        f"__path, __row, {own} FROM {kept.table} ORDER BY __nth"
    )
    if n_rows != kept.rows:
        raise InternalError(
            f"{kept.rows} rows of {kept.relation!r} were to be kept and {n_rows} were",
            code="LedgerUnbalanced", fix="report it with this line; the epoch was not committed",
        )  # fmt: skip


def write_dead(session: Session, name: str, rows: str, epoch: int, *, is_source: bool) -> None:
    """Write the rows on which a rule's condition failed, as dead letters of their relation (V10).

    Parameters
    ----------
    session : Session
        The engine's.
    name : str
        The relation.
    rows : str
        Quoted name of the temporary table of the rows, with ``__path``, ``__row``, ``__expression``.
    epoch : int
        Its number.
    is_source : bool
        Whether the letters stand beside records that did not fit.
    """
    made, message = quoted(f"__unjudged_letters_{name}"), "'an expectation cannot be judged: '"
    if not is_source:
        session.rows(
            f"CREATE OR REPLACE TEMP TABLE {made} AS SELECT * EXCLUDE (__path, __row), {message} || "
            f"__expression AS __message FROM {rows}"
        )
        keep_letters(session, f"{name}{keep.DEAD}", made, EPOCH, epoch)
        return
    values = {
        "source": literal(name), "path": "__path", "row": "__row",
        "raw": "encode(CAST(to_json(__values) AS VARCHAR))",
        "reason": literal(REASON), "column_name": "''", "message": f"{message} || __expression",
    }  # fmt: skip
    columns = [
        f"CAST({values.get(f.name, 'NULL')} AS {duckdb_type(f.type)}) AS {quoted(f.name)}"
        for f in SCHEMA.fields
    ]
    own = [
        row[0]
        for row in session.rows(f"DESCRIBE {rows}")
        if row[0] not in ("__path", "__row", "__expression")
    ]
    packed = ", ".join(f"{quoted(column)} := {quoted(column)}" for column in own)
    session.rows(
        f"CREATE OR REPLACE TEMP TABLE {made} AS SELECT {', '.join(columns)}, CAST(1 AS BIGINT) AS rows "
        f"FROM (SELECT *, struct_pack({packed}) AS __values FROM {rows})"
    )
    keep_letters(session, f"{name}{keep.DEAD}", made, "epoch", epoch)
