"""Making the sources of a run readable by name: text is ingested, the rest is scanned in place."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import duckdb

from mainstem.connectors.files.listing import list_files, list_paths
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.counting import check_seen
from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.reading.arrow import rows_digest, scan_arrow
from mainstem.engines.embedded.reading.remote import register
from mainstem.engines.embedded.reading.rowgroups import named
from mainstem.engines.embedded.reading.scan import ScanReport, scan
from mainstem.engines.embedded.reading.scanletters import refuse_many
from mainstem.engines.embedded.reading.still import Stamps
from mainstem.engines.embedded.session import Session, spill_dir
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, SourceRead
from mainstem.errors import DataError
from mainstem.filesystems import file_system, is_address, normal
from mainstem.plan.nodes import Source, fingerprint
from mainstem.storage.local.verify import kept_by, refuse_others, verify_files

if TYPE_CHECKING:
    from mainstem.engines.embedded.reading.ingested import IngestReport

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
    n_verified = yield from verified(session, source)
    paths = _paths(source)
    register(session.connection, paths)
    stamps = Stamps.of(source.name, paths)
    session.stamps[source.name] = stamps
    try:
        if source.binding.type == "generator":
            facts = yield from _made_up(session, read)
        elif _is_text(source):
            facts = yield from _ingested(session, read, settings)
            # What happens to the file from here on does not matter.
            session.stamps.pop(source.name).check()
        else:
            facts = yield from _scanned(session, read)
    except (DataError, OSError):
        stamps.check()
        raise
    except duckdb.Error as error:
        stamps.check()
        raise (
            named(error, {source.name: _paths(source)})
            or explained(error, None, doing=f"reading source {source.name!r}")
        ) from error
    return Event("source_read", source.name, facts | {"verified_bytes": n_verified})


def verified(session: Session, source: Source) -> Generator[Event, None, int]:
    """Compare files that Mainstem wrote with the manifests of their folders.

    A bit that flips in an uncompressed page is another value to every reader (measured). Nothing is
    remembered of it: the disk is what is asked, so it is asked each time.
    """
    if source.binding.type != "files":
        return 0
    options = read_options(FilesSource, source.binding, source.where)
    if options.verify == "none":
        return 0
    found = list_paths(options, source.where)
    there = [path for path in found if is_address(path)]
    if there:
        from mainstem.storage.remote.verify import verify_there

        verify_there(there, [normal(path) for path in options.paths if is_address(path)])
    paths = (os.path.expanduser(path) for path in options.paths)  # noqa: PTH111  as when listed
    directories = [path for path in paths if Path(path).is_dir()]
    total = 0
    for kept in kept_by([path for path in found if not is_address(path)] if there else found):
        refuse_others(kept, directories)
        files, is_deep = kept.files(), options.verify == "checksum"
        work = session.watch_call(partial(verify_files, kept.folder, files, is_deep=is_deep))
        total += yield from as_events(source.name, work)
    return total


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
    return path if path.startswith("~") or is_address(path) else os.path.join(base_dir, path)  # noqa: PTH118  a Path would drop a trailing slash


def _paths(source: Source) -> list[str]:
    """Give the paths of a source of files; none for a table of a DuckDB file."""
    if source.binding.type != "files":
        return []
    return list_paths(read_options(FilesSource, source.binding, source.where), source.where)


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
    # Only here: a run over Parquet or tables starts without the readers of text.
    from mainstem.engines.embedded.reading.ingest import ingest
    from mainstem.engines.embedded.reading.ingested import IngestOptions

    options = IngestOptions(temp_directory=str(folder), positions=read.needs_position)
    work = session.watch_call(lambda: ingest(session.connection, read.source, options))
    report = yield from as_events(read.source.name, work)
    session.rows(f"CREATE TEMP VIEW {quoted(read.source.name)} AS {report.select}")
    check_seen(session, read.source.name, report.admitted)
    session.files[read.source.name] = report.files
    return _facts(report) | {
        "in_place": False, "doubtful_rows": report.doubtful_rows,
        "slow_files": [list(pair) for pair in report.slow_files],
        "sifted_files": [list(pair) for pair in report.sifted_files],
        "dead_letters": report.dead_letters,
    }  # fmt: skip


def _scanned(session: Session, read: SourceRead) -> Generator[Event, None, dict[str, Any]]:
    reader = scan_arrow if read.source.binding.type == "arrow" else scan
    work = session.watch_call(
        lambda: reader(session.connection, read.source, positions=read.needs_position)
    )
    report = yield from as_events(read.source.name, work)
    session.rows(f"CREATE TEMP VIEW {quoted(read.source.name)} AS {report.select}")
    check_seen(session, read.source.name, report.admitted)
    session.files[read.source.name] = report.files
    session.in_place[read.source.name] = [file.path for file in report.files]
    # Pruning is the engine's business: how many of the rows it really touched is not known.
    facts = _facts(report) | {
        "in_place": True, "skipped": None, "checked_columns": list(report.checked_columns),
        "pages": report.pages, "summed_pages": report.summed_pages,
    }  # fmt: skip
    if read.source.binding.type == "duckdb":
        facts["position"] = position([str(read.source.binding.as_dict()["path"])])
    if read.source.binding.type == "arrow":
        facts["position"] = rows_digest(session.connection, read.source)
    return facts


def _made_up(session: Session, read: SourceRead) -> Generator[Event, None, dict[str, Any]]:
    from mainstem.engines.embedded.stream.readers.generator import read_whole

    source, table = read.source, quoted(f"__source_{read.source.name}")
    work = session.watch_call(partial(read_whole, session, source, table))
    made = yield from as_events(source.name, work)
    refuse_many(session.connection, source, made.dead, made.rows)
    place = ", rowid AS __row" if read.needs_position else ""
    session.rows(f"CREATE TEMP VIEW {quoted(source.name)} AS SELECT *{place} FROM {table}")
    check_seen(session, source.name, made.admitted)
    return {
        "rows": made.rows, "admitted": made.admitted, "dead": made.dead, "skipped": 0, "files": 0,
        "bytes": 0, "unknown_fields": 0, "position": fingerprint(source.binding.as_dict()),
        "in_place": False,
    }  # fmt: skip


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
        status = file_system(path).status(path)
        facts.append((path, status.size_bytes, status.mtime_ns))
    return fingerprint(facts)
