"""Statements that are run again and again: parsed once, and views made only when they change.

DuckDB plans a statement each time that it runs, also a prepared one (2.0: EXECUTE of a SELECT with a
hundred CASEs takes as long as the SELECT). Parsing is what can be saved: a third of a small statement.
"""

from __future__ import annotations

import duckdb

# Texts that are kept; those that differ each time push the others out, and that costs one parsing each.
MOST = 256
# Longer ones hold lists of values: they come once.
LONGEST = 20_000


class Texts:
    """What a connection has parsed, and which of its temporary views it has made."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._parsed: dict[str, duckdb.Statement | None] = {}
        self._views: dict[str, str] = {}

    def statement(self, sql: str) -> duckdb.Statement | str:
        """Give what to execute for a text: parsed once it comes for the second time."""
        if sql not in self._parsed:
            if len(self._parsed) >= MOST:
                self._parsed.clear()
            if len(sql) <= LONGEST:
                self._parsed[sql] = None
            return sql
        found = self._parsed[sql]
        if found is None:
            statements = self.connection.extract_statements(sql)
            if len(statements) != 1:
                return sql
            found = self._parsed[sql] = statements[0]
        return found

    def is_new(self, view: str, sql: str) -> bool:
        """Say whether a view has to be made, and remember it."""
        if self._views.get(view) == sql:
            return False
        self._views[view] = sql
        return True

    def undone(self) -> None:
        """Forget the views: a transaction that was undone takes those with it that it has made."""
        self._views.clear()
