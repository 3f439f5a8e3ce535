"""Damage inside of Parquet files, named by row group: what is lost, and why.

DuckDB tells that a file cannot be read, not which part of it, and reads a flipped bit of an
uncompressed page without a word. So with ``strict=True`` all pages are checked before the run (headers,
checksums where there are any) and all columns decoded once; and after a read that failed the same look
tells which row group it was. A row group is what can be left out: DuckDB does not open one that
`file_row_number` excludes (measured), and when it did, the read would fail again, and never be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mainstem.engines.embedded.reading.deadletters import DeadLetters
from mainstem.engines.embedded.reading.remote import cause, register
from mainstem.engines.embedded.types import literal, quoted
from mainstem.errors import NOWHERE, DataError, MainstemError, Place, listing
from mainstem.filesystems import file_system
from mainstem.formats.parquet import Chunk, Damage, check_chunk
from mainstem.lazy import pattern
from mainstem.record import record

if TYPE_CHECKING:
    import duckdb

    from mainstem.plan.nodes import Source

REASON = "RowGroupDamaged"
_SHOWN = 5
# What DuckDB says when the bytes of a file are to blame; some of it comes as a bare duckdb.Error.
_SIGNS = pattern(
    r"[Pp]arquet|[Dd]ecompress|Out of buffer|don't know what type|[Cc]orrupt|TProtocol|thrift"
    r"|metadata|INTERNAL|magic bytes|read from file"
)


@record
class RowGroup:
    """One row group: its number from 0, its first row in the file, its rows, its columns' bytes."""

    number: int
    first_row: int
    rows: int
    chunks: tuple[Chunk, ...]

    @property
    def last_row(self) -> int:
        """Give the number of its last row."""
        return self.first_row + self.rows - 1

    @property
    def span(self) -> tuple[int, int]:
        """Give where its bytes begin and end."""
        return min(c.start for c in self.chunks), max(c.end for c in self.chunks)


@record
class Lost:
    """A row group that cannot be read: of which file, which column, at which byte, and why."""

    path: str
    group: RowGroup
    column: str
    offset: int
    reason: str

    def text(self) -> str:
        """Give what a person has to know."""
        start, end = self.group.span
        return (
            f"row group {self.group.number} (rows {self.group.first_row} to {self.group.last_row}, "
            f"bytes {start} to {end}): column {self.column!r} at byte {self.offset}: {self.reason}"
        )


@record
class Examined:
    """What a look at whole files found: lost row groups, pages, and those that carry a checksum."""

    lost: tuple[Lost, ...] = ()
    pages: int = 0
    summed: int = 0

    def of(self, path: str) -> tuple[Lost, ...]:
        """Give the lost row groups of one file."""
        return tuple(one for one in self.lost if one.path == path)

    @property
    def rows(self) -> int:
        """Give the number of rows that are lost."""
        return sum(one.group.rows for one in self.lost)


def examine(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> Examined:
    """Check every page and decode every column of Parquet files.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Reads the files.
    paths : sequence of str
        Files whose footers can be read.

    Returns
    -------
    Examined
        In path and row group order.
    """
    lost: list[Lost] = []
    pages = summed = 0
    for path in paths:
        damaged: dict[int, Lost] = {}
        groups = _row_groups(connection, path)
        with file_system(path).open(path) as stream:
            for group in groups:
                for chunk in group.chunks:
                    try:
                        counts = check_chunk(stream, chunk)
                    except Damage as damage:
                        found = Lost(path, group, chunk.column, damage.offset, damage.reason)
                        damaged.setdefault(group.number, found)
                    else:
                        pages, summed = pages + counts[0], summed + counts[1]
        damaged |= _undecodable(connection, path, groups, damaged)
        lost += [damaged[number] for number in sorted(damaged)]
    return Examined(tuple(lost), pages, summed)


def _row_groups(connection: duckdb.DuckDBPyConnection, path: str) -> list[RowGroup]:
    rows = connection.execute(
        "SELECT row_group_id, row_group_num_rows, path_in_schema, num_values, "
        "dictionary_page_offset, data_page_offset, total_compressed_size "
        f"FROM parquet_metadata({literal(path)}) ORDER BY row_group_id, column_id"
    ).fetchall()
    chunks: dict[int, list[Chunk]] = {}
    sizes: dict[int, int] = {}
    for number, size, column, values, *offsets, n_bytes in rows:
        # Some writers say 0 where there is no dictionary.
        start = min(offset for offset in offsets if offset)
        sizes[number] = size
        chunks.setdefault(number, []).append(Chunk(column, start, start + n_bytes, values))
    groups, first = [], 0
    for number in sorted(chunks):
        groups.append(RowGroup(number, first, sizes[number], tuple(chunks[number])))
        first += sizes[number]
    return groups


def _undecodable(
    connection: duckdb.DuckDBPyConnection, path: str, groups: Sequence[RowGroup],
    known: dict[int, Lost],
) -> dict[int, Lost]:  # fmt: skip
    """Decode the row groups that are not known to be lost; give those that cannot be."""
    lost: dict[int, Lost] = {}
    if not _why_not(connection, path, "COLUMNS(*)", leaving_out(k.group for k in known.values())):
        return lost
    described = connection.execute(f"DESCRIBE FROM {_whole(path)}").fetchall()
    for group in groups:
        here = f"file_row_number BETWEEN {group.first_row} AND {group.last_row}"
        if group.number in known or not _why_not(connection, path, "COLUMNS(*)", here):
            continue
        for name, *_ in described:
            reason = _why_not(connection, path, quoted(name), here)
            if reason:
                start = next((c.start for c in group.chunks if _is_of(c, name)), group.span[0])
                lost[group.number] = Lost(path, group, name, start, reason)
                break
    return lost


def _is_of(chunk: Chunk, name: str) -> bool:
    """Say whether a chunk belongs to a column; the parts of a nested one have longer names."""
    return chunk.column == name or chunk.column.startswith(f"{name}, ")


def _whole(path: str) -> str:
    return f"read_parquet({literal(path)}, file_row_number = true, hive_partitioning = false)"


def _why_not(
    connection: duckdb.DuckDBPyConnection, path: str, columns: str, where: str
) -> str:  # fmt: skip
    """Decode columns; give why it cannot be done, "" when it can."""
    import duckdb

    try:
        # A hash is of the value: counting alone would leave most of a page undecoded.
        connection.execute(
            f"SELECT bit_xor(hash({columns})) FROM {_whole(path)} WHERE {where}"
        ).fetchall()
    except UnicodeDecodeError:
        return "it cannot be decoded, nor DuckDB's message about it"
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if not is_sign(error):
            raise
        return f"it cannot be decoded: {_said(error)}"
    return ""


def _said(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].strip().rstrip(":")[:200]


def is_sign(error: duckdb.Error) -> bool:
    """Say whether an error of DuckDB may come from the bytes of a Parquet file."""
    import duckdb

    return type(error) is duckdb.Error or bool(_SIGNS.search(str(error)))


def leaving_out(groups: Iterable[RowGroup]) -> str:
    """Give the SQL of all rows but those of some row groups."""
    tests = [f"file_row_number NOT BETWEEN {g.first_row} AND {g.last_row}" for g in groups]
    return " AND ".join(tests) or "TRUE"


def refused(lost: Sequence[Lost], source: str, where: Place = NOWHERE) -> DataError:
    """Give the error of damaged row groups."""
    shown = "\n".join(f"       {one.path}: {one.text()}" for one in lost[:_SHOWN])
    more = f"\n       … and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    rows = sum(one.group.rows for one in lost)
    groups = "1 row group" if len(lost) == 1 else f"{len(lost)} row groups"
    return DataError(
        f"source {source!r}: {groups} ({rows} rows) cannot be read:\n{shown}{more}",
        where=where, code="FileDamaged", source=source, count=rows,
        fix='fetch the file again; with strict=True and on_bad="dead_letter" the other row groups '
        "are read",
        row_groups=tuple(
            {"file": one.path, "row_group": one.group.number, "first_row": one.group.first_row,
             "rows": one.group.rows, "bytes": one.group.span, "column": one.column,
             "offset": one.offset, "reason": one.reason}
            for one in lost
        ),
    )  # fmt: skip


def bury(connection: duckdb.DuckDBPyConnection, source: Source, examined: Examined) -> None:
    """Make a dead letter of every lost row group; it stands for all of the group's rows."""
    table = DeadLetters(connection, source.name).table
    for one in examined.lost:
        connection.execute(
            f"INSERT INTO {table} (source, path, row, byte_offset, column_name, reason, message, rows) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [source.name, one.path, one.group.first_row, one.offset, one.column, REASON,
             one.text(), one.group.rows],
        )  # fmt: skip


def named(error: duckdb.Error, paths: Mapping[str, Sequence[str]]) -> MainstemError | None:
    """Give which row groups, or which machine, made a read fail; None when that is not what happened.

    Parameters
    ----------
    error : duckdb.Error
        What the read raised.
    paths : mapping of name to sequence of str
        Parquet files by the source that they belong to.
    """
    import duckdb

    from mainstem.engines.embedded.session import plain_connection

    if found := cause(error):
        return found
    if not is_sign(error) or isinstance(error, duckdb.OutOfMemoryException):
        return None
    for source, files in paths.items():
        # The run's own DuckDB may be beyond use after such an error.
        connection = plain_connection()
        register(connection, files)
        try:
            lost = examine(connection, files).lost
        except (duckdb.IOException, OSError):
            return None  # a file that has gone, or a disk that fails
        except duckdb.Error as other:
            return DataError(
                f"source {source!r}: a Parquet file cannot be read ({listing(files)}): "
                f"{str(other).splitlines()[0]}", code="FileDamaged", fix="write the file again",
            )  # fmt: skip
        finally:
            connection.close()
        if lost:
            return refused(lost, source)
    return None
