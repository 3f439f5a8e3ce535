"""What a keyed sink holds after a run: one function of what it holds and of the run's rows, in SQL.

Files and DuckDB tables use the same text. Nothing here opens, reads or writes anything: relations
come in as SQL, and statements go out, to be run in order on one connection.
"""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.connectors.keyed import Keyed
from mainstem.engines.embedded.types import literal, quoted
from mainstem.record import record

# Beside the table's columns: whether a row of the run, or a remembered one, removes its key.
DELETED = "__deleted"
_ACTION = "__action"
_WINNERS, _DECIDED, _EVENTS = '"__winners"', '"__decided"', '"__events"'
TEMPORARY = (_DECIDED, _EVENTS, _WINNERS)

ACTIONS = ("inserted", "updated", "unchanged", "deleted", "older")


@record
class Content:
    """How to get from what is there to what shall be there.

    Parameters
    ----------
    prepare : tuple of str
        Statements that make temporary tables; everything below reads those.
    counts : str
        SELECT of (action, rows); the rows add up to those of the run.
    touched : str
        SELECT of the keys whose rows at the sink change. What stays is the rest of what was there.
    rows : str
        SELECT of the rows, columns of the sink, that come in place of those.
    forgotten : str
        SELECT of the keys whose remembered rows change.
    remembered : str
        SELECT of the remembered rows that come in place of those; "" where nothing is remembered.
    """

    prepare: tuple[str, ...]
    counts: str
    touched: str
    rows: str
    forgotten: str = ""
    remembered: str = ""


def memory_columns(keyed: Keyed, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Give the columns of what a keyed sink remembers beside its rows; empty when nothing.

    A merge remembers the key and sequence of each row that was removed. A history remembers every
    event that is no version of its own: removals, and rows that only confirmed what held already.
    """
    if keyed.kind == "history":
        return (*columns, DELETED)
    return tuple(dict.fromkeys((*keyed.key, *keyed.sequence_by))) if keyed.sequence_by else ()


def content(
    keyed: Keyed, columns: tuple[str, ...], *, existing: str, memory: str, new: str
) -> Content:
    """Give the content of a keyed sink after a run.

    Parameters
    ----------
    keyed : Keyed
        Key, sequence and tracked columns, spelled as in `columns`.
    columns : tuple of str
        Those of the table, without what a history adds.
    existing, memory : str
        SELECTs of what the sink holds, with the columns of this run; `memory` is not looked at
        where `memory_columns` is empty.
    new : str
        Name of the relation of the run's rows: `columns` and ``__deleted``.
    """
    make = _history if keyed.kind == "history" else _merge
    return make(keyed, columns, existing, memory, new)


def _merge(keyed: Keyed, columns: tuple[str, ...], existing: str, memory: str, new: str) -> Content:
    winners = _winners(keyed.key, keyed.sequence_by, columns, new)
    joins = f'LEFT JOIN (SELECT *, true AS "__is" FROM ({existing})) AS e ON {_same(keyed.key, "w", "e")}'
    if keyed.sequence_by:
        joins += f' LEFT JOIN (SELECT *, true AS "__is" FROM ({memory})) AS g ON {_same(keyed.key, "w", "g")}'
    decided = (
        f"CREATE OR REPLACE TEMP TABLE {_DECIDED} AS SELECT w.*, {_merge_action(keyed, columns)} "
        f"AS {_ACTION} FROM {_WINNERS} AS w {joins}"
    )
    key = _list(keyed.key)
    changed = f"FROM {_DECIDED} WHERE {_ACTION} IN ('inserted', 'updated', 'deleted')"
    rows = f"SELECT {_list(columns)} FROM {_DECIDED} WHERE {_ACTION} IN ('inserted', 'updated')"
    counts = (
        f"SELECT {_ACTION}, count(*) FROM {_DECIDED} GROUP BY ALL UNION ALL SELECT 'older', "
        f"(SELECT count(*) FROM {new}) - (SELECT count(*) FROM {_WINNERS})"
    )
    remembered = ""
    if keyed.sequence_by:
        names = _list(memory_columns(keyed, columns))
        remembered = f"SELECT {names} FROM {_DECIDED} WHERE {_ACTION} = 'deleted'"
    return Content(
        (winners, decided), counts, f"SELECT {key} {changed}", rows,
        f"SELECT {key} {changed}" if remembered else "", remembered,
    )  # fmt: skip


def _merge_action(keyed: Keyed, columns: tuple[str, ...]) -> str:
    is_same = " AND ".join(f"w.{quoted(c)} IS NOT DISTINCT FROM e.{quoted(c)}" for c in columns)
    is_there = 'coalesce(e."__is", false)'
    if not keyed.sequence_by:
        arms = f"WHEN w.{DELETED} THEN CASE WHEN {is_there} THEN 'deleted' ELSE 'unchanged' END"
    else:
        was_removed = 'coalesce(g."__is", false)'
        is_known = _equal(keyed.sequence_by, "g", "w")
        arms = (
            f"WHEN {is_there} AND {_newer(keyed.sequence_by, 'e', 'w')} THEN 'older' "
            f"WHEN {was_removed} AND {_newer(keyed.sequence_by, 'g', 'w')} THEN 'older' "
            f"WHEN w.{DELETED} THEN CASE WHEN {was_removed} AND {is_known} THEN 'unchanged' "
            "ELSE 'deleted' END"
        )
    return (
        f"CASE {arms} WHEN NOT {is_there} THEN 'inserted' WHEN {is_same} THEN 'unchanged' "
        "ELSE 'updated' END"
    )


def _history(
    keyed: Keyed, columns: tuple[str, ...], existing: str, memory: str, new: str
) -> Content:
    at = (*keyed.key, *keyed.sequence_by)
    key, names = _list(keyed.key), _list(columns)
    winners = _winners(at, (), columns, new)
    known = (
        f"SELECT {names}, false AS {DELETED} FROM ({existing}) UNION ALL "
        f"SELECT {names}, {DELETED} FROM ({memory})"
    )
    is_same = " AND ".join(
        f"w.{quoted(c)} IS NOT DISTINCT FROM k.{quoted(c)}" for c in (*columns, DELETED)
    )
    # Every event of the keys that the run speaks of: its own, and those of the sink that it does
    # not replace. `status` says what the run's rows are: '' for events that are only the sink's.
    decided = (
        f"CREATE OR REPLACE TEMP TABLE {_DECIDED} AS "
        f'WITH k AS (SELECT *, true AS "__is" FROM ({known}) SEMI JOIN {_WINNERS} AS w USING ({key})) '
        f"SELECT w.*, CASE WHEN k.\"__is\" IS NULL THEN 'fresh' WHEN {is_same} THEN 'known' "
        f"ELSE 'replaced' END AS \"__status\" "
        f"FROM {_WINNERS} AS w LEFT JOIN k ON {_same(at, 'w', 'k')} "
        f"UNION ALL BY NAME SELECT {names}, {DELETED}, '' AS \"__status\" FROM k "
        f"ANTI JOIN {_WINNERS} AS w ON {_same(at, 'k', 'w')}"
    )
    events = f"CREATE OR REPLACE TEMP TABLE {_EVENTS} AS {_timeline(keyed, columns)}"
    action = (
        f"CASE WHEN \"__status\" = 'known' THEN 'unchanged' WHEN {DELETED} THEN 'deleted' "
        "WHEN \"__status\" = 'replaced' THEN 'updated' "
        "WHEN \"__is_start\" THEN 'inserted' ELSE 'unchanged' END"
    )
    counts = (
        f"SELECT {action}, count(*) FROM {_EVENTS} WHERE \"__status\" <> '' GROUP BY ALL "
        f"UNION ALL SELECT 'older', (SELECT count(*) FROM {new}) - (SELECT count(*) FROM {_WINNERS})"
    )
    # What only confirms a version leaves the versions as they are.
    changed = "\"__status\" IN ('fresh', 'replaced')"
    seen = f'("__status" = \'replaced\' OR {DELETED} OR "__is_start")'
    touched = f"SELECT DISTINCT {key} FROM {_EVENTS} WHERE {changed} AND {seen}"
    forgotten = f"SELECT DISTINCT {key} FROM {_EVENTS} WHERE {changed}"
    seq = quoted(keyed.sequence_by[0])
    rows = (
        f'SELECT {names}, {seq} AS "valid_from", "__until" AS "valid_to", '
        f'"__until" IS NULL AS "is_current" FROM {_EVENTS} SEMI JOIN ({touched}) AS t USING ({key}) '
        'WHERE "__is_start"'
    )
    remembered = (
        f"SELECT {names}, {DELETED} FROM {_EVENTS} SEMI JOIN ({forgotten}) AS t USING ({key}) "
        'WHERE NOT "__is_start"'
    )
    return Content((winners, decided, events), counts, touched, rows, forgotten, remembered)


def _timeline(keyed: Keyed, columns: tuple[str, ...]) -> str:
    """Give the events with ``__is_start`` (a version begins here) and ``__until`` (where it ends)."""
    ends = {*keyed.key, *keyed.sequence_by}
    tracked = keyed.columns or tuple(c for c in columns if c not in ends)
    order = f"(PARTITION BY {_list(keyed.key)} ORDER BY {_list(keyed.sequence_by)})"
    is_other = " OR ".join(
        f"{quoted(c)} IS DISTINCT FROM lag({quoted(c)}) OVER {order}" for c in tracked
    )
    start = (
        f"NOT {DELETED} AND (coalesce(lag({DELETED}) OVER {order}, true) OR {is_other or 'false'})"
    )
    seq = quoted(keyed.sequence_by[0])
    # The next event that begins or removes; ties are impossible, as key and sequence say which.
    rest = order.removesuffix(")") + " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
    return (
        f'SELECT *, min({seq}) FILTER (WHERE "__is_start" OR {DELETED}) OVER {rest} AS "__until" '
        f'FROM (SELECT *, {start} AS "__is_start" FROM {_DECIDED})'
    )


def _winners(
    by: tuple[str, ...], sequence: tuple[str, ...], columns: tuple[str, ...], new: str
) -> str:
    """Keep one row of the run for each `by`: the newest, of equals the one with greater values."""
    order = ", ".join(f"{quoted(c)} DESC NULLS LAST" for c in (*sequence, *columns))
    key = _list(by)
    # Only what stands more than once is sorted: to sort all rows doubled the time of a first run.
    twice = f"(SELECT {key} FROM {new} GROUP BY {key} HAVING count(*) > 1) AS t USING ({key})"
    return (
        f"CREATE OR REPLACE TEMP TABLE {_WINNERS} AS SELECT * FROM {new} ANTI JOIN {twice} "
        f"UNION ALL (SELECT * FROM {new} SEMI JOIN {twice} "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1)"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _same(names: Iterable[str], one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quoted(n)} = {other}.{quoted(n)}" for n in names)


def _equal(names: Iterable[str], one: str, other: str) -> str:
    return " AND ".join(
        f"{one}.{quoted(n)} IS NOT DISTINCT FROM {other}.{quoted(n)}" for n in names
    )


def _newer(names: tuple[str, ...], one: str, other: str) -> str:
    """Say that `one` is after `other`; NULL, which only rows from before the column have, is first."""
    arms = []
    for at, name in enumerate(names):
        a, b = f"{one}.{quoted(name)}", f"{other}.{quoted(name)}"
        after = f"({a} IS NOT NULL AND ({b} IS NULL OR {a} > {b}))"
        before = _equal(names[:at], one, other)
        arms.append(f"({before} AND {after})" if before else after)
    return f"({' OR '.join(arms)})"


def counted(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Give the rows of a run by what became of them, every action named."""
    found = dict.fromkeys(ACTIONS, 0)
    for action, n in rows:
        found[action] += n
    return found


def drop_statements() -> tuple[str, ...]:
    """Give what removes the temporary tables again."""
    return tuple(f"DROP TABLE IF EXISTS {name}" for name in TEMPORARY)


def null_test(keyed: Keyed, new: str) -> str:
    """Give the SELECT of (column, rows) that are NULL and must not be."""
    names = tuple(dict.fromkeys((*keyed.key, *keyed.sequence_by)))
    parts = [
        f"SELECT {literal(n)}, count(*) FROM {new} WHERE {quoted(n)} IS NULL HAVING count(*) > 0"
        for n in names
    ]
    return " UNION ALL ".join(parts)


def twice_test(key: tuple[str, ...], relation: str) -> str:
    """Give the SELECT of (rows, key columns …) of the first keys that stand more than once."""
    names = ", ".join(f"CAST({quoted(n)} AS VARCHAR)" for n in key)
    return (
        f"SELECT count(*), {names} FROM {relation} GROUP BY {_list(key)} HAVING count(*) > 1 "
        "ORDER BY ALL DESC LIMIT 3"
    )
