"""Rows counted a second time, by another way, wherever they pass from one hand to the next (L1).

A ledger whose two sides come from one number balances whatever happens. So what a COPY says it has
written is held against the footers or the lines of its files, what a source says it has read against
the relation that steps read, and what an open transaction was offered against its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mainstem.engines.embedded.session import Session
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.embedded.writing.outputs import Output
from mainstem.errors import InternalError
from mainstem.record import mutable

# Bytes that are looked at together.
CHUNK = 1 << 20


@mutable
class Written:
    """The files that one table has staged in this run.

    Parameters
    ----------
    output : Output
        The table.
    files : sequence of Path
        Where they wait.
    rows : int
        How many rows their COPY says there are.
    """

    output: Output
    files: Sequence[Path]
    rows: int
    stamps: tuple[tuple[int, int], ...] = ()

    @property
    def is_parquet(self) -> bool:
        """Say whether footers tell the rows; what waits for a DuckDB file is Parquet too."""
        return self.output.duckdb is not None or self.output.format == "parquet"

    @property
    def is_counted(self) -> bool:
        """Say whether the rows can be counted: to unpack text only for that would cost too much."""
        return self.is_parquet or self.output.compression == "none"

    def count(self, session: Session) -> int:
        """Count the rows in the files; what they look like now is remembered."""
        self.stamps = self._stamps()
        if not self.is_counted:
            return self.rows
        if self.is_parquet:
            return footer_rows(session, self.files)
        return sum(map(self._lines, self.files))

    @property
    def is_untouched(self) -> bool:
        """Say whether sizes and modification times are those of the files that were counted."""
        return self._stamps() == self.stamps

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        try:
            found = [path.stat() for path in self.files]
        except FileNotFoundError as error:
            raise unbalanced(
                f"a staged file of {self.output.step.name!r} is gone: {error.filename}"
            ) from error
        return tuple((one.st_size, one.st_mtime_ns) for one in found)

    def _lines(self, path: Path) -> int:
        is_csv = self.output.format in ("csv", "tsv")
        n_lines = count_lines(path, quote=b'"' if is_csv else b"")
        has_header = is_csv and (self.output.files is None or self.output.files.header)
        return n_lines - 1 if has_header and n_lines else n_lines


def check_written(session: Session, every: Sequence[Written]) -> None:
    """Check right before the commit that all staged files are still those that were counted.

    Raises
    ------
    InternalError
        When they are not.
    """  # noqa: DOC501 - built by a function
    # Footers are small: they are read again, as a file may be changed within one tick.
    rows = _footers(session, [path for one in every if one.is_parquet for path in one.files])
    for one in every:
        is_same = one.is_untouched
        if is_same and one.is_parquet:
            is_same = sum(rows[str(path)] for path in one.files) == one.rows
        if not is_same:
            raise unbalanced(
                f"the staged files of {one.output.step.name!r} are not those that were written: "
                "somebody has changed them"
            )


def footer_rows(session: Session, files: Sequence[Path]) -> int:
    """Give how many rows the footers of Parquet files tell."""
    return sum(_footers(session, files).values())


def _footers(session: Session, files: Sequence[Path]) -> dict[str, int]:
    if not files:
        return {}
    paths = ", ".join(literal(str(path)) for path in files)
    sql = f"SELECT file_name, num_rows FROM parquet_file_metadata([{paths}])"
    return {path: int(rows) for path, rows in session.rows(sql)}


def count_lines(path: Path, *, quote: bytes = b"") -> int:
    """Count the line ends of a file, those between quotes left out."""
    total, is_quoted = 0, False
    others = bytes(sign for sign in range(256) if sign not in quote + b"\n")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if not quote or (not is_quoted and quote not in chunk):
                total += chunk.count(b"\n")
                continue
            # Two quotes with no line end between them change nothing: most fields are gone by that,
            # and a quote inside of quotes, which is written twice.
            signs = (quote * is_quoted + chunk.translate(None, others)).replace(quote * 2, b"")
            parts = signs.split(quote)
            total += sum(part.count(b"\n") for part in parts[::2])
            is_quoted = len(parts) % 2 == 0
    return total


def check_seen(session: Session, name: str, admitted: int) -> None:
    """Check that the relation of a source holds the rows that were let in.

    Raises
    ------
    InternalError
        When it does not.
    """  # noqa: DOC501 - built by a function
    seen = session.rows(f"SELECT count(*) FROM {quoted(name)}")[0][0]
    if seen != admitted:
        raise unbalanced(f"source {name!r} let in {admitted} rows, and its readers see {seen}")


def unbalanced(what: str) -> InternalError:
    """Give the error of books that do not balance."""
    return InternalError(
        what, code="LedgerUnbalanced",
        fix="report it with this line; nothing was committed by this run",
    )  # fmt: skip
