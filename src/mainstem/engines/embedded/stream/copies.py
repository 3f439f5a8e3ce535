"""The saved state of a stream, read and copied by commands: nothing here writes into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.engines.embedded.session import Session, plain_connection
from mainstem.engines.embedded.state_file import CATALOG, state_path
from mainstem.engines.embedded.stream.program import clock_of
from mainstem.engines.embedded.stream.statefile import (
    LOOKUPS,
    OPERATORS,
    OUTBOX,
    Saved,
    read_clock,
    read_saved,
)
from mainstem.engines.embedded.stream.times import Clocks, told
from mainstem.engines.embedded.types import literal, quoted
from mainstem.errors import OutsideError, StateError
from mainstem.sql.stream.lower import lower

if TYPE_CHECKING:
    import duckdb

    from mainstem.plan.nodes import Plan

_COPY = "__mainstem_copy"
_HOUSE = "mainstem"


@contextmanager
def reading(state_dir: Path) -> Iterator[Session]:
    """Open the state file for reading, under the name that it has in a run.

    Raises
    ------
    StateError
        When there is none, or it is damaged.
    """
    import duckdb

    path = state_path(state_dir)
    if not path.exists():
        raise StateError(
            f"there is no state yet: {path} does not exist", code="NoStateFile",
            fix="run the pipeline first",
        )  # fmt: skip
    connection = plain_connection()
    try:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS {quoted(CATALOG)} (READ_ONLY)")
        except duckdb.Error as error:
            raise StateError(
                f"the state file {path} cannot be read: {error}", code="StateDamaged",
                fix="wait until the run that writes it has ended, or restore a backup",
            ) from error  # fmt: skip
        yield Session(connection)
    finally:
        connection.close()


def saved_of(session: Session) -> Saved:
    """Give what the last epoch left; nothing when no stream has run here."""
    known = session.rows(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2 AND "
        "table_name = 'stream' AND estimated_size > 0", [CATALOG, _HOUSE],
    )  # fmt: skip
    return read_saved(session) if known[0][0] else Saved()


def saved_times(plan: Plan, state_dir: Path) -> dict[str, Any]:
    """Give event time as the last epoch left it; as `answers.explained` of a running stream."""
    stream = lower(plan).plan
    with reading(state_dir) as session:
        saved = saved_of(session)
        clocks = {}
        for source in plan.sources:
            if source.name in stream.streams:
                clock = clock_of(source)
                read_clock(source.name, clock, saved)
                clocks[source.name] = clock
        return told(
            plan, stream, Clocks(clocks, saved.marks, saved.epoch, {}), session, quoted(CATALOG)
        )


def shown_state(state_dir: Path) -> dict[str, Any]:
    """Give everything that the state file holds: tables with rows, epoch, watermarks, positions."""
    with reading(state_dir) as session:
        return shown_in(session, state_path(state_dir))


def shown_in(session: Session, path: Path) -> dict[str, Any]:
    """Give what an attached state file holds; all of it as of one epoch."""
    session.rows("BEGIN TRANSACTION READ ONLY")
    saved = saved_of(session)
    found = {
        "epoch": saved.epoch, "bytes": size_of(path),
        "sources": {name: _clock(known) for name, known in saved.clocks.items()},
        "operators": saved.marks, "tables": tables_of(session),
    }  # fmt: skip
    session.rows("COMMIT")
    return found


def size_of(path: Path) -> int:
    """Give the bytes of a state file and of what is not yet put into it."""
    both = (path, path.with_name(f"{path.name}.wal"))
    return sum(one.stat().st_size for one in both if one.exists())


def _clock(known: dict[str, Any]) -> dict[str, Any]:
    from mainstem.engines.embedded.stream.watermark import from_micros

    partitions = {
        name: {"position": position, "latest": from_micros(latest), "is_idle": is_idle}
        for name, (position, latest, _, is_idle, *_) in known.get("partitions", {}).items()
    }
    return {"watermark": from_micros(known.get("watermark")), "partitions": partitions}


def tables_of(session: Session, catalog: str = CATALOG) -> list[dict[str, Any]]:
    """Give every table of the state file: what it is for, its rows and columns."""
    found = session.rows(
        "SELECT schema_name, table_name, column_count FROM duckdb_tables() WHERE database_name = $1 "
        "ORDER BY schema_name, table_name", [catalog],
    )  # fmt: skip
    made = []
    for schema, name, n_columns in found:
        place = f"{quoted(catalog)}.{quoted(schema)}.{quoted(name)}"
        ((n_rows,),) = session.rows(f"SELECT count(*) FROM {place}")
        made.append({
            "table": name, "kind": _kind(schema, name), "rows": n_rows, "columns": n_columns,
            "schema": schema,
        })  # fmt: skip
    return made


def _kind(schema: str, name: str) -> str:
    if schema == OPERATORS:
        return "operator"
    if schema == OUTBOX:
        return "outbox"
    if schema == LOOKUPS:
        return "lookup"
    if schema == _HOUSE:
        return "house"
    for ending in ("late", "dead", "quarantine"):
        if name.endswith(f"__{ending}"):
            return ending
    return "table"


def copy_state(connection: duckdb.DuckDBPyConnection, path: str) -> dict[str, Any]:
    """Write everything that is committed into a new file, in one snapshot.

    Raises
    ------
    OutsideError
        When the file cannot be written; it is removed again.
    """
    import duckdb

    target = Path(path)
    try:
        connection.execute(f"ATTACH {literal(path)} AS {quoted(_COPY)}")
        try:
            # Rows keep their order: those of an outbox go to their sink in it.
            connection.execute(f"COPY FROM DATABASE {quoted(CATALOG)} TO {quoted(_COPY)}")
            found = connection.execute(
                f'SELECT epoch FROM {quoted(_COPY)}."{_HOUSE}".stream'
            ).fetchall()
        finally:
            connection.execute(f"DETACH {quoted(_COPY)}")
    except duckdb.Error as error:
        target.unlink(missing_ok=True)
        raise OutsideError(
            f"the copy {path} cannot be written: {error}", code="BackupFailed",
            fix="name a folder with room that this user may write",
        ) from error  # fmt: skip
    return {"epoch": found[0][0] if found else 0, "bytes": target.stat().st_size}


def copy_at_rest(state_dir: Path, path: str) -> dict[str, Any]:
    """Write a copy of a state that no run holds."""
    with reading(state_dir) as session:
        session.rows("SET preserve_insertion_order = true")
        if not saved_of(session).epoch:
            raise StateError(
                f"no stream has run on {state_dir}: there is nothing to keep", code="NoStateFile",
                fix="run the pipeline first",
            )  # fmt: skip
        return copy_state(session.connection, path)


def differences(one: Path, other: Path) -> dict[str, Any]:
    """Compare two state directories or backups: epoch, watermarks, positions, rows of tables."""
    with reading(one) as left:
        second = state_path(other)
        if not second.exists():
            raise StateError(
                f"there is no state yet: {second} does not exist", code="NoStateFile",
                fix="name a state directory or a backup",
            )  # fmt: skip
        left.rows(f"ATTACH {literal(str(second))} AS {quoted(_COPY)} (READ_ONLY)")
        mine = {(t["schema"], t["table"]): t for t in tables_of(left)}
        theirs = {(t["schema"], t["table"]): t for t in tables_of(left, _COPY)}
        lines = [
            _compared(left, key, mine.get(key), theirs.get(key))
            for key in sorted(mine.keys() | theirs.keys()) if key[0] != _HOUSE
        ]  # fmt: skip
    states = [_state_of(path) for path in (one, other)]
    return {"one": states[0], "other": states[1], "tables": [line for line in lines if line]}


def _state_of(state_dir: Path) -> dict[str, Any]:
    found = shown_state(state_dir)
    return {
        "epoch": found["epoch"],
        "watermarks": {name: line["watermark"] for name, line in found["sources"].items()},
        "positions": {
            name: {key: one["position"] for key, one in line["partitions"].items()}
            for name, line in found["sources"].items()
        },
    }


def _compared(
    session: Session, key: tuple[str, str], mine: dict[str, Any] | None,
    theirs: dict[str, Any] | None,
) -> dict[str, Any] | None:  # fmt: skip
    line: dict[str, Any] = {"table": key[1], "kind": (mine or theirs or {})["kind"]}
    if mine is None or theirs is None:
        only = "other" if mine is None else "one"
        return line | {"change": f"only in {only}", "rows": (mine or theirs or {})["rows"]}
    left, right = (f"{quoted(c)}.{quoted(key[0])}.{quoted(key[1])}" for c in (CATALOG, _COPY))
    columns = [
        session.rows(f"SELECT column_name, column_type FROM (DESCRIBE {table})")
        for table in (left, right)
    ]
    if columns[0] != columns[1]:
        return line | {"change": "other columns"}
    ((gone,),) = session.rows(
        f"SELECT count(*) FROM (SELECT * FROM {left} EXCEPT ALL SELECT * FROM {right})"
    )
    ((new,),) = session.rows(
        f"SELECT count(*) FROM (SELECT * FROM {right} EXCEPT ALL SELECT * FROM {left})"
    )
    return (
        line | {"change": "rows", "only_in_one": gone, "only_in_other": new}
        if gone or new
        else None
    )
