"""What a stream is read from and written to: readers, the slices that they give, and sinks.

An epoch is: read a bounded slice of every source, compute, commit. A `Reader` gives slices and
knows positions; a `Sink` commits the rows of an epoch together with a token, or neither. Between
them the engine keeps state, positions and the rows that wait for a sink in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from mainstem.record import record

if TYPE_CHECKING:
    import duckdb

    from mainstem.engines.embedded.session import Session

# The hidden column of a loaded table: which of the slice's parts a row is of.
PART = "__part"
# Of a source in `Session.placed`: the number of a row in its partition, or in the file `PATH`.
PATH, ROW = "__path", "__row"
# What becomes of a row of an updating table at its sink; a hidden column of the rows of an epoch.
OPERATION = "__operation"
UPSERT, DELETE = "upsert", "delete"


@record
class Part:
    """A run of records of one partition.

    Parameters
    ----------
    partition : str
        Its name, unique in the source and the same after every restart: ``"payments/3"`` for a
        topic's partition 3, ``""`` for a source that has one.
    start, end : JSON-like
        Position before the first record and behind the last one. `Reader.open` starts at such an
        `end`.
    rows : int
        Records, bad ones included.
    """

    partition: str
    start: Any
    end: Any
    rows: int


@record
class Slice:
    """What a source gives to one epoch.

    Parameters
    ----------
    source : str
        Its name.
    parts : tuple of Part
        One for each partition that gave something, in any order.
    data : object
        The records, in the reader's own form: only its `Reader.load` looks at it.
    is_end : bool
        Whether everything that was there when it was read is in this slice or an earlier one.
    """

    source: str
    parts: tuple[Part, ...]
    data: Any = field(repr=False, compare=False)
    is_end: bool = False

    @property
    def rows(self) -> int:
        """Give how many records it has."""
        return sum(part.rows for part in self.parts)


@record
class Loaded:
    """The ledger of a slice that became a table (L1): rows = admitted + dead, by partition.

    Parameters
    ----------
    rows, admitted, dead : int
        Records, rows of the table, dead letters.
    unknown_fields : int
        Fields that no column has the name of.
    dead_letters : str
        Quoted name of a temporary table of dead letters with the columns of
        `reading.deadletters`, to be kept in the epoch's transaction; "" for none.
    latest : tuple of datetime or None
        The largest event time of each part, where the reader knows it already.
    """

    rows: int
    admitted: int
    dead: int = 0
    unknown_fields: int = 0
    dead_letters: str = ""
    latest: tuple[datetime | None, ...] | None = None


class Reader(Protocol):
    """Reads one unbounded source.

    `open`, `read`, `silences` and `close` are called in one thread that touches no DuckDB and
    should release the GIL while it waits; `load` is called in the engine's thread while the next
    slice is being read.
    """

    def open(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None = None) -> None:
        """Start behind the positions of an earlier run.

        Parameters
        ----------
        positions : mapping
            Partition to the `Part.end` that was committed last. A partition that is not in it
            starts as the source's options say (earliest, latest, a time, offsets) when nothing was
            ever committed, and at its very beginning when it has appeared since.
        until : mapping, optional
            Read exactly up to these positions and then give ``is_end`` (to catch up with a sink
            that is ahead of a restored state, or for ``--bounded``).

        Raises
        ------
        OutsideError
            When the source cannot be reached; when a position is no longer there (retention), with
            the partition, the position and the oldest one that is left: rows would be lost.
        """
        ...

    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        """Give the next records, as soon as there are `most_rows` or nothing more comes.

        Waits at most `wait_s` for the first record; then cuts after a few milliseconds of silence.
        None when there is nothing; a slice without parts and with ``is_end`` when the source is at
        its end.
        """
        ...

    def silences(self) -> Mapping[str, float]:
        """Give for each known partition for how many seconds it has been read to its end with nothing new.

        Partitions without any record yet are in it too; 0.0 while records are waiting.
        """
        ...

    def lag(self) -> Mapping[str, int]:
        """Give for each partition how many records (Kafka) or bytes (files) are not read yet; cheap."""
        ...

    def load(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the temporary table `table` (a quoted name) of a slice; it replaces an earlier one.

        Its columns: those of the source's schema, with the types that they have in expressions,
        then ``__part`` INTEGER, the index into ``taken.parts``. Rows of a part stand in the order of
        their positions. Of a source in ``session.placed`` also, where the reader knows them,
        ``__row`` BIGINT and of files ``__path`` VARCHAR: what a quarantined row is told by. Every
        declared column is checked (V8), event times too (T2): what does not fit is a dead letter with
        its position and raw bytes when the source says
        ``on_bad="dead_letter"``, and stops the run when not.
        """
        ...

    def committed(self, positions: Mapping[str, Any]) -> None:
        """Take positions that were just committed, by partition; from the engine's thread, cheap.

        For readers that show them to others, such as a consumer group.
        """
        ...

    def stop(self) -> None:
        """Let `open` and `read` end soon; called from another thread."""
        ...

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        ...


@record
class Batch:
    """The rows of one epoch for one sink, which wait in the state file until the sink has them.

    Parameters
    ----------
    epoch : int
        Its number; a sink gets epochs in ascending order, and may miss those without rows.
    select : str
        SQL that gives the rows in order, in the wire form that `Sink.wire` asked for.
    rows : int
        How many there are.
    token : dict
        JSON-like; to be committed with the rows. ``token["epoch"]`` is `epoch`.
    """

    epoch: int
    select: str
    rows: int
    token: dict[str, Any]


class Sink(Protocol):
    """Writes the epochs of one table; called in one thread of its own.

    A sink must make rows and token visible together or not at all. After a crash the engine asks
    `open` for the last token and sends what is missing, in order.
    """

    def wire(self, select: str) -> str:
        """Give the SQL of the rows as they wait in the state file; pure, called before `open`.

        `select` gives the table's columns (of an updating table also ``__operation``, ``upsert`` or
        ``delete``). Kafka makes ``key`` and ``value`` of them, others give it back as it is.
        """
        ...

    def open(self) -> dict[str, Any] | None:
        """Shut out earlier writers of this sink, and give the token that it has committed last.

        Raises
        ------
        OutsideError
            When it cannot be reached.
        StateError
            When somebody else's rows are there and would be mixed with ours.
        """
        ...

    def write(self, cursor: duckdb.DuckDBPyConnection, batch: Batch) -> dict[str, Any]:
        """Commit an epoch's rows and token; give facts for the ledger (``files``, ``bytes`` …).

        When the outcome is not known (a time-out), it finds out from the sink's own token before
        it returns or raises.
        """
        ...

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        ...


@record
class Progress:
    """How a stream stands after an epoch; plain data for events, the live line and the socket."""

    epoch: int
    at: datetime
    rows_in: int
    rows_out: int
    facts: dict[str, Any] = field(default_factory=dict)
