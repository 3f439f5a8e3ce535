"""Files of other machines for DuckDB: it asks for the ranges of Parquet files that it needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from mainstem.errors import MainstemError, OutsideError, SettingsError
from mainstem.filesystems import file_system, is_address

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")


def register(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> None:
    """Let a connection open these paths by their names; nothing is done for those of this machine.

    Raises
    ------
    SettingsError
        `PackageMissing` where fsspec is not installed, in whose form DuckDB wants it.
    """
    wanted = {path.partition("://")[0] for path in paths if is_address(path)}
    for scheme in sorted(wanted - set(connection.list_filesystems() if wanted else ())):
        connection.register_filesystem(_bridge()(scheme))


@cache
def _bridge() -> Any:
    """Give the class through which DuckDB opens files."""
    try:
        from fsspec import AbstractFileSystem
    except ImportError as error:
        raise SettingsError(
            "Parquet files of other machines need fsspec, not installed here",
            code="PackageMissing", fix="run: pip install 'mainstem[hdfs]'",
        ) from error  # fmt: skip

    class Bridge(AbstractFileSystem):  # type: ignore[misc]
        """The calls that DuckDB makes; the names of files are whole addresses."""

        cachable = False

        def __init__(self, scheme: str) -> None:
            super().__init__()
            self.protocol = scheme

        def glob(self, path: str, **_: Any) -> list[str]:
            # Files are listed by us; a sign of a glob in a name is a sign of the name.
            return [path]

        def unstrip_protocol(self, name: str) -> str:
            return name

        def exists(self, path: str, **_: Any) -> bool:
            return file_system(path).status_or_none(path) is not None

        def isfile(self, path: str) -> bool:
            return self.exists(path)

        def size(self, path: str) -> int:
            return file_system(path).status(path).size_bytes

        def modified(self, path: str) -> Any:
            from datetime import UTC, datetime

            return datetime.fromtimestamp(file_system(path).status(path).mtime_ns / 1e9, UTC)

        def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            return _Opened(path)

    return Bridge


# What made DuckDB fail, of late: it tells of an error in Python only by a text with a traceback.
_kept: deque[MainstemError] = deque(maxlen=16)


def cause(error: Exception) -> MainstemError | None:
    """Give the error of ours that is behind one of DuckDB's; None when there is none."""
    text = str(error)
    return next((kept for kept in reversed(_kept) if kept.finding.what in text), None)


class _Opened:
    """A file as DuckDB uses it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = self._keeping(lambda: file_system(path).open(path))
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, n_bytes: int = -1) -> bytes:
        return self._keeping(lambda: self._file.read(n_bytes))

    def _keeping(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except MainstemError as error:
            _kept.append(error)
            raise
        except OSError as error:
            gone = OutsideError(
                f"cannot read {self._path}: {error.strerror or error}", code="FileNotRead",
                fix="see that the file is there, and that this user may read it",
            )  # fmt: skip
            _kept.append(gone)
            raise gone from error
