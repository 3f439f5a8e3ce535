"""Bad messages: counted, and kept aside or shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mainstem.engines.embedded.reading.deadletters import SCHEMA, BadRows
from mainstem.engines.embedded.types import duckdb_type, literal, quoted
from mainstem.formats.records import BadRow, Misfit
from mainstem.plan.nodes import Source
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.connectors.files.listing import InputFile
    from mainstem.engines.embedded.session import Session

# Letters that are written at a time.
BATCH = 10_000
_PLACES = '"__dead_places"'


@record
class Letter:
    """A bad message: its number in the epoch, its part, its position, its bytes and what is wrong."""

    at: int
    part: int
    position: int
    raw: bytes
    misfit: Misfit


@record
class _Partition:
    """What a message of `BadRows` calls the file."""

    path: str


class Letters:
    """The bad messages of one epoch of a source.

    Attributes
    ----------
    count, not_json : int
        How many there are, and how many of them are no JSON.
    table : str
        Quoted name of the temporary table of dead letters; "" for none. ``path`` is the partition,
        ``row`` the position; ``line`` and ``byte_offset`` are NULL.
    places : str
        Quoted name of the table of their numbers in the epoch (``__at``), with what is wrong.
    """

    def __init__(self, session: Session, source: Source, partitions: tuple[str, ...]) -> None:
        self.session = session
        self.source = source
        self.partitions = partitions
        self.count = self.not_json = 0
        self.table = ""
        self.places = _PLACES
        self._bad = BadRows()
        self._waiting: list[tuple[int, str, str, str]] = []

    def add(self, letter: Letter) -> None:
        """Take a bad message."""
        misfit = letter.misfit
        self.count += 1
        self.not_json += misfit.code == "NotJson"
        if self.source.on_bad != "dead_letter":
            place = _Partition(self.partitions[letter.part] or self.source.name)
            row = BadRow.of(letter.position, 0, letter.raw, misfit)
            self._bad.add(cast("InputFile", place), letter.at, row)
            return
        value = misfit.value
        message = f"{value[:80]!r} {misfit.reason}" if value else misfit.reason
        self._waiting.append((letter.at, misfit.column, misfit.code, message))
        if len(self._waiting) >= BATCH:
            self._flush()

    def close(self, messages: str) -> None:
        """Make the table of dead letters out of a table of messages, or stop the run.

        Raises
        ------
        DataError
            ``BadRow``, when a message is bad and the source does not keep dead letters.
        """
        self._bad.raise_any(self.source.name, self.source.where)
        if not self.count:
            return
        self._flush()
        self.table = quoted(f"__dead_letters_{self.source.name}")
        paths = ", ".join(literal(name) for name in self.partitions)
        values = {
            "source": literal(self.source.name), "path": f"CAST([{paths}] AS VARCHAR[])[m.part + 1]",
            "row": "m.position", "raw": "m.value", "column_name": "p.column_name",
            "reason": "p.reason", "message": "p.message",
        }  # fmt: skip
        columns = [
            f"CAST({values.get(f.name, 'NULL')} AS {duckdb_type(f.type)}) AS {quoted(f.name)}"
            for f in SCHEMA.fields
        ]
        self.session.rows(
            f"CREATE OR REPLACE TEMP TABLE {self.table} AS SELECT {', '.join(columns)}, "
            f"CAST(1 AS BIGINT) AS rows FROM {messages} AS m JOIN {_PLACES} AS p USING (__at) "
            "ORDER BY __at"
        )

    def _flush(self) -> None:
        if self.count == len(self._waiting):
            self.session.rows(
                f"CREATE OR REPLACE TEMP TABLE {_PLACES} (__at BIGINT, column_name VARCHAR, "
                "reason VARCHAR, message VARCHAR)"
            )
        lists = [list(column) for column in zip(*self._waiting, strict=True)]
        if lists:
            self.session.rows(
                f"INSERT INTO {_PLACES} SELECT unnest($1::BIGINT[]), unnest($2::VARCHAR[]), "
                "unnest($3::VARCHAR[]), unnest($4::VARCHAR[])", lists,
            )  # fmt: skip
        self._waiting.clear()
