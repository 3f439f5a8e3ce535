"""The ledger of a run as text: what was read, checked, written where, and kept aside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.cli.numbers import plural, size
from mainstem.cli.table import aligned

# Counts of rows that did not go the usual way, with the words for them; only shown when not 0.
_ASIDE = {
    "dead": "bad", "skipped": "skipped", "late": "late", "quarantined": "quarantined",
    "partly_late": "partly late", "already_there": "there before", "pending": "waiting",
}  # fmt: skip


def ledger_text(ledger: Mapping[str, Any]) -> str:
    """Give a ledger (contract L1) as small tables."""
    sources, sinks = ledger.get("sources", {}), ledger.get("sinks", {})
    parts = []
    if sources:
        read = aligned([(name, *_source(line)) for name, line in sources.items()], right=(1, 2, 3))
        parts.append(f"read\n{read}")
    late = [(name, plural(line["late"] + line.get("partly_late", 0), "row"), "late")
            for name, line in ledger.get("steps", {}).items() if _is_late(line)]  # fmt: skip
    if late:
        parts.append(f"too late\n{aligned(late, right=(1,))}")
    failed = [(name, plural(line["dead"], "row"), "bad")
              for name, line in ledger.get("steps", {}).items() if line.get("dead")]  # fmt: skip
    if failed:
        parts.append(f"not computed\n{aligned(failed, right=(1,))}")
    jobs = ledger.get("jobs", {})
    if jobs:
        lines = [(name, *_job(line)) for name, line in jobs.items()]
        parts.append(f"map/reduce\n{aligned(lines, right=(1,))}")
    checked = ledger.get("expectations", {})
    if checked:
        lines = [(name, *_rule(line)) for name, line in checked.items()]
        parts.append(f"checked\n{aligned(lines, right=(1,))}")
    if sinks:
        written = aligned([(name, *_sink(line)) for name, line in sinks.items()], right=(1,))
        parts.append(f"written\n{written}")
    replay = ledger.get("replay")
    if replay:
        parts.insert(0, f"replayed\n{aligned(_replay(replay), right=(1,))}")
    kept = [line for line in ledger.get("kept", {}).values() if line["open"]]
    if kept:
        lines = [(line["table"], plural(line["open"], "row"), "open") for line in kept]
        parts.append(f"kept aside\n{aligned(lines, right=(1,))}")
    return "\n".join(parts)


def _is_late(line: Mapping[str, Any]) -> bool:
    return bool(line.get("late") or line.get("partly_late"))


def _job(line: Mapping[str, Any]) -> tuple[str, str]:
    """Give the records that were mapped, and what went between map and reduce."""
    told = []
    if line["groups"]:
        shuffled = f"{plural(line['pairs'], 'pair')} ({size(line['shuffle_bytes'])})"
        told = [shuffled, plural(line["groups"], "group")]
    told += [f"{name} {n:,}" for name, n in line["counters"].items()]
    if line["worker_deaths"]:
        told.append(f"{plural(line['worker_deaths'], 'worker')} died")
    return plural(line["records"], "record"), ", ".join(told)


def _source(line: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Give rows, files, bytes and what else is to be known."""
    read = line["read"]
    # What the engine scans in place it also prunes: nobody counts the rows that were left out.
    rows = "in place" if read is None else plural(read, "row")
    aside = [_aside(line), _known(line), _unproven(line)]
    if line.get("unknown_fields"):
        aside.append(f"{plural(line['unknown_fields'], 'unknown field')} ignored")
    files = plural(line["files"], "file") if line.get("files") else ""
    n_bytes = size(line["bytes"]) if line.get("bytes") else ""
    return rows, files, n_bytes, ", ".join(filter(None, aside))


def _replay(line: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Give the rows of a replay: those that were taken, and what became of them."""
    again = f"{plural(line['again'], 'row')} open again" if line["again"] else ""
    dropped = f"{plural(line['dropped'], 'row')} dropped" if line["dropped"] else ""
    rest = ", ".join(filter(None, (again, dropped)))
    return [(line["table"], f"{line['replayed']:,} of {plural(line['taken'], 'row')}", rest)]


def _rule(line: Mapping[str, Any]) -> tuple[str, str]:
    """Give the rows that were checked, and what was found."""
    if line["found"]:
        missed = "" if line["is_met"] else ", not met"
        return plural(line["checked"], "row"), line["found"] + missed
    aside = [
        f"{line[name]:,} {name}" for name in ("quarantined", "dropped", "warned") if line[name]
    ]
    if line["on_fail"] == "fail" and line["failed"]:
        aside = [f"{line['failed']:,} failed"]
    return plural(line["checked"], "row"), ", ".join(aside) or "all passed"


def _unproven(line: Mapping[str, Any]) -> str:
    """Give how much of a strict source carries no checksum: there a flipped bit cannot be seen."""
    pages = line.get("pages", 0)
    without = pages - line.get("summed_pages", 0)
    return f"{without:,} of {plural(pages, 'page')} without checksum" if without else ""


def _known(line: Mapping[str, Any]) -> str:
    """Give what an incremental source had read before."""
    known = line.get("known")
    if known is None:
        return ""
    if line.get("new") is None:
        return f"{plural(known, 'row')} read before"
    before = f"{plural(known, 'file')} read before"
    return before if line["new"] else f"nothing new; {before}"


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
    by_key = line.get("by_key")
    if by_key:
        return ", ".join(f"{n:,} {what}" for what, n in by_key.items() if n)
    return ", ".join(f"{line[name]:,} {word}" for name, word in _ASIDE.items() if line.get(name))


def shown_path(path: str) -> str:
    """Give a path as people know it: from the current folder when it is inside of it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
