"""Writing a table of another DuckDB file: one transaction, with the commit token in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.failures import outside, words
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.content import DELETED
from mainstem.engines.embedded.writing.duckdb_keyed import (
    MEMORY_SUFFIX,
    KeyedTable,
    set_up_memory,
    take_by_key,
)
from mainstem.engines.embedded.writing.earlier import is_already_there, rows_differ
from mainstem.errors import DataError, OutsideError
from mainstem.storage.local.record import Target

TOKENS = "mainstem_tokens"


class DuckdbCommit:
    """An open transaction in another DuckDB file, filled and not yet committed.

    Everything that can fail (the lock, the columns, a constraint, the disk) fails here, before
    any sink of the run has changed. The file is held from here to `commit` only.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, target: Target, at: int) -> None:
        self.connection = connection
        self.target = target
        self.catalog = f"__mainstem_sink_{at}"
        # What is known of the rows once they are in: facts of the event ``sink_committed``.
        self.facts: dict[str, Any] = {}

    def open(self) -> None:
        """Attach the file and begin; nothing is changed yet."""
        path = Path(self.target.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection.execute(f"ATTACH {literal(str(path))} AS {quoted(self.catalog)}")
            self.connection.execute("BEGIN")
        except (duckdb.Error, OSError) as error:
            raise outside(
                words(error), step=self.target.step, prefix=f"opening {path} to write: "
            ) from error

    def has_token(self, run_id: str) -> bool:
        """Say whether this run is already in the file."""
        if not self._exists(TOKENS, "main"):
            return False
        found = self.connection.execute(
            f"SELECT count(*) FROM {self._name('main', TOKENS)} WHERE run_id = $1 AND sink = $2",
            [run_id, self.target.table],
        ).fetchall()
        return bool(found[0][0])

    def fill(self, pipeline: str, run_id: str) -> None:
        """Replace the table's rows by the staged ones and write the token."""
        try:
            self._take_rows()
            self._write_token(pipeline, run_id)
        except duckdb.IOException as error:
            raise outside(words(error), step=self.target.step, prefix=self._doing()) from error
        except duckdb.Error as error:
            raise DataError(
                f"{self._doing()}{words(error)}", step=self.target.step, code="SinkRefused",
                fix="make the table fit, or drop it and let the run create it",
            ) from error  # fmt: skip

    def commit(self) -> None:
        """Make it visible and let go of the file."""
        try:
            self.connection.execute("COMMIT")
            self.connection.execute(f"DETACH {quoted(self.catalog)}")
        except duckdb.Error as error:
            raise outside(words(error), step=self.target.step, prefix=self._doing()) from error

    def close(self) -> None:
        """Let go without committing, when `commit` was not reached."""
        self.connection.close()

    def _doing(self) -> str:
        return f"writing table {self.target.table!r} of {self.target.path}: "

    def _name(self, schema: str, table: str) -> str:
        return f"{quoted(self.catalog)}.{quoted(schema)}.{quoted(table)}"

    def _exists(self, table: str, schema: str) -> bool:
        found = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 "
            "AND schema_name = $2 AND table_name = $3",
            [self.catalog, schema, table],
        ).fetchall()
        return bool(found[0][0])

    def _take_rows(self) -> None:
        schema, _, table = self.target.table.rpartition(".")
        schema = schema or "main"
        staged = literal(self.target.staged)
        rows = f"SELECT * FROM read_parquet({staged}, hive_partitioning = false)"
        memory = self._comment(f"{table}{MEMORY_SUFFIX}", schema)
        if self.target.keyed:
            self._take_by_key(schema, table, rows, memory)
        elif self.target.mode == "append":
            if memory is not None:
                raise rows_differ(
                    f"table {self.target.table!r} of {self.target.path}",
                    f"they were written by {memory}", step=self.target.step,
                )  # fmt: skip
            self._append_rows(schema, table, rows)
        else:
            self._replace_rows(schema, table, rows)
            self._check_rows(schema, table, self.target.rows)

    def _check_rows(self, schema: str, table: str, expected: int) -> None:
        """Count the table, which nobody else sees yet."""
        held = self._ask(f"SELECT count(*) FROM {self._name(schema, table)}")[0][0]
        if held != expected:
            raise unbalanced(
                f"table {self.target.table!r} of {self.target.path} was to hold {expected} rows in "
                f"its transaction, and holds {held}"
            )

    def _take_by_key(self, schema: str, table: str, rows: str, memory: str | None) -> None:
        given = tuple(pair for pair in self._columns(rows) if pair[0] != DELETED)
        at = KeyedTable(
            self._ask, self.target, self._name(schema, table),
            self._name(schema, f"{table}{MEMORY_SUFFIX}"), given,
        )  # fmt: skip
        columns = ", ".join(f"CAST(NULL AS {t}) AS {quoted(n)}" for n, t in at.held)
        empty = f"SELECT {columns} WHERE false"
        if self._exists(table, schema):
            self._refuse_strangers(schema, table)
            if at.keyed.kind == "history" and memory is None:
                self._refuse_spanless(schema, table)
            self._add_columns(schema, table, empty)
        else:
            self._create(schema, table, empty)
        set_up_memory(at, memory)
        counts = take_by_key(at, rows)
        idle = counts["unchanged"] + counts["older"]
        self.facts = {"already_there": idle, "by_key": counts}

    def _refuse_spanless(self, schema: str, table: str) -> None:
        """Refuse a history over rows that another mode wrote: they have no spans."""
        if self._ask(f"SELECT 1 FROM {self._name(schema, table)} LIMIT 1"):
            raise rows_differ(
                f"table {self.target.table!r} of {self.target.path}",
                "they were written by another mode, and have no spans", step=self.target.step,
            )  # fmt: skip

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def _comment(self, table: str, schema: str) -> str | None:
        """Give the comment of a table, None when there is no such table."""
        found = self.connection.execute(
            "SELECT coalesce(comment, '') FROM duckdb_tables() WHERE database_name = $1 "
            "AND schema_name = $2 AND table_name = $3",
            [self.catalog, schema, table],
        ).fetchall()
        return str(found[0][0]) if found else None

    def _append_rows(self, schema: str, table: str, rows: str) -> None:
        left = self._token()
        if left and is_already_there(
            left, self.target.token, path=f"table {self.target.table!r} of {self.target.path}",
            step=self.target.step, is_force=self.target.force,
        ):  # fmt: skip
            self.facts = {"already_there": self.target.rows}
            return
        before = 0
        if self._exists(table, schema):
            before = self._ask(f"SELECT count(*) FROM {self._name(schema, table)}")[0][0]
            self._add_columns(schema, table, rows)
            self.connection.execute(f"INSERT INTO {self._name(schema, table)} BY NAME {rows}")
        else:
            self._create(schema, table, rows)
        self._check_rows(schema, table, before + self.target.rows)

    def _create(self, schema: str, table: str, rows: str) -> None:
        self.connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {quoted(self.catalog)}.{quoted(schema)}"
        )
        self.connection.execute(f"CREATE TABLE {self._name(schema, table)} AS {rows}")

    def _add_columns(self, schema: str, table: str, rows: str) -> None:
        """Add the columns that are new in this run; refuse any other difference."""
        have, given = self._columns(f"FROM {self._name(schema, table)}"), self._columns(rows)
        added = [(name, type_) for name, type_ in given if name not in dict(have)]
        if sorted(have + added) != sorted(given):
            raise self._other_columns(have, given)
        for name, type_ in added:
            self.connection.execute(
                f"ALTER TABLE {self._name(schema, table)} ADD COLUMN {quoted(name)} {type_}"
            )

    def _token(self) -> str:
        """Give the token of the table's last commit; "" when there is none."""
        if not self._exists(TOKENS, "main"):
            return ""
        found = self.connection.execute(
            f"SELECT token FROM {self._name('main', TOKENS)} WHERE sink = $1", [self.target.table]
        ).fetchall()
        return str(found[0][0]) if found else ""

    def _replace_rows(self, schema: str, table: str, rows: str) -> None:
        if not self._exists(table, schema):
            self._create(schema, table, rows)
            return
        self._refuse_strangers(schema, table)
        self._refuse_other_columns(schema, table, rows)
        # What a merge remembered is about rows that are gone now.
        self.connection.execute(
            f"DROP TABLE IF EXISTS {self._name(schema, f'{table}{MEMORY_SUFFIX}')}"
        )
        # Not CREATE OR REPLACE: that would drop the keys, checks and indexes of the user's table.
        self.connection.execute(f"DELETE FROM {self._name(schema, table)}")
        self.connection.execute(f"INSERT INTO {self._name(schema, table)} BY NAME {rows}")

    def _refuse_strangers(self, schema: str, table: str) -> None:
        """Refuse to replace rows that no run of ours wrote."""
        if self.target.force or self._is_ours():
            return
        held = self.connection.execute(
            f"SELECT count(*) FROM (FROM {self._name(schema, table)} LIMIT 1)"
        ).fetchall()
        if held[0][0]:
            raise OutsideError(
                f"table {self.target.table!r} of {self.target.path} holds rows that Mainstem did "
                "not write", step=self.target.step, code="NotOurRows",
                fix="choose another table, or add force=True to the sink to replace them",
            )  # fmt: skip

    def _is_ours(self) -> bool:
        return bool(self._token())

    def _refuse_other_columns(self, schema: str, table: str, rows: str) -> None:
        have, given = self._columns(f"FROM {self._name(schema, table)}"), self._columns(rows)
        if sorted(have) != sorted(given):
            raise self._other_columns(have, given)

    def _columns(self, sql: str) -> list[tuple[str, str]]:
        return [(r[0], r[1]) for r in self.connection.execute(f"DESCRIBE {sql}").fetchall()]

    def _other_columns(
        self, have: list[tuple[str, str]], given: list[tuple[str, str]]
    ) -> DataError:
        return DataError(
            f"{self._doing()}it has the columns {_text(have)}, this run gives {_text(given)}",
            step=self.target.step, code="SinkColumns",
            fix="drop the table there and let the run create it, or change the query",
        )  # fmt: skip

    def _write_token(self, pipeline: str, run_id: str) -> None:
        tokens = self._name("main", TOKENS)
        self.connection.execute(
            f"CREATE TABLE IF NOT EXISTS {tokens} "
            '(pipeline VARCHAR, sink VARCHAR, token VARCHAR, run_id VARCHAR, "rows" BIGINT)'
        )
        self.connection.execute(f"DELETE FROM {tokens} WHERE sink = $1", [self.target.table])
        self.connection.execute(
            f"INSERT INTO {tokens} VALUES ($1, $2, $3, $4, $5)",
            [pipeline, self.target.table, self.target.token, run_id, self.target.rows],
        )


def _text(columns: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {type_.lower()}" for name, type_ in columns)
