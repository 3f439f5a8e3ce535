"""Making the sources of a run readable by name: text is ingested, the rest is scanned in place."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb

from mainstem.connectors.files.listing import list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.ingest import IngestOptions, IngestReport, ingest
from mainstem.engines.embedded.scan import ScanReport, scan
from mainstem.engines.embedded.session import Session, spill_dir
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, SourceRead
from mainstem.plan.nodes import Source, fingerprint

T = TypeVar("T")


def load(
    session: Session, read: SourceRead, settings: RunSettings
) -> Generator[Event, None, Event]:
    """Make one source a view of its name; the ``source_read`` event has its ledger.

    Facts: ``rows`` read, ``admitted``, ``dead``, ``skipped`` (None: not known, because pruning is
    the engine's business), ``files``, ``bytes``, ``in_place``, ``position``.

    Raises
    ------
    MainstemError
        A bad row, a file that cannot be read, or DuckDB's error as one of ours.
    """  # noqa: DOC501 - built by a function
    source = rooted(read.source, settings.base_dir)
    read = replace(read, source=source)
    try:
        if _is_text(source):
            facts = yield from _ingested(session, read, settings)
        else:
            facts = yield from _scanned(session, read)
    except duckdb.Error as error:
        raise explained(error, None, doing=f"reading source {source.name!r}") from error
    return Event("source_read", source.name, facts)


def rooted(source: Source, base_dir: Path) -> Source:
    """Give a source whose relative paths are absolute: they are relative to the definition."""
    path = source.binding.as_dict().get("path")
    if path is None:
        return source
    given = (path,) if isinstance(path, str) else path
    full = tuple(_rooted(p, base_dir) for p in given)
    value = full[0] if isinstance(path, str) else full
    return replace(source, binding=source.binding.overridden({"path": value}, "base directory"))


def _rooted(path: str, base_dir: Path) -> str:
    return path if path.startswith("~") or "://" in path else os.path.join(base_dir, path)  # noqa: PTH118  a Path would drop a trailing slash


def _is_text(source: Source) -> bool:
    if source.binding.type != "files":
        return False
    files = list_files(read_options(FilesSource, source.binding, source.where), source.where)
    return files[0].format != "parquet"


def _ingested(
    session: Session, read: SourceRead, settings: RunSettings
) -> Generator[Event, None, dict[str, Any]]:
    folder = spill_dir(settings)
    folder.mkdir(parents=True, exist_ok=True)
    options = IngestOptions(temp_directory=str(folder), positions=read.needs_position)
    work = session.watch_call(lambda: ingest(session.connection, read.source, options))
    report = yield from as_events(read.source.name, work)
    session.rows(f"CREATE TEMP VIEW {quoted(read.source.name)} AS {report.select}")
    return _facts(report) | {
        "in_place": False, "doubtful_rows": report.doubtful_rows,
        "slow_files": [list(pair) for pair in report.slow_files],
    }  # fmt: skip


def _scanned(session: Session, read: SourceRead) -> Generator[Event, None, dict[str, Any]]:
    work = session.watch_call(
        lambda: scan(session.connection, read.source, positions=read.needs_position)
    )
    report = yield from as_events(read.source.name, work)
    session.rows(f"CREATE TEMP VIEW {quoted(read.source.name)} AS {report.select}")
    # Pruning is the engine's business: how many of the rows it really touched is not known.
    facts = _facts(report) | {
        "in_place": True, "skipped": None, "checked_columns": list(report.checked_columns),
    }  # fmt: skip
    if read.source.binding.type == "duckdb":
        facts["position"] = position([str(read.source.binding.as_dict()["path"])])
    return facts


def _facts(report: IngestReport | ScanReport) -> dict[str, Any]:
    return {
        "rows": report.read, "admitted": report.admitted, "dead": report.bad, "skipped": 0,
        "files": len(report.files), "bytes": report.size_bytes,
        "unknown_fields": report.unknown_fields,
        "position": position([f.path for f in report.files]),
    }  # fmt: skip


def as_events(name: str, watched: Generator[float, None, T]) -> Generator[Event, None, T]:
    """Give the fractions of watched work as ``progress`` events, and its result."""
    try:
        while True:
            yield Event("progress", name, {"fraction": next(watched)})
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        watched.close()


def position(paths: list[str]) -> str:
    """Give a digest of which files were read: names, sizes and modification times."""
    facts = []
    for path in paths:
        status = Path(path).stat()
        facts.append((path, status.st_size, status.st_mtime_ns))
    return fingerprint(facts)
