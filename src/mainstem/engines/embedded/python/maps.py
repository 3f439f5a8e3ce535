"""The maps of a step: rows out of DuckDB in batches, functions called, results into a file that it reads.

One connection runs one query at a time, and the tables of a run belong to one connection: so the results
are written to a file in the run's folder, while the query still gives rows, and read from there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from mainstem.engines.embedded.judging.keep import DEAD, Kept
from mainstem.engines.embedded.python.caller import Caller, decided, explained
from mainstem.engines.embedded.python.evaluate import CallFailed, Failure
from mainstem.engines.embedded.python.values import arrow_type
from mainstem.engines.embedded.reading.sources import as_events
from mainstem.engines.embedded.session import Session, spill_dir
from mainstem.engines.embedded.types import quoted
from mainstem.engines.spec import Event, RunSettings, Statement
from mainstem.errors import InternalError, OutsideError
from mainstem.plan.nodes import Plan, PythonFunction
from mainstem.record import mutable
from mainstem.sql.lift import Map

DEAD_SCHEMA = pa.schema([(name, pa.string()) for name in ("__function", "__arguments", "__reason",
                                                   "__message")])  # fmt: skip
# How the messages of DuckDB's errors begin.
_ERRORS: dict[str, type[duckdb.Error]] = {
    "Conversion Error": duckdb.ConversionException,
    "Out of Range Error": duckdb.OutOfRangeException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Constraint Error": duckdb.ConstraintException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
    "INTERRUPT Error": duckdb.InterruptException,
}
_COLUMNS = (
    ("__id", "VARCHAR"), ("__run_id", "VARCHAR"), ("__at", "TIMESTAMPTZ"),
    ("__function", "VARCHAR"), ("__arguments", "VARCHAR"), ("__reason", "VARCHAR"),
    ("__message", "VARCHAR"), ("__status", "VARCHAR"),
)  # fmt: skip


def make_maps(
    session: Session, plan: Plan, settings: RunSettings, statement: Statement
) -> Generator[Event, None, Kept | None]:
    """Make the relations that a step reads the results of its Python functions from.

    Returns
    -------
    Kept or None
        The rows that no function could be called for; None when none of them is kept aside.

    Raises
    ------
    DataError
        When a function fails.
    """  # noqa: DOC501 - built by functions
    name = statement.step.name
    functions = decided(plan, "fail")
    dead: list[tuple[str, int]] = []
    for made, sql in zip(statement.maps, statement.map_sql, strict=True):
        session.keep_order(is_ordered=True)
        run = _MapRun(session, plan, settings, made, sql, functions)
        try:
            yield from as_events(name, session.watch_call(run.all))
        except CallFailed as error:
            raise explained(error.failure, functions, name) from error
        except OSError as error:
            raise OutsideError(
                f"the results of Python functions cannot be written: {error}", step=name,
                code="InputOutput", fix="free some space beside the state directory",
            ) from error  # fmt: skip
        run.register()
        dead.append((f"{made.name}_dead", run.n_dead))
    called = {call.function for made in statement.maps for call in made.calls}
    if all(functions[one].on_error == "fail" for one in called):
        return None
    return dead_calls(name, [(quoted(table), n) for table, n in dead])


def dead_calls(name: str, dead: Sequence[tuple[str, int]]) -> Kept:
    """Give the rows of a step that no function could be called for.

    Parameters
    ----------
    name : str
        Of the step.
    dead : sequence of (str, int)
        DuckDB relations that hold them, and how many each has.
    """
    columns = ", ".join(DEAD_SCHEMA.names)
    union = " UNION ALL ".join(f"SELECT {columns} FROM {relation}" for relation, n in dead if n)
    select = f"SELECT row_number() OVER (ORDER BY {columns}) AS __nth, * FROM ({union})"
    return Kept(name, f"{name}{DEAD}", _COLUMNS, select if union else "", sum(n for _, n in dead))


@mutable
class _MapRun:
    """One map of one run."""

    session: Session
    plan: Plan
    settings: RunSettings
    made: Map
    sql: str
    functions: dict[str, PythonFunction]
    n_dead: int = 0

    def all(self) -> None:
        """Call the functions for every row; stops at the first that fails."""
        caller = Caller(self.session, self.plan, self.settings, self.made, self.functions)
        # A relation, because an executed statement would be held in memory as a whole.
        relation = self.session.connection.sql(self.sql)
        reader = relation.to_arrow_reader(caller.batch_size)
        n_kept = len(self.made.kept)
        kept = [pa.field(f"c{i}", reader.schema.field(i).type) for i in range(n_kept)]
        results = [pa.field(f"r{i}", arrow_type(x)) for i, x in enumerate(self.made.results)]
        schema = pa.schema([*kept, *results])
        with (
            pa.OSFile(str(self._file()), "wb") as file,
            pa.ipc.new_file(file, schema) as rows,
            pa.OSFile(str(self._file("_dead")), "wb") as dead_file,
            pa.ipc.new_file(dead_file, DEAD_SCHEMA) as dead,
        ):
            n_left = 0
            for batch, found in caller.evaluated(batches(reader), n_kept):
                left = batch.columns[:n_kept]
                if found.rows is not None:
                    left = [c.take(pa.array(found.rows, pa.int64())) for c in left]
                columns = [*left, *found.results]
                n_left += len(columns[0])
                rows.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                if found.dead:
                    dead.write_batch(dead_batch(found.dead))
                    self.n_dead += len(found.dead)
        if caller.n_rows != n_left + self.n_dead:
            raise InternalError(
                f"{caller.n_rows} rows went to the functions of {self.made.name!r}, {n_left} came back "
                f"and {self.n_dead} are dead", code="LedgerUnbalanced",
                fix="report it with this line; nothing was committed by this run",
            )  # fmt: skip

    def _file(self, part: str = "") -> Path:
        folder = spill_dir(self.settings).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.settings.run_id}{self.made.name}{part}.arrow"

    def register(self) -> None:
        """Make the results a relation of the session; the file is read where it lies."""
        for part in ("", "_dead"):
            table = pa.ipc.open_file(pa.memory_map(str(self._file(part)))).read_all()
            self.session.connection.register(f"{self.made.name}{part}", table)


def batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Give the batches; an error of DuckDB is one of DuckDB again, which Arrow calls one of a file."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            said = str(error)
            kinds = (kind for word, kind in _ERRORS.items() if said.startswith(word))
            raise next(kinds, duckdb.Error)(said) from error
        yield batch


def dead_batch(dead: tuple[Failure, ...]) -> pa.RecordBatch:
    """Give the rows that failed as a batch of `DEAD_SCHEMA`."""
    columns = (
        [one.function for one in dead], [one.values for one in dead],
        [one.reason for one in dead], [one.message for one in dead],
    )  # fmt: skip
    return pa.RecordBatch.from_arrays(
        [pa.array(c, pa.string()) for c in columns], schema=DEAD_SCHEMA
    )
