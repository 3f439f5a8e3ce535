"""Copies of the state of a running stream, at an interval: the newest few are kept.

A copy is made by `saved.backup`, which asks the run itself: epochs go on meanwhile. It gets its name
when it is whole and on the disk, and loses it before it is removed: what has a name can be restored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from mainstem.engines.spec import BackupSettings, Event
from mainstem.errors import MainstemError, SettingsError
from mainstem.lazy import pattern
from mainstem.plan.duration import duration_text, parse_duration
from mainstem.runtime.saved import STATE, backup
from mainstem.settings.log import logger
from mainstem.storage.local.durable import remove

KEPT = 3
# By the second, in UTC: sorted by name they are sorted by time.
_NAMES = pattern(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_LEFT = pattern(r"\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.(making-\d+|gone)")


def backup_settings(
    pipeline: str, base: Path, to: str, every: str, keep: int | None
) -> BackupSettings:
    """Read how copies are to be made.

    Raises
    ------
    SettingsError
        When there is a place without an interval, the other way round, or a number that is none.
    """
    if not to or not every:
        raise SettingsError(
            "copies of the state need a folder and an interval", code="Usage",
            fix="give both: --backup-to copies --backup-every '10 minutes'",
        )  # fmt: skip
    span = parse_duration(every, "backup_every")
    if span.total_seconds() < 1:
        raise SettingsError(
            f"--backup-every is {duration_text(span)}", code="Usage", fix="give 1 second or more"
        )
    if keep is not None and keep < 1:
        raise SettingsError(f"--backup-keep is {keep}", code="Usage", fix="give 1 or more")
    # Two pipelines must not throw out one another's.
    return BackupSettings(base / to / pipeline, span.total_seconds(), keep or KEPT)


def refuse_batch() -> SettingsError:
    """Give the error of copies that are asked for where there is no stream."""
    return SettingsError(
        "every source of this pipeline ends: there is no state of a stream to copy", code="Usage",
        fix="leave --backup-to, --backup-every and --backup-keep out",
    )  # fmt: skip


def copies(folder: Path) -> list[Path]:
    """Give the whole copies in a folder, the oldest first."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if _NAMES.fullmatch(path.name))
    return sorted(path for path in found if (path / STATE).exists())


class Backups:
    """Makes copies in a thread of its own while a stream runs.

    Parameters
    ----------
    state_dir : Path
        Of the run.
    settings : BackupSettings or None
        None makes none.
    epoch : callable
        Gives the last committed epoch: nothing is copied twice.
    """

    def __init__(
        self, state_dir: Path, settings: BackupSettings | None, epoch: Callable[[], int]
    ) -> None:
        self.state_dir, self.settings, self.epoch = state_dir, settings, epoch
        self.stopping = threading.Event()
        self.told: list[dict[str, Any]] = []
        self.last = -1
        self.thread: threading.Thread | None = None

    def __enter__(self) -> Backups:
        if self.settings is not None:
            self.thread = threading.Thread(
                target=self._run, args=(self.settings,), name="mainstem-backup", daemon=True
            )
            self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def events(self, pipeline: str) -> Iterator[Event]:
        """Tell what has happened since the last time: ``backup_made``, ``backup_failed``."""
        while self.told:
            facts = self.told.pop(0)
            yield Event("backup_failed" if "error" in facts else "backup_made", pipeline, facts)

    def _run(self, settings: BackupSettings) -> None:
        while not self.stopping.wait(settings.every_s):
            epoch = self.epoch()
            if epoch == self.last:
                continue
            try:
                self.told.append(self.one(settings))
                self.last = epoch
            except (MainstemError, OSError) as error:
                # The run itself may be ending, and its answers with it.
                if not self.stopping.is_set():
                    logger("backup").warning("no backup was made: %s", error)
                    self.told.append({"error": str(error)})

    def one(self, settings: BackupSettings) -> dict[str, Any]:
        """Make one copy, and let go of those beyond what is kept.

        Returns
        -------
        dict
            ``path``, ``epoch``, ``bytes``, ``removed``.
        """
        folder = settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            # A kill has left them; nobody else makes copies of a state that we hold.
            if _LEFT.fullmatch(path.name):
                remove(path)
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        found = backup(self.state_dir, folder / name)
        old = copies(folder)[: -settings.keep]
        for path in old:
            remove(path.rename(path.with_name(f".{path.name}.gone")))
        return found | {"removed": len(old)}
