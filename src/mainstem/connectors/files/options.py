"""Options of files, as sources and as sinks."""

from __future__ import annotations

from typing import Literal

from mainstem.connectors.keyed import KeyedPairs
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

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Give the partition columns as a tuple, also when there is one."""
        return (self.partition_by,) if isinstance(self.partition_by, str) else self.partition_by
