"""A question to the state tables: one statement, its rows, and DuckDB's refusals as errors of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb

from mainstem.engines.embedded.failures import words
from mainstem.engines.embedded.fetch import fetch
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.state_file import CATALOG
from mainstem.engines.embedded.types import quoted
from mainstem.errors import DataError, listing, nearest
from mainstem.sql.tokens import Text

# What asks and changes nothing; a PIVOT is several statements to DuckDB.
_ASKING = ("SELECT", "EXPLAIN", "MULTI", "PRAGMA", "CALL")
_PLACE = re.compile(r"\n\nLINE (?P<line>\d+): (?P<text>.*)\n(?P<pad> *)\^")
_TABLE = re.compile(r'Table with name "?(?P<name>.+?)"? does not exist')
_COLUMN = re.compile(
    r'Referenced column "(?P<name>.+?)" not found|does not have a column named "(?P<of>.+?)"'
    r'|Column "(?P<there>.+?)" (?:in \w+ list not found|does not exist)'
)
_RELATION = re.compile(r'Referenced table "(?P<name>.+?)" not found')
_FUNCTION = re.compile(r'Function with name "?(?P<name>.+?)"? does not exist')
_ARGUMENTS = re.compile(r"No function matches the given name and argument types '(?P<call>.+?)'\. ")
_SYNTAX = re.compile(r'syntax error at (?:or near "(?P<near>.+)"|end of input)', re.DOTALL)


def ask(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
    """Give the column names, types and rows of a question to the state tables.

    Raises
    ------
    DataError
        When it is no question, more than one, or DuckDB refuses it.
    """  # noqa: DOC501 - built by a function
    # DuckDB counts its places from the first letter, and would count white space before it twice.
    sql = sql.strip()
    try:
        _refuse_others(connection.extract_statements(sql))
        # In a thread: DuckDB hears of Ctrl-C only between its tasks, and one may take minutes.
        watched = Session(connection).watch_call(lambda: fetch(connection, sql))
        while True:
            next(watched)
    except StopIteration as end:
        rows: tuple[list[str], list[str], list[tuple[Any, ...]]] = end.value
        return rows
    except duckdb.Error as error:
        raise _refused(error, sql, _tables(connection)) from error


# Questions that are known to be allowed, at most; those of who asks again and again are.
_KNOWN, _LONG = 64, 10_000


class Known:
    """Questions that were let through, as DuckDB has parsed them; whether one is depends on its text alone."""

    def __init__(self) -> None:
        self._statements: dict[str, duckdb.Statement] = {}

    def statement(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
        """Give the one SELECT that a text is.

        Raises
        ------
        DataError
            When it is none, or reads anything but tables.
        """
        found = self._statements.get(sql)
        if found is None:
            statements = cursor.extract_statements(sql)
            _refuse_others(statements, asking=("SELECT",))
            _refuse_outside(cursor, sql)
            found = statements[0]
            if len(self._statements) >= _KNOWN:
                self._statements = {}
            if len(sql) <= _LONG:
                self._statements[sql] = found
        return found


def open_live(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Give a cursor for `ask_live`; it can answer one question after the other."""
    cursor = connection.cursor()
    cursor.execute("SET TimeZone = 'UTC'")
    cursor.execute(f"USE {quoted(CATALOG)}.main")
    return cursor


def ask_live(
    cursor: duckdb.DuckDBPyConnection, sql: str, most: int, known: Known
) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
    """Answer a question to a run's committed tables; gives at most one row more than `most`.

    Parameters
    ----------
    cursor : DuckDBPyConnection
        Of `open_live`: the settings that `open_tables` closes are open here, so that only a SELECT is
        let through, in a transaction that cannot write. It is to be closed after an error.
    sql : str
        The question.
    most : int
        Rows.
    known : Known
        Those that were asked before.

    Raises
    ------
    DataError
        As for `ask`.
    """  # noqa: DOC501 - built by a function
    sql = sql.strip()
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    try:
        found = fetch(cursor, sql, most + 1, known.statement(cursor, sql))
        cursor.execute("ROLLBACK")
        return found
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        cursor.execute("ROLLBACK")
        raise _refused(error, sql, _tables(cursor)) from error


def stream(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Give the answer to a question as a capsule of an Arrow stream.

    Raises
    ------
    DataError
        As for `ask`; an expression that fails on a row may do so later, in the reader's hands.
    """  # noqa: DOC501 - built by a function
    sql = sql.strip()
    try:
        _refuse_others(connection.extract_statements(sql))
        # A connection of its own: an open stream would keep the other from the next question.
        return connection.cursor().sql(sql).__arrow_c_stream__()
    except duckdb.Error as error:
        raise _refused(error, sql, _tables(connection)) from error


def _refuse_others(statements: Sequence[duckdb.Statement], asking: Sequence[str] = _ASKING) -> None:
    """Refuse all but one question: of several only the last would be answered."""
    if not statements:
        raise DataError(
            "the question is empty", code="QueryRefused", fix='write "SELECT * FROM name"'
        )
    if len(statements) > 1:
        raise DataError(
            f"these are {len(statements)} statements, and one is answered at a time",
            code="QueryRefused", fix="ask them one after the other, or join them by UNION ALL",
        )  # fmt: skip
    kind = statements[0].type.name
    if kind not in asking:
        raise DataError(
            f"{kind} is no question: the tables are only read here", code="QueryRefused",
            fix="write a SELECT; a table changes when its pipeline runs",
        )  # fmt: skip


# Table functions that read nothing but their arguments and the names of tables.
_PURE = frozenset(
    ["unnest", "range", "generate_series", "repeat", "duckdb_tables", "duckdb_columns"]
)
_FILE = re.compile(r"[./\\*]")


def _refuse_outside(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what reads files: here DuckDB itself cannot be told to, as the run reads some."""
    ((text,),) = cursor.execute("SELECT CAST(json_serialize_sql($1) AS VARCHAR)", [sql]).fetchall()
    tree = json.loads(text)
    if tree.get("error"):
        raise DataError(
            "the question cannot be read as one SELECT", code="QueryRefused",
            fix="write a plain SELECT, or ask when the run has ended",
        )  # fmt: skip
    for node in _nodes(tree):
        name = node.get("table_name", "")
        if node.get("type") == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            is_outside = name not in _PURE
        else:
            is_outside = node.get("type") == "BASE_TABLE" and bool(_FILE.search(name))
        if is_outside:
            raise DataError(
                f"{name} is no table of the pipeline, and a running stream is asked for those only",
                code="QueryRefused", fix="ask the tables that `mainstem state ls` lists",
            )  # fmt: skip


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(value, dict | list):
            yield from _nodes(value)


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal "
        "ORDER BY table_name"
    )
    return [row[0] for row in found.fetchall()]


def _refused(error: duckdb.Error, sql: str, tables: list[str]) -> DataError:
    said = words(error)
    what, fix = _explained(said, tables)
    refused = DataError(what, code="QueryFailed", fix=fix, engine_message=str(error))
    refused.finding = Text(sql).finding("QueryFailed", what, _offset(str(error), sql), fix)
    return refused


def _explained(said: str, tables: list[str]) -> tuple[str, str]:
    """Give what is wrong and how to mend it."""
    offered = re.findall(r'"(.+?)"', said.partition("\n")[2])
    if found := _TABLE.search(said):
        close = nearest(found["name"], tables)
        other = "a view is not kept, and a table with a sink is where its sink is"
        return (
            f"no table {found['name']!r} (tables: {listing(tables)})",
            f"write {close}" if close else other,
        )
    if found := _COLUMN.search(said):
        name = found["name"] or found["of"] or found["there"]
        close = nearest(name, offered)
        return f"no column {name!r}", (
            f"write {close}"
            if close
            else "ask \"DESCRIBE table\" for its columns; text goes in '…'"
        )
    if found := _RELATION.search(said):
        shown = f" (tables in FROM: {listing(offered)})" if offered else ""
        close = nearest(found["name"], offered)
        return f"no table {found['name']!r} in FROM{shown}", f"write {close}" if close else (
            "add it to FROM"
        )
    return _explained_call(said, offered, tables)


def _explained_call(said: str, offered: list[str], tables: list[str]) -> tuple[str, str]:
    if found := _FUNCTION.search(said):
        close = nearest(found["name"], offered)
        return f"no function {found['name']!r}", (
            f"write {close}"
            if close
            else "questions are in DuckDB's SQL; see its list of functions"
        )
    if found := _ARGUMENTS.search(said):
        return f"{found['call']} has no meaning", "CAST an argument"
    if found := _SYNTAX.search(said):
        near = (
            f"{found['near']!r} cannot stand here" if found["near"] else "the question ends early"
        )
        return near, "correct the place; questions are in DuckDB's SQL"
    # The first line says it; below come advice and lists of DuckDB's own.
    first = re.sub(r"^[A-Z][\w ]* Error: ", "", said.splitlines()[0])
    return f"the question failed: {first}", (
        f"change the question; it may read {listing(tables)}, and no files"
    )


def _offset(said: str, sql: str) -> int:
    """Give where in the question DuckDB's caret stands, or -1."""
    found = _PLACE.search(said)
    lines = sql.split("\n")
    if found is None or int(found["line"]) > len(lines):
        return -1
    number = int(found["line"]) - 1
    column = len(found["pad"]) - len(f"LINE {found['line']}: ")
    if found["text"].startswith("..."):
        # Of a long line only a part is shown.
        start = lines[number].find(found["text"][3:].removesuffix("..."))
        if start < 0:
            return -1
        column += start - 3
    before = sum(len(line) + 1 for line in lines[:number])
    return before + max(0, min(column, len(lines[number])))
