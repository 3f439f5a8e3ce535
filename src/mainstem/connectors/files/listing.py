"""Which files a source reads, in path order, and what their names say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from mainstem.connectors.files.options import FilesSource, Format
from mainstem.errors import NOWHERE, OutsideError, Place, SettingsError, listing
from mainstem.filesystems import file_system, is_address, normal
from mainstem.record import record

FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet", ".pq": "parquet", ".txt": "text", ".log": "text",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
# Hive writes this folder name for a NULL partition value.
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@record
class InputFile:
    """One file of a source.

    Parameters
    ----------
    path : str
        As the glob gave it.
    size_bytes : int
        Its size on disk.
    format, compression : str
        From the options, else from the name.
    partition : tuple of pairs
        Names and texts of its ``column=value`` folders, when the source is ``hive``.
    """

    path: str
    size_bytes: int
    format: Format
    compression: str
    partition: tuple[tuple[str, str | None], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Say whether its bytes can be read as they lie on this machine."""
        return self.compression == "none" and not is_address(self.path)


def list_files(options: FilesSource, where: Place = NOWHERE) -> tuple[InputFile, ...]:
    """Give the files of a source, sorted by path, each once.

    Raises
    ------
    OutsideError
        When a path or glob matches nothing, or a folder cannot be listed.
    SettingsError
        When a format cannot be told, or the files have different ones.
    """
    found: dict[str, InputFile] = {}
    for path in options.paths:
        matches = _matches(path, where)
        for match in matches:
            found[match] = _input_file(match, options, where)
    files = tuple(found[path] for path in sorted(found))
    formats = sorted({file.format for file in files})
    if len(formats) > 1:
        raise SettingsError(
            f"the files of {', '.join(options.paths)} are of several formats ({listing(formats)})",
            where=where, code="FormatMixed", fix='name one: format="csv", or a source for each',
        )  # fmt: skip
    return files


def list_paths(
    options: FilesSource, where: Place = NOWHERE, *, may_be_none: bool = False
) -> list[str]:
    """Give the paths of a source, sorted, each once, without looking into any file.

    Parameters
    ----------
    options : FilesSource
        Paths and globs are absolute.
    where : Place, optional
        The declaration, for messages.
    may_be_none : bool, optional
        Whether a path or glob that matches nothing is right.

    Raises
    ------
    OutsideError
        When a path or glob matches nothing, and that is not right; when a folder cannot be listed.
    """
    found: set[str] = set()
    for path in options.paths:
        # One file has one spelling: under another one it would be taken for a new file.
        plain = path if is_address(path) else os.path.normpath(path)
        try:
            found.update(_matches(plain, where))
        except OutsideError as error:
            if not (may_be_none and error.finding.code == "FileNotFound"):
                raise
    return sorted(found)


def _matches(path: str, where: Place) -> list[str]:
    path = str(Path(path).expanduser()) if path.startswith("~") else path
    path = normal(path) if is_address(path) else path
    files = file_system(path)
    try:
        matches = [file for match in files.find(path) for file in _files(match)]
    except OutsideError as error:
        error.finding = replace(error.finding, where=where)
        raise
    if not matches:
        here = "" if is_address(path) else f" (looked in {Path.cwd()})"
        what = f"no file matches {path!r}{here}"
        found = files.status_or_none(path)
        if found is not None and found.is_folder:
            what = f"the folder {path!r} has no files (names that begin with . or _ do not count)"
        raise OutsideError(
            what, where=where, code="FileNotFound", fix="correct the path, or write the files first"
        )
    return matches


def _files(match: str) -> Iterator[str]:
    """Give the files that a match of a glob stands for.

    A folder stands for what is in it when it is named as a file, as Spark writes ``day.parquet/``;
    others are only passed through.
    """
    if is_address(match) or not os.path.isdir(match):  # noqa: PTH112
        yield match  # a link to nothing too: it is refused by name when it is read
    elif _ending(Path(match)) in FORMATS:
        yield from file_system(match).find(match)


def _input_file(path: str, options: FilesSource, where: Place) -> InputFile:
    compression = options.compression or COMPRESSIONS.get(Path(path).suffix.lower(), "none")
    try:
        status = file_system(path).status(path)
    except OSError as error:
        raise OutsideError(
            f"cannot read {path}: {error.strerror}", where=where, code="FileNotRead"
        ) from error
    if not status.is_file:
        # Opening a pipe that nobody writes to would wait for ever, and it can be read only once.
        raise OutsideError(
            f"cannot read {path}: it is a pipe, a socket or a device, not a file", where=where,
            code="FileNotRead", fix="write what it gives to a file, and name that",
        )  # fmt: skip
    partition = hive_partition(path) if options.hive else ()
    format_ = options.format or format_of(path, where, member=options.member)
    return InputFile(path, status.size_bytes, format_, compression, partition)


def format_of(path: str, where: Place = NOWHERE, *, member: str | None = None) -> Format:
    """Give the format that a name stands for, looking through ``.gz``, ``.zst`` and ``.zip``.

    Raises
    ------
    SettingsError
        When the extension is not known.
    """
    known = FORMATS.get(_ending(Path(member or path)))
    if known is None:
        raise SettingsError(
            f"cannot tell the format of {path!r} (known endings: {listing(FORMATS)}, "
            f"each also with {', '.join(COMPRESSIONS)})",
            where=where, code="FormatNotKnown", fix='name it: format="csv"',
        )  # fmt: skip
    return known


def _ending(name: Path) -> str:
    """Give the ending that tells the format, in small letters, below one of a compression."""
    if name.suffix.lower() in COMPRESSIONS:
        name = name.with_suffix("")
    return name.suffix.lower()


def hive_partition(path: str) -> tuple[tuple[str, str | None], ...]:
    """Give the ``column=value`` folders of a path, in order; %XX is decoded."""
    pairs: list[tuple[str, str | None]] = []
    for part in Path(path).parts[:-1]:
        name, equals, value = part.partition("=")
        if equals and name:
            pairs.append((unquote(name), None if value == HIVE_NULL else unquote(value)))
    return tuple(pairs)
