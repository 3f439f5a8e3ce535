"""One shard: the records of one partition in one epoch, computed in any process.

A task is a plain value, and so is its result. What a shard comes down to stands in Parquet files that
the process with the state reads; an attempt has files of its own, so one that is repeated or runs
twice leaves nothing that anybody reads.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import field, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import duckdb

from mainstem.engines.embedded.session import Session, open_session
from mainstem.engines.embedded.stream.failures import in_our_words
from mainstem.engines.embedded.stream.inputs import Inputs, input_name, input_table
from mainstem.engines.embedded.stream.operators.operator import LATE
from mainstem.engines.embedded.stream.program import Compiled, compile_stream
from mainstem.engines.embedded.stream.shards.plan import (
    ShardPlan,
    late_table,
    shard_plan,
    shard_tables,
)
from mainstem.engines.embedded.stream.spec import PART, Loaded, Slice
from mainstem.engines.embedded.types import literal, quoted
from mainstem.engines.spec import RunSettings
from mainstem.errors import InternalError, MainstemError
from mainstem.plan.nodes import Plan
from mainstem.plan.stream import StreamPlan
from mainstem.record import record

if TYPE_CHECKING:
    from mainstem.engines.embedded.stream.ports import Loader

# DuckDB writes its widest whole number to Parquet as a DOUBLE; sums of BIGINT fit this type (V1).
_WIDE = {"HUGEINT": "DECIMAL(38, 0)"}
# Programs that a process keeps: it computes shards of one stream, or of a few.
_MOST = 4


@record
class ShardProgram:
    """What a process must know of a stream to compute its shards.

    Parameters
    ----------
    plan, stream
        What runs.
    settings : RunSettings
        Of the run, with a folder for temporary files.
    placed, judged : frozenset of str
        Sources whose rows say where they stood, and relations with expectations.
    """

    plan: Plan
    stream: StreamPlan
    settings: RunSettings
    placed: frozenset[str]
    judged: frozenset[str]


@record
class ShardTask:
    """What is to be computed.

    Parameters
    ----------
    program : bytes
        A `ShardProgram`, pickled: equal programs have equal bytes.
    taken : Slice
        The records; without data they are those between the begin and the end of its parts.
    loader : Loader
        Makes a table of them.
    index : int
        The place of the first part among those of the epoch's whole slice.
    floors : tuple of int or None
        By part, the watermark before its first record, in microseconds since 1970.
    is_whole : bool
        Give the rows of the source and nothing else.
    """

    program: bytes = field(repr=False)
    taken: Slice
    loader: Loader
    index: int
    floors: tuple[int | None, ...]
    is_whole: bool


@record
class ShardResult:
    """What a shard comes down to.

    Parameters
    ----------
    source : str
        Whose records.
    index : int
        As in its task.
    loaded : Loaded
        Its ledger; `dead_letters` is a path.
    files : mapping of table to path
        In Parquet.
    trouble : Exception or None
        What ended the task.
    is_value : bool
        Whether a value made a step fail: the rows are to be looked at one by one.
    """

    source: str
    index: int
    loaded: Loaded = Loaded(0, 0)
    files: Mapping[str, str] = field(default_factory=dict)
    trouble: Exception | None = None
    is_value: bool = False


class ShardWorker:
    """Computes shards of one program, one after the other."""

    def __init__(self, program: ShardProgram) -> None:
        self.program = program
        self.compiled: Compiled = compile_stream(program.plan, program.stream)
        self.shards: ShardPlan = shard_plan(self.compiled, program.judged)
        self.stack = ExitStack()
        settings = replace(program.settings, run_id=token_hex(8), threads=1)
        self.session: Session = self.stack.enter_context(
            open_session(settings, program.plan.params)
        )
        self.session.placed = program.placed
        self.folder = Path(program.settings.state_dir) / "tmp" / program.settings.run_id / "shards"
        self.inputs = Inputs(
            self.session, is_judged=any(o.is_judged for o in self.compiled.operators.values())
        )
        self.create()

    def create(self) -> None:
        """Make every relation that shards are computed with, without rows."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.session.rows("SET preserve_insertion_order = true")
        for source in self.compiled.sources:
            self.inputs.empty(source)
            self.inputs.show(source, ())
        for name in self.shards.views:
            select = self.compiled.selects[name]
            self.session.rows(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {select}")
        for name in self.shards.taken:
            self.compiled.operators[name].show_fresh(self.session)

    def run(self, task: ShardTask) -> ShardResult:
        """Compute a task; what ends it is in its result."""
        name = task.taken.source
        source = self.program.plan.source(name)
        if source is None:
            raise InternalError(f"a shard of {name!r}, which is no source")
        try:
            with in_our_words(self.folder):
                loaded = task.loader(self.session, task.taken, input_table(name))
                parts = task.taken.parts
                self.inputs.show(source, parts, task.floors)
                latest = tuple(self.inputs.latest(source, parts, loaded))
                letters = self.letters(loaded)
            files = self.files(task)
        except MainstemError as error:
            return ShardResult(name, task.index, trouble=error)
        except duckdb.Error as error:
            return ShardResult(name, task.index, trouble=error, is_value=True)
        finally:
            self.inputs.empty(source)
        loaded = replace(loaded, latest=latest, dead_letters=letters)
        return ShardResult(name, task.index, loaded, files)

    def letters(self, loaded: Loaded) -> str:
        """Write the dead letters; give where."""
        if not loaded.dead or not loaded.dead_letters:
            return ""
        return self.write(f"SELECT * FROM {loaded.dead_letters}")

    def files(self, task: ShardTask) -> dict[str, str]:
        """Write what is wanted of the rows that are loaded; give where, by table."""
        name, found = task.taken.source, {}
        if task.is_whole or name in self.shards.sources:
            # Of the epoch's whole slice it is another part.
            part = f"{quoted(PART)} + {task.index} AS {quoted(PART)}"
            found[input_name(name)] = self.write(
                f"SELECT * REPLACE ({part}) FROM {input_table(name)}"
            )
        for wanted in self.shards.wanted(is_whole=task.is_whole):
            for table, select in shard_tables(wanted, self.compiled.operators).items():
                if table != late_table(wanted) or self.has_late():
                    found[table] = self.write(select)
        return {table: path for table, path in found.items() if path}

    def has_late(self) -> bool:
        """Say whether what was written last, of a judged node, has late rows: mostly there are none."""
        ((found,),) = self.session.rows(f"SELECT coalesce(bool_or({LATE}), FALSE) FROM __written")
        return bool(found)

    def write(self, select: str) -> str:
        """Write rows into a file of their own; give its path, "" without rows."""
        ((n_rows,),) = self.session.rows(f"CREATE OR REPLACE TEMP TABLE __written AS {select}")
        if not n_rows:
            return ""
        columns = []
        for name, kind, *_ in self.session.rows("DESCRIBE __written"):
            column = quoted(name)
            columns.append(
                f"CAST({column} AS {_WIDE[kind]}) AS {column}" if kind in _WIDE else column
            )
        path = self.folder / f"{token_hex(12)}.parquet"
        self.session.rows(
            f"COPY (SELECT {', '.join(columns)} FROM __written) TO {literal(str(path))} (FORMAT parquet)"
        )
        return str(path)

    def close(self) -> None:
        """Let go of it."""
        self.stack.close()


_workers: dict[bytes, ShardWorker] = {}


def run_shard(task: ShardTask) -> ShardResult:
    """Compute a shard in this process, which keeps what it needs for the next one of the stream."""
    worker = _workers.get(task.program)
    if worker is None:
        while len(_workers) >= _MOST:
            _workers.pop(next(iter(_workers))).close()
        program: Any = pickle.loads(task.program)  # noqa: S301 - our own process has made it
        worker = _workers[task.program] = ShardWorker(program)
    return worker.run(task)


def run_pickled(task: bytes) -> bytes:
    """Compute a pickled shard, and give its result pickled: what a cluster carries."""
    made = run_shard(pickle.loads(task))  # noqa: S301 - our own process has made it
    return pickle.dumps(made)
