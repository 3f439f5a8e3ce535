"""What the state file remembers of earlier runs: files and cursors that were read, and run keys.

These rows are written in the transaction that commits a run, so they say exactly what the outputs
hold: written before it, a kill between the two would lose rows; written after it, double them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import outside, words
from mainstem.engines.embedded.session import Session, plain_connection
from mainstem.engines.embedded.state_file import CATALOG, HOUSE, state_path
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.spec import Written
from mainstem.errors import StateError
from mainstem.record import mutable, record

_TABLES = (
    f'CREATE TABLE IF NOT EXISTS {HOUSE}."files_read" (source VARCHAR, path VARCHAR, size BIGINT, '
    'mtime_ns BIGINT, sha256 VARCHAR, "rows" BIGINT, run_id VARCHAR, epoch BIGINT)',
    f'CREATE TABLE IF NOT EXISTS {HOUSE}."cursors" (source VARCHAR, place VARCHAR, value VARCHAR, '
    '"rows" BIGINT, run_id VARCHAR)',
    f'CREATE TABLE IF NOT EXISTS {HOUSE}."run_keys" (key VARCHAR, "table" VARCHAR, plan VARCHAR, '
    'run_id VARCHAR, "rows" BIGINT)',
)


@record
class FileMark:
    """A file that was read; `path` is relative to the definition where it stands below it."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str = ""
    rows: int | None = None


@record
class CursorMark:
    """How far a table was read: the largest value, and how many rows there were up to it.

    `place` says which column of which table it is about: another one starts from nothing.
    """

    place: str
    value: str | None
    rows: int


@mutable
class Marks:
    """Everything that is remembered, by source; `runs` are the runs in the state file."""

    files: dict[str, dict[str, FileMark]] = field(default_factory=dict)
    cursors: dict[str, CursorMark] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()


def read_marks(state_dir: Path) -> Marks:
    """Give what is remembered of sources; only called under the state's lock.

    Raises
    ------
    StateError
        When the state file is damaged: to go on without it would read every file again.
    """
    marks = Marks()
    with closing(plain_connection()) as connection:
        known = _opened(connection, state_dir)
        if "files_read" in known:
            for source, *facts in _rows(
                connection, state_dir, f'SELECT source, path, size, mtime_ns, sha256 '
                f'FROM {HOUSE}."files_read"',
            ):  # fmt: skip
                marks.files.setdefault(source, {})[facts[0]] = FileMark(*facts)
        if "cursors" in known:
            for source, *facts in _rows(
                connection, state_dir, f'SELECT source, place, value, "rows" FROM {HOUSE}."cursors"'
            ):
                marks.cursors[source] = CursorMark(*facts)
        if "runs" in known:
            found = _rows(connection, state_dir, f'SELECT run_id FROM {HOUSE}."runs"')
            marks.runs = frozenset(run_id for (run_id,) in found)
    return marks


def read_keys(state_dir: Path, key: str) -> dict[str, Written]:
    """Give the tables that were written under a key; only called under the state's lock."""
    with closing(plain_connection()) as connection:
        if "run_keys" not in _opened(connection, state_dir):
            return {}
        found = _rows(
            connection, state_dir, f'SELECT "table", plan, run_id, "rows" FROM {HOUSE}."run_keys" '
            "WHERE key = $1", [key],
        )  # fmt: skip
    return {table: Written(table, *facts) for table, *facts in found}


def _opened(connection: duckdb.DuckDBPyConnection, state_dir: Path) -> set[str]:
    """Attach the state file when there is one; give our tables in it.

    For writing, so that what a killed process left in its log is taken over.
    """
    path = state_path(state_dir)
    if not path.exists():
        return set()
    _rows(connection, state_dir, f"ATTACH {literal(str(path))} AS {quoted(CATALOG)}")
    found = _rows(
        connection, state_dir, "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 "
        "AND schema_name = 'mainstem'", [CATALOG],
    )  # fmt: skip
    return {name for (name,) in found}


def _rows(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, sql: str,
    values: list[Any] | None = None,
) -> list[tuple[Any, ...]]:  # fmt: skip
    path = state_path(state_dir)
    try:
        return connection.execute(sql, values).fetchall()
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise outside(words(error), prefix=f"opening {path}: ") from error
        raise _damaged(path, error) from error
    except duckdb.Error as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: duckdb.Error) -> StateError:
    return StateError(
        f"the state file {path} cannot be read: {words(error)}", code="StateDamaged",
        fix=f"restore {path} from a copy made after the last run: it says which files were read",
    )  # fmt: skip


# Writing, in the run's transaction


def make_tables(session: Session) -> None:
    """Make the tables of marks where they are not yet."""
    for sql in _TABLES:
        session.rows(sql)


def write_files(
    session: Session, source: str, files: Iterable[FileMark], run: tuple[str, int]
) -> None:
    """Remember files as read, in the place of what was known of them; `run` is id and epoch."""
    found = list(files)
    if not found:
        return
    paths = [f.path for f in found]
    table = f'{HOUSE}."files_read"'
    # As lists: a statement for each of ten thousand files would take seconds.
    session.rows(
        f"DELETE FROM {table} WHERE source = $1 AND path IN (SELECT unnest($2::VARCHAR[]))",
        [source, paths],
    )
    session.rows(
        f"INSERT INTO {table} SELECT $1, unnest($2::VARCHAR[]), unnest($3::BIGINT[]), "
        "unnest($4::BIGINT[]), unnest($5::VARCHAR[]), unnest($6::BIGINT[]), $7, $8",
        [source, paths, [f.size_bytes for f in found], [f.mtime_ns for f in found],
         [f.sha256 for f in found], [f.rows for f in found], *run],
    )  # fmt: skip


def write_cursor(session: Session, source: str, mark: CursorMark, run_id: str) -> None:
    """Remember how far a table was read."""
    table = f'{HOUSE}."cursors"'
    session.rows(f"DELETE FROM {table} WHERE source = $1", [source])
    session.rows(
        f"INSERT INTO {table} VALUES ($1, $2, $3, $4, $5)",
        [source, mark.place, mark.value, mark.rows, run_id],
    )


def write_keys(session: Session, key: str, marks: Iterable[Written]) -> None:
    """Remember which tables a run with this key has written."""
    for mark in marks:
        session.rows(
            f'INSERT INTO {HOUSE}."run_keys" VALUES ($1, $2, $3, $4, $5)',
            [key, mark.table, mark.plan, mark.run_id, mark.rows],
        )
