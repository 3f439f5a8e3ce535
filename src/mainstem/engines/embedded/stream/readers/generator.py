"""Reads the generator: made-up records, as many as the clock says, in the engine's own SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from mainstem.connectors.files.listing import InputFile
from mainstem.engines.embedded.reading.deadletters import TABLE, BadRows, DeadLetters
from mainstem.engines.embedded.reading.madeup import MadeUp, key_of, micros_of, mixed
from mainstem.engines.embedded.stream.records.judge import Judge, Message, values_of
from mainstem.engines.embedded.stream.records.layout import Layout
from mainstem.engines.embedded.stream.spec import PART, ROW, Loaded, Part, Slice
from mainstem.engines.embedded.stream.watermark import from_micros
from mainstem.engines.embedded.types import quoted
from mainstem.errors import InternalError, StateError
from mainstem.formats.records import BadRow, Misfit
from mainstem.plan.types import Field
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.embedded.session import Session
    from mainstem.engines.spec import RunSettings
    from mainstem.plan.nodes import Source

# Records that a batch makes at a time.
BATCH_ROWS = 1_000_000
# What a value is damaged with: it stands for no number, no time and nothing nested.
_WRONG = {"oops": True}


@record
class Numbers:
    """The records of a slice: from number `first` up to `last`, the first of all at `start`."""

    first: int
    last: int
    start: datetime


def generator_reader(source: Source, settings: RunSettings) -> GeneratorReader:
    """Give what reads a generator; nothing is made yet."""
    del settings
    return GeneratorReader(source)


class GeneratorReader:
    """Gives the records that are due, by number; `load` makes them.

    The position of a partition is the number of its rows so far and the time of the first record of
    all: record ``i`` is row ``i // partitions`` of partition ``i % partitions``. A slice is a run of
    records, so that the positions of the partitions always belong together.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.made = MadeUp(source)
        self.options = self.made.options
        self._next = self._first = 0
        self._stop = self.options.count
        self._start = self.options.start_time
        self._opened_at = 0.0
        self._ended_at: float | None = None
        self._is_end_told = self._is_again = False
        self._stopping = Event()
        layout = Layout.of(source, "json")
        self._judge = Judge(layout, values_of(layout))

    # ---- opening
    def open(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None = None) -> None:
        """Start behind the positions of an earlier run; see `Reader.open`.

        Raises
        ------
        StateError
            When the earlier run had other partitions.
        """
        for position in positions.values():
            self._start = from_micros(int(position["start_us"]))
        if self._start is None:
            # Whole milliseconds: the grain of event time (V7).
            now = datetime.now(UTC)
            self._start = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._next = self._first = self._number(positions)
        if until is not None:
            # What was given once need not be waited for.
            self._is_again, self._stop = True, self._number(until)
        self._opened_at = monotonic()

    def _number(self, positions: Mapping[str, Any]) -> int:
        """Give how many records came before positions of the partitions."""
        given = {name: int(position["row"]) for name, position in positions.items()}
        total = sum(given.values())
        if given != {self._name(p): n for p in range(self._width) if (n := self._rows(p, total))}:
            raise StateError(
                f"the positions of source {self.source.name!r} belong to another number of partitions "
                f"than {self._width}: {given}", where=self.source.where, code="StateChanged",
                fix="undo the change of partitions=, or name another --state-dir",
            )  # fmt: skip
        return total

    @property
    def _width(self) -> int:
        return self.options.partitions

    def _name(self, partition: int) -> str:
        return str(partition) if self._width > 1 else ""

    def _rows(self, partition: int, total: int) -> int:
        """Give how many of the first `total` records are of a partition."""
        return (total - partition + self._width - 1) // self._width

    # ---- reading
    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        """Give the records that are due; see `Reader.read`.

        With a rate, the source is at its end when all that was due is given; without one, when all of
        `count` is.
        """
        until = monotonic() + wait_s
        due = self._due()
        while due <= self._next and not self._is_over and not self._stopping.is_set():
            left = until - monotonic()
            if left <= 0:
                return None
            self._stopping.wait(min(left, self._seconds_to_next()))
            due = self._due()
        if self._is_over or due <= self._next:
            return self._end(wait_s)
        last = min(due, self._next + most_rows)
        numbers = Numbers(self._next, last, self._began)
        parts = tuple(
            Part(self._name(p), self._position(p, self._next), self._position(p, last), rows)
            for p in range(self._width)
            if (rows := self._rows(p, last) - self._rows(p, self._next))
        )
        self._next = last
        is_over = self._stop is not None and last >= self._stop
        is_end = is_over or (self.options.rate is not None and last == due)
        if is_over:
            self._is_end_told, self._ended_at = True, monotonic()
        return Slice(self.source.name, parts, numbers, is_end)

    def _end(self, wait_s: float) -> Slice | None:
        """Say once that nothing comes any more."""
        if self._ended_at is None:
            self._ended_at = monotonic()
        if self._is_end_told:
            self._stopping.wait(wait_s)
            return None
        self._is_end_told = True
        return Slice(
            self.source.name, (), Numbers(self._next, self._next, self._began), is_end=True
        )

    def _position(self, partition: int, total: int) -> dict[str, int]:
        return {"row": self._rows(partition, total), "start_us": micros_of(self._began)}

    @property
    def _began(self) -> datetime:
        if self._start is None:
            raise InternalError("a reader was used before it was opened")
        return self._start

    @property
    def _is_over(self) -> bool:
        return self._stop is not None and self._next >= self._stop

    def _due(self) -> int:
        """Give up to which number records may be given by now."""
        if self._is_again and self._stop is not None:
            return self._stop
        if self.options.rate is None:
            return self._next + (1 << 40) if self._stop is None else self._stop
        due = self._first + int((monotonic() - self._opened_at) * self.options.rate)
        return due if self._stop is None else min(due, self._stop)

    def _seconds_to_next(self) -> float:
        rate = self.options.rate or 1.0
        at = self._opened_at + (self._next + 1 - self._first) / rate
        return max(0.001, at - monotonic())

    # ---- how it stands
    def silences(self) -> Mapping[str, float]:
        """Give for how long nothing came; only what has ended is silent."""
        seconds = 0.0 if self._ended_at is None else monotonic() - self._ended_at
        return {self._name(p): seconds for p in range(self._width)}

    def lag(self) -> Mapping[str, int]:
        """Give how many records are due and not given; of an endless one without a rate none are."""
        if self.options.rate is None and self._stop is None:
            return {self._name(p): 0 for p in range(self._width)}
        due = max(self._due(), self._next)
        return {
            self._name(p): self._rows(p, due) - self._rows(p, self._next)
            for p in range(self._width)
        }

    # ---- loading and closing
    def load(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the temporary table of a slice; see `Reader.load`."""
        numbers: Numbers = taken.data
        # Parts are those of the partitions that have rows, in order: the first may be any of them.
        of_part = {part.partition: index for index, part in enumerate(taken.parts)}
        indexes = [of_part.get(self._name(p), -1) for p in range(self._width)]
        part = f"CAST({indexes}[CAST(i % {self._width} AS BIGINT) + 1] AS INTEGER)"
        if self._width == 1:
            part = "CAST(0 AS INTEGER)"
        extra = f"{part} AS {quoted(PART)}"
        if self.source.name in session.placed:
            extra += f", CAST(i // {self._width} AS BIGINT) AS {quoted(ROW)}"
        good = self.made.select(session, numbers.first, numbers.last, numbers.start, extra=extra)
        if not self.options.bad:
            session.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS {good}")
            return Loaded(taken.rows, taken.rows)
        letters = self._bury(session, taken, part)
        session.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS {good}")
        if letters.admitted:
            raise InternalError(f"{letters.admitted} bad records of {self.source.name!r} are good")
        return Loaded(taken.rows, taken.rows - letters.dead, letters.dead, 0, letters.dead_letters)

    def _bury(self, session: Session, taken: Slice, part: str) -> Loaded:
        """Have the bad records judged as any message is, and keep them as its dead letters."""
        numbers: Numbers = taken.data
        inner = self.made.select(
            session, numbers.first, numbers.last, numbers.start, is_bad=True,
            extra=f"{part} AS {quoted(PART)}, i AS __i",
        )  # fmt: skip
        is_bytes = {f.name for f in self.source.schema.fields if f.type.kind == "bytes"}
        pairs = ", ".join(
            f"{quoted(name)} := "
            + (f"to_base64({quoted(name)})" if name in is_bytes else quoted(name))
            for name in self.source.schema.names
        )
        found = session.rows(
            f"SELECT __i, {quoted(PART)}, CAST(to_json(struct_pack({pairs})) AS VARCHAR) FROM ({inner})"
        )
        letters = DeadLetters(session.connection, self.source.name, f"{TABLE}_{self.source.name}")
        letters.clear()
        is_kept = self.source.on_bad == "dead_letter"
        bad = BadRows(letters.add if is_kept else None)
        for number, index, text in found:
            raw = damaged(text, number, self)
            misfit = self._misfit(raw, self.made.place_us(number, numbers.start))
            place = InputFile(taken.parts[index].partition, 0, "json", "none")
            row = BadRow.of(0, 0, raw, misfit)
            bad.add(place, number // self._width, row)
        bad.raise_any(self.source.name, self.source.where, inf if is_kept else 0)
        letters.flush()
        return Loaded(bad.count, 0, bad.count, 0, letters.table if bad.count else "")

    def _misfit(self, raw: bytes, time_us: int) -> Misfit:
        """Give what is wrong with a bad record."""
        try:
            self._judge.row(Message(raw, None, time_us), datetime.now(UTC))
        except Misfit as misfit:
            return misfit
        raise InternalError(f"a bad record of {self.source.name!r} is good: {raw[:200]!r}")

    def committed(self, positions: Mapping[str, Any]) -> None:
        """Nobody else reads it: there is nobody to tell."""

    def stop(self) -> None:
        """Have `read` end soon; may be called from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of everything: there is nothing but the thread that waits."""
        self.stop()


def read_whole(session: Session, source: Source, table: str) -> Loaded:
    """Make the temporary table of all records of a generator that has a `count`; as in a batch.

    Dead letters go into the table that the sources of a batch share.
    """
    letters = quoted(TABLE)
    if source.on_bad == "dead_letter":
        DeadLetters(session.connection, source.name).clear()
    reader = GeneratorReader(replace(source, binding=source.binding.overridden({"rate": None}, "")))
    reader.open({})
    total = Loaded(0, 0)
    part = "__batch"
    session.rows(f"DROP TABLE IF EXISTS temp.{table}")
    while (taken := reader.read(BATCH_ROWS, 0)) is not None and (taken.parts or not total.rows):
        found = reader.load(session, taken, quoted(part))
        made = f"SELECT * EXCLUDE ({quoted(PART)}) FROM {quoted(part)}"
        is_first = not total.rows
        session.rows(
            f"CREATE TEMP TABLE {table} AS {made}" if is_first else f"INSERT INTO {table} {made}"
        )
        if found.dead_letters:
            session.rows(f"INSERT INTO {letters} SELECT * FROM {found.dead_letters}")
        total = Loaded(
            total.rows + found.rows, total.admitted + found.admitted, total.dead + found.dead
        )
        if not taken.parts:
            break
    session.rows(f"DROP TABLE IF EXISTS {quoted(part)}")
    return total


def damaged(text: str, number: int, reader: GeneratorReader) -> bytes:
    """Give a record that does not fit: cut off, no JSON at all, or with a value of another type."""
    chance = mixed(number, key_of(reader.options.seed, "__damage"))
    fields = [f for f in reader.source.schema.fields if _can_break(f)]
    if chance % 3 == 2 and fields:
        row = json.loads(text)
        row[fields[chance // 3 % len(fields)].name] = _WRONG
        return json.dumps(row, separators=(",", ":")).encode()
    if chance % 3 == 1:
        return f"<record {number}>".encode()
    return text.encode()[: len(text.encode()) // 2]


def _can_break(field: Field) -> bool:
    """Say whether a JSON object surely is no value of a column."""
    return field.type.kind in (
        "bigint", "integer", "smallint", "decimal", "double", "boolean", "date", "timestamp",
    )  # fmt: skip
