"""Named points of a commit, where a test can kill the process.

A crash test is only worth something when it kills at every place where the outside world has just
changed. So each such place has a name here, and the code calls `reached` there. The names are part
of docs/running.md, which says for each what the next run finds and does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
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

# Of an output on another machine, before the commit is recorded: nothing of it is there, all of it is.
SENDING: Final = "sending"
SENT: Final = "sent"
SENDING_POINTS: Final = (SENDING, SENT)

# Of a stream's sink: an epoch's rows are ready, but neither they nor the token can be seen.
SINK_PREPARED: Final = "stream_sink_prepared"
# Rows and token are committed; the engine does not know it yet.
SINK_DECIDED: Final = "stream_sink_decided"
# Files: the manifest names the epoch's files, and one more of them has got its place.
FILE_PLACED: Final = "stream_file_placed"
# Files: every file has its place; what was staged is not cleared away.
FILES_PLACED: Final = "stream_files_placed"
# Files: small files have been written as one, which nobody sees yet.
COMPACTED: Final = "stream_files_compacted"
# Files: the folder with the one file stands where that with the small ones stood.
COMPACTION_DECIDED: Final = "stream_compaction_decided"
# Kafka: the transaction is open and has all rows, not the token.
SINK_SENT: Final = "stream_sink_sent"

# Of a stream's epoch: all of it is in the open transaction of the state file.
EPOCH_COMPUTED: Final = "stream_epoch_computed"
# The epoch is committed in the state file, its rows wait for the sinks.
EPOCH_COMMITTED: Final = "stream_epoch_committed"

# In the order in which a stream's sink passes them.
STREAM_POINTS: Final = (
    SINK_SENT, SINK_PREPARED, SINK_DECIDED, FILE_PLACED, FILES_PLACED, COMPACTED,
    COMPACTION_DECIDED,
)  # fmt: skip

_counts: dict[str, int] = {}
# Are told of each point that this process passes: tests within it break a run off by raising there.
listeners: list[Callable[[str], None]] = []


def is_testing() -> bool:
    """Say whether the switches of crash tests are honoured at all."""
    return os.environ.get("MAINSTEM_TESTING") == "1"


def reached(point: str) -> None:
    """Pass a named point; kill this process here when a test asked for it.

    Honoured only with ``MAINSTEM_TESTING=1``. ``MAINSTEM_KILL_AT`` is ``point`` or ``point:n`` for
    the n-th time that the process passes it. SIGKILL runs no handler and flushes nothing.
    """
    for listener in listeners:
        listener(point)
    if not is_testing():
        return
    wanted, _, nth = os.environ.get("MAINSTEM_KILL_AT", "").partition(":")
    if wanted != point:
        return
    _counts[point] = _counts.get(point, 0) + 1
    if _counts[point] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
