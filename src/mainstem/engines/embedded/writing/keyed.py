"""Staging a sink that is written by key: the run's rows checked, and for folders the new content."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.connectors.keyed import Keyed
from mainstem.engines.embedded.compile import DuckdbPrinter
from mainstem.engines.embedded.counting import Written, unbalanced
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.embedded.writing.append import existing_rows, folder, new_prefix
from mainstem.engines.embedded.writing.content import (
    DELETED,
    Content,
    content,
    counted,
    drop_statements,
    memory_columns,
    null_test,
    twice_test,
)
from mainstem.engines.embedded.writing.earlier import added_columns, columns_differ
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.embedded.writing.staged import Staged, Staging, written_file, written_files
from mainstem.engines.embedded.writing.write import copy_sql
from mainstem.errors import DataError, InternalError
from mainstem.plan.tree import Select, Table
from mainstem.storage.local.durable import sync_file
from mainstem.storage.local.manifest import FOLDER, Manifest, WrittenFile, read_manifest
from mainstem.storage.local.verify import verify_files

NEW = '"__new"'
# Rows that changed nothing; the rest of a ledger is what the sink took.
_IDLE = ("unchanged", "older")


def stage_keyed(session: Session, select: str, staging: Staging) -> Generator[float, None, Staged]:
    """Stage a merge or a history: a folder's new content, or the rows for a DuckDB table.

    Raises
    ------
    DataError
        When a key is NULL, or stands twice without anything to say which row is newer.
    OutsideError
        When the folder holds other columns, or is not what its manifest says.
    """
    output = staging.output
    keyed = keyed_of(output)
    sql = f"CREATE OR REPLACE TEMP TABLE {NEW} AS {with_deleted(select, output)}"
    ((rows,),) = yield from session.watch(sql)
    try:
        refuse_keys(session.rows, keyed, output)
        if staging.target.kind == "duckdb":
            staged = yield from _for_table(session, staging, rows)
        else:
            staged = yield from _folder(session, staging, rows)
    finally:
        for drop in (*drop_statements(), f"DROP TABLE IF EXISTS {NEW}"):
            session.rows(drop)
    return staged


def keyed_of(output: Output) -> Keyed:
    """Give the words of a keyed sink, spelled as the table's columns are."""
    if output.keyed is None:
        raise InternalError(f"{output.step.name!r} is not written by key")
    spelled = {name.lower(): name for name in output.schema.names}

    def own(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(spelled[name.lower()] for name in names)

    keyed = output.keyed
    return replace(
        keyed, key=own(keyed.key), sequence_by=own(keyed.sequence_by), columns=own(keyed.columns)
    )


def keyed_pairs(output: Output) -> tuple[tuple[str, Any], ...]:
    """Give the words of a keyed sink as its commit record has them."""
    keyed = keyed_of(output)
    return (
        ("columns", keyed.columns), ("key", keyed.key), ("kind", keyed.kind),
        ("sequence_by", keyed.sequence_by),
    )  # fmt: skip


def with_deleted(select: str, output: Output) -> str:
    """Give the rows with a column that says whether each removes its key."""
    test = output.step.delete_test
    if test is None or not isinstance(test.body, Select):
        return f"SELECT *, false AS {DELETED} FROM ({select})"
    source = test.body.source
    alias = source.alias or source.name if isinstance(source, Table) else output.step.name
    value = DuckdbPrinter().expr(test.body.items[0].expr)
    if output.schema == output.step.schema:
        return f"SELECT *, coalesce({value}, false) AS {DELETED} FROM ({select}) AS {quoted(alias)}"
    # The predicate means the columns as the query gives them, not the narrower ones of the sink.
    wide = ", ".join(
        f"s.{quoted(f.name)}::{duckdb_type(f.type)} AS {quoted(f.name)}"
        for f in output.step.schema.fields
    )
    return (
        f"SELECT s.*, coalesce({value}, false) AS {DELETED} FROM ({select}) AS s, "
        f"LATERAL (SELECT {wide}) AS {quoted(alias)}"
    )


def refuse_keys(ask: Callable[[str], list[tuple[Any, ...]]], keyed: Keyed, output: Output) -> None:
    """Refuse rows of which nobody can say where they belong.

    Raises
    ------
    DataError
        For a key or sequence that is NULL; for two rows of one key without a sequence.
    """
    where, step = output.step.where, output.step.name
    nulls = ask(null_test(keyed, NEW))
    if nulls:
        found = ", ".join(f"{name} of {n} row{'s' if n > 1 else ''}" for name, n in nulls)
        raise DataError(
            f"{keyed.kind} of {output.step.name!r}: NULL in {found}", code="MergeKeyNull",
            fix=f"filter them out: WHERE {nulls[0][0]} IS NOT NULL", where=where, step=step,
        )  # fmt: skip
    if keyed.sequence_by:
        return
    twice = ask(twice_test(keyed.key, NEW))
    if twice:
        shown = "; ".join(
            ", ".join(f"{k}={v}" for k, v in zip(keyed.key, row, strict=True)) + f" ({n} rows)"
            for n, *row in twice
        )
        raise DataError(
            f"merge of {output.step.name!r}: a key stands twice in one run: {shown}",
            code="MergeKeyTwice", fix="add sequence_by= to the merge, or keep one row of each key "
            "in the query", where=where, step=step,
        )  # fmt: skip


def _for_table(session: Session, staging: Staging, rows: int) -> Generator[float, None, Staged]:
    root = staging.root
    yield from session.watch(f"COPY {NEW} TO {literal(str(root))} (FORMAT parquet)")
    sync_file(root)
    filled = replace(staging.target, rows=rows, token=staging.token)
    return Staged(
        staging.output, rows, staging.token, filled, 1, root.stat().st_size,
        written=Written(staging.output, [root], rows),
    )  # fmt: skip


def _folder(session: Session, staging: Staging, rows: int) -> Generator[float, None, Staged]:
    output, keyed = staging.output, keyed_of(staging.output)
    older = read_manifest(output.path)
    added = _check_older(session, output, keyed, older)
    kept = older.files if older else ()
    if older:
        verify_files(output.path, older.hidden)
    existing = existing_rows(kept, older, output) if older else _nothing(output)
    memory = _memory(output, keyed, older)
    found = content(keyed, output.schema.names, existing=existing, memory=memory, new=NEW)
    for sql in found.prepare:
        yield from session.watch(sql)
    counts = counted(session.rows(found.counts))
    gone = kept if added else _touched_files(session, output, kept, found, older)
    kept = tuple(f for f in kept if f not in set(gone))
    files: tuple[WrittenFile, ...] = ()
    if gone or older is None or _has_rows(session, found.rows):
        # What is read is about to get new checksums: a damaged file must not become a right one.
        verify_files(output.path, gone)
        select = _new_rows(output, keyed, found, gone, older)
        prefix = new_prefix(staging.token)
        result = yield from session.watch(copy_sql(select, output, staging.root, prefix))
        files = written_files(result, output.format, staging.root)
        left = _rows_left(session, output, found, gone, older)
        _check_rows(session, output, found, counts, (left, sum(f.rows or 0 for f in files)))
    hidden = yield from _remember(session, staging, keyed, found, older)
    held = sum(f.rows or 0 for f in (*kept, *files))
    staged = folder(
        staging, files, kept, rows=rows, older=older, held=held, hidden=hidden,
        already=sum(counts[name] for name in _IDLE),
    )  # fmt: skip
    staged.facts["by_key"] = counts
    return staged


def _check_older(session: Session, output: Output, keyed: Keyed, older: Manifest | None) -> bool:
    """Say whether the old rows lack a column; refuse a folder that cannot be gone on with."""
    if older is None:
        return False
    if older.mode != output.mode_words and (
        older.hidden or "history" in (keyed.kind, older.mode.split()[0])
    ):
        raise columns_differ(
            output, f"they were written by {older.mode}, this run is {output.mode_words}"
        )
    added = bool(added_columns(older, output))
    if older.mode == output.mode_words:
        return added
    relation = f"({existing_rows(older.files, older, output)})"
    twice = session.rows(twice_test(keyed.key, relation))
    if twice:
        shown = ", ".join(f"{k}={v}" for k, v in zip(keyed.key, twice[0][1:], strict=True))
        raise columns_differ(output, f"the key {shown} stands in {twice[0][0]} of its rows")
    return added


def _nothing(output: Output) -> str:
    empty = ", ".join(
        f"CAST(NULL AS {duckdb_type(f.type)}) AS {quoted(f.name)}"
        for f in output.written_schema.fields
    )
    return f"SELECT {empty} WHERE false"


def _memory(output: Output, keyed: Keyed, older: Manifest | None) -> str:
    """Give the SELECT of what the folder remembers; a column that is new is NULL in it."""
    names = memory_columns(keyed, output.schema.names)
    types = {f.name: duckdb_type(f.type) for f in output.schema.fields} | {DELETED: "BOOLEAN"}
    empty = ", ".join(f"CAST(NULL AS {types[n]}) AS {quoted(n)}" for n in names)
    if not names:
        return ""
    nothing = f"SELECT {empty} WHERE false"
    if older is None or not older.hidden:
        return nothing
    paths = ", ".join(literal(str(output.path / f.name)) for f in older.hidden)
    return (
        f"{nothing} UNION ALL BY NAME SELECT * FROM "
        f"read_parquet([{paths}], hive_partitioning = false)"
    )


def _touched_files(
    session: Session, output: Output, kept: tuple[WrittenFile, ...], found: Content,
    older: Manifest | None,
) -> tuple[WrittenFile, ...]:  # fmt: skip
    """Give the old files that have to be written again: those of every folder that changes.

    A key that moves to another folder changes both.
    """
    if not kept or older is None:
        return ()
    key = ", ".join(quoted(c) for c in keyed_of(output).key)
    everything = existing_rows(kept, older, output, file_column="__file")
    by = ", ".join(quoted(c) for c in output.partition_by)
    session.rows(
        'CREATE OR REPLACE TEMP TABLE "__touched" AS '
        f"SELECT DISTINCT {by or '1 AS one'} FROM (SELECT {by or '1'} FROM ({everything}) SEMI JOIN "
        f"({found.touched}) AS t USING ({key}) UNION ALL SELECT {by or '1'} FROM ({found.rows}))"
    )
    same = " AND ".join(
        f"e.{quoted(c)} IS NOT DISTINCT FROM p.{quoted(c)}" for c in output.partition_by
    )
    names = session.rows(
        f'SELECT DISTINCT "__file" FROM ({everything}) AS e SEMI JOIN "__touched" AS p '
        f"ON {same or 'true'}"
    )
    # A file without rows is in no answer; with one folder it goes with the others.
    paths = {Path(name) for (name,) in names}
    is_any = bool(session.rows('FROM "__touched" LIMIT 1'))
    session.rows('DROP TABLE "__touched"')
    if not output.partition_by:
        return kept if is_any else ()
    return tuple(f for f in kept if output.path / f.name in paths)


def _has_rows(session: Session, select: str) -> bool:
    return bool(session.rows(f"SELECT 1 FROM ({select}) LIMIT 1"))


def _new_rows(
    output: Output, keyed: Keyed, found: Content, gone: tuple[WrittenFile, ...],
    older: Manifest | None,
) -> str:  # fmt: skip
    """Give the rows of the files that are written: what stays of the old ones, and the changes."""
    if older is None or not gone:
        return found.rows
    key = ", ".join(quoted(c) for c in keyed.key)
    rest = existing_rows(gone, older, output)
    return (
        f"SELECT * FROM ({rest}) ANTI JOIN ({found.touched}) AS t USING ({key}) "
        f"UNION ALL BY NAME ({found.rows})"
    )


def _rows_left(
    session: Session, output: Output, found: Content, gone: tuple[WrittenFile, ...],
    older: Manifest | None,
) -> int:  # fmt: skip
    """Count the rows that stay of the files that are written again."""
    if older is None or not gone:
        return 0
    key = ", ".join(quoted(c) for c in keyed_of(output).key)
    there = existing_rows(gone, older, output)
    sql = f"SELECT count(*) FROM ({there}) SEMI JOIN ({found.touched}) AS t USING ({key})"
    return sum(f.rows or 0 for f in gone) - int(session.rows(sql)[0][0])


def _check_rows(
    session: Session, output: Output, found: Content, counts: dict[str, int],
    of_files: tuple[int, int],
) -> None:  # fmt: skip
    """Check what the run brings against what is said of each row, and what the new files hold.

    `of_files` has the rows that stay of the files they replace, and their own.
    """  # noqa: DOC501 - built by a function
    left, rows = of_files
    name = output.step.name
    brought = int(session.rows(f"SELECT count(*) FROM ({found.rows})")[0][0])
    if keyed_of(output).kind == "merge" and brought != counts["inserted"] + counts["updated"]:
        raise unbalanced(f"sink {name!r} gets {brought} rows of {counts}")
    if rows != left + brought:
        raise unbalanced(
            f"sink {name!r} keeps {left} rows of the files that it replaces, gets {brought}, and its "
            f"new files hold {rows}"
        )


def _remember(
    session: Session, staging: Staging, keyed: Keyed, found: Content, older: Manifest | None
) -> Generator[float, None, tuple[WrittenFile, ...]]:
    """Write what the folder remembers from now on; the old file stays when nothing changes."""
    left = older.hidden if older else ()
    if not found.remembered:
        return ()
    is_changed = _has_rows(session, found.forgotten) and (
        bool(left) or _has_rows(session, found.remembered)
    )
    if not is_changed:
        take_hidden(staging, left)
        return left
    key = ", ".join(quoted(c) for c in keyed.key)
    select = (
        f"SELECT * FROM ({_memory(staging.output, keyed, older)}) ANTI JOIN ({found.forgotten}) AS t "
        f"USING ({key}) UNION ALL BY NAME ({found.remembered})"
    )
    # Without an ending, as the manifest: no glob of a reader may match it.
    name = new_prefix(staging.token).replace("part", "memory").removesuffix("-")
    target = staging.root / FOLDER / name
    target.parent.mkdir(exist_ok=True)
    result = yield from session.watch(
        f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    )
    return (written_file(target, staging.root, result[0][0]),)


def take_hidden(staging: Staging, files: tuple[WrittenFile, ...]) -> None:
    """Take over the remembered files of the old folder."""
    from mainstem.storage.local.links import take_over

    take_over(files, staging.output.path, staging.root)
