"""The CPU time that processes have used so far: it says more than the clock on a machine with other work."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(*roots: int) -> float:
    """Give the seconds of these processes and of all that descend from them; 0 without /proc."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = file.read_text()
        except OSError:
            continue  # it has just ended
        fields = text.rpartition(")")[2].split()
        pid = int(file.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        # Its own, and that of children it has waited for.
        ticks[pid] = sum(map(int, fields[11:15]))
    waiting, total = list(roots), 0
    while waiting:
        pid = waiting.pop()
        total += ticks.get(pid, 0)
        waiting += children.get(pid, [])
    return total / _TICKS
