"""Files and partitions: each epoch adds files to a folder; its manifest has the token.

See `mainstem.storage.local.placing` for the steps of a commit. The folder itself is locked while a
run writes to it, so a second run is refused; and the manifest must be the one that this run wrote
last, or somebody has put another one there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from mainstem.connectors.files.options import FilesSink
from mainstem.engines.embedded.counting import unbalanced
from mainstem.engines.embedded.failures import explained, outside
from mainstem.engines.embedded.stream.sinks.compaction import compact, due, finish_swap, mend
from mainstem.engines.embedded.stream.sinks.token import Owner, already_there, epoch_of
from mainstem.engines.embedded.stream.sinks.wire import checked, stream_output
from mainstem.engines.embedded.stream.spec import Batch
from mainstem.engines.embedded.writing.earlier import added_columns, columns_differ
from mainstem.engines.embedded.writing.outputs import Output, refuse_strangers
from mainstem.engines.embedded.writing.staged import row_count, written_files
from mainstem.engines.embedded.writing.write import copy_sql
from mainstem.engines.spec import RunSettings
from mainstem.errors import BusyError, InternalError
from mainstem.plan.nodes import Plan, Step
from mainstem.storage.local import points
from mainstem.storage.local.durable import make_folders, remove
from mainstem.storage.local.manifest import (
    STAGED_SUFFIX,
    Manifest,
    WrittenFile,
    manifest_path,
    read_manifest,
    strangers,
    write_manifest,
)
from mainstem.storage.local.placing import check_placed, place, staging, sync_staged

# The word for the mode in a manifest: a batch run knows by it whose rows these are.
MODE = "stream"


def files_sink(step: Step, plan: Plan, settings: RunSettings) -> StreamFolder:
    """Give the sink of a table whose binding is ``ms.files``."""
    output = stream_output(step, plan, settings)
    if output.files is None:
        raise InternalError(f"{step.name!r} is not written to files")
    owner = Owner(plan.name, step.name, str(output.path), output.is_force, step.where)
    return StreamFolder(output, output.files, owner, settings.run_id)


class StreamFolder:
    """One table of a stream in a folder."""

    def __init__(self, output: Output, options: FilesSink, owner: Owner, run_id: str) -> None:
        self._output = output
        self._file_bytes = options.file_bytes
        self._owner = owner
        self._run_id = run_id
        self._manifest: Manifest | None = None
        self._stamp: tuple[int, ...] = ()
        self._lock = -1

    def wire(self, select: str) -> str:
        """Give the rows with their checks."""
        return checked(select, self._output, is_updating=False)

    def open(self) -> dict[str, Any] | None:
        """Lock the folder, finish what a kill left, and give the token."""
        try:
            with self._explaining("opening"):
                return self._opened(self._output.path)
        except BaseException:
            self.close()
            raise

    def _opened(self, path: Path) -> dict[str, Any] | None:
        try:
            finish_swap(path)
        except BlockingIOError as error:
            raise self._busy(path) from error
        # A folder with strangers is refused before anything in it is touched.
        self._refuse_strangers()
        make_folders(path)
        self._lock_folder(path)
        mend(path)
        return self._take_up(path)

    def write(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Commit an epoch's rows and token."""
        if self._manifest is None:
            raise InternalError(f"the sink of {self._output.step.name!r} is not open")
        path = self._output.path
        with self._explaining("writing"):
            if batch.epoch <= epoch_of(self._owner.token(self._manifest.token)):
                # It may have been committed and then failed to give a file its place.
                place(path, self._manifest)
                return already_there(batch.rows)
            if self._stamp != _stamp(path):
                raise self._owner.taken_over("somebody who wrote its manifest")
            place(path, self._manifest)
            files = self._staged(cursor, batch)
            self._commit(batch, files)
            place(path, self._manifest)
            facts = {
                "rows": batch.rows, "already_there": 0, "files": len(files),
                "bytes": sum(f.bytes for f in files),
            }  # fmt: skip
            return facts | self._compact(cursor)

    def close(self) -> None:
        """Let another run write to the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        self._manifest = None

    def _refuse_strangers(self) -> None:
        """Refuse what `refuse_strangers` does; files that are being placed are ours."""
        refuse_strangers(replace(self._output, kind="folder"))

    def _lock_folder(self, path: Path) -> None:
        while True:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(handle)
                raise self._busy(path) from error
            # Its holder may have put another folder in its place before it let go.
            if os.path.samestat(os.fstat(handle), path.stat()):
                self.close()
                self._lock = handle
                return
            os.close(handle)

    def _busy(self, path: Path) -> BusyError:
        manifest = read_manifest(path)
        who = f"run {manifest.run_id}" if manifest else "another run"
        return BusyError(
            f"{path} is being written by {who}", where=self._owner.where, step=self._owner.table,
            code="FolderLocked", fix="stop the other run, or choose another path",
        )  # fmt: skip

    def _take_up(self, path: Path) -> dict[str, Any] | None:
        left = read_manifest(path)
        token = self._owner.token(left.token) if left else None
        if left is not None and token is None and left.token:
            left = self._replaced(path, left)
        if left is None:
            self._clear(path)
            self._set(self._empty(), is_written=False)
            return None
        if added_columns(left, self._output):
            raise columns_differ(self._output, "a stream's files all have the same columns")
        self._set(left, is_written=True)
        place(path, left)
        if token is not None:
            prefix = _prefix(epoch_of(token))
            last = tuple(f.name for f in left.files if f.name.rpartition("/")[2].startswith(prefix))
            check_placed(path, left, last)
        return token

    def _replaced(self, path: Path, left: Manifest) -> Manifest | None:
        """Give what becomes of somebody else's files under ``force=True``."""
        if self._output.mode == "append":
            return left
        for file in left.files:
            remove(path / file.name)
        remove(manifest_path(path))
        return None

    def _clear(self, path: Path) -> None:
        """Remove what no manifest names: of an epoch that was not committed, or under force."""
        remove(staging(path))
        if self._output.is_force and self._output.mode == "overwrite":
            for name in strangers(path, None):
                remove(path / name)

    def _empty(self) -> Manifest:
        output = self._output
        return Manifest(
            self._owner.pipeline, output.step.name, self._run_id, "", str(output.written_schema),
            output.partition_by, (), 0, output.spelling, MODE,
        )  # fmt: skip

    def _staged(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[WrittenFile, ...]:
        """Write the files of an epoch where nobody looks; on the disk afterwards."""
        if not batch.rows:
            return ()
        root = staging(self._output.path)
        # Instants are printed in UTC; a cursor starts with the machine's zone.
        cursor.execute("SET TimeZone = 'UTC'")
        sql = copy_sql(batch.select, self._output, root, _prefix(batch.epoch), suffix=STAGED_SUFFIX)
        result = cursor.execute(sql).fetchall()
        rows = row_count(result, self._output.format)
        if rows != batch.rows:
            raise unbalanced(
                f"epoch {batch.epoch} of {self._output.step.name!r} was to have {batch.rows} rows, "
                f"and its files have {rows}"
            )
        files = written_files(result, self._output.format, root)
        sync_staged(root)
        return tuple(replace(f, name=f.name.removesuffix(STAGED_SUFFIX)) for f in files)

    def _commit(self, batch: Batch, files: tuple[WrittenFile, ...]) -> None:
        older = self._manifest
        if older is None:
            raise InternalError("a folder that is not open")
        every = tuple(sorted((*older.files, *files), key=lambda f: f.name))
        held = None if older.rows is None else older.rows + batch.rows
        manifest = replace(
            older, run_id=self._run_id, token=self._owner.text(batch.token), files=every, rows=held,
            mode=MODE,
        )  # fmt: skip
        points.reached(points.SINK_PREPARED)
        write_manifest(self._output.path, manifest)
        points.reached(points.SINK_DECIDED)
        self._set(manifest, is_written=True)

    def _compact(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        if self._manifest is None:
            raise InternalError("a folder that is not open")
        groups = due(self._manifest.files, self._file_bytes)
        if not groups:
            return {}
        manifest, handle = compact(cursor, self._output, self._manifest, groups)
        os.close(self._lock)
        self._lock = handle
        self._set(manifest, is_written=True)
        return {"compacted": sum(map(len, groups))}

    def _set(self, manifest: Manifest, *, is_written: bool) -> None:
        self._manifest = manifest
        self._stamp = _stamp(self._output.path) if is_written else ()

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise explained(
                error, self._output.step, doing=f"{doing} {self._output.path}"
            ) from error
        except BusyError:
            raise
        except OSError as error:
            if hasattr(error, "finding"):
                raise
            raise outside(
                str(error), where=self._owner.where, step=self._owner.table,
                prefix=f"{doing} {self._output.path}: ",
            ) from error  # fmt: skip


def _prefix(epoch: int) -> str:
    """Give how the names of an epoch's files begin: the same whoever writes it, in its order."""
    return f"part-{epoch:012}-"


def _stamp(folder: Path) -> tuple[int, ...]:
    """Give what changes when somebody replaces the manifest; nothing when there is none."""
    try:
        found = manifest_path(folder).stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
