"""Writing a table of another DuckDB file: one transaction, with the commit token in it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mainstem.engines.embedded.failures import outside, words
from mainstem.engines.embedded.types import literal, quoted
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
            self._replace_rows()
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

    def _replace_rows(self) -> None:
        schema, _, table = self.target.table.rpartition(".")
        schema = schema or "main"
        staged = literal(self.target.staged)
        rows = f"SELECT * FROM read_parquet({staged}, hive_partitioning = false)"
        if not self._exists(table, schema):
            self.connection.execute(
                f"CREATE SCHEMA IF NOT EXISTS {quoted(self.catalog)}.{quoted(schema)}"
            )
            self.connection.execute(f"CREATE TABLE {self._name(schema, table)} AS {rows}")
            return
        self._refuse_strangers(schema, table)
        self._refuse_other_columns(schema, table, rows)
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
        if not self._exists(TOKENS, "main"):
            return False
        found = self.connection.execute(
            f"SELECT count(*) FROM {self._name('main', TOKENS)} WHERE sink = $1",
            [self.target.table],
        ).fetchall()
        return bool(found[0][0])

    def _refuse_other_columns(self, schema: str, table: str, rows: str) -> None:
        def columns(sql: str) -> list[tuple[str, str]]:
            return [(r[0], r[1]) for r in self.connection.execute(f"DESCRIBE {sql}").fetchall()]

        have, given = columns(f"FROM {self._name(schema, table)}"), columns(rows)
        if sorted(have) != sorted(given):
            raise DataError(
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
