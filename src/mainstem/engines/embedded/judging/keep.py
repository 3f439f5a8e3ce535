"""Rows that did not go the usual way, kept as tables of the state file.

``<relation>__quarantine`` holds rows that broke a rule, ``<source>__dead`` records that did not fit
their schema. Both are written in the transaction that commits the run, so each row is kept exactly
once, or the run is undone and it is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from mainstem.engines.embedded.judging.expect import Judgement
from mainstem.engines.embedded.reading.deadletters import TABLE
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG, state_table
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.spec import Event, RunSettings
from mainstem.errors import InternalError, StateError, listing
from mainstem.plan.types import in_expressions
from mainstem.record import record

QUARANTINE = "__quarantine"
DEAD = "__dead"
# What every kept row has, before its own columns.
_FIXED = (("__id", "VARCHAR"), ("__run_id", "VARCHAR"), ("__at", "TIMESTAMPTZ"))
# How often a replay has judged the row again, and what has replayed or dropped it.
_LATER = (("__status", "VARCHAR"), ("__tries", "BIGINT"), ("__closed_by", "VARCHAR"))
QUARANTINED = (
    *_FIXED, ("__rule", "VARCHAR"), ("__path", "VARCHAR"), ("__row", "BIGINT"), *_LATER,
)  # fmt: skip

_DEAD = (
    *_FIXED, ("__path", "VARCHAR"), ("__row", "BIGINT"), ("__line", "BIGINT"),
    ("__offset", "BIGINT"), ("__raw", "BLOB"), ("__column", "VARCHAR"), ("__reason", "VARCHAR"),
    ("__message", "VARCHAR"), ("__rows", "BIGINT"), ("__header", "VARCHAR[]"), *_LATER,
)  # fmt: skip
_WRITTEN_HERE = {name for name, _ in (*_FIXED, *_LATER)}


@record
class Kept:
    """Rows to be kept.

    Parameters
    ----------
    relation, table : str
        Whose rows they are, and the table of the state file.
    columns : tuple of (name, DuckDB type)
        Of the table, in order; the first of them are those that every kept row has.
    select : str
        Gives `columns` but for ``__id``, ``__run_id``, ``__at``, ``__status``, ``__tries`` and
        ``__closed_by``; with ``__nth``, which orders the rows from 1. Empty when there are none.
    rows : int
        How many it gives.
    is_whole : bool
        Whether these are the rows of everything that there is, also where the relation itself
        gives new rows only: the values of a table are checked whole, above its cursor or not.
    lost : int
        Rows that these stand for besides themselves: a row group that is lost is one dead letter.
    """

    relation: str
    table: str
    columns: tuple[tuple[str, str], ...]
    select: str
    rows: int
    is_whole: bool = False
    lost: int = 0


def quarantined(judgement: Judgement) -> Kept:
    """Give the rows of a judged relation that its rules put into quarantine."""
    rows = judgement.rows
    names = {
        index: line.rule.name
        for index, line in enumerate(judgement.lines)
        if line.rule.on_fail == "quarantine" and line.failed
    }
    fields = [(f.name, duckdb_type(in_expressions(f.type))) for f in rows.schema.fields]
    select = ""
    if names:
        path, row = rows.placed()
        arms = " ".join(f"WHEN {index} THEN {literal(name)}" for index, name in names.items())
        own = ", ".join(f"r.{quoted(name)}" for name, _ in fields)
        select = (
            f"SELECT row_number() OVER (ORDER BY {rows.order}) AS __nth, CASE f.rule {arms} END AS "
            f"__rule, {path} AS __path, {row} AS __row, {own} FROM {rows.table} AS r "
            f"JOIN {rows.failed} AS f ON r.__row = f.__row "
            f"WHERE f.rule IN ({', '.join(map(str, names))})"
        )
    number = sum(judgement.lines[index].failed for index in names)
    columns = (*QUARANTINED, *fields)
    return Kept(rows.name, f"{rows.name}{QUARANTINE}", columns, select, number)


def dead(
    session: Session, source: str, *, is_whole: bool,
    headers: Mapping[str, tuple[str, ...]] | None = None,
) -> Kept:  # fmt: skip
    """Give the dead letters of a source that has been read.

    Parameters
    ----------
    session : Session
        The run's.
    source : str
        Its name.
    is_whole : bool
        Whether they are those of everything that there is.
    headers : mapping of str to tuple of str, optional
        The names in the headers of CSV files, by path: without them nobody could read a line of a
        file that is gone.
    """
    here = quoted(TABLE)
    known = session.rows(
        "SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name = $1", [TABLE]
    )
    mine = f"FROM {here} WHERE source = {literal(source)}"
    number = lost = 0
    if known[0][0]:
        sql = f"SELECT count(*), coalesce(sum(rows) - count(*), 0) {mine}"
        number, lost = (int(n) for n in session.rows(sql)[0])
    select = (
        "SELECT row_number() OVER (ORDER BY path, row, column_name) AS __nth, path AS __path, "
        "row AS __row, line AS __line, byte_offset AS __offset, raw AS __raw, "
        "nullif(column_name, '') AS __column, reason AS __reason, message AS __message, "
        f"rows AS __rows, {_header_sql(headers or {})} AS __header {mine}"
    )
    table = f"{source}{DEAD}"
    return Kept(source, table, _DEAD, select if number else "", number, is_whole, lost)


def _header_sql(headers: Mapping[str, tuple[str, ...]]) -> str:
    arms = " ".join(
        f"WHEN {literal(path)} THEN [{', '.join(map(literal, names))}]::VARCHAR[]"
        for path, names in headers.items()
    )
    return f"CASE path {arms} END" if arms else "CAST(NULL AS VARCHAR[])"


def keep(session: Session, settings: RunSettings, kept: Kept, *, is_whole: bool) -> Event:
    """Write rows into their table of the state file, which is attached; within its transaction.

    Parameters
    ----------
    session : Session
        The run's.
    settings : RunSettings
        The run's.
    kept : Kept
        The rows.
    is_whole : bool
        Whether the relation was read whole: its open rows of earlier runs were judged again, and
        are replaced. Else they stay, as these are other rows.

    Returns
    -------
    Event
        ``rows_kept``, with the table, the rows written and the rows now open.

    Raises
    ------
    StateError
        When the columns have changed so that open rows no longer fit.
    InternalError
        When another number of rows was written than counted.
    """
    prepare(session, kept, is_whole=is_whole)
    table = state_table(kept.table)
    if is_whole:
        session.rows(f"DELETE FROM {table} WHERE __status = 'open'")
    written = _insert(session, settings, kept) if kept.select else 0
    if written != kept.rows:
        raise InternalError(
            f"{kept.rows} rows of {kept.relation!r} were to be kept and {written} were",
            code="LedgerUnbalanced", fix="report it with this line; nothing was committed",
        )  # fmt: skip
    n_open = session.rows(f"SELECT count(*) FROM {table} WHERE __status = 'open'")[0][0]
    facts = {"table": kept.table, "rows": written + kept.lost, "open": n_open}
    return Event("rows_kept", kept.relation, facts)


def _insert(session: Session, settings: RunSettings, kept: Kept) -> int:
    own = [name for name, _ in kept.columns if name not in _WRITTEN_HERE]
    names = ", ".join(quoted(name) for name in own)
    # The number of the run makes the ids unique for ever: a killed run's number is given again, and
    # what it had written was undone.
    found = session.rows(
        f"INSERT INTO {state_table(kept.table)} (__id, __run_id, __at, __status, {names}) "
        f"SELECT '{settings.epoch}-' || __nth, {literal(settings.run_id)}, "
        f"{literal(settings.started_at)}::TIMESTAMPTZ, 'open', {names} FROM ({kept.select})"
    )
    return int(found[0][0])


def prepare(session: Session, kept: Kept, *, is_whole: bool) -> None:
    """Make the table, or give it the columns that have come since."""
    table = state_table(kept.table)
    there = dict(
        session.rows(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = $1 "
            "AND schema_name = 'main' AND table_name = $2",
            [CATALOG, kept.table],
        )
    )
    # As DuckDB calls the types itself.
    wanted = _described(session, kept)
    if not there:
        session.rows(f"CREATE TABLE {table} ({_declared(kept.columns)})")
        return
    other = [name for name, type_ in wanted.items() if there.get(name, type_) != type_]
    if other:
        _refuse_open(session, kept, other, is_whole=is_whole)
        session.rows(f"DROP TABLE {table}")
        session.rows(f"CREATE TABLE {table} ({_declared(kept.columns)})")
        return
    for name, type_ in kept.columns:
        if name not in there:
            session.rows(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {type_}")


def _declared(columns: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns)


def _described(session: Session, kept: Kept) -> dict[str, str]:
    nulls = ", ".join(f"CAST(NULL AS {type_}) AS {quoted(name)}" for name, type_ in kept.columns)
    return {row[0]: row[1] for row in session.rows(f"DESCRIBE SELECT {nulls}")}


def _refuse_open(session: Session, kept: Kept, other: list[str], *, is_whole: bool) -> None:
    """Refuse to drop rows that somebody still has to look at.

    Raises
    ------
    StateError
        When there are any.
    """
    if is_whole:
        return
    sql = f"SELECT count(*) FROM {state_table(kept.table)} WHERE __status = 'open'"
    n_open = session.rows(sql)[0][0]
    if n_open:
        raise StateError(
            f"{kept.table} has {n_open} open rows whose columns have other types now "
            f"({listing(other)})", code="KeptRowsDiffer",
            fix=f"export or drop the open rows of {kept.table}, then run again",
        )  # fmt: skip
