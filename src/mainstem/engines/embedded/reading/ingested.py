"""What is asked of an ingest, and what it says that it has done."""

from __future__ import annotations

from mainstem.engines.embedded.reading.deadletters import TABLE
from mainstem.engines.embedded.reading.fileread import FileRead
from mainstem.record import record


@record
class IngestReport:
    """What was read: the source's ledger (L1), and where its rows are now.

    Parameters
    ----------
    source, table : str
        Name of the source, and the quoted name of the temporary table.
    select : str
        SQL that gives the declared columns with the types that they have in expressions; with
        ``positions`` also ``__row``, the row's number in (path, record) order, from 0.
    read, admitted, bad : int
        Records; read = admitted + bad.
    unknown_fields : int
        Fields that no column has the name of.
    files : tuple of FileRead
        In path order.
    size_bytes : int
        Bytes on disk.
    doubtful_rows : int
        Rows that were judged by the slow reference.
    slow_files : tuple of (path, reason)
        Files that were read by the slow reference.
    sifted_files : tuple of (path, reason)
        Files from which single lines were taken out, to be judged by the slow reference.
    dead_letters : str
        Quoted name of the table of dead letters; "" where bad records stop the run.
    """

    source: str
    table: str
    select: str
    read: int
    admitted: int
    bad: int
    unknown_fields: int
    files: tuple[FileRead, ...]
    size_bytes: int
    doubtful_rows: int = 0
    slow_files: tuple[tuple[str, str], ...] = ()
    sifted_files: tuple[tuple[str, str], ...] = ()
    dead_letters: str = ""


@record
class IngestOptions:
    """How to ingest.

    Parameters
    ----------
    table : str
        Name of the temporary table; from the source's name when empty.
    temp_directory : str or None
        Where decompressed copies go; the system's when None.
    positions : bool
        Whether `IngestReport.select` gives ``__row`` (T11). It is the table's row id: it costs
        nothing to keep, and 8 bytes a row where it is read.
    dead_table : str
        Name of the temporary table of dead letters (`DeadLetters`), made where a source keeps them;
        the sources of a session share it.
    """

    table: str = ""
    temp_directory: str | None = None
    positions: bool = False
    dead_table: str = TABLE
