"""Staging a folder that keeps what is there: links to the old files, and the new rows beside them."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

from mainstem.engines.embedded.counting import Written
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.engines.embedded.writing.earlier import (
    added_columns,
    columns_differ,
    is_already_there,
)
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.engines.embedded.writing.staged import Staged, Staging, row_count, written_files
from mainstem.engines.embedded.writing.write import copy_sql
from mainstem.plan.types import parse_schema
from mainstem.storage.local.durable import remove, sync_added
from mainstem.storage.local.links import take_over
from mainstem.storage.local.manifest import Manifest, WrittenFile, read_manifest, write_manifest
from mainstem.storage.local.verify import verify_files


def stage_append(session: Session, select: str, staging: Staging) -> Generator[float, None, Staged]:
    """Stage a folder that holds the old files and those of this run's rows.

    Raises
    ------
    OutsideError
        When the folder is ahead of the state, holds other columns, or lacks a file of its manifest.
    """  # noqa: DOC501 - built by a function
    output, root = staging.output, staging.root
    older = read_manifest(output.path)
    is_there = older is not None and is_already_there(
        older.token, staging.token, path=str(output.path), step=output.step.name,
        is_force=output.is_force,
    )  # fmt: skip
    if older and older.hidden:
        raise columns_differ(output, f"they were written by {older.mode}")
    kept = older.files if older else ()
    rewritten = 0
    if older and not is_there and added_columns(older, output):
        # A reader must find the same columns in every file of a folder.
        verify_files(output.path, kept)
        select = f"{existing_rows(kept, older, output)} UNION ALL BY NAME {select}"
        rewritten, kept = sum(f.rows or 0 for f in kept), ()
    # The new files first: to write onto the name of a link would change the old file.
    result = yield from session.watch(copy_sql(select, output, root, new_prefix(staging.token)))
    rows = row_count(result, output.format) - rewritten
    files = written_files(result, output.format, root)
    if is_there or (rows == 0 and older is not None and not rewritten):
        files = _dropped(files, root)
    return folder(staging, files, kept, rows=rows, older=older, already=rows if is_there else 0)


def folder(
    staging: Staging, files: tuple[WrittenFile, ...], kept: Iterable[WrittenFile], *,
    rows: int, older: Manifest | None, already: int = 0, held: int | None = None,
    hidden: tuple[WrittenFile, ...] = (),
) -> Staged:  # fmt: skip
    """Finish a staged folder: take over the kept files, write the manifest, sync.

    Parameters
    ----------
    staging : Staging
        The table.
    files, kept, hidden : tuple of WrittenFile
        Files that were written by this run, those of the old folder that stay, and those of both
        that a keyed sink remembers by.
    rows, already : int
        Rows offered, and how many of them changed nothing.
    older : Manifest or None
        The old folder's.
    held : int, optional
        Rows that the folder holds; those of its files when absent.
    """
    output, root = staging.output, staging.root
    kept = tuple(kept)
    take_over(kept, output.path, root)
    if held is None:
        held = _known_rows((*kept, *files), rows if older is None else None)
    manifest = replace(staging.manifest((*kept, *files), held), hidden=hidden)
    write_manifest(root, manifest)
    sync_added(root, (f.name for f in (*files, *hidden)))
    parts = {f.name.rpartition("/")[0] for f in files} if output.partition_by else set()
    return Staged(
        output, rows, staging.token, replace(staging.target, rows=rows, token=staging.token),
        len(files), sum(f.bytes for f in files),
        facts={"partitions": len(parts), "kept_files": len(kept), "already_there": already},
        written=Written(output, [root / f.name for f in files], _known_rows(files, rows) or 0),
    )  # fmt: skip


def _known_rows(files: tuple[WrittenFile, ...], alone: int | None) -> int | None:
    """Give the rows of all files; None when one does not say, unless they are all of this run."""
    counts = [f.rows for f in files]
    return alone if any(c is None for c in counts) else sum(c or 0 for c in counts)


def _dropped(files: tuple[WrittenFile, ...], root: Path) -> tuple[WrittenFile, ...]:
    for file in files:
        remove(root / file.name)
    return ()


def new_prefix(token: str) -> str:
    """Give how the names of an epoch's new files begin: the same in every process."""
    fields = json.loads(token)
    return f"part-{fields['epoch']:06}-{fields['id'][:8]}-"


def existing_rows(
    files: Iterable[WrittenFile], older: Manifest, output: Output, *, file_column: str = ""
) -> str:
    """Give the SELECT of the rows of Parquet files that are in the folder, with this run's columns.

    A column that is new is NULL in them; `file_column`, when given, has the path of a row's file.
    """
    fields = output.written_schema.fields
    paths = ", ".join(literal(str(output.path / f.name)) for f in files)
    if not paths:
        empty = ", ".join(
            f"CAST(NULL AS {duckdb_type(f.type)}) AS {quoted(f.name)}" for f in fields
        )
        return f"SELECT {empty} WHERE false"
    options = "hive_partitioning = false"
    if output.partition_by:
        types = {f.name: duckdb_type(f.type) for f in fields if f.name in output.partition_by}
        pairs = ", ".join(f"{quoted(n)}: {literal(t)}" for n, t in types.items())
        options = f"hive_partitioning = true, hive_types = {{{pairs}}}"
    have = set(parse_schema(older.schema).names)
    columns = [
        quoted(f.name) if f.name in have
        else f"CAST(NULL AS {duckdb_type(f.type)}) AS {quoted(f.name)}"
        for f in fields
    ]  # fmt: skip
    if file_column:
        columns.append(quoted(file_column))
        options += f", filename = {literal(file_column)}"
    return f"SELECT {', '.join(columns)} FROM read_parquet([{paths}], {options})"
