"""Questions to the tables without a sink, which live in the state file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mainstem.errors import StateError
from mainstem.record import record
from mainstem.runtime.state import check_format, holder


@record
class Answer:
    """Rows with the names and types of their columns."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query(state_dir: Path, sql: str) -> Answer:
    """Answer a question in DuckDB's SQL; nothing can be written.

    Raises
    ------
    StateError
        When there are no tables yet, or a run is writing them: DuckDB lets nobody read a file that
        is open for writing, and names whose pid holds it.
    DataError
        When the question is wrong.
    """
    from mainstem.engines.embedded.state_file import answer

    _refuse_while_running(state_dir)
    columns, types, rows = answer(state_dir, sql)
    return Answer(tuple(columns), tuple(types), tuple(rows))


def connect(state_dir: Path) -> Any:
    """Give a DuckDB connection that reads the tables of the state file; the caller closes it.

    Raises
    ------
    StateError
        As for `query`.
    """
    from mainstem.engines.embedded.state_file import open_tables

    _refuse_while_running(state_dir)
    return open_tables(state_dir)


def _refuse_while_running(state_dir: Path) -> None:
    check_format(state_dir)
    who = holder(state_dir)
    if who is not None:
        raise StateError(
            f"run {who.run_id} (pid {who.pid}) is writing the tables of {state_dir}",
            code="StateLocked", fix="wait until it ends; `mainstem status` works meanwhile",
            pid=who.pid,
        )  # fmt: skip
