"""The commit record: what a run is about to make visible, so that a kill can be finished or undone.

It is one small file in the state directory, replaced durably as a whole:

``staging``
    Written before the first staged file exists. A run that died here is undone: what is staged is
    removed, every sink has its old content.
``committing``
    Written when everything is staged and synced. From here a run is finished by whoever starts
    next. With tables in the state file (`has_state`) the decision is that file's own transaction:
    the run's token in it means finish, its absence means undo.

No record means that nothing is open.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from mainstem.errors import StateError
from mainstem.record import record
from mainstem.storage.local.durable import sync_folder, write_durably

FORMAT = 1
NAME = "commit.json"

TargetKind = Literal["file", "folder", "partitions", "duckdb"]


@record
class Target:
    """One output outside of the state file.

    Parameters
    ----------
    kind : str
        ``file``, ``folder`` (replaced whole), ``partitions`` (only those in `parts`), ``duckdb``.
    step : str
        The table's name in the pipeline.
    path : str
        The final name, absolute.
    staged : str
        Where the rows wait, on the same file system (``duckdb``: a Parquet file in the state
        directory).
    table : str
        The table inside a DuckDB file; empty for files.
    token : str
        The commit token.
    rows : int
        Rows offered.
    parts : tuple of str
        Relative folders that replace their namesakes.
    force : bool
        Whether content that Mainstem did not write may be replaced.
    sha256 : str
        Checksum of a single file.
    mode : str
        ``overwrite``, ``append``, ``merge`` or ``history``; `keyed` has the words of the last two.
    """

    kind: TargetKind
    step: str
    path: str
    staged: str
    table: str = ""
    token: str = ""
    rows: int = 0
    parts: tuple[str, ...] = ()
    force: bool = False
    sha256: str = ""
    mode: str = "overwrite"
    keyed: tuple[tuple[str, Any], ...] = ()


@record
class CommitRecord:
    """What one run has staged or is committing."""

    run_id: str
    pipeline: str
    phase: Literal["staging", "committing"]
    has_state: bool = False
    targets: tuple[Target, ...] = ()


def write_record(state_dir: Path, record: CommitRecord) -> None:
    """Write the record durably."""
    text = json.dumps({"format": FORMAT} | dataclasses.asdict(record), indent=1)
    write_durably(state_dir / NAME, text.encode())


def read_record(state_dir: Path) -> CommitRecord | None:
    """Give the open record, or None.

    Raises
    ------
    StateError
        When it is there and cannot be read, or a newer version wrote it.
    """
    path = state_dir / NAME
    try:
        return _from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"the commit record {path} cannot be read: {error}", code="CommitRecordDamaged",
            fix="run the version that wrote it, or compare each sink by hand and remove the file",
        ) from error  # fmt: skip


def _from_json(data: dict[str, Any]) -> CommitRecord:
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']}, this version knows {FORMAT}")
    targets = tuple(_target(t) for t in data["targets"])
    phase = data["phase"]
    if phase not in ("staging", "committing"):
        raise ValueError(f"phase {phase!r}")
    return CommitRecord(data["run_id"], data["pipeline"], phase, data["has_state"], targets)


def _target(data: dict[str, Any]) -> Target:
    keyed = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in data.get("keyed", ()))
    return Target(**data | {"parts": tuple(data["parts"]), "keyed": keyed})


def clear_record(state_dir: Path) -> None:
    """Remove the record: nothing is open any more."""
    try:
        (state_dir / NAME).unlink()
    except FileNotFoundError:
        return
    sync_folder(state_dir)
