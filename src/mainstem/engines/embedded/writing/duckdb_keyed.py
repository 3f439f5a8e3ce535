"""A table of another DuckDB file that is written by key, inside of the sink's open transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainstem.connectors.keyed import HISTORY_COLUMNS, Keyed
from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.content import (
    DELETED,
    content,
    counted,
    drop_statements,
    memory_columns,
    twice_test,
)
from mainstem.engines.embedded.writing.earlier import rows_differ
from mainstem.record import record
from mainstem.storage.local.record import Target

Ask = Callable[[str], list[tuple[Any, ...]]]

# What a keyed table remembers stands beside it; two underscores are kept for names of ours.
MEMORY_SUFFIX = "__memory"


@record
class KeyedTable:
    """Where a keyed table and its memory are, quoted; `columns` are (name, DuckDB type) of the run."""

    ask: Ask
    target: Target
    table: str
    memory: str
    columns: tuple[tuple[str, str], ...]

    @property
    def keyed(self) -> Keyed:
        """Give the words of the mode."""
        words = dict(self.target.keyed)
        return Keyed(words["kind"], words["key"], words["sequence_by"], "", words["columns"])

    @property
    def names(self) -> tuple[str, ...]:
        """Give the columns of the run."""
        return tuple(name for name, _ in self.columns)

    @property
    def held(self) -> tuple[tuple[str, str], ...]:
        """Give the columns that the table has."""
        if self.keyed.kind != "history":
            return self.columns
        at = dict(self.columns)[self.keyed.sequence_by[0]]
        return (*self.columns, *zip(HISTORY_COLUMNS, (at, at, "BOOLEAN"), strict=True))

    @property
    def remembered(self) -> tuple[tuple[str, str], ...]:
        """Give the columns that its memory has."""
        types = dict(self.columns) | {DELETED: "BOOLEAN"}
        return tuple((n, types[n]) for n in memory_columns(self.keyed, self.names))

    @property
    def words(self) -> str:
        """Give what the memory's comment says: which rows it belongs to."""
        keyed = self.keyed
        parts = {"key": keyed.key, "sequence_by": keyed.sequence_by, "columns": keyed.columns}
        return " ".join([keyed.kind, *(f"{k}={','.join(v)}" for k, v in parts.items() if v)])


def take_by_key(at: KeyedTable, staged: str) -> dict[str, int]:
    """Bring staged rows into a keyed table; give what became of them.

    Parameters
    ----------
    at : KeyedTable
        The table, which exists with the columns of the run.
    staged : str
        SELECT of the run's rows with ``__deleted``.

    Raises
    ------
    OutsideError
        When a key of the run stands more than once in the table.
    """
    ask, keyed = at.ask, at.keyed
    new = '"__new"'
    ask(f"CREATE OR REPLACE TEMP TABLE {new} AS {staged}")
    key = ", ".join(quoted(c) for c in keyed.key)
    memory = f"SELECT * FROM {at.memory}" if at.remembered else ""
    found = content(keyed, at.names, existing=f"SELECT * FROM {at.table}", memory=memory, new=new)
    if keyed.kind == "merge":
        _refuse_twice(at, f"(SELECT * FROM {at.table} SEMI JOIN {new} AS n USING ({key}))")
    for sql in found.prepare:
        ask(sql)
    counts = counted(ask(found.counts))
    brought = ask(f"SELECT count(*) FROM ({found.rows})")[0][0]
    before = ask(f"SELECT count(*) FROM {at.table}")[0][0]
    removed = _replace(ask, at.table, keyed.key, found.touched, found.rows)
    _check(at, counts, before=before, removed=removed, brought=brought)
    if found.remembered:
        _replace(ask, at.memory, keyed.key, found.forgotten, found.remembered)
    for sql in (*drop_statements(), f"DROP TABLE {new}"):
        ask(sql)
    return counts


def _check(
    at: KeyedTable, counts: dict[str, int], *, before: int, removed: int, brought: int
) -> None:
    """Count the table, which nobody else sees yet, and what is said of each row of the run."""
    held = at.ask(f"SELECT count(*) FROM {at.table}")[0][0]
    is_right = held == before - removed + brought
    if at.keyed.kind == "merge":
        is_right = is_right and brought == counts["inserted"] + counts["updated"]
        # With a sequence a removal counts also where there was no row to remove.
        is_right = is_right and 0 <= removed - counts["updated"] <= counts["deleted"]
    is_right = is_right and sum(counts.values()) == at.target.rows
    if not is_right:
        raise unbalanced(
            f"table {at.target.table!r} of {at.target.path} held {before} rows, lost {removed}, was "
            f"to get {brought} ({counts}), and holds {held}"
        )


def _replace(ask: Ask, table: str, key: tuple[str, ...], touched: str, rows: str) -> int:
    same = " AND ".join(f"o.{quoted(c)} = t.{quoted(c)}" for c in key)
    removed = ask(f"DELETE FROM {table} AS o USING ({touched}) AS t WHERE {same}")
    ask(f"INSERT INTO {table} BY NAME {rows}")
    return int(removed[0][0])


def _refuse_twice(at: KeyedTable, relation: str) -> None:
    twice = at.ask(twice_test(at.keyed.key, relation))
    if twice:
        shown = ", ".join(f"{k}={v}" for k, v in zip(at.keyed.key, twice[0][1:], strict=True))
        raise rows_differ(
            f"table {at.target.table!r} of {at.target.path}",
            f"the key {shown} stands in {twice[0][0]} of them", step=at.target.step,
        )  # fmt: skip


def set_up_memory(at: KeyedTable, comment: str | None) -> None:
    """Make the memory of a keyed table, or check that the one that is there belongs to its words.

    Parameters
    ----------
    at : KeyedTable
        The table.
    comment : str or None
        The comment of the memory table; None when there is none.

    Raises
    ------
    OutsideError
        When the rows were written with another key, sequence or set of tracked columns.
    """  # noqa: DOC501 - built by a function
    if comment is not None and comment != at.words:
        raise rows_differ(
            f"table {at.target.table!r} of {at.target.path}",
            f"they were written by {comment}, this run is {at.words}", step=at.target.step,
        )  # fmt: skip
    if not at.remembered:
        return
    if comment is None:
        text = ", ".join(f"{quoted(n)} {t}" for n, t in at.remembered)
        at.ask(f"CREATE TABLE {at.memory} ({text})")
        at.ask(f"COMMENT ON TABLE {at.memory} IS {literal(at.words)}")
    for name, type_ in at.remembered:
        at.ask(f"ALTER TABLE {at.memory} ADD COLUMN IF NOT EXISTS {quoted(name)} {type_}")
