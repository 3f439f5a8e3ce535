"""Options of files, as sources and as sinks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from mainstem.connectors.keyed import KeyedPairs
from mainstem.connectors.spec import Problem
from mainstem.errors import MainstemError
from mainstem.plan.duration import parse_duration
from mainstem.plan.size import parse_size
from mainstem.record import record

Format = Literal["csv", "tsv", "json", "parquet", "text"]
Compression = Literal["none", "gzip", "zstd", "zip"]


@record
class FilesSource:
    """Files that are read.

    Parameters
    ----------
    path : str or list of str
        Files, directories and globs (``*``, ``?``, ``[ab]``, ``**``).
    format : str, optional
        ``csv``, ``tsv``, ``json`` (JSON lines), ``parquet`` or ``text``; from the names when absent.
    header : bool
        Whether a CSV file begins with the names of its columns.
    delimiter, quote : str
        One character each; ``quote=""`` switches quoting off. The delimiter is a comma, or a tab for ``tsv``.
    null : str or list of str
        Unquoted texts of a CSV field that mean NULL, besides the empty one.
    compression : str, optional
        ``none``, ``gzip``, ``zstd`` or ``zip``; from each name when absent.
    multiline : bool
        Whether a quoted CSV field may hold line ends.
    hive : bool
        Whether folders named ``column=value`` give declared columns.
    member : str, optional
        Which file of a zip archive; needed when it holds several.
    incremental : bool
        Whether a run reads only the files that no committed run has read.
    changed : str
        What an incremental source does with a file that was read and has changed since: ``refuse``
        stops the run and names it, ``reread`` reads all of it again.
    strict : bool
        Whether every page of a Parquet file is checked and every column decoded before the run,
        also those that nobody reads. The other formats always are.
    stream : bool
        Whether the run goes on and reads files as they appear: the source never ends.
    settle : str
        Of a stream: how long a file's size and modification time have to stay the same before it
        is read, so that no file is read while it is being written. A file that is moved into
        place under its name needs none: ``"0 seconds"``.
    verify : str
        How files in a folder that Mainstem wrote are compared with its manifest before they are
        read: ``checksum`` (sizes too), ``size`` or ``none``.
    """

    path: str | tuple[str, ...]
    format: Format | None = None
    header: bool = True
    delimiter: str | None = None
    quote: str = '"'
    null: str | tuple[str, ...] = ()
    compression: Compression | None = None
    multiline: bool = False
    hive: bool = False
    member: str | None = None
    incremental: bool = False
    changed: Literal["refuse", "reread"] = "refuse"
    verify: Literal["checksum", "size", "none"] = "checksum"
    strict: bool = False
    stream: bool = False
    settle: str = "2 seconds"

    @property
    def bounded(self) -> bool:
        """Say whether a source of it ends."""
        return not self.stream

    @property
    def settle_span(self) -> timedelta:
        """Give `settle` as a span."""
        return parse_duration(self.settle, "settle")

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        if self.stream and self.incremental:
            yield Problem(
                "OptionType", "files has stream=True and incremental=True: a stream reads each file "
                "once anyway", "remove incremental", "incremental",
            )  # fmt: skip
        if self.stream and self.member is not None:
            yield Problem(
                "OptionType", "files has stream=True and member: archives that grow are not read",
                "unpack the archive into the folder", "member",
            )  # fmt: skip
        try:
            _ = self.settle_span
        except MainstemError as error:
            yield Problem("DurationSyntax", error.finding.what, error.finding.fix, "settle")

    @property
    def paths(self) -> tuple[str, ...]:
        """Give the paths as a tuple, also when there is one."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def nulls(self) -> tuple[str, ...]:
        """Give the texts that mean NULL as a tuple, without the empty one."""
        return (self.null,) if isinstance(self.null, str) else self.null


@record
class FilesSink:
    """Files that are written.

    Parameters
    ----------
    path : str
        A file, or the directory that holds the parts when `partition_by` is given.
    format : str, optional
        As for a source; from the name when absent.
    mode : str
        ``overwrite`` replaces everything under `path`; ``overwrite_partitions`` only the partitions
        that the run wrote; ``append`` adds; or ``ms.merge(…)``, ``ms.history(…)``.
    partition_by : str or list of str
        Columns that become folders named ``column=value``.
    compression : str, optional
        ``none``, ``gzip``, ``zstd`` (Parquet also ``snappy``); from the name when absent.
    header : bool
        Whether a CSV file begins with the names of its columns.
    delimiter : str, optional
        One character; a comma, or a tab for ``tsv``.
    null : str
        How NULL is written in a CSV file.
    force : bool
        Whether a folder that holds files which Mainstem did not write may be replaced.
    file_size : str
        Streams: the many small files of their epochs are written together as files of about this
        size; ``"0"`` leaves them as they are.
    """

    path: str
    format: Format | None = None
    mode: Literal["overwrite", "overwrite_partitions", "append"] | KeyedPairs = "overwrite"
    partition_by: str | tuple[str, ...] = ()
    compression: Literal["none", "gzip", "zstd", "snappy"] | None = None
    header: bool = True
    delimiter: str | None = None
    null: str = ""
    force: bool = False
    file_size: str = "128 MB"

    @property
    def file_bytes(self) -> int:
        """Give `file_size` in bytes; 0 for files that stay as they are."""
        try:
            return parse_size(self.file_size)
        except ValueError:
            return -1

    def problems(self) -> Iterator[Problem]:
        """Give what is wrong with the options together."""
        if self.file_bytes < 0:
            yield Problem(
                "OptionType", f"file_size of files is {self.file_size!r}", 'write file_size="128 MB"',
                "file_size",
            )  # fmt: skip

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Give the partition columns as a tuple, also when there is one."""
        return (self.partition_by,) if isinstance(self.partition_by, str) else self.partition_by
