"""The ledger of a run as text: what was read, and what was written where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.cli.numbers import plural, size
from mainstem.cli.table import aligned

# Counts of rows that did not go the usual way, with the words for them; only shown when not 0.
_ASIDE = {
    "dead": "bad", "skipped": "skipped", "late": "late", "quarantined": "quarantined",
    "already_there": "there before", "pending": "pending",
}  # fmt: skip


def ledger_text(ledger: Mapping[str, Any]) -> str:
    """Give a ledger (contract L1) as two small tables."""
    sources, sinks = ledger.get("sources", {}), ledger.get("sinks", {})
    parts = []
    if sources:
        read = aligned([(name, *_source(line)) for name, line in sources.items()], right=(1, 2, 3))
        parts.append(f"read\n{read}")
    if sinks:
        written = aligned([(name, *_sink(line)) for name, line in sinks.items()], right=(1,))
        parts.append(f"written\n{written}")
    return "\n".join(parts)


def _source(line: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Give rows, files, bytes and what else is to be known."""
    read = line["read"]
    # What the engine scans in place it also prunes: nobody counts the rows that were left out.
    rows = "in place" if read is None else plural(read, "row")
    aside = [_aside(line)]
    if line.get("unknown_fields"):
        aside.append(f"{plural(line['unknown_fields'], 'unknown field')} ignored")
    files = plural(line["files"], "file") if line.get("files") else ""
    n_bytes = size(line["bytes"]) if line.get("bytes") else ""
    return rows, files, n_bytes, ", ".join(filter(None, aside))


def _sink(line: Mapping[str, Any]) -> tuple[str, str, str]:
    rows = plural(line["committed"], "row")
    if line["kind"] == "state":
        return rows, "in the state file", _aside(line)
    details = [plural(line["files"], "file")] if line.get("files") else []
    if line.get("bytes"):
        details.append(size(line["bytes"]))
    place = shown_path(line["path"]) + (f" ({', '.join(details)})" if details else "")
    return rows, place, _aside(line)


def _aside(line: Mapping[str, Any]) -> str:
    return ", ".join(f"{line[name]:,} {word}" for name, word in _ASIDE.items() if line.get(name))


def shown_path(path: str) -> str:
    """Give a path as people know it: from the current folder when it is inside of it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
