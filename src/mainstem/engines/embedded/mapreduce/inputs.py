"""What the map tasks of a step read: lines of text files where they lie, or rows that DuckDB gives."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pyarrow as pa

from mainstem.connectors.files.listing import list_files
from mainstem.connectors.files.options import FilesSource
from mainstem.connectors.spec import read_options
from mainstem.engines.embedded.python.values import python_values
from mainstem.engines.embedded.reading.sources import as_events, position, rooted, verified
from mainstem.engines.embedded.reading.still import Stamps
from mainstem.engines.embedded.session import Session
from mainstem.engines.spec import Event, Program, RunSettings, Statement
from mainstem.mapreduce.frames import write
from mainstem.mapreduce.job import RowSplit, TextSplit
from mainstem.mapreduce.splits import planned
from mainstem.plan import tree as t
from mainstem.plan.map_reduce import MapReduce
from mainstem.plan.nodes import Plan, Source, Step
from mainstem.record import record
from mainstem.sql.delta import is_incremental

ROWS = 4096
ROWS_OF_SPLIT = 16 * ROWS
SPLIT_BYTES = 64 << 20
# More tasks than workers: the last ones end together, and less is lost when one dies. But what a task
# combines is less in a small one, and each pair that is left costs about a microsecond.
TASKS_OF_WORKER = 3
LEAST_SPLIT_BYTES = 8 << 20


@record
class TextInput:
    """Text files that are read by the map tasks themselves.

    `files` are path, compression and size of each.
    """

    source: Source
    files: tuple[tuple[str, str, int], ...]
    position: str

    def splits(self, job: MapReduce, column: str, workers: int) -> list[TextSplit]:
        """Cut the files into what one task takes."""
        total = sum(size for _, _, size in self.files)
        most = max(LEAST_SPLIT_BYTES, min(SPLIT_BYTES, total // (TASKS_OF_WORKER * workers)))
        size = job.split_bytes or most
        return [
            split
            for path, compression, n in self.files
            for split in planned(path, compression, n, size, column)
        ]

    def read_event(self, records: int) -> Event:
        """Give the ``source_read`` event, once the lines are counted."""
        return Event("source_read", self.source.name, {
            "rows": records, "admitted": records, "dead": 0, "skipped": 0,
            "files": len(self.files), "bytes": sum(size for _, _, size in self.files),
            "unknown_fields": 0, "position": self.position, "in_place": False,
        })  # fmt: skip


def text_input(
    session: Session, program: Program, source: Source, settings: RunSettings
) -> Generator[Event, None, TextInput | None]:
    """Give the files of a source when map tasks can read them: every reader wants its lines alone.

    What the engine would do with the lines (keep bad ones aside, judge rules, remember what was read)
    it does: then they go through the engine.
    """
    if not is_plain(program.plan, source):
        return None
    source = rooted(source, settings.base_dir)
    options = read_options(FilesSource, source.binding, source.where)
    files = list_files(options, source.where)
    if any(f.format != "text" or f.compression == "zip" for f in files):
        return None
    yield from verified(session, source)
    paths = [file.path for file in files]
    session.stamps[source.name] = Stamps.of(source.name, paths)
    facts = tuple((f.path, f.compression, f.size_bytes) for f in files)
    return TextInput(source, facts, position(paths))


def is_plain(plan: Plan, source: Source) -> bool:
    """Say whether nothing but jobs reads a source of files, and those nothing but its lines."""
    readers = plan.readers(source.name)
    tests = [rule.test for rule in plan.expectations if rule.test is not None]
    named = {n.name for test in tests for n in t.walk(test) if isinstance(n, t.Table)}
    return (
        source.binding.type == "files" and source.on_bad == "fail" and not is_incremental(source)
        and not plan.expected_of(source.name) and source.name not in named and bool(readers)
        and all(step.job is not None and line_of(step) for step in readers)
    )  # fmt: skip


def line_of(step: Step) -> str:
    """Give how a step calls the lines of its source when it asks for nothing else; else ""."""
    query, body = step.query, step.query.body
    if (
        query.ctes
        or query.limit is not None
        or query.offset is not None
        or not isinstance(body, t.Select)
    ):
        return ""
    rest = (body.where, body.having, body.qualify)
    is_whole = not (body.group or body.is_distinct or any(part is not None for part in rest))
    if not is_whole or len(body.items) != 1 or not isinstance(body.source, t.Table):
        return ""
    item = body.items[0]
    is_line = isinstance(item.expr, t.Column) and item.expr.name == "line"
    return (item.name or "line") if is_line and not body.source.is_cte else ""


def staged_rows(
    session: Session, statement: Statement, job: MapReduce, folder: Path
) -> Generator[Event, None, tuple[list[RowSplit], int]]:
    """Write the rows of a step's query for its map tasks; give the splits and the number of rows."""
    session.keep_order(is_ordered=True)
    work = session.watch_call(lambda: _written(session, statement.sql, job, folder))
    return (yield from as_events(statement.step.name, work))


def _written(
    session: Session, sql: str, job: MapReduce, folder: Path
) -> tuple[list[RowSplit], int]:
    # A relation, because an executed statement would be held in memory as a whole.
    reader = session.connection.sql(sql).to_arrow_reader(ROWS)
    splits: list[RowSplit] = []
    total = n = 0
    file = None
    try:
        for batch in batches(reader):
            if file is None or n >= ROWS_OF_SPLIT:
                if file is not None:
                    file.close()
                path = folder / f"in{len(splits)}.rows"
                file, n = path.open("wb"), 0
                splits.append(RowSplit(str(path), job.reads.names))
            fields = zip(batch.columns, job.reads.fields, strict=True)
            write(file, [python_values(column, field.type) for column, field in fields])
            n += batch.num_rows
            total += batch.num_rows
    finally:
        if file is not None:
            file.close()
    return splits, total


def batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Give batches that have rows; errors of DuckDB are those of DuckDB."""
    from mainstem.engines.embedded.python.maps import batches as read

    return (batch for batch in read(reader) if batch.num_rows)
