"""Staging: a table's rows are written where nobody looks, checked, and synced."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.counting import Written
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal
from mainstem.engines.embedded.writing.outputs import Output, refuse_strangers
from mainstem.engines.embedded.writing.staged import Staged, Staging, row_count, written_files
from mainstem.engines.embedded.writing.write import copy_sql, sink_select
from mainstem.engines.spec import RunSettings
from mainstem.errors import OutsideError
from mainstem.storage.commit import undo_target
from mainstem.storage.local import points
from mainstem.storage.local.commit import part_prefix
from mainstem.storage.local.durable import remove, sha256, sync_file, sync_tree
from mainstem.storage.local.manifest import inside, read_manifest, write_manifest
from mainstem.storage.local.record import CommitRecord, Target, write_record


def planned_targets(outputs: tuple[Output, ...], settings: RunSettings) -> dict[str, Target]:
    """Give where each table outside of the state file is staged, by step."""
    planned = {}
    for at, output in enumerate(outputs):
        if output.kind == "state":
            continue
        if output.duckdb:
            staged = staging_dir(settings) / f"{at}.parquet"
        elif output.address:
            staged = staging_dir(settings) / str(at)
        else:
            staged = output.path.parent / f".mainstem-{settings.run_id}.{at}.tmp"
        planned[output.step.name] = Target(
            output.kind, output.step.name, output.place, str(staged),  # type: ignore[arg-type]
            table=output.duckdb.table if output.duckdb else "", force=output.is_force,
            mode=output.mode, keyed=_keyed_words(output),
        )  # fmt: skip
    return planned


def _keyed_words(output: Output) -> tuple[tuple[str, Any], ...]:
    """Give the words of a keyed sink as its commit record has them; nothing for another."""
    if output.keyed is None:
        return ()
    # Here and in `stage`: most runs have no such sink, and start without what writes it.
    from mainstem.engines.embedded.writing.keyed import keyed_pairs

    return keyed_pairs(output)


def staging_dir(settings: RunSettings) -> Path:
    """Give where rows for other DuckDB files wait."""
    return settings.state_dir / "staging" / settings.run_id


def record_staging(targets: dict[str, Target], settings: RunSettings, pipeline: str) -> None:
    """Say in the commit record what is about to be staged, and make the folders for it.

    Written before the first staged file, so that what a kill leaves can be found and removed.

    Raises
    ------
    OutsideError
        When this user may not write beside a target.
    """
    if not targets:
        return
    record = CommitRecord(settings.run_id, pipeline, "staging", targets=tuple(targets.values()))
    write_record(settings.state_dir, record)
    points.reached(points.STAGING_RECORDED)
    for target in targets.values():
        folder = Path(target.staged) if target.kind in ("folder", "partitions") else None
        try:
            (folder or Path(target.staged).parent).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OutsideError(
                f"cannot write {target.path}: a folder above it is a file", step=target.step,
                code="WrongTarget", fix="choose another path, or move that file away",
            ) from error  # fmt: skip
        except OSError as error:
            raise OutsideError(
                f"cannot write beside {target.path}: {error.strerror}", step=target.step,
                code="NoRights", fix="give this user the right to write there",
            ) from error  # fmt: skip


def stage(session: Session, relation: str, staging: Staging) -> Generator[float, None, Staged]:
    """Write the rows of `relation` where they wait for the commit; give what was written."""
    output, target, root = staging.output, staging.target, staging.root
    select = sink_select(relation, output)
    if output.keyed is not None:
        from mainstem.engines.embedded.writing.keyed import stage_keyed

        return (yield from stage_keyed(session, select, staging))
    if output.mode == "append" and target.kind != "duckdb":
        from mainstem.engines.embedded.writing.append import stage_append

        return (yield from stage_append(session, select, staging))
    if target.kind == "duckdb":
        sql = f"COPY ({select}) TO {literal(str(root))} (FORMAT parquet, RETURN_STATS)"
    else:
        sql = copy_sql(select, output, root, part_prefix(staging.settings.run_id))
    result = yield from session.watch(sql)
    if target.kind not in ("file", "duckdb"):
        return _staged_folder(result, staging)
    sync_file(root)
    # The rows of an outside DuckDB file are checked by the transaction that takes them in.
    check = sha256(root) if target.kind == "file" else ""
    rows = row_count(result, "parquet" if target.kind == "duckdb" else output.format)
    filled = replace(target, rows=rows, sha256=check, token=staging.token)
    written = Written(output, [root], rows)
    return Staged(output, rows, staging.token, filled, 1, root.stat().st_size, written=written)


def _staged_folder(result: list[tuple[Any, ...]], staging: Staging) -> Staged:
    output, root = staging.output, staging.root
    files = written_files(result, output.format, root)
    rows = row_count(result, output.format)
    parts = tuple(sorted({f.name.rpartition("/")[0] for f in files})) if output.partition_by else ()
    check_parts(output, parts)
    write_manifest(root, staging.manifest(files, rows))
    sync_tree(root)
    filled = replace(staging.target, rows=rows, parts=parts, token=staging.token)
    return Staged(output, rows, staging.token, filled, len(files), sum(f.bytes for f in files),
                  facts={"partitions": len(parts)},
                  written=Written(output, [root / f.name for f in files], rows))  # fmt: skip


def check_parts(output: Output, parts: tuple[str, ...]) -> None:
    """Refuse what only shows once the partitions are known; the old output is still whole."""
    if output.kind != "partitions" or not output.path.exists():
        return
    refuse_strangers(output, parts)
    older = read_manifest(output.path)
    if older is None:
        return
    kept = [f for f in older.files if not inside(f.name, parts)]
    same = older.partition_by == output.partition_by and older.schema == str(output.schema)
    if kept and not same:
        raise OutsideError(
            f"{output.path} holds partitions with other columns: partition_by "
            f"{list(older.partition_by)}, {older.schema}; this run writes partition_by "
            f"{list(output.partition_by)}, {output.schema}",
            where=output.step.where, step=output.step.name, code="PartitionsDiffer",
            fix='write everything once with mode="overwrite"',
        )  # fmt: skip


def remove_staged(targets: dict[str, Target], settings: RunSettings) -> None:
    """Remove everything that is staged; the old outputs stay as they are."""
    for target in targets.values():
        undo_target(target)
    remove(staging_dir(settings).parent)
