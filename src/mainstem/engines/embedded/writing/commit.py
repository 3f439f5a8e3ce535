"""One commit over all outputs of a run.

Everything has been staged and synced. First the transactions in other DuckDB files are filled, and
files for other machines are sent: whatever they refuse, they refuse now. Then the commit record is
written; then the state file's transaction is committed, when there is one. That is the decision:
before it a kill undoes the run, after it a kill is finished by the next start. The rest are renames
and COMMITs.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mainstem.engines.embedded.failures import outside, words
from mainstem.engines.embedded.session import Session
from mainstem.errors import MainstemError, OutsideError
from mainstem.record import mutable
from mainstem.storage.commit import commit_target, is_waiting, send_target, sync_files
from mainstem.storage.local import points
from mainstem.storage.local.record import CommitRecord, Target, write_record

if TYPE_CHECKING:
    from mainstem.engines.embedded.writing.duckdb_sink import DuckdbCommit


@mutable
class Commit:
    """A commit in progress.

    `is_deciding` is set before the first step that a later start may have to finish. From there on
    nothing may be undone in this process, whatever stops it: the record and the state file say
    together what holds, and the next start reads them. `facts` has, by table, what only the
    transaction in another DuckDB file could tell.
    """

    session: Session
    state_dir: Path
    record: CommitRecord
    is_deciding: bool = False
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> None:
        """Make every output visible.

        Raises
        ------
        OutsideError
            Before the decision: nothing has changed. After it: the error says that the next run
            finishes what is left.
        """  # noqa: DOC501 - built by a function
        with ExitStack() as stack:
            filled = self._fill(stack)
            self.is_deciding = True
            self._record()
            self._commit_state()
            try:
                self._commit_rest(filled)
            except (MainstemError, OSError) as error:
                raise unfinished(error) from error
        points.reached(points.ALL_COMMITTED)

    def _fill(self, stack: ExitStack) -> list[DuckdbCommit]:
        filled = []
        for at, target in enumerate(self.record.targets):
            if target.kind == "duckdb":
                from mainstem.engines.embedded.writing.duckdb_sink import DuckdbCommit

                sink = DuckdbCommit(self.session.connection.cursor(), target, at)
                stack.callback(sink.close)
                sink.open()
                sink.fill(self.record.pipeline, self.record.run_id)
                self.facts[target.step] = sink.facts
                filled.append(sink)
            else:
                send_target(target)
        return filled

    def _record(self) -> None:
        if not self.record.targets:
            return
        try:
            write_record(self.state_dir, self.record)
        except OSError as error:
            raise outside(str(error), prefix="writing the commit record: ") from error
        points.reached(points.COMMIT_RECORDED)

    def _commit_state(self) -> None:
        if not self.record.has_state:
            return
        try:
            self.session.rows("COMMIT")
        except duckdb.Error as error:
            # Whether the log reached the disk is not known here: the next start looks, and decides.
            raise outside(words(error), prefix="committing the state file: ") from error
        points.reached(points.STATE_COMMITTED)

    def _commit_rest(self, filled: list[DuckdbCommit]) -> None:
        for sink in filled:
            sink.commit()
            points.reached(points.SINK_COMMITTED)
        for target in self.record.targets:
            if target.kind != "duckdb":
                commit_target(target, self.record.run_id)
                points.reached(points.SINK_COMMITTED)
        sync_files(self.record.targets)


def unfinished(error: Exception) -> OutsideError:
    """Give the error of a commit that was decided and could not be finished."""
    what = error.finding.what if isinstance(error, MainstemError) else str(error)
    return OutsideError(
        f"the commit is decided but not finished: {what}", code="CommitUnfinished",
        fix="remove the cause and run again: the next run first finishes this one",
    )  # fmt: skip


def finish(record: CommitRecord, connection: duckdb.DuckDBPyConnection) -> list[Target]:
    """Finish a decided commit after a kill; give the outputs that were still to be done."""
    done = []
    for at, target in enumerate(record.targets):
        if target.kind == "duckdb":
            if _finish_duckdb(connection, target, record, at):
                done.append(target)
        else:
            if is_waiting(target):
                done.append(target)
            commit_target(target, record.run_id)
    sync_files(record.targets)
    return done


def _finish_duckdb(
    connection: duckdb.DuckDBPyConnection, target: Target, record: CommitRecord, at: int
) -> bool:
    from mainstem.engines.embedded.writing.duckdb_sink import DuckdbCommit

    sink = DuckdbCommit(connection.cursor(), target, at)
    try:
        sink.open()
        if sink.has_token(record.run_id):
            return False
        sink.fill(record.pipeline, record.run_id)
        sink.commit()
        return True
    finally:
        sink.close()
