"""Staging: a table's rows are written where nobody looks, checked, and synced."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mainstem.engines.embedded.outputs import Output, refuse_strangers
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal
from mainstem.engines.embedded.write import copy_sql, sink_select
from mainstem.engines.spec import RunSettings
from mainstem.errors import OutsideError
from mainstem.storage.local import points
from mainstem.storage.local.commit import undo_target
from mainstem.storage.local.durable import remove, sha256, sync_file, sync_tree
from mainstem.storage.local.manifest import (
    Manifest,
    WrittenFile,
    inside,
    read_manifest,
    write_manifest,
)
from mainstem.storage.local.record import CommitRecord, Target, write_record


@dataclass(slots=True)
class Staged:
    """What one table wrote: its target (None in the state file), rows, files and bytes."""

    output: Output
    rows: int
    token: str
    target: Target | None = None
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


def planned_targets(outputs: tuple[Output, ...], settings: RunSettings) -> dict[str, Target]:
    """Give where each table outside of the state file is staged, by step."""
    planned = {}
    for at, output in enumerate(outputs):
        if output.kind == "state":
            continue
        if output.duckdb:
            staged = staging_dir(settings) / f"{at}.parquet"
        else:
            staged = output.path.parent / f".mainstem-{settings.run_id}.{at}.tmp"
        planned[output.step.name] = Target(
            output.kind, output.step.name, str(output.path), str(staged),  # type: ignore[arg-type]
            table=output.duckdb.table if output.duckdb else "", force=output.is_force,
        )  # fmt: skip
    return planned


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


def stage(
    session: Session, relation: str, output: Output, target: Target, settings: RunSettings
) -> Generator[float, None, Staged]:
    """Write the rows of `relation` to the staging place of `target`; give what was written."""
    staged = Path(target.staged)
    select = sink_select(relation, output)
    if target.kind == "duckdb":
        sql = f"COPY ({select}) TO {literal(str(staged))} (FORMAT parquet, RETURN_STATS)"
    else:
        sql = copy_sql(select, output, staged, settings.run_id)
    result = yield from session.watch(sql)
    if target.kind in ("file", "duckdb"):
        sync_file(staged)
        size = staged.stat().st_size
        # The rows of an outside DuckDB file are checked by the transaction that takes them in.
        check = sha256(staged) if target.kind == "file" else ""
        # RETURN_STATS gives (file, rows, …), RETURN_FILES gives (rows, files).
        rows = result[0][0] if output.format in ("csv", "tsv", "json", "text") else result[0][1]
        return Staged(output, rows, "", replace(target, rows=rows, sha256=check), 1, size)
    return _staged_folder(result, output, target, settings)


def _staged_folder(
    result: list[tuple[Any, ...]], output: Output, target: Target, settings: RunSettings
) -> Staged:
    root = Path(target.staged)
    files = _written(result, output, root)
    rows = sum(row[1] for row in result) if output.format == "parquet" else result[0][0]
    parts = tuple(sorted({f.name.rpartition("/")[0] for f in files})) if output.partition_by else ()
    _check_parts(output, parts)
    sync_tree(root)
    filled = replace(target, rows=rows, parts=parts)
    return Staged(output, rows, "", filled, len(files), sum(f.bytes for f in files),
                  facts={"files": files, "partitions": len(parts)})  # fmt: skip


def _written(result: list[tuple[Any, ...]], output: Output, root: Path) -> tuple[WrittenFile, ...]:
    """Give every file of a staged folder with rows, bytes and checksum.

    Only Parquet says how many rows each of several files has; None says that it is not known.
    """
    if output.format == "parquet":
        counts: dict[str, int | None] = {row[0]: row[1] for row in result}
    else:
        names = result[0][1] or []
        counts = dict.fromkeys(names, None)
        if len(names) == 1:
            counts[names[0]] = result[0][0]
    files = []
    for name, rows in sorted(counts.items()):
        path = Path(name)
        relative = path.relative_to(root).as_posix()
        files.append(WrittenFile(relative, rows, path.stat().st_size, sha256(path)))
    return tuple(files)


def _check_parts(output: Output, parts: tuple[str, ...]) -> None:
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


def with_token(staged: Staged, token: str, settings: RunSettings, pipeline: str) -> Staged:
    """Give `staged` its token; a folder gets its manifest now, as the token is part of it."""
    staged.token = token
    if staged.target is None:
        return staged
    target = staged.target
    staged.target = replace(target, token=token)
    if target.kind in ("folder", "partitions"):
        output = staged.output
        manifest = Manifest(
            pipeline, output.step.name, settings.run_id, token, str(output.schema),
            output.partition_by, staged.facts.pop("files"), staged.rows,
        )  # fmt: skip
        write_manifest(Path(target.staged), manifest)
    return staged


def remove_staged(targets: dict[str, Target], settings: RunSettings) -> None:
    """Remove everything that is staged; the old outputs stay as they are."""
    for target in targets.values():
        undo_target(target)
    remove(staging_dir(settings).parent)
