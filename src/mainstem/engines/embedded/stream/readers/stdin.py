"""Reads standard input, line by line; what was read once is never there again."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from mainstem.connectors.spec import read_options
from mainstem.connectors.stdin.options import StdinSource
from mainstem.engines.embedded.stream.records import Records
from mainstem.engines.embedded.stream.records.arrow import Messages
from mainstem.engines.embedded.stream.spec import Loaded, Part, Slice
from mainstem.errors import DataError, OutsideError, StateError, listing
from mainstem.formats.csv import CsvFormat, csv_header
from mainstem.formats.lines import BOM, LONGEST
from mainstem.formats.records import Misfit
from mainstem.record import record
from mainstem.settings.log import logger

if TYPE_CHECKING:
    from mainstem.engines.embedded.session import Session
    from mainstem.engines.spec import RunSettings
    from mainstem.plan.nodes import Source

CHUNK = 1 << 18
# A slice is cut after so long without a line, and in any case after so long: lines that keep coming must
# not keep it for ever. The second pair is for a slice of more than `MANY` lines: a pipe holds little, and
# who fills it needs time to.
QUIET_S, LINGER_S, MANY = (0.002, 0.02), (0.008, 0.2), 500
MOST_BYTES = 128 << 20


@record
class Lines:
    """The lines of a slice, and when they were read: the time of records that have none (T2)."""

    values: tuple[bytes, ...]
    first: int
    read_at: datetime


def stdin_reader(source: Source, settings: RunSettings) -> StdinReader:
    """Give what reads standard input; nothing is read yet."""
    del settings
    return StdinReader(source, sys.__stdin__.fileno() if sys.__stdin__ is not None else -1)


class StdinReader:
    """Reads the lines that another program writes.

    Parameters
    ----------
    source : Source
        What is read.
    file : int
        The file descriptor that is read.
    """

    def __init__(self, source: Source, file: int) -> None:
        self.source, self.file = source, file
        self.options = read_options(StdinSource, source.binding, source.where)
        self._row = 0
        self._pending: list[bytes] = []
        self._tail: list[bytes] = []
        self._is_eof = self._is_end_told = False
        self._is_start = True
        self._names: tuple[str, ...] = ()
        self._spoke_at = monotonic()
        self._stopping = Event()
        self._records: Records | None = None

    # ---- opening
    def open(self, positions: Mapping[str, Any], until: Mapping[str, Any] | None = None) -> None:
        """Begin to read; what an earlier run has read cannot be read again.

        Raises
        ------
        StateError
            When lines are wanted that an earlier run has read.
        OutsideError
            When there is no standard input.
        """
        self._row = int(positions.get("", 0))
        if until is not None and int(until.get("", 0)) > self._row:
            raise StateError(
                f"source {self.source.name!r}: lines {self._row} to {until['']} of standard input are "
                "needed once more, and it cannot be read again", where=self.source.where,
                code="StdinGone", fix="write the lines to a file, and read that: ms.files(…, stream=True)",
            )  # fmt: skip
        if self.file < 0:
            raise OutsideError(
                f"source {self.source.name!r}: this process has no standard input",
                where=self.source.where, code="FileNotRead", fix="write: program | mainstem run",
            )  # fmt: skip
        if until is not None:
            self._is_eof = True
        logger("stdin").warning(
            "source %s: standard input cannot be read again: lines that are read and not committed "
            "when this run ends are lost; it goes on at line %d", self.source.name, self._row,
        )  # fmt: skip

    # ---- reading
    def read(self, most_rows: int, wait_s: float) -> Slice | None:
        """Give the next lines; see `Reader.read`."""
        until, began = monotonic() + wait_s, 0.0
        size = 0
        while len(self._pending) < most_rows and size < MOST_BYTES and not self._is_eof:
            left = until - monotonic()
            if self._pending:
                began, is_many = began or monotonic(), len(self._pending) > MANY
                left = min(began + LINGER_S[is_many] - monotonic(), QUIET_S[is_many])
            elif left <= 0:
                break
            # What is there already is taken, however long it took.
            if self._stopping.is_set() or not self._fill(max(0.0, left)):
                break
            size = sum(map(len, self._pending)) if len(self._pending) < 2 else size + CHUNK
        taken, self._pending = self._pending[:most_rows], self._pending[most_rows:]
        is_end = self._is_eof and not self._pending
        if not taken:
            return self._end(is_end=is_end, wait_s=until - monotonic())
        self._spoke_at = monotonic()
        first, self._row = self._row, self._row + len(taken)
        self._is_end_told = is_end
        part = Part("", first, self._row, len(taken))
        lines = Lines(tuple(taken), first, datetime.now(UTC))
        return Slice(self.source.name, (part,), lines, is_end)

    def _end(self, *, is_end: bool, wait_s: float) -> Slice | None:
        if not is_end or self._is_end_told:
            if self._is_eof:
                self._stopping.wait(max(0.0, wait_s))
            return None
        self._is_end_told = True
        return Slice(self.source.name, (), Lines((), self._row, datetime.now(UTC)), is_end=True)

    def _fill(self, wait_s: float) -> bool:
        """Take what is there, waiting for it at most so long; say whether there was anything."""
        ready, _, _ = select.select([self.file], [], [], wait_s)
        if not ready:
            return False
        try:
            data = os.read(self.file, CHUNK)
        except OSError as error:
            raise OutsideError(
                f"source {self.source.name!r}: cannot read standard input: {error.strerror}",
                where=self.source.where, code="FileNotRead",
            ) from error  # fmt: skip
        if not data:
            self._is_eof = True
            last = b"".join(self._tail)
            self._take([last] if last else [])
            return bool(last)
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._tail, whole[0]])
            self._tail = []
        if rest:
            self._tail.append(rest)
        self._refuse_long()
        self._take(whole)
        return True

    def _refuse_long(self) -> None:
        """Refuse to keep a line that never ends: it would fill the memory."""
        if sum(map(len, self._tail)) > LONGEST:
            raise OutsideError(
                f"source {self.source.name!r}: line {self._row + len(self._pending) + 1} has more than "
                f"{LONGEST} bytes", where=self.source.where, code="FileNotRead",
                fix="end each record with a line end",
            )  # fmt: skip

    def _take(self, lines: list[bytes]) -> None:
        r"""Keep lines without their ``\r``; the first one may be a header (V8)."""
        found = [line.removesuffix(b"\r") for line in lines]
        if found and self._is_start:
            self._is_start = False
            found[0] = found[0].removeprefix(BOM)
            if self.options.format in ("csv", "tsv") and self.options.header:
                self._names = self._header(found.pop(0))
        n_columns = len(self._names or self.source.schema.names)
        if self.options.format == "json":
            # Empty lines are no records.
            found = [line for line in found if line.strip(b" \t")]
        elif self.options.format in ("csv", "tsv") and n_columns > 1:
            found = [line for line in found if line]
        self._pending += found

    def _header(self, line: bytes) -> tuple[str, ...]:
        """Give the names in the first line."""
        try:
            names = csv_header(io.BytesIO(line + b"\n"), self._csv) or ()
        except Misfit as misfit:
            raise self._wrong_header(f"cannot be read: {misfit.reason}") from None
        for name in self.source.schema.names:
            if names.count(name) != 1:
                raise self._wrong_header(f"does not have {name!r} once: {listing(names, limit=20)}")
        return names

    def _wrong_header(self, what: str) -> DataError:
        return DataError(
            f"source {self.source.name!r}: the header of standard input {what}",
            where=self.source.where, code="BadHeader",
            fix="write a first line with the names of the columns, or say header=False",
        )  # fmt: skip

    # ---- how it stands
    def silences(self) -> Mapping[str, float]:
        """Give for how long nothing came."""
        return {"": 0.0 if self._pending else monotonic() - self._spoke_at}

    def lag(self) -> Mapping[str, int]:
        """Give how many lines are read and in no slice; what the other program has, nobody knows."""
        return {"": len(self._pending)}

    def committed(self, positions: Mapping[str, Any]) -> None:
        """Nobody else reads it: there is nobody to tell."""

    # ---- loading and closing
    def load(self, session: Session, taken: Slice, table: str) -> Loaded:
        """Make the temporary table of a slice; see `Reader.load`."""
        lines: Lines = taken.data
        if self._records is None:
            format_ = "csv" if self.options.format == "tsv" else self.options.format
            self._records = Records(self.source, format_, csv=self._csv, names=self._names)
        n = len(lines.values)
        messages = Messages.of(lines.values, range(lines.first, lines.first + n), [0] * n)
        return self._records.load(session, messages, taken.parts, table, lines.read_at)

    @property
    def _csv(self) -> CsvFormat:
        options = self.options
        delimiter = options.delimiter or ("\t" if options.format == "tsv" else ",")
        return CsvFormat(delimiter, options.quote, nulls=options.nulls, header=False)

    def stop(self) -> None:
        """Have `read` end soon; may be called from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of it; the descriptor belongs to the process."""
        self.stop()
