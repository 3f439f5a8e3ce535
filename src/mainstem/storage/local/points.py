"""Named points of a commit, where a test can kill the process.

A crash test is only worth something when it kills at every place where the outside world has just
changed. So each such place has a name here, and the code calls `reached` there. The names are part
of docs/running.md, which says for each what the next run finds and does.
"""

from __future__ import annotations

import os
import signal
from typing import Final

RUN_STARTED: Final = "run_started"
STAGING_RECORDED: Final = "staging_recorded"
COMPUTING: Final = "computing"
STAGED: Final = "staged"
COMMIT_RECORDED: Final = "commit_recorded"
STATE_COMMITTED: Final = "state_committed"
BETWEEN_RENAMES: Final = "between_renames"
BETWEEN_PARTITIONS: Final = "between_partitions"
BEFORE_MANIFEST: Final = "before_manifest"
SINK_SWAPPED: Final = "sink_swapped"
SINK_COMMITTED: Final = "sink_committed"
ALL_COMMITTED: Final = "all_committed"
RECORD_CLEARED: Final = "record_cleared"

# In the order in which a run passes them.
POINTS: Final = (
    RUN_STARTED, STAGING_RECORDED, COMPUTING, STAGED, COMMIT_RECORDED, STATE_COMMITTED,
    BETWEEN_RENAMES, BETWEEN_PARTITIONS, BEFORE_MANIFEST, SINK_SWAPPED, SINK_COMMITTED,
    ALL_COMMITTED, RECORD_CLEARED,
)  # fmt: skip

_counts: dict[str, int] = {}


def is_testing() -> bool:
    """Say whether the switches of crash tests are honoured at all."""
    return os.environ.get("MAINSTEM_TESTING") == "1"


def reached(point: str) -> None:
    """Pass a named point; kill this process here when a test asked for it.

    Honoured only with ``MAINSTEM_TESTING=1``. ``MAINSTEM_KILL_AT`` is ``point`` or ``point:n`` for
    the n-th time that the process passes it. SIGKILL runs no handler and flushes nothing.
    """
    if not is_testing():
        return
    wanted, _, nth = os.environ.get("MAINSTEM_KILL_AT", "").partition(":")
    if wanted != point:
        return
    _counts[point] = _counts.get(point, 0) + 1
    if _counts[point] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
