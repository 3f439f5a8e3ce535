"""Files into the table of an epoch: the same readers, checks and dead letters as in a batch (V8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mainstem.engines.embedded.reading.deadletters import TABLE
from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.readers.places import placed
from mainstem.engines.embedded.stream.spec import PART, PATH, ROW, Loaded
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.plan.nodes import Source
from mainstem.plan.types import in_expressions

_SLICE = "__slice"


def load_files(
    session: Session, source: Source, files: Iterable[tuple[str, int]], table: str, folder: str
) -> Loaded:
    """Make the table of a slice of whole files.

    Parameters
    ----------
    session : Session
        Outside of a transaction.
    source : Source
        Bound to files; the format comes from its options, or from the names.
    files : iterable of (path, part)
        In the order in which they are to be read, each with the index of its part.
    table : str
        Quoted name of the table.
    folder : str
        Where decompressed copies go.
    """
    columns = [
        f"{quoted(f.name)} {duckdb_type(in_expressions(f.type))}" for f in source.schema.fields
    ]
    columns.append(f"{quoted(PART)} INTEGER")
    if source.name in session.placed:
        columns += [f"{quoted(PATH)} VARCHAR", f"{quoted(ROW)} BIGINT"]
    session.rows(f"CREATE OR REPLACE TEMP TABLE {table} ({', '.join(columns)})")
    letters, every = f"{TABLE}_{source.name}", quoted(f"{TABLE}_all_{source.name}")
    session.rows(f"DROP TABLE IF EXISTS temp.{quoted(letters)}; DROP TABLE IF EXISTS temp.{every}")
    total = Loaded(0, 0)
    for path, part in files:
        found = _load(session, source, path, folder, letters)
        rows = f"SELECT *, {part} FROM ({found[1]})"
        if source.name in session.placed:
            rows = placed(found[1], [(path, 0, 0)], part)
        session.rows(f"INSERT INTO {table} {rows}")
        one = found[0]
        if one.dead:
            # Reading the next file forgets those of this one.
            letter_rows = f"SELECT * FROM {one.dead_letters}"
            session.rows(f"CREATE TEMP TABLE IF NOT EXISTS {every} AS {letter_rows} LIMIT 0")
            session.rows(f"INSERT INTO {every} {letter_rows}")
            one = replace(one, dead_letters=every)
        total = Loaded(
            total.rows + one.rows, total.admitted + one.admitted, total.dead + one.dead,
            total.unknown_fields + one.unknown_fields, one.dead_letters or total.dead_letters,
        )  # fmt: skip
    return total


def _load(
    session: Session, source: Source, path: str, folder: str, letters: str
) -> tuple[Loaded, str]:
    """Read one file; give its ledger and the SELECT of its rows."""
    from mainstem.connectors.files.listing import list_files
    from mainstem.connectors.files.options import FilesSource
    from mainstem.connectors.spec import read_options

    alone = replace(
        source, binding=source.binding.overridden({"path": path}, "stream"), max_bad=None
    )
    options = read_options(FilesSource, alone.binding, source.where)
    is_placed = source.name in session.placed
    if list_files(options, source.where)[0].format == "parquet":
        from mainstem.engines.embedded.reading.scan import scan

        report = scan(session.connection, alone, positions=is_placed)
        return Loaded(report.read, report.admitted, report.bad, report.unknown_fields,
                      quoted(TABLE) if report.bad else ""), report.select  # fmt: skip
    from mainstem.engines.embedded.reading.ingest import ingest
    from mainstem.engines.embedded.reading.ingested import IngestOptions

    made = ingest(
        session.connection, alone,
        IngestOptions(
            table=_SLICE, temp_directory=folder, dead_table=letters, positions=is_placed
        ),
    )  # fmt: skip
    return Loaded(
        made.read, made.admitted, made.bad, made.unknown_fields, made.dead_letters
    ), made.select
