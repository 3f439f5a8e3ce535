"""The state file: tables without a sink, and which runs have committed into it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mainstem.engines.embedded.failures import is_full, outside, words
from mainstem.engines.embedded.session import OFFLINE, Session, plain_connection
from mainstem.engines.embedded.types import literal, quoted
from mainstem.errors import StateError

NAME = "state.duckdb"
CATALOG = "__mainstem_state"
# Rows about runs stand in a schema of their own: a table of the user may have any name.
HOUSE = f'{quoted(CATALOG)}."mainstem"'

_TABLES = (
    f"CREATE SCHEMA IF NOT EXISTS {HOUSE}",
    f'CREATE TABLE IF NOT EXISTS {HOUSE}."runs" '
    "(run_id VARCHAR, epoch BIGINT, started_at VARCHAR, plan VARCHAR)",
    f'CREATE TABLE IF NOT EXISTS {HOUSE}."tokens" '
    '(pipeline VARCHAR, "table" VARCHAR, token VARCHAR, run_id VARCHAR, "rows" BIGINT)',
)


# What DuckDB says of a file whose bytes are not those that it has written.
_DAMAGE = (
    "Corrupt", "checksum", "replaying WAL", "Could not read enough bytes", "valid DuckDB database",
    "Serialization Error",
)  # fmt: skip


def state_path(state_dir: Path) -> Path:
    """Give where the state file stands."""
    return state_dir / NAME


def state_table(name: str) -> str:
    """Give a table of the state file as SQL, once it is attached."""
    return f'{quoted(CATALOG)}."main".{quoted(name)}'


def attach_state(session: Session, state_dir: Path) -> None:
    """Attach the state file and begin the run's one transaction in it.

    DuckDB allows one written file per transaction; temporary tables do not count.

    Raises
    ------
    StateError
        When the file is damaged, locked by another process, or cannot be made.
    """  # noqa: DOC501 - built by a function
    path = state_path(state_dir)
    try:
        session.rows(f"ATTACH {literal(str(path))} AS {quoted(CATALOG)}")
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and not is_damage(error):
            raise outside(words(error), prefix=f"opening {path}: ") from error
        raise damaged(state_dir, error) from error
    session.rows("BEGIN")


def is_damage(error: duckdb.Error) -> bool:
    """Say whether DuckDB met bytes that it has not written: a torn end, a flipped bit."""
    said = words(error)
    return not is_full(said) and any(sign in said for sign in _DAMAGE)


def damaged(state_dir: Path, error: duckdb.Error) -> StateError:
    """Give the error for a state file that is not as it was written; nothing of it is believed."""
    return StateError(
        f"the state file {state_path(state_dir)} is damaged: {words(error)}", code="StateDamaged",
        fix=f"move {state_dir} away, and put a backup in its place (`mainstem state restore`) or "
        "compute everything anew",
    )  # fmt: skip


def record_run(
    session: Session, facts: tuple[str, int, str, str], tokens: list[tuple[str, str, str, int]]
) -> None:
    """Write the run (id, epoch, start, plan) and its tokens (pipeline, table, token, rows)."""
    for sql in _TABLES:
        session.rows(sql)
    session.rows(f'INSERT INTO {HOUSE}."runs" VALUES ($1, $2, $3, $4)', list(facts))
    for pipeline, table, token, n_rows in tokens:
        session.rows(
            f'DELETE FROM {HOUSE}."tokens" WHERE pipeline = $1 AND "table" = $2', [pipeline, table]
        )
        session.rows(
            f'INSERT INTO {HOUSE}."tokens" VALUES ($1, $2, $3, $4, $5)',
            [pipeline, table, token, facts[0], n_rows],
        )


def has_run(state_dir: Path, run_id: str) -> bool:
    """Say whether a run's transaction was committed; only called under the state's lock."""
    if not state_path(state_dir).exists():
        return False
    connection = plain_connection()
    try:
        # Opened for writing, so that what a killed process left in the log is taken over.
        connection.execute(f"ATTACH {literal(str(state_path(state_dir)))} AS {quoted(CATALOG)}")
        known = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 "
            "AND schema_name = 'mainstem' AND table_name = 'runs'",
            [CATALOG],
        ).fetchall()
        if not known[0][0]:
            return False
        found = connection.execute(
            f'SELECT count(*) FROM {HOUSE}."runs" WHERE run_id = $1', [run_id]
        ).fetchall()
        return bool(found[0][0])
    except duckdb.Error as error:
        if is_damage(error):
            raise damaged(state_dir, error) from error
        raise outside(words(error), prefix=f"reading {state_path(state_dir)}: ") from error
    finally:
        connection.close()


def open_tables(state_dir: Path) -> duckdb.DuckDBPyConnection:
    """Give a connection that can read the tables of the state file, and nothing else.

    Raises
    ------
    StateError
        When there is no state file yet.
    BusyError
        When a run holds it; DuckDB lets nobody read a file that is open for writing.
    """  # noqa: DOC501 - built by a function
    path = state_path(state_dir)
    if not path.exists():
        raise StateError(
            f"there are no tables yet: {path} does not exist", code="NoStateFile",
            fix="run the pipeline first; a table without a sink is kept there",
        )  # fmt: skip
    try:
        connection = duckdb.connect(str(path), read_only=True, config=dict(OFFLINE))
    except duckdb.Error as error:
        if is_damage(error):
            raise damaged(state_dir, error) from error
        raise outside(words(error), prefix="a run is writing the tables: ") from error
    try:
        # A question must not write files, attach others or change these settings.
        connection.execute(
            # DuckDB would draw its bar into the answer, on standard output, after two seconds.
            # GLOBAL: streams are read through cursors, which would have the zone of the machine.
            "SET enable_progress_bar = false; SET GLOBAL TimeZone = 'UTC'; SET TimeZone = 'UTC'; "
            "SET enable_external_access = false; SET lock_configuration = true"
        )
    except BaseException:
        connection.close()
        raise
    return connection
