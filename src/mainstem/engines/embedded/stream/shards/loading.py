"""Making the table of a slice in another process than the one that knows which records there are."""

from __future__ import annotations

from dataclasses import replace

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.stream.readers import reader_of
from mainstem.engines.embedded.stream.spec import Loaded, Reader, Slice
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import RunSettings
from mainstem.plan.nodes import Source
from mainstem.record import record

# How long one call waits for records that are known to be there, in seconds.
_WAIT_S = 0.5
_MOST_ROWS = 2**31 - 1


@record
class Loading:
    """Loads slices of a source wherever it is sent to; a `Loader`."""

    source: Source
    settings: RunSettings

    def __call__(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the table of a slice, whose records are read first where it has none."""
        reader = reader_of(self.source, self.settings)
        if taken.data is not None:
            return reader.load(session, taken, table)
        begin = {part.partition: part.start for part in taken.parts}
        end = {part.partition: part.end for part in taken.parts}
        try:
            reader.open(begin, end)
            return _read(reader, session, taken, table)
        finally:
            reader.close()


def _read(reader: Reader, session: Session, taken: Slice, table: str) -> Loaded:
    """Read everything up to the end, slice by slice."""
    places = {part.partition: index for index, part in enumerate(taken.parts)}
    total, pieces, letters = Loaded(0, 0), 0, quoted(f"__read_letters_{taken.source}")
    session.rows(f"DROP TABLE IF EXISTS temp.{letters}")
    is_end = False
    while not is_end:
        found = reader.read(_MOST_ROWS, _WAIT_S)
        if found is None:
            continue
        is_end = found.is_end
        if not found.rows and pieces:
            continue
        # Parts of what was read stand in an order of their own.
        order = [places[part.partition] for part in found.parts] or [0]
        piece = quoted(f"__piece_{taken.source}")
        loaded = reader.load(session, found, piece)
        number = f"CAST({order}[__part + 1] AS INTEGER) AS __part"
        rows = f"SELECT * REPLACE ({number}) FROM {piece}"
        if pieces:
            session.rows(f"INSERT INTO {table} {rows}")
        else:
            session.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS {rows}")
        if loaded.dead and loaded.dead_letters:
            made = f"SELECT * FROM {loaded.dead_letters}"
            session.rows(f"CREATE TEMP TABLE IF NOT EXISTS {letters} AS {made} LIMIT 0")
            session.rows(f"INSERT INTO {letters} {made}")
        pieces += 1
        total = Loaded(
            total.rows + loaded.rows, total.admitted + loaded.admitted, total.dead + loaded.dead,
            total.unknown_fields + loaded.unknown_fields,
        )  # fmt: skip
    return replace(total, dead_letters=letters if total.dead else "")


def sent(settings: RunSettings) -> RunSettings:
    """Give the settings of a run without what belongs to its own process."""
    return replace(settings, stream=None, backups=None, hurry=None)
