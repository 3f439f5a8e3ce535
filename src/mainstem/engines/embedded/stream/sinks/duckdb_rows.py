"""The rows of an epoch in a table of another DuckDB file, inside of the sink's open transaction."""

from __future__ import annotations

from typing import Any

import duckdb

from mainstem.connectors.duckdb.options import DuckdbSink
from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.stream.spec import DELETE, OPERATION, UPSERT, Batch
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.errors import DataError, InternalError

_CHANGES, _LATEST = '"__stream_changes"', '"__stream_latest"'


class TableRows:
    """A table in an attached file, and how rows get into it.

    Parameters
    ----------
    output, options : Output, DuckdbSink
        The table's target.
    catalog : str
        Under which name the file is attached.
    key : tuple of str
        Of an updating table: what tells its rows apart; none when it has one row.
    """

    def __init__(
        self, output: Output, options: DuckdbSink, catalog: str, key: tuple[str, ...]
    ) -> None:
        self.is_updating = output.step.kind == "updating"
        self._output = output
        schema, _, table = options.table.rpartition(".")
        self._schema, self._table, self._catalog = schema or "main", table, catalog
        self._key = key
        # Whether this run has found or made the table; a transaction that fails may undo it.
        self.is_set_up = False
        unknown = [name for name in key if name not in output.schema.names]
        if unknown:
            raise InternalError(f"the key {unknown} is not in the table {output.step.name!r}")

    @property
    def _name(self) -> str:
        return f"{quoted(self._catalog)}.{quoted(self._schema)}.{quoted(self._table)}"

    @property
    def _columns(self) -> str:
        return ", ".join(quoted(name) for name in self._output.schema.names)

    def is_filled(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Say whether the table is there and has a row."""
        return self._exists(connection) and bool(
            connection.execute(f"SELECT 1 FROM {self._name} LIMIT 1").fetchall()
        )

    def take(
        self, cursor: duckdb.DuckDBPyConnection, batch: Batch, *, is_first: bool
    ) -> dict[str, Any]:
        """Bring an epoch's rows into the table; give facts for the ledger.

        Parameters
        ----------
        cursor : DuckDBPyConnection
            Has the file attached and a transaction open.
        batch : Batch
            The epoch.
        is_first : bool
            Whether no epoch is in the table yet.

        Raises
        ------
        DataError
            When the table refuses a row, or has other columns.
        InternalError
            When the numbers do not agree.
        """
        try:
            self._set_up(cursor)
            if is_first and self._output.is_force and self._output.mode == "overwrite":
                cursor.execute(f"DELETE FROM {self._name}")
            if self.is_updating:
                return self._by_key(cursor, batch)
            return self._append(cursor, batch)
        except (duckdb.ConstraintException, duckdb.ConversionException,
                duckdb.BinderException) as error:  # fmt: skip
            said = str(error).split("\n\nLINE ", maxsplit=1)[0].strip()
            raise DataError(
                f"{self._place}: {said}", where=self._output.step.where,
                step=self._output.step.name, code="SinkRefused",
                fix="make the table fit, or drop it and let the run create it",
            ) from error  # fmt: skip

    @property
    def _place(self) -> str:
        return f"writing table {self._table!r} of {self._output.path}"

    def _exists(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        found = cursor.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 "
            "AND schema_name = $2 AND table_name = $3",
            [self._catalog, self._schema, self._table],
        ).fetchall()
        return bool(found[0][0])

    def _set_up(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make the table, or add the columns that are new; once a run."""
        if self.is_set_up:
            return
        wanted = [(f.name, duckdb_type(f.type)) for f in self._output.schema.fields]
        if not self._exists(cursor):
            text = ", ".join(f"{quoted(n)} {t}" for n, t in wanted)
            cursor.execute(
                f"CREATE SCHEMA IF NOT EXISTS {quoted(self._catalog)}.{quoted(self._schema)}"
            )
            cursor.execute(f"CREATE TABLE {self._name} ({text})")
        else:
            self._add_columns(cursor, wanted)
        self.is_set_up = True

    def _add_columns(
        self, cursor: duckdb.DuckDBPyConnection, wanted: list[tuple[str, str]]
    ) -> None:
        empty = ", ".join(f"CAST(NULL AS {t}) AS {quoted(n)}" for n, t in wanted)
        have = _described(cursor, f"FROM {self._name}")
        given = _described(cursor, f"SELECT {empty}")
        added = [(name, type_) for name, type_ in given if name not in dict(have)]
        if sorted(have + added) != sorted(given):
            raise DataError(
                f"{self._place}: it has the columns {_text(have)}, this run gives {_text(given)}",
                where=self._output.step.where, step=self._output.step.name, code="SinkColumns",
                fix="drop the table there and let the run create it, or change the query",
            )  # fmt: skip
        for name, type_ in added:
            cursor.execute(f"ALTER TABLE {self._name} ADD COLUMN {quoted(name)} {type_}")

    def _append(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        ((rows,),) = cursor.execute(
            f"INSERT INTO {self._name} ({self._columns}) "
            f"SELECT {self._columns} FROM ({batch.select})"
        ).fetchall()
        self._balance(batch, rows)
        return {"rows": rows, "already_there": 0}

    def _by_key(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Replace and remove rows by key; of several changes of a key the last one counts."""
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_CHANGES} AS {batch.select}")
        over = f"PARTITION BY {self._keys()} " if self._key else ""
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_LATEST} AS SELECT * FROM {_CHANGES} "
            f"QUALIFY row_number() OVER ({over}ORDER BY rowid DESC) = 1"
        )
        self._check_changes(cursor, batch)
        same = " AND ".join(f"o.{quoted(c)} IS NOT DISTINCT FROM l.{quoted(c)}" for c in self._key)
        ((removed,),) = cursor.execute(
            f"DELETE FROM {self._name} AS o USING {_LATEST} AS l WHERE {same or 'true'}"
        ).fetchall()
        ((brought,),) = cursor.execute(
            f"INSERT INTO {self._name} ({self._columns}) SELECT {self._columns} FROM {_LATEST} "
            f"WHERE {OPERATION} = {literal(UPSERT)}"
        ).fetchall()
        cursor.execute(f"DROP TABLE {_CHANGES}; DROP TABLE {_LATEST}")
        return {"rows": batch.rows, "already_there": 0, "removed": removed, "brought": brought}

    def _keys(self) -> str:
        return ", ".join(quoted(name) for name in self._key)

    def _check_changes(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        ((rows, known),) = cursor.execute(
            f"SELECT count(*), count(*) FILTER ({OPERATION} IN ({literal(UPSERT)}, "
            f"{literal(DELETE)})) FROM {_CHANGES}"
        ).fetchall()
        if rows != known:
            raise InternalError(f"{rows - known} rows of epoch {batch.epoch} have no operation")
        self._balance(batch, rows)

    def _balance(self, batch: Batch, rows: int) -> None:
        if rows != batch.rows:
            raise unbalanced(
                f"epoch {batch.epoch} of {self._output.step.name!r} was to have {batch.rows} rows, "
                f"and its outbox gave {rows}"
            )


def _described(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    return [(r[0], r[1]) for r in cursor.execute(f"DESCRIBE {sql}").fetchall()]


def _text(columns: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {type_.lower()}" for name, type_ in columns)
