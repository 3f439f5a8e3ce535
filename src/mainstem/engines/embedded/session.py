"""One DuckDB in this process, for one run."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import duckdb

from mainstem.engines.embedded.failures import explained
from mainstem.engines.embedded.reading.still import Stamps
from mainstem.engines.embedded.texts import Texts
from mainstem.engines.embedded.types import duckdb_type, quoted
from mainstem.engines.spec import RunSettings
from mainstem.errors import SettingsError
from mainstem.plan.nodes import Param

T = TypeVar("T")

# How often a running statement is asked how far it is, in seconds.
POLL_S = 0.1

# Nothing is fetched from the network behind the user's back; closed networks work the same.
OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


class _Cancelled(BaseException):
    """Raised inside a worker thread whose caller has left."""


class _Task(Generic[T]):
    """Work in a thread, with its result or its error."""

    def __init__(self, work: Callable[[], T], *, is_python: bool) -> None:
        self.work = work
        self.is_python = is_python
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="mainstem-work")

    def _run(self) -> None:
        # Twice: the exception of `cancel` may arrive while another one is being kept.
        with suppress(_Cancelled):
            try:
                self.result = self.work()
            except BaseException as error:  # noqa: BLE001  it is raised again in the caller's thread
                self.error = error
            finally:
                self.done.set()

    def cancel(self, interrupt: Callable[[], None]) -> None:
        """Stop the work: a statement by an interrupt, Python code by an exception.

        Repeated, because a statement that is only just starting misses an interrupt. It asks the
        thread, not `done`: the exception may arrive just before `done` is set.
        """
        if self.is_python:
            thread = ctypes.c_ulong(self.thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Cancelled))
        while self.thread.is_alive():
            interrupt()
            self.thread.join(0.02)


class Session:
    """A connection that can be watched and interrupted.

    Views, temporary tables and variables belong to one connection, so a run has exactly one.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        # Which rows of a source came from which file, by the source's name.
        self.files: dict[str, tuple[Any, ...]] = {}
        # The processes that call Python functions, once there are any; they end with the session.
        self.workers: Any = None
        # The Parquet files of sources that are read while steps run.
        self.in_place: dict[str, list[str]] = {}
        # How those looked before.
        self.stamps: dict[str, Stamps] = {}
        # Sources of a stream whose rows are to say where they stood.
        self.placed: frozenset[str] = frozenset()
        # What else has to be stopped when a statement or call is.
        self.interrupt_too: Callable[[], None] = lambda: None
        self._keeps_order = True
        self._texts = Texts(connection)

    def check_still(self) -> None:
        """Check that no file changed which is read while steps run; see `Stamps.check`."""
        for stamps in self.stamps.values():
            stamps.check()

    def keep_order(self, *, is_ordered: bool) -> None:
        """Let DuckDB write rows in any order where the query has none: less memory, more threads."""
        if is_ordered != self._keeps_order:
            self.rows(f"SET preserve_insertion_order = {str(is_ordered).lower()}")
            self._keeps_order = is_ordered

    def rows(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a short statement and give its rows."""
        try:
            found = self.connection.execute(self._texts.statement(sql), values).fetchall()
        except duckdb.Error:
            self._texts.undone()
            raise
        if sql == "ROLLBACK":
            self._texts.undone()
        return found

    def view(self, name: str, sql: str) -> None:
        """Make a temporary view, if the last one made here under this quoted name was another.

        Whoever makes such a view must always do it this way.
        """
        if self._texts.is_new(name, sql):
            self.rows(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")

    def watch(self, sql: str) -> Generator[float, None, list[tuple[Any, ...]]]:
        """Run a long statement in a thread; yield its fraction (-1 unknown) and give its rows."""
        work = _Task(lambda: self.connection.execute(sql).fetchall(), is_python=False)
        return (yield from self._watched(work))

    def watch_call(self, work: Callable[[], T]) -> Generator[float, None, T]:
        """Run Python work in a thread; yield how far its statement is and return what it gave.

        However the caller leaves, the work has ended before this returns: a query that survived
        Ctrl-C would go on writing into files that are being removed.
        """
        return (yield from self._watched(_Task(work, is_python=True)))

    def _watched(self, task: _Task[T]) -> Generator[float, None, T]:
        task.thread.start()
        try:
            while not task.done.wait(POLL_S):
                yield self._fraction()
        finally:
            if not task.done.is_set():
                task.cancel(self._interrupt)
            task.thread.join()
        if task.error is not None:
            raise task.error
        return cast("T", task.result)

    def _interrupt(self) -> None:
        self.connection.interrupt()
        self.interrupt_too()

    def _fraction(self) -> float:
        percent = self.connection.query_progress()
        return percent / 100 if percent >= 0 else -1.0


def plain_connection(memory_limit: str = "") -> duckdb.DuckDBPyConnection:
    """Give an empty in-memory DuckDB with our settings, for short work such as a commit."""
    config: dict[str, Any] = dict(OFFLINE)
    if memory_limit:
        config["memory_limit"] = memory_limit
    connection = duckdb.connect(config=config)
    # DuckDB would draw its bar on standard output when something takes two seconds.
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


@contextmanager
def open_session(settings: RunSettings, params: tuple[Param, ...]) -> Iterator[Session]:
    """Open the run's DuckDB, bind its parameters, and close it however the run ends.

    A connection that is still open when the interpreter exits makes DuckDB print on stderr.

    Raises
    ------
    SettingsError
        When DuckDB does not accept the memory limit, the threads or a parameter.
    """
    # DuckDB makes the last folder of its spill path and not those above: the first spill failed.
    spill_dir(settings).parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = OFFLINE | {"temp_directory": str(spill_dir(settings))}
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    if settings.threads:
        config["threads"] = settings.threads
    try:
        connection = duckdb.connect(config=config)
    except duckdb.Error as error:
        raise SettingsError(
            f"DuckDB does not accept memory_limit={settings.memory_limit!r}, "
            f"threads={settings.threads!r}: {error}",
            code="EngineSettings", fix='write memory_limit="2GB" and threads=2',
        ) from error  # fmt: skip
    session = None
    try:
        session = _opened(connection, settings, params)
        yield session
    finally:
        if session is not None and session.workers is not None:
            session.workers.close()
        connection.close()


def _opened(
    connection: duckdb.DuckDBPyConnection, settings: RunSettings, params: tuple[Param, ...]
) -> Session:
    try:
        # The progress is computed only when the bar is on, and must never be printed by DuckDB.
        # Without the cache each step reads the footers of its files again, 4 % of TPC-H; a file that
        # has changed since is read again, and `check_still` says so.
        connection.execute(
            "SET TimeZone = 'UTC'; SET enable_progress_bar_print = false; "
            "SET enable_progress_bar = true; SET progress_bar_time = 0; "
            "SET parquet_metadata_cache = true"
        )
        session = Session(connection)
        _bind(session, settings, params)
    except duckdb.Error as error:
        # A memory limit of a few kilobytes is accepted and then leaves no room for anything.
        raise explained(error, None, doing="opening DuckDB") from error
    return session


def spill_dir(settings: RunSettings) -> Path:
    """Give where tables larger than the memory limit go; removed at the end of the run."""
    return settings.state_dir / "tmp" / settings.run_id


def _bind(session: Session, settings: RunSettings, params: tuple[Param, ...]) -> None:
    """Set each parameter as a variable; values are bound, never pasted into SQL."""
    for param in params:
        value = settings.params.get(param.name, param.default)
        try:
            session.rows(
                f"SET VARIABLE {quoted(param.name)} = $1::{duckdb_type(param.type)}", [value]
            )
        except duckdb.ConversionException as error:
            raise SettingsError(
                f"parameter {param.name!r} is {value!r}, which is no {param.type}",
                where=param.where, code="ParamType", fix=f"give {param.name} as {param.type}",
            ) from error  # fmt: skip
    if settings.started_at:
        session.rows("SET VARIABLE __started_at = $1::TIMESTAMPTZ", [settings.started_at])
