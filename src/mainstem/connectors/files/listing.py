"""Which files a source reads, in path order, and what their names say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mainstem.connectors.files.matching import expand, under
from mainstem.connectors.files.options import FilesSource, Format
from mainstem.connectors.files.path import is_address, not_local
from mainstem.errors import NOWHERE, OutsideError, Place, SettingsError, UnsupportedError, listing
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
    if is_address(path):
        refused = not_local(path, where)
        raise UnsupportedError(refused.what, where=where, code=refused.code, fix=refused.fix)
    path = str(Path(path).expanduser()) if path.startswith("~") else path
    # A Path for each of ten thousand names costs more than asking the system about them.
    if os.path.isdir(path):  # noqa: PTH112
        matches = list(under(path, where))
    elif os.path.exists(path):  # noqa: PTH110 - a name with the letters of a glob
        return [path]
    else:
        matches = [file for match in expand(path, where) for file in _files(match, where)]
    if not matches:
        what = f"no file matches {path!r} (looked in {Path.cwd()})"
        if Path(path).is_dir():
            what = f"the folder {path!r} has no files (names that begin with . or _ do not count)"
        raise OutsideError(
            what, where=where, code="FileNotFound", fix="correct the path, or write the files first"
        )
    return matches


def _files(match: str, where: Place) -> Iterator[str]:
    """Give the files that a match of a glob stands for.

    A folder stands for what is in it when it is named as a file, as Spark writes ``day.parquet/``;
    others are only passed through.
    """
    if not os.path.isdir(match):  # noqa: PTH112
        yield match  # a link to nothing too: it is refused by name when it is read
    elif _ending(Path(match)) in FORMATS:
        yield from under(match, where)


def _input_file(path: str, options: FilesSource, where: Place) -> InputFile:
    compression = options.compression or COMPRESSIONS.get(Path(path).suffix.lower(), "none")
    try:
        status = Path(path).stat()
    except OSError as error:
        raise OutsideError(
            f"cannot read {path}: {error.strerror}", where=where, code="FileNotRead"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe that nobody writes to would wait for ever, and it can be read only once.
        raise OutsideError(
            f"cannot read {path}: it is a pipe, a socket or a device, not a file", where=where,
            code="FileNotRead", fix="write what it gives to a file, and name that",
        )  # fmt: skip
    partition = hive_partition(path) if options.hive else ()
    format_ = options.format or format_of(path, where, member=options.member)
    return InputFile(path, status.st_size, format_, compression, partition)


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
