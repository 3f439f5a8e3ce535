"""What a stream keeps in the state file: positions, watermarks, operators' rows, and what sinks wait for.

Everything of an epoch is written in one transaction, so that a crash leaves all of it or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG, HOUSE, state_table
from mainstem.engines.embedded.stream.watermark import (
    Partition,
    SourceClock,
    from_micros,
    to_micros,
)
from mainstem.engines.embedded.types import quoted
from mainstem.errors import StateError
from mainstem.record import record

FORMAT = 1
# One schema for each kind of thing: a table of the user may have any name.
OPERATORS, OUTBOX, LOOKUPS = "stream_state", "stream_outbox", "stream_lookups"
_CURRENT, _EPOCHS = (f'{HOUSE}."{name}"' for name in ("stream", "epochs"))
# Epochs that are remembered, and how often one is written down for people, in seconds.
HISTORY, PAUSE_S = 1000, 1.0

_TABLES = (
    f"CREATE SCHEMA IF NOT EXISTS {HOUSE}",
    f'CREATE SCHEMA IF NOT EXISTS {quoted(CATALOG)}."{OPERATORS}"',
    f'CREATE SCHEMA IF NOT EXISTS {quoted(CATALOG)}."{OUTBOX}"',
    f'CREATE SCHEMA IF NOT EXISTS {quoted(CATALOG)}."{LOOKUPS}"',
    # One row: each statement of an epoch costs about a millisecond, so all that changes is one text.
    f"CREATE TABLE IF NOT EXISTS {_CURRENT} (format INTEGER, epoch BIGINT, state VARCHAR)",
    f"CREATE TABLE IF NOT EXISTS {_EPOCHS} (epoch BIGINT, committed_at TIMESTAMPTZ, run_id VARCHAR, facts VARCHAR)",
)


def operator_table(name: str) -> str:
    """Give the table that holds what an operator keeps, as SQL."""
    return f'{quoted(CATALOG)}."{OPERATORS}".{quoted(name)}'


def outbox_table(name: str) -> str:
    """Give the table of rows that wait for a sink, as SQL."""
    return f'{quoted(CATALOG)}."{OUTBOX}".{quoted(name)}'


def lookup_table(name: str) -> str:
    """Give the table that holds a lookup as this state saw it last, as SQL."""
    return f'{quoted(CATALOG)}."{LOOKUPS}".{quoted(name)}'


@record
class Saved:
    """What the last committed epoch left.

    Parameters
    ----------
    epoch : int
        Its number; 0 before the first.
    clocks : dict
        Of each source: ``watermark``, and its ``partitions``.
    marks : dict
        Output watermark of each operator.
    prints : dict
        What each operator's state is a function of.
    lineage : str
        Made up when the state was begun; the same in every copy of it, and in the tokens of sinks.
    history : dict
        `cuts.History`.
    ahead : dict
        The tokens of sinks that had later epochs than this state when a run began and that it has
        not reached yet, by table.
    """

    epoch: int = 0
    clocks: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, datetime | None] = field(default_factory=dict)
    prints: dict[str, str] = field(default_factory=dict)
    lineage: str = ""
    history: dict[str, Any] = field(default_factory=dict)
    ahead: dict[str, Any] = field(default_factory=dict)


def make_tables(session: Session) -> None:
    """Make the tables that are not there; inside of the caller's transaction."""
    for sql in _TABLES:
        session.rows(sql)


def read_saved(session: Session) -> Saved:
    """Give what the last epoch left.

    Raises
    ------
    StateError
        When a newer version of Mainstem has written it.
    """
    found = session.rows(f"SELECT format, epoch, state FROM {_CURRENT}")
    if not found:
        session.rows(f"INSERT INTO {_CURRENT} VALUES ({FORMAT}, 0, '{{}}')")
        return Saved()
    ((number, epoch, text),) = found
    if number != FORMAT:
        raise StateError(
            f"the state is of format {number}, and this version knows {FORMAT}", code="StateFormat",
            fix="run it with the version that wrote it, or name another --state-dir",
        )  # fmt: skip
    state = json.loads(text)
    marks = {name: _instant(mark) for name, mark in state.get("marks", {}).items()}
    more = (state.get("lineage", ""), state.get("history", {}), state.get("ahead", {}))
    return Saved(epoch, state.get("clocks", {}), marks, state.get("prints", {}), *more)


def read_clock(source: str, clock: SourceClock, saved: Saved) -> None:
    """Fill the clock of a source with what was committed last."""
    known = saved.clocks.get(source, {})
    clock.watermark = _instant(known.get("watermark"))
    for name, one in known.get("partitions", {}).items():
        clock.partitions[name] = read_partition(one)


def read_partition(fields: list[Any]) -> Partition:
    """Give a partition as `clock_state` has written it; older versions wrote no decision."""
    position, latest, floor, is_idle, *decision = fields
    return Partition(position, _instant(latest), _instant(floor), is_idle, *decision)


def write_state(session: Session, saved: Saved) -> None:
    """Write what an epoch leaves: positions, watermarks, prints; before its commit."""
    state = {
        "clocks": saved.clocks, "prints": saved.prints,
        "marks": marks_state(saved.marks), "lineage": saved.lineage, "history": saved.history,
        "ahead": saved.ahead,
    }  # fmt: skip
    session.rows(f"UPDATE {_CURRENT} SET epoch = $1, state = $2", [saved.epoch, json.dumps(state)])


def clock_state(clock: SourceClock) -> dict[str, Any]:
    """Give a clock as plain data."""
    partitions = {
        name: [one.position, _micros(one.latest), _micros(one.floor), one.is_idle, one.decision]
        for name, one in clock.partitions.items()
    }
    return {"watermark": _micros(clock.watermark), "partitions": partitions}


def marks_state(marks: Mapping[str, datetime | None]) -> dict[str, int | None]:
    """Give watermarks of operators as plain data."""
    return {name: _micros(mark) for name, mark in marks.items()}


def _micros(mark: datetime | None) -> int | None:
    return None if mark is None else to_micros(mark)


def _instant(value: int | None) -> datetime | None:
    return from_micros(value)


def write_epoch(session: Session, epoch: int, run_id: str, facts: dict[str, Any]) -> None:
    """Write down the ledger of the epochs since the last time."""
    session.rows(
        f"INSERT INTO {_EPOCHS} VALUES ($1, now(), $2, $3)",
        [epoch, run_id, json.dumps(facts, default=str)],
    )
    # Each time: most epochs are not written down, so a round number is hardly ever met.
    session.rows(f"DELETE FROM {_EPOCHS} WHERE epoch <= $1", [epoch - HISTORY])


def columns_of(session: Session, table: str) -> list[tuple[str, str]] | None:
    """Give the columns of a table of this file with their types; None when it is not there."""
    # A DESCRIBE of a table that is not there would end the transaction.
    parts = (
        f"replace({name}, '\"', '\"\"')" for name in ("database_name", "schema_name", "table_name")
    )
    name = """ || '"."' || """.join(parts)
    found = session.rows(
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE '\"' || {name} || '\"' = $1 "
        "ORDER BY column_index", [table],
    )  # fmt: skip
    return [(row[0], row[1]) for row in found] or None


def make_like(session: Session, table: str, select: str, what: str) -> None:
    """Make an empty table with the columns of a SELECT; check one that is there.

    Raises
    ------
    StateError
        When it has other columns: the pipeline is another than the one that filled it.
    """  # noqa: DOC501 - built by a function
    wanted = [(row[0], row[1]) for row in session.rows(f"DESCRIBE {select}")]
    found = columns_of(session, table)
    if found is None:
        session.rows(f"CREATE TABLE {table} AS {select} LIMIT 0")
    elif found != wanted:
        raise _other_columns(what, found, wanted)


def _other_columns(
    what: str, found: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> StateError:
    return StateError(
        f"{what} has the columns {_shown(found)} in the state file, and this pipeline needs "
        f"{_shown(wanted)}", code="StateChanged",
        fix="undo the change; or give the table another name; or name another --state-dir, which "
        "reads the sources from their start",
    )  # fmt: skip


def make_growing(session: Session, table: str, select: str, name: str, *, may_move: bool) -> str:
    """Make a table that rows are only added to, by name; say what became of one with other columns.

    New columns are added, NULL in older rows. A table with a column that is gone or of another type is
    moved aside, where it may be, under ``<name>_1``: no row is lost, and none is mixed.

    Returns
    -------
    str
        ``""``, ``columns added: …`` or ``moved aside: …``.

    Raises
    ------
    StateError
        When the table must stay where it is.
    """  # noqa: DOC501 - built by a function
    found = columns_of(session, table)
    if found is None:
        session.rows(f"CREATE TABLE {table} AS {select} LIMIT 0")
        return ""
    wanted = [(row[0], row[1]) for row in session.rows(f"DESCRIBE {select}")]
    if not set(found) <= set(wanted):
        if not may_move:
            raise _other_columns(f"the table {name!r}", found, wanted)
        aside = _free_name(session, name)
        session.rows(f"ALTER TABLE {table} RENAME TO {quoted(aside)}")
        session.rows(f"CREATE TABLE {table} AS {select} LIMIT 0")
        return f"moved aside: its rows are in {aside}"
    new = [column for column in wanted if column not in found]
    for column, type_ in new:
        session.rows(f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {type_}")
    return f"columns added, NULL in older rows: {', '.join(c for c, _ in new)}" if new else ""


def _free_name(session: Session, name: str) -> str:
    number = 1
    while columns_of(session, state_table(f"{name}_{number}")) is not None:
        number += 1
    return f"{name}_{number}"


def drop_operator(session: Session, name: str) -> int:
    """Drop what an operator kept that the pipeline does not have any more; give its rows."""
    table = operator_table(name)
    if columns_of(session, table) is None:
        return 0
    ((n_rows,),) = session.rows(f"SELECT count(*) FROM {table}")
    session.rows(f"DROP TABLE {table}")
    return int(n_rows)


def _shown(columns: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {type_.lower()}" for name, type_ in columns)
