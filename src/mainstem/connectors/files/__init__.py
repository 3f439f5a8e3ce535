"""Files on a local disk or on HDFS: CSV, JSON lines, Parquet and text, plain or compressed."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.connectors.files.options import FilesSink, FilesSource
from mainstem.connectors.keyed import KeyedPairs
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding

CONNECTOR = Connector("files", FilesSource, FilesSink, doc=__doc__)


def files(
    path: str | Sequence[str], *, format: str | None = None, header: bool | None = None,
    delimiter: str | None = None, quote: str | None = None, null: str | Sequence[str] | None = None,
    compression: str | None = None, multiline: bool | None = None, hive: bool | None = None,
    member: str | None = None, mode: str | KeyedPairs | None = None,
    partition_by: str | Sequence[str] | None = None, force: bool | None = None,
    file_size: str | None = None,
    verify: str | None = None,
    incremental: bool | None = None, changed: str | None = None, strict: bool | None = None,
    stream: bool | None = None, settle: str | None = None,
) -> Binding:  # fmt: skip
    """Bind a source or a sink to files.

    Nothing is opened here: options are checked by `Pipeline.check`, files are listed by a run.

    Parameters
    ----------
    path : str or list of str
        Files, directories and globs of a source; one file or directory of a sink. Local, or an
        address such as ``hdfs://host:9820/in/*.csv``.
    format : str, optional
        ``csv``, ``tsv``, ``json`` (JSON lines), ``parquet`` or ``text``; from the name when absent.
    header, delimiter, quote, null, multiline
        How CSV is spelled; see `FilesSource`.
    compression : str, optional
        ``none``, ``gzip``, ``zstd`` or ``zip`` (sources only); from the name when absent.
    hive : bool, optional
        Sources: folders named ``column=value`` give declared columns.
    member : str, optional
        Sources: which file of a zip archive.
    verify : str, optional
        Sources: how files that Mainstem wrote are compared with their manifest: ``checksum``
        (default), ``size`` or ``none``.
    mode : str, optional
        Sinks: ``overwrite`` (default), ``overwrite_partitions``, ``append``, or what `ms.merge` or
        `ms.history` gives.
    partition_by : str or list of str, optional
        Sinks: columns that become folders named ``column=value``.
    force : bool, optional
        Sinks: replace a folder even when it holds files that Mainstem did not write.
    file_size : str, optional
        Sinks of streams: about how large a file becomes when small ones are written together
        (``"128 MB"``); ``"0"`` leaves them as they are.

    incremental : bool, optional
        Sources: read only the files that no committed run has read.
    changed : str, optional
        Sources read incrementally: ``refuse`` (default) stops a run when a file that was read has
        changed, ``reread`` reads it again.
    strict : bool, optional
        Sources: check every page and decode every column of Parquet files before the run.
    stream : bool, optional
        Sources: a growing folder; files are read as they appear, and the source never ends.
    settle : str, optional
        Sources with ``stream=True``: how long a file has to stay as it is before it is read
        (``"2 seconds"``).

    Returns
    -------
    Binding
        For ``Pipeline.source(...)``, ``Pipeline.lookup(...)`` or ``sink=``.

    Examples
    --------
    >>> files("in/*.csv", null="NA").as_dict()
    {'null': 'NA', 'path': 'in/*.csv'}
    """
    return Binding.of(
        "files", path=path, format=format, header=header, delimiter=delimiter, quote=quote,
        null=null, compression=compression, multiline=multiline, hive=hive, member=member,
        mode=mode, partition_by=partition_by, force=force, file_size=file_size, verify=verify,
        incremental=incremental, changed=changed,
        strict=strict, stream=stream, settle=settle,
    )  # fmt: skip
