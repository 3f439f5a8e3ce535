"""What a new run does first: finish or undo what a killed one left."""

from __future__ import annotations

from pathlib import Path

from mainstem.engines.embedded.session import plain_connection
from mainstem.engines.embedded.state_file import has_run
from mainstem.engines.embedded.writing.commit import finish, unfinished
from mainstem.engines.embedded.writing.resume import forget, keep_finished
from mainstem.engines.spec import Event
from mainstem.errors import MainstemError
from mainstem.storage.commit import undo_target
from mainstem.storage.local.durable import remove
from mainstem.storage.local.record import CommitRecord, read_record


def recover(state_dir: Path, run_id: str) -> list[Event]:
    """Finish or undo what is open; the caller holds the lock and clears the record afterwards.

    Parameters
    ----------
    state_dir : Path
        The state directory.
    run_id : str
        The last run without an end in the journal; "" when there is none.

    Returns
    -------
    list of Event
        At most one, ``recovered``: ``outcome`` is ``finished`` (every sink has the new content)
        or ``undone`` (every sink has the old one), ``sinks`` those that were still to be done.
    """
    record = read_record(state_dir)
    if record is None:
        event = _without_record(state_dir, run_id)
    elif _is_decided(state_dir, record):
        event = _finished(record)
        forget(state_dir)
    else:
        keep_finished(state_dir, record.run_id)
        for target in record.targets:
            undo_target(target)
        event = _event(record.run_id, "undone", [t.step for t in record.targets])
    # What spilled and what was staged inside of the state directory is nobody's any more.
    remove(state_dir / "tmp")
    remove(state_dir / "staging")
    return [event] if event else []


def _is_decided(state_dir: Path, record: CommitRecord) -> bool:
    if record.phase == "staging":
        return False
    return not record.has_state or has_run(state_dir, record.run_id)


def _without_record(state_dir: Path, run_id: str) -> Event | None:
    if not run_id:
        return None
    return _event(run_id, "finished" if has_run(state_dir, run_id) else "undone", [])


def _finished(record: CommitRecord) -> Event:
    connection = plain_connection()
    try:
        done = finish(record, connection)
    except (MainstemError, OSError) as error:
        raise unfinished(error) from error
    finally:
        connection.close()
    return _event(record.run_id, "finished", [t.step for t in done])


def _event(run_id: str, outcome: str, sinks: list[str]) -> Event:
    return Event("recovered", run_id, {"outcome": outcome, "sinks": sinks})
