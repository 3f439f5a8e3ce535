"""The tables of rows kept aside, between runs: counted, shown, exported, and marked as dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import is_full, outside, words
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import plain_connection
from mainstem.engines.embedded.state_file import CATALOG, state_path, state_table
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.spec import Replay
from mainstem.errors import InternalError, OutsideError, StateError
from mainstem.record import record

KINDS = ("quarantine", "dead")
# How often a row was judged again, and what has closed it: columns that have come later.
LATER = (("__tries", "BIGINT"), ("__closed_by", "VARCHAR"))
FORMATS = {".csv": "FORMAT csv, HEADER true", ".json": "FORMAT json", ".jsonl": "FORMAT json",
           ".ndjson": "FORMAT json", ".parquet": "FORMAT parquet"}  # fmt: skip
# Columns of a stream's dead letters of a source, and what they are called here.
_LETTER = {
    "path": ("path", "path"), "row": ('"row"', "row"), "line": ("line", "line"),
    "byte_offset": ("byte_offset", "offset"), "raw": ("raw", "raw"),
    "column_name": ("nullif(column_name, '')", "column"), "reason": ("reason", "reason"),
    "message": ("message", "message"), "rows": ('"rows"', "rows"),
}  # fmt: skip


@record
class Counted:
    """How many rows of a relation are kept for one rule or reason.

    Parameters
    ----------
    relation, kind : str
        Whose rows, and ``quarantine`` or ``dead``.
    why : str
        The rule, or the reason.
    open, replayed, dropped : int
        Rows by status.
    first_run, last_run : str
        The runs that kept the first and the last of them.
    """

    relation: str
    kind: str
    why: str
    open: int
    replayed: int
    dropped: int
    first_run: str
    last_run: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for ``-o json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@contextmanager
def _opened(state_dir: Path, *, is_written: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    path = state_path(state_dir)
    if not path.exists():
        raise StateError(
            f"nothing has been kept aside yet: {path} does not exist", code="NoStateFile",
            fix="run the pipeline first",
        )  # fmt: skip
    with closing(plain_connection()) as connection:
        mode = "" if is_written else " (READ_ONLY)"
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS {quoted(CATALOG)}{mode}")
        except duckdb.Error as error:
            raise outside(words(error), prefix=f"opening {path}: ") from error
        yield connection


def order_of(column: str) -> str:
    """Give what orders ids such as ``12-3`` by run and number."""
    return ", ".join(f"CAST(split_part({column}, '-', {part}) AS BIGINT)" for part in (1, 2))


def chosen(given: Replay) -> str:
    """Give the condition for the rows that are meant; their status is not looked at."""
    tests = []
    if given.rule:
        tests.append(f"__rule = {literal(given.rule)}")
    if given.reason:
        tests.append(f"__reason = {literal(given.reason)}")
    if given.run_id:
        tests.append(f"starts_with(__run_id, {literal(given.run_id)})")
    if given.ids:
        tests.append(f"__id IN ({', '.join(map(literal, given.ids))})")
    return " AND ".join(tests) or "TRUE"


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name = 'main' "
        "ORDER BY table_name", [CATALOG],
    ).fetchall()  # fmt: skip
    tables = []
    for (name,) in found:
        relation, _, kind = name.rpartition("__")
        if kind in KINDS and relation:
            tables.append((relation, kind))
    return tables


def _relation(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Give a table of rows kept aside as a relation with the columns that each such table has.

    Dead letters of a stream are kept by epoch, and as an open row each.
    """
    there = [row[0] for row in connection.execute(f"DESCRIBE {state_table(table)}").fetchall()]
    if "__status" in there:
        return state_table(table)
    epoch = "epoch" if "epoch" in there else "__epoch"
    columns = [
        f"{epoch} || '-' || row_number() OVER (PARTITION BY {epoch} ORDER BY rowid) AS __id",
        "'' AS __run_id", "CAST(NULL AS TIMESTAMPTZ) AS __at", f"{epoch} AS __epoch",
    ]  # fmt: skip
    if epoch == "epoch":
        columns += [
            f"{sql} AS __{name}" for known, (sql, name) in _LETTER.items() if known in there
        ]
        hidden = {"epoch", "source", *_LETTER}
    else:
        columns.append("__expression AS __reason")
        hidden = {"__epoch", "__expression"}
    columns += [
        "'open' AS __status", "CAST(0 AS BIGINT) AS __tries", "CAST(NULL AS VARCHAR) AS __closed_by",
    ]  # fmt: skip
    own = ", ".join(quoted(name) for name in there if name not in hidden)
    return f"(SELECT {', '.join(columns)}{own and f', {own}'} FROM {state_table(table)})"


def counted(state_dir: Path) -> tuple[Counted, ...]:
    """Count the rows kept aside, by relation and by rule or reason."""
    lines: list[Counted] = []
    with _opened(state_dir) as connection:
        for relation, kind in _tables(connection):
            why = "__rule" if kind == "quarantine" else "__reason"
            rows = connection.execute(
                f"SELECT coalesce({why}, ''), count_if(__status = 'open'), "
                "count_if(__status = 'replayed'), count_if(__status = 'dropped'), min(__run_id), "
                f"max(__run_id) FROM {_relation(connection, f'{relation}__{kind}')} "
                "GROUP BY 1 ORDER BY 1"
            ).fetchall()
            lines += [Counted(relation, kind, *row) for row in rows]
    return tuple(lines)


def kinds_of(state_dir: Path, relation: str, status: str = "") -> list[str]:
    """Give which kinds of rows a relation has in the state file, of one status or of any."""
    test = f" WHERE __status = {literal(status)}" if status else ""
    if not state_path(state_dir).exists():
        return []
    with _opened(state_dir) as connection:
        tables = [kind for name, kind in _tables(connection) if name == relation]
        return [
            kind for kind in tables
            if connection.execute(
                f"SELECT 1 FROM {_relation(connection, f'{relation}__{kind}')}{test} LIMIT 1"
            ).fetchall()
        ]  # fmt: skip


def shown(
    state_dir: Path, given: Replay, status: str, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Give columns and rows of a table of rows kept aside, the first ones by id; 0 gives all."""
    most = f" LIMIT {limit}" if limit else ""
    with _opened(state_dir) as connection:
        names, _, rows = fetch(connection, f"{_rows(connection, given, status)}{most}")
    return names, rows


def _rows(connection: duckdb.DuckDBPyConnection, given: Replay, status: str) -> str:
    by_status = f" AND __status = {literal(status)}" if status else ""
    return (
        f"SELECT * FROM {_relation(connection, given.table)} WHERE {chosen(given)}{by_status} "
        f"ORDER BY {order_of('__id')}"
    )


def exported(state_dir: Path, given: Replay, status: str, path: Path) -> int:
    """Write rows kept aside to a CSV, JSON lines or Parquet file; give how many.

    Raises
    ------
    OutsideError
        When the file cannot be written.
    """
    options = FORMATS[path.suffix.lower()]
    fresh = path.with_name(f".{path.name}.tmp")
    with _opened(state_dir) as connection:
        try:
            found = connection.execute(
                f"COPY ({_rows(connection, given, status)}) TO {literal(str(fresh))} ({options}, "
                "USE_TMP_FILE false)"
            ).fetchall()
            os.replace(fresh, path)  # noqa: PTH105  the rename itself
        except (duckdb.IOException, OSError) as error:
            fresh.unlink(missing_ok=True)
            said = words(error) if isinstance(error, duckdb.Error) else str(error)
            full = is_full(said)
            raise OutsideError(
                f"cannot write {path}: {'the disk is full' if full else said}",
                code="DiskFull" if full else "FileRefused",
                fix="free some space" if full else "name a place where you may write",
            ) from error  # fmt: skip
    return int(found[0][0])


def raw_lines(state_dir: Path, given: Replay, status: str) -> Iterator[bytes]:
    """Give the bytes of dead letters, in the order of their ids."""
    with _opened(state_dir) as connection:
        cursor = connection.execute(
            f"SELECT __raw FROM ({_rows(connection, given, status)}) WHERE __raw IS NOT NULL "
        )
        while batch := cursor.fetchmany(500):
            for (raw,) in batch:
                yield bytes(raw)


def headers(state_dir: Path, given: Replay, status: str) -> list[tuple[str, ...] | None]:
    """Give the different headers of the files that dead letters came from."""
    with _opened(state_dir) as connection:
        known = connection.execute(f"DESCRIBE {state_table(given.table)}").fetchall()
        if "__header" not in {row[0] for row in known}:
            return []
        found = connection.execute(
            f"SELECT DISTINCT __header FROM ({_rows(connection, given, status)}) ORDER BY ALL"
        ).fetchall()
    return [None if header is None else tuple(header) for (header,) in found]


def count(state_dir: Path, given: Replay, status: str = "open") -> int:
    """Count chosen rows of a status."""
    with _opened(state_dir) as connection:
        sql = f"SELECT count(*) FROM ({_rows(connection, given, status)})"
        return int(connection.execute(sql).fetchall()[0][0])


def is_of_stream(state_dir: Path, given: Replay) -> bool:
    """Say whether rows are dead letters of a stream, which have no status."""
    with _opened(state_dir) as connection:
        found = connection.execute(f"DESCRIBE {state_table(given.table)}").fetchall()
    return "__status" not in {row[0] for row in found}


def drop(state_dir: Path, given: Replay, expected: int, by: str) -> int:
    """Mark open rows as dropped, in one transaction; the caller holds the lock.

    Parameters
    ----------
    state_dir : Path
        The state directory.
    given : Replay
        Which rows.
    expected : int
        How many were agreed to.
    by : str
        What is noted as having closed them.

    Raises
    ------
    StateError
        When there are more or fewer now.
    InternalError
        When the table has other counts afterwards than before and the number dropped.
    """
    table = state_table(given.table)
    with _opened(state_dir, is_written=True) as connection:

        def ask(sql: str) -> int:
            return int(connection.execute(sql).fetchall()[0][0])

        connection.execute("BEGIN")
        for column, type_ in LATER:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {type_}")
        before = ask(f"SELECT count_if(__status = 'open') FROM {table}")
        dropped = ask(
            f"UPDATE {table} SET __status = 'dropped', __closed_by = {literal(by)} "
            f"WHERE __status = 'open' AND {chosen(given)}"
        )
        if dropped != expected:
            raise StateError(
                f"{dropped} open rows of {given.table} are meant now, and {expected} were",
                code="ReplayChanged", fix="look at them again: mainstem quarantine show",
            )  # fmt: skip
        if ask(f"SELECT count_if(__status = 'open') FROM {table}") != before - dropped:
            raise InternalError(
                f"dropping {dropped} of {before} open rows left another number",
                code="LedgerUnbalanced", fix="report it with this line; nothing was dropped",
            )  # fmt: skip
        connection.execute("COMMIT")
    return dropped
